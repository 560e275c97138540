/// Neurons of a feed-forward network that are left out, since they never say anything.
///
/// Where the rows of `gate` and of `up` are all zeros, `down` gets a 0 whatever comes in: no trit of
/// the neuron's column matters either. Rows and columns of such neurons are not packed. The network
/// still has its full width between the products, since the order in which the norm adds depends on
/// where elements lie: what the products leave at the front of a row is spread over the others'
/// places before the norm, and gathered again when it is rounded.
package struct SilentNeurons: Sendable {
    /// The neurons that are not silent.
    let others: Runs
    /// The scales of `gate` and `up` with those of the rows that are left out.
    let gateScale, upScale: TernaryScale
    /// The rows of `down` that `sampledRows` names, as the file has them.
    var downRows: [Int: [Int8]] = [:]

    /// How many are silent.
    var count: Int { others.total - others.count }

    /// Share of silent neurons from which on they are left out. Spreading and gathering take about as
    /// long as one neuron of a hundred of a 2B model.
    private static let worthLeavingOut = 1.0 / 64

    /// The silent neurons of a network; nil if they are too few, or all.
    init?(gate: TernaryMatrix, up: TernaryMatrix) {
        guard let zeroGates = gate.zeroRows, let zeroUps = up.zeroRows else { return nil }
        others = Runs(zip(zeroGates, zeroUps).map { !($0 && $1) })
        gateScale = gate.scale
        upScale = up.scale
        guard others.count > 0,
            Double(count) >= Double(others.total) * SilentNeurons.worthLeavingOut
        else { return nil }
    }

    /// Moves what products have left at the front of the rows of `x` to the places of its neurons; the
    /// silent ones are 0.
    func spread(_ x: Activations, compute: Compute) {
        compute.pool.parallel(x.rows, work: x.storage.count * elementWork / 4) { _, rows in
            for row in rows { others.spread(x[row], zero: 0) }
        }
    }
}

extension LinearPart {
    /// The rows of a layer's matrix, of `rows`, that a model's fingerprint takes in.
    func sampledRows(layer: Int, rows: Int) -> [Int] {
        let parts = LinearPart.allCases
        let index = layer * parts.count + (parts.firstIndex(of: self) ?? 0)
        return [index * 7919 % rows, rows - 1]
    }
}

extension TransformerBlock {
    /// How many rows a ternary matrix has in the file.
    func fullRowCount(of part: LinearPart) -> Int {
        let neurons = part == .gate || part == .up ? feedForward.silent?.others.total : nil
        return neurons ?? self[part].weight.rows
    }

    /// The trits of a row, of `sampledRows`, as the file has them.
    func fullTrits(ofRow row: Int, of part: LinearPart) -> [Int8] {
        let weight = self[part].weight
        guard let silent = feedForward.silent else { return weight.trits(ofRow: row) }
        switch part {
        case .gate, .up:
            return silent.others.index(of: row).map { weight.trits(ofRow: $0) }
                ?? [Int8](repeating: 0, count: weight.columns)
        case .down: return silent.downRows[row] ?? []
        default: return weight.trits(ofRow: row)
        }
    }

    /// The scale of a ternary matrix as the file has it.
    func fullScale(of part: LinearPart) -> TernaryScale {
        switch part {
        case .gate: feedForward.silent?.gateScale ?? self[part].weight.scale
        case .up: feedForward.silent?.upScale ?? self[part].weight.scale
        default: self[part].weight.scale
        }
    }
}

/// Whether feed-forward layers leave out what zeros make irrelevant. No choice changes a result.
///
/// With squared ReLU most gates are 0: those rows of `up`, and the columns of `down` whose int8
/// input is 0, need not be read. Models with another activation have no such zeros; for them all
/// choices are the same.
public enum Sparsity: String, Sendable, Hashable, Codable, CaseIterable {
    /// Rows and columns are left out where enough of them can be to be worth it, layer by layer.
    case automatic
    /// Everything is computed, from the arrangement that is fastest for that.
    case off
    /// Rows and columns are left out however few they are.
    case always
}

/// Scratch of the products that leave out zeros, and what is known of each layer.
struct SkippingScratch {
    /// Indices of active neurons.
    let list: AlignedBuffer<Int32>
    let partialSums: PartialSums
    /// Of each layer, whether the last token had enough zeros to go gate first.
    var isSparse: [Bool]

    init(_ configuration: ModelConfiguration, threads: Int) throws(BitNetError) {
        list = try AlignedBuffer(
            count: KernelSet.listSize(configuration.feedForwardSize), purpose: "active neurons")
        partialSums = try PartialSums(rows: configuration.hiddenSize, threads: threads)
        isSparse = Array(repeating: true, count: configuration.layerCount)
    }
}

extension FeedForward {
    /// Arranges `up` so that rows, and `down` so that columns can be left out, as far as is wanted
    /// and the network can have zeros. Never touches a network that cannot.
    mutating func skipZeros(
        rows: Bool, columns: Bool, always: Bool, pool: WorkerPool
    ) throws(BitNetError) {
        // A norm inside `up` would need an input of its own, rounded before the gate is known.
        guard activation == .squaredReLU, gate.inputNorm == nil, up.inputNorm == nil else { return }
        if rows { up = BitLinear(weight: try up.weight.arranged(.rows, pool: pool)) }
        if columns {
            down = BitLinear(
                weight: try down.weight.arranged(.columns, pool: pool), inputNorm: down.inputNorm)
        }
        // Matrices with several scales in a row have stayed as they were.
        let arrangements = (up.weight.trits.arrangement, down.weight.trits.arrangement)
        guard arrangements != (.tiles, .tiles) else { return }
        skipping = Skipping(
            always: always, rows: arrangements.0 == .rows, columns: arrangements.1 == .columns,
            largestUpScale: up.weight.scale.values.reduce(0) { max($0, $1.magnitude) })
    }
}

/// How a feed-forward network leaves out zeros.
struct Skipping: Sendable {
    /// However few they are.
    let always: Bool
    /// Whether rows of `up`, and columns of `down`, can be left out.
    let rows, columns: Bool
    /// The largest magnitude of a scale of `up`.
    let largestUpScale: Float

    /// The most tokens that come as a few: more are cheaper put in tiles and multiplied together.
    static let mostTokens = 12
    /// Shares of zeros from which on matrices are worth arranging: where `bitnet bench sparsity`
    /// found them as fast as tiles, within a few hundredths for AVX-512, AVX-VNNI and AVX2 (whose
    /// single thread would gain from 0.2 of the gates on). What comes from memory is worth leaving
    /// out sooner; in caches threads wait for each other.
    static func worthArranging(
        isFromMemory: Bool, threads: Int
    ) -> (gates: Double, inputs: Double) {
        if isFromMemory { return (0.35, 0.45) }
        return threads == 1 ? (0.5, 0.5) : (0.65, 0.65)
    }
    /// Once arranged, a list costs next to nothing, but gate first takes one more meeting of the
    /// threads: shares of zero gates from which on it is done, and below which it stops.
    static let enter = 0.1
    static let leave = 0.05
}

// MARK: - A few tokens

extension FeedForward {
    /// Gate and up for a few tokens; where the gate is known to be 0 the element of `upper` is 0.
    /// Returns how many rows of `up` were left out, nil if it was computed densely.
    func expand(
        _ x: Activations, _ skipping: Skipping, layer: Int, gated: Activations, upper: Activations,
        workspace: Workspace, compute: Compute
    ) -> Int? {
        let q = workspace.quantized
        compute.quantize(x, norm: nil, into: q)
        let gateProduct = TernaryProduct(gate.weight, into: gated)
        let upProduct = TernaryProduct(up.weight, into: upper)
        let isGateFirst =
            skipping.rows && (skipping.always || workspace.skipping.isSparse[layer])
        if isGateFirst {
            compute.multiply(q, gateProduct)
        } else {
            compute.multiply(q, gateProduct, upProduct)
        }
        gateBias?.add(to: gated)
        var skips = isGateFirst
        var active = 0
        let neurons = gate.weight.rows
        for token in 0..<x.rows {
            let list = workspace.skipping.list.view
            let count = compute.kernels.active(gated[token][0..<neurons], into: list)
            active += count
            let zeroShare = 1 - Double(count) / Double(neurons)
            let isSparse = zeroShare >= (isGateFirst ? Skipping.leave : Skipping.enter)
            workspace.skipping.isSparse[layer] = isSparse
            // A 0 times an infinite `up` is not 0: where `up` could overflow nothing is left out,
            // so that a damaged scale shows.
            skips =
                skips && (skipping.always || isSparse)
                && up.weight.staysFinite(q, token: token, largestScale: skipping.largestUpScale)
            if skips {
                compute.sums(
                    q, token: token, up.weight, rows: list[0..<count],
                    into: upper[token][0..<neurons])
            }
        }
        // One token that needs every row is reason enough to compute them for all.
        if isGateFirst && !skips { compute.multiply(q, upProduct) }
        return skips ? up.weight.rows * x.rows - active : nil
    }

    /// `down` for the few tokens that `workspace.quantized` holds. Returns how many of its columns
    /// were left out, nil if it was computed densely.
    func contract(_ skipping: Skipping, workspace: Workspace, compute: Compute) -> Int? {
        let q = workspace.quantized
        let output = workspace.projected(q.rows)
        guard skipping.columns else {
            compute.multiply(q, TernaryProduct(down.weight, into: output))
            return nil
        }
        var active = 0
        for token in 0..<q.rows {
            let list = workspace.skipping.list.view
            let count = compute.kernels.nonzero(q[token], count: q.columns, into: list)
            active += count
            compute.multiply(
                q, token: token, down.weight, columns: list[0..<count],
                partialSums: workspace.skipping.partialSums, into: output[token])
        }
        return q.columns * q.rows - active
    }
}

/// What zeros did to the work of a model's feed-forward networks, layer by layer, while somebody
/// wants to know.
struct FeedForwardCounts {
    private(set) var layers: [Layer]

    /// Sums of one layer over all tokens.
    struct Layer {
        var tokens = 0
        var zeroGates = 0
        var skippedRows = 0
        var zeroInputs = 0
        var skippedColumns = 0
        /// Bytes of packed weights that were read, and that dense products would have read.
        var bytesRead = 0
        var bytesDense = 0
    }

    init(layers: Int) {
        self.layers = [Layer](repeating: Layer(), count: layers)
    }

    /// Counts the zeros that the activation of `network` makes of `gates`, `[tokens, neurons]`, and
    /// the rows of `up` left out for them, nil if it was computed densely.
    mutating func countGates(
        _ gates: Activations, skipped: Int?, _ network: FeedForward, layer: Int
    ) {
        layers[layer].tokens += gates.rows
        layers[layer].zeroGates += network.activation.zeros(in: gates.storage)
        layers[layer].skippedRows += skipped ?? 0
        layers[layer].countBytes(of: network.gate.weight)
        layers[layer].countBytes(
            of: network.up.weight,
            strands: skipped.map { gates.rows * network.up.weight.rows - $0 })
    }

    /// Counts the zeros among the int8 inputs of `down`, `[tokens, neurons]`, and the columns left
    /// out for them, nil if it was computed densely.
    mutating func countInputs(
        _ inputs: QuantizedActivations, skipped: Int?, _ network: FeedForward, layer: Int
    ) {
        for row in 0..<inputs.rows {
            layers[layer].zeroInputs += Codec.zeros(inputs[row][0..<inputs.columns])
        }
        layers[layer].skippedColumns += skipped ?? 0
        layers[layer].countBytes(
            of: network.down.weight,
            strands: skipped.map { inputs.rows * network.down.weight.columns - $0 })
    }
}

extension FeedForwardCounts.Layer {
    /// Counts reading all of a matrix, or some of its rows or columns.
    fileprivate mutating func countBytes(of matrix: TernaryMatrix, strands: Int? = nil) {
        bytesRead += strands.map { $0 * matrix.trits.strandBytes } ?? matrix.byteCount
        bytesDense += matrix.byteCount
    }
}

extension Activation {
    /// How many of `gates` the activation makes 0, as the kernels compute it. Each loop has one
    /// condition, so that it is done several elements at a time.
    func zeros(in gates: BufferView<Float>) -> Int {
        switch self {
        // The square of 2^-75 is half the smallest number and rounded to 0.
        case .squaredReLU: gates.count { $0 <= 0x1p-75 }
        // Half the smallest number is rounded to 0, and below -88.7 exp(-x) is infinite.
        case .silu: gates.count { $0.magnitude <= 0x1p-149 || $0 < -0x1.62e42ep6 }
        // The same with exp(-1.5957691 x - 0.0713548 x^3).
        case .gelu:
            gates.count {
                $0.magnitude <= 0x1p-149
                    || -1.595_769_1 * $0 - 0.071_354_8 * $0 * $0 * $0 > 0x1.62e42ep6
            }
        }
    }
}

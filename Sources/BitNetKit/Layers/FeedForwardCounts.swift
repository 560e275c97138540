/// How many zeros the feed-forward networks of a model have met, layer by layer.
struct ZeroCounts {
    private(set) var layers: [Layer]

    /// The zeros of one layer.
    struct Layer {
        /// Tokens that went through it.
        var tokens = 0
        var gates = 0
        var downInputs = 0
    }

    init(layers: Int) {
        self.layers = [Layer](repeating: Layer(), count: layers)
    }

    /// Counts the zeros that `activation` makes of `gates`, `[tokens, neurons]`.
    mutating func countGates(_ gates: Activations, _ activation: Activation, layer: Int) {
        layers[layer].tokens += gates.rows
        layers[layer].gates += gates.storage.count(where: activation.isZero)
    }

    /// Counts the zeros among the int8 inputs of `down`, `[tokens, neurons]`.
    mutating func countDownInputs(_ inputs: QuantizedActivations, layer: Int) {
        for row in 0..<inputs.rows {
            layers[layer].downInputs += inputs[row][0..<inputs.columns].count { $0 == 0 }
        }
    }
}

extension Activation {
    /// Whether the activation of `x` is 0, as the kernels compute it.
    fileprivate func isZero(_ x: Float) -> Bool {
        switch self {
        case .squaredReLU: x <= 0 || x * x == 0
        // Half the smallest number is rounded to 0, and below -88.7 exp(-x) is infinite.
        case .silu: x.magnitude <= .leastNonzeroMagnitude || x < -0x1.62e42ep6
        // The same with exp(-1.5957691 x - 0.0713548 x^3).
        case .gelu:
            x.magnitude <= .leastNonzeroMagnitude
                || -1.595_769_1 * x - 0.071_354_8 * x * x * x > 0x1.62e42ep6
        }
    }
}

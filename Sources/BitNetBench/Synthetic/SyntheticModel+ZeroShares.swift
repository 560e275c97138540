/// Shares of zeros imposed on a synthetic model, to measure what leaving them out is worth.
public struct ZeroShares: Sendable, Hashable {
    /// Share of gates that are 0 after the squared ReLU, in 0...1.
    public let gate: Double
    /// Share of the int8 inputs of `down` that are 0, in 0...1; at least about what follows from the
    /// zero gates.
    public let down: Double

    /// Shares of the gate's and of `down`'s zeros.
    public init(gate: Double, down: Double) {
        self.gate = gate
        self.down = down
    }
}

/// What a few tokens show of one layer.
private struct Sample {
    var gates: [Float] = []
    /// Share of the inputs of `down` that round to 0.
    var zeroInputs = 0.0

    /// What added to the gates makes a share of them 0.
    func bias(zeros share: Double) -> Float {
        let sorted = gates.sorted()
        let rank = Int(Double(sorted.count) * share)
        guard rank < sorted.count else { return -Float.greatestFiniteMagnitude }
        return rank == 0 ? -min(sorted.first ?? 0, 0) + 1 : -sorted[rank - 1]
    }
}

extension Transformer {
    /// The same model with zeros imposed: a bias on the gates of each layer makes their share, and
    /// sub-norm weights of 0 add what inputs of `down` are missing. Both are set by what a few
    /// tokens give, so that the shares are met approximately.
    func imposing(_ shares: ZeroShares) throws(BitNetError) -> Transformer {
        guard (0...1).contains(shares.gate), (0...1).contains(shares.down) else {
            throw .invalidArgument(
                name: "zero share", detail: "\(shares.gate), \(shares.down) are not in 0...1")
        }
        var biased = self
        for (layer, met) in try sample().enumerated() {
            biased.blocks[layer].feedForward.gateBias = GateBias(met.bias(zeros: shares.gate))
        }
        var result = biased
        for (layer, met) in try biased.sample().enumerated() {
            let missing = 1 - (1 - shares.down) / max(1 - met.zeroInputs, 1e-9)
            let down = biased.blocks[layer].feedForward.down
            guard missing > 0, let norm = down.inputNorm else { continue }
            var random = SeededGenerator(seed: UInt64(layer))
            let weight = (0..<norm.count).map { _ in random.nextUnit() < missing ? Float(0) : 1 }
            result.blocks[layer].feedForward.down = BitLinear(
                weight: down.weight, inputNorm: try RMSNorm(weight: weight, epsilon: norm.epsilon))
        }
        return result
    }

    /// Gates and inputs of `down` of every layer, for a few tokens.
    private func sample() throws(BitNetError) -> [Sample] {
        let tokens = [3, 5, 11, 17].map { $0 % configuration.vocabularySize }
        let context = try InferenceContext(self, contextLength: tokens.count, cache: .f16)
        var samples = [Sample](repeating: Sample(), count: configuration.layerCount)
        context.probe { step, layer, values in
            guard step == .gate, let layer else { return }
            samples[layer].gates += values.storage.array
        }
        context.countZeros(true)
        try context.forward(tokens)
        for (layer, met) in (context.sparsity?.layers ?? []).enumerated() {
            samples[layer].zeroInputs = met.downZeroShare
        }
        return samples
    }
}

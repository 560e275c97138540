extension ModelLoader.Parts {
    /// Arranges the feed-forward layers so that they can leave out zeros, where that pays.
    ///
    /// `automatic` runs a few tokens through the model as it is, and rearranges those matrices that
    /// met enough zeros: a model without them keeps the arrangement that is fastest for it. One
    /// matrix at a time is in memory twice.
    mutating func skipZeros(
        _ sparsity: Sparsity, _ configuration: ModelConfiguration, compute: Compute,
        tokenizer: Tokenizer
    ) throws(BitNetError) {
        guard sparsity != .off, configuration.activation == .squaredReLU else { return }
        var shares = Array(
            repeating: ZeroShares(gate: 1, down: 1), count: configuration.layerCount)
        if sparsity == .automatic {
            // A damaged model says so when it is used, with the token that shows it.
            guard let met = try? zeroShares(configuration, compute, tokenizer) else { return }
            shares = met
        }
        for (layer, share) in shares.enumerated() {
            try blocks[layer].feedForward.skipZeros(
                rows: share.gate >= Skipping.worthArranging,
                columns: share.down >= Skipping.worthArranging, always: sparsity == .always,
                pool: compute.pool)
        }
    }

    /// Shares of zeros that eight tokens from all over the vocabulary meet in each layer.
    func zeroShares(
        _ configuration: ModelConfiguration, _ compute: Compute, _ tokenizer: Tokenizer
    ) throws(BitNetError) -> [ZeroShares] {
        let model = BitNetModel(configuration, self, compute: compute, tokenizer: tokenizer)
        let count = min(8, configuration.contextLength)
        let context = try InferenceContext(model: model, contextLength: count, cache: .f16)
        var gates = [Double](repeating: 0, count: configuration.layerCount)
        var inputs = gates
        context.probe { layer, name, values in
            if name == "gate" { gates[layer] = values.storage.share { !($0 > 0) } }
            if name == "down_input" { inputs[layer] = values.roundedToZero }
        }
        try context.prefill((0..<count).map { configuration.vocabularySize * $0 / count })
        return zip(gates, inputs).map { ZeroShares(gate: $0, down: $1) }
    }
}

extension BufferView<Float> {
    /// The share of elements that fulfil a condition.
    fileprivate func share(_ condition: (Float) -> Bool) -> Double {
        var found = 0
        for index in 0..<count where condition(self[index]) { found += 1 }
        return Double(found) / Double(Swift.max(count, 1))
    }
}

extension Activations {
    /// The share of elements that rounding each row to int8 makes 0.
    var roundedToZero: Double {
        (0..<rows).reduce(0) { sum, row in
            var largest: Float = 1e-5
            for index in 0..<columns { largest = max(largest, self[row][index].magnitude) }
            return sum + self[row].share { $0.magnitude * 127 <= largest / 2 }
        } / Double(max(rows, 1))
    }
}

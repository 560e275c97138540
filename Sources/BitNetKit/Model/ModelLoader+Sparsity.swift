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
        context.countZeros(true)
        try context.prefill((0..<count).map { configuration.vocabularySize * $0 / count })
        return (context.sparsity?.layers ?? []).map {
            ZeroShares(gate: $0.gateZeroShare, down: $0.downZeroShare)
        }
    }
}

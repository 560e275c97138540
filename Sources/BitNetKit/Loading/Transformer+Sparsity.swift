extension Transformer {
    /// Arranges the feed-forward layers so that they can leave out zeros, where that pays.
    ///
    /// `automatic` runs a few tokens through the model as it is, and rearranges those matrices that
    /// have enough zeros: a model without them keeps the arrangement that is fastest for it. One
    /// matrix at a time is in memory twice.
    mutating func skipZeros(_ sparsity: Sparsity) throws(BitNetError) {
        guard configuration.activation == .squaredReLU else { return }
        switch sparsity {
        case .off: break
        case .always:
            for layer in blocks.indices {
                try blocks[layer].feedForward.skipZeros(
                    rows: true, columns: true, always: true, pool: compute.pool)
            }
        case .automatic:
            let found: [FeedForwardSparsity.Layer]
            do throws(BitNetError) {
                found = try zerosOfAFewTokens()
            } catch .corruptTensor {
                // A damaged model says so when it is used, with the token that shows it.
                return
            }
            let enough = Skipping.worthArranging(
                isFromMemory: !LayoutChoice.fitsCaches(weights: configuration.ternaryWeightCount),
                threads: compute.pool.threads)
            for (layer, zeros) in found.enumerated() {
                try blocks[layer].feedForward.skipZeros(
                    rows: zeros.gateZeroShare >= enough.gates,
                    columns: zeros.downZeroShare >= enough.inputs,
                    always: false, pool: compute.pool)
            }
        }
    }

    /// The zeros in each layer for eight tokens from all over the vocabulary.
    private func zerosOfAFewTokens() throws(BitNetError) -> [FeedForwardSparsity.Layer] {
        let count = min(8, configuration.contextLength)
        let context = try InferenceContext(self, contextLength: count, cache: .f16)
        context.countZeros(true)
        try context.forward((0..<count).map { configuration.vocabularySize * $0 / count })
        return context.sparsity?.layers ?? []
    }
}

// The same weights computed another way, to see what a file most likely means.
extension Transformer {
    /// With another activation function in the feed-forward networks.
    func with(_ activation: Activation) -> Transformer {
        var variant = self
        for layer in blocks.indices {
            let network = blocks[layer].feedForward
            variant.blocks[layer].feedForward = FeedForward(
                gate: network.gate, up: network.up, down: network.down, activation: activation)
        }
        return variant
    }

    /// With scales that divide where they multiply. Scales of 0, which zeros have, stay.
    func withInverseScales() throws(BitNetError) -> Transformer {
        var variant = self
        for layer in blocks.indices {
            variant.blocks[layer] = try blocks[layer].mapped { (linear) throws(BitNetError) in
                BitLinear(
                    weight: try TernaryMatrix(
                        linear.weight.trits, scale: linear.weight.scale.inverse),
                    inputNorm: linear.inputNorm)
            }
        }
        return variant
    }
}

extension TransformerBlock {
    /// The block with every ternary layer changed.
    func mapped(
        _ change: (BitLinear) throws(BitNetError) -> BitLinear
    ) throws(BitNetError) -> TransformerBlock {
        let (a, f) = (attention, feedForward)
        return TransformerBlock(
            attentionNorm: attentionNorm,
            attention: Attention(
                query: try change(a.query), key: try change(a.key), value: try change(a.value),
                output: try change(a.output), queryNorm: a.queryNorm, keyNorm: a.keyNorm,
                headCount: a.headCount, keyValueHeadCount: a.keyValueHeadCount,
                headDimension: a.headDimension, queryScalar: a.queryScalar, window: a.window),
            feedForwardNorm: feedForwardNorm,
            feedForward: FeedForward(
                gate: try change(f.gate), up: try change(f.up), down: try change(f.down),
                activation: f.activation),
            attentionPostNorm: attentionPostNorm, feedForwardPostNorm: feedForwardPostNorm)
    }
}

extension TernaryScale {
    /// Each scale's inverse.
    var inverse: TernaryScale {
        func inverse(_ value: Float) -> Float {
            // Not so small that the inverse overflows.
            abs(value) > 1e-30 ? 1 / value : value
        }
        switch self {
        case .perTensor(let beta): return .perTensor(inverse(beta))
        case .perRow(let betas): return .perRow(betas.map(inverse))
        case .perGroup(let size, let betas): return .perGroup(size: size, betas.map(inverse))
        }
    }
}

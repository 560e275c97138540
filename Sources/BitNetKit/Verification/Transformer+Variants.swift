// The same weights computed another way, to see what a file most likely means.
extension Transformer {
    /// With another activation function in the feed-forward networks.
    func with(_ activation: Activation) throws(BitNetError) -> Transformer {
        var variant = self
        for layer in blocks.indices {
            variant.blocks[layer].feedForward = try blocks[layer].feedForward.with(activation)
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
            feedForward: try f.with(f.activation, change),
            attentionPostNorm: attentionPostNorm, feedForwardPostNorm: feedForwardPostNorm)
    }
}

extension FeedForward {
    /// The network with another activation function and its matrices changed. It leaves out no zeros
    /// of activations: which are zero has changed.
    fileprivate func with(
        _ activation: Activation,
        _ change: (BitLinear) throws(BitNetError) -> BitLinear = { $0 }
    ) throws(BitNetError) -> FeedForward {
        var network = FeedForward(
            gate: try change(gate), up: try change(up), down: try change(down),
            activation: activation)
        network.silent = silent
        network.gateBias = gateBias
        return network
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

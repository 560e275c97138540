// The same weights computed another way, to see what a file most likely means.
extension Transformer {
    /// With another activation function in the feed-forward networks.
    func with(_ activation: Activation) -> Transformer {
        var variant = self
        for layer in blocks.indices {
            variant.blocks[layer].feedForward.activation = activation
            variant.blocks[layer].feedForward.skipping = nil
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
    /// The block with every ternary layer changed. It leaves out no zeros of activations: which are
    /// zero has changed.
    func mapped(
        _ change: (BitLinear) throws(BitNetError) -> BitLinear
    ) throws(BitNetError) -> TransformerBlock {
        var block = self
        block.attention.query = try change(attention.query)
        block.attention.key = try change(attention.key)
        block.attention.value = try change(attention.value)
        block.attention.output = try change(attention.output)
        block.feedForward.gate = try change(feedForward.gate)
        block.feedForward.up = try change(feedForward.up)
        block.feedForward.down = try change(feedForward.down)
        block.feedForward.skipping = nil
        return block
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

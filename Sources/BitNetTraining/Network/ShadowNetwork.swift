internal import BitNetKit
internal import Synchronization

/// A BitNet b1.58 model with float32 shadow weights: logits, losses, and the gradient of every
/// parameter.
///
/// The forward pass is that of inference, step by step with the same kernels, so that a model that
/// is exported gives the same logits bit for bit. Neither threads nor kernel sets change a bit of
/// anything computed here. Has one owner at a time.
final class ShadowNetwork: @unchecked Sendable {
    let shape: NetworkShape
    let layout: ParameterLayout
    let compute: Compute
    /// All parameters, and the sum of their gradients since `clearGradients`, as `layout` says.
    let parameters, gradients: AlignedBuffer<Float>
    let blocks: [Block]
    let buffers: PassBuffers
    let threads: ThreadScratch
    let products: ProductScratch
    let norms: NormGradients
    let rope: RopeTable
    let attention: AttentionPass
    private let damage = Atomic(false)

    /// The linear layers of one block, and where its norms are.
    struct Block {
        let projections, output, gateUp, down: ShadowLinear
        let attentionNorm, attentionSubNorm, feedForwardNorm, feedForwardSubNorm: Range<Int>
    }

    /// Room for the trits of a block's linear layers.
    struct Slots {
        let projections, output, gateUp, down: TritSlot

        init(_ shape: NetworkShape) throws(BitNetError) {
            let (hidden, inner) = (shape.hiddenSize, shape.feedForwardSize)
            projections = try TritSlot(rows: hidden + 2 * shape.keyValueSize, columns: hidden)
            output = try TritSlot(rows: hidden, columns: hidden)
            gateUp = try TritSlot(rows: 2 * inner, columns: hidden)
            down = try TritSlot(rows: hidden, columns: inner)
        }

        var all: [TritSlot] { [projections, output, gateUp, down] }
    }

    /// - Parameters:
    ///   - tokens: the most tokens of a pass, at least a window's.
    ///   - isRounded: whether weights and activations are rounded; without it this is the same
    ///     graph in float32.
    init(
        _ shape: NetworkShape, tokens: Int, isRounded: Bool = true, compute: Compute
    ) throws(BitNetError) {
        try shape.validate()
        self.shape = shape
        self.compute = compute
        layout = ParameterLayout(shape)
        parameters = try AlignedBuffer(count: layout.count, purpose: "shadow weights")
        gradients = try AlignedBuffer(count: layout.count, purpose: "gradients")
        let slots = isRounded ? try Slots(shape) : nil
        var blocks: [Block] = []
        for layer in 0..<shape.layerCount {
            blocks.append(
                try Block(
                    layer: layer, layout: layout, parameters: parameters.view,
                    gradients: gradients.view, slots: slots))
        }
        self.blocks = blocks
        buffers = try PassBuffers(shape, tokens: tokens, isRounded: isRounded)
        rope = try RopeTable(shape)
        attention = AttentionPass(shape)
        let widest = max(shape.hiddenSize, shape.feedForwardSize)
        let gemm = slots?.all.map { compute.kernels.gemmScratchSize($0.trits) }.max()
        threads = try ThreadScratch(
            threads: compute.pool.threads,
            floats: max(2 * widest, attention.scratchCount),
            trits: ShadowLinear.packedRows * widest, gemm: gemm ?? 0)
        products = try ProductScratch(
            packedCount: ShadowNetwork.packedCount(shape, tokens: tokens, buffers: buffers),
            threads: compute.pool.threads)
        norms = try NormGradients(tokens: tokens, columns: widest)
    }

    /// Floats of the largest right factor of a gradient.
    private static func packedCount(
        _ shape: NetworkShape, tokens: Int, buffers: PassBuffers
    ) -> Int {
        let (hidden, inner) = (shape.hiddenSize, shape.feedForwardSize)
        let factors = [
            (tokens, max(hidden, inner)), (2 * inner, hidden), (hidden, 2 * inner),
            (hidden + 2 * shape.keyValueSize, hidden), (hidden, hidden + 2 * shape.keyValueSize),
            (inner, hidden), (shape.vocabularySize, hidden), (buffers.logitTokens, hidden),
        ]
        return factors.map { KernelSet.packedFactorSize(depth: $0.0, columns: $0.1) }.max() ?? 0
    }

    func parameter(_ range: Range<Int>) -> BufferView<Float> { parameters.view[range] }
    func gradient(_ range: Range<Int>) -> BufferView<Float> { gradients.view[range] }

    var embedding: Range<Int> { layout["model.embed_tokens.weight"].range }
    var finalNorm: Range<Int> { layout["model.norm.weight"].range }

    /// Rounds all weights as they are now: after every change of `parameters`.
    func snap() {
        for block in blocks {
            for linear in block.linears { linear.snap(compute) }
        }
    }

    func clearGradients() {
        compute.pool.parallel(layout.count, granule: 1024, work: layout.count * elementWork) {
            gradients.view[$1].fill(0)
        }
    }

    /// Whether a pass since `clearDamage` met numbers that are not finite: rounding turns them into
    /// some int8, and nothing would show them later.
    var isDamaged: Bool { damage.load(ordering: .relaxed) }
    func clearDamage() { damage.store(false, ordering: .relaxed) }
    func noteDamage() { damage.store(true, ordering: .relaxed) }
}

extension ShadowNetwork.Block {
    init(
        layer: Int, layout: ParameterLayout, parameters: BufferView<Float>,
        gradients: BufferView<Float>, slots: ShadowNetwork.Slots?
    ) throws(BitNetError) {
        func entry(_ part: String) -> ParameterLayout.Entry {
            layout["model.layers.\(layer).\(part).weight"]
        }
        func linear(_ slot: TritSlot?, _ parts: LinearPart...) throws(BitNetError) -> ShadowLinear {
            try ShadowLinear(
                parts.map { entry($0.rawValue) }, parameters: parameters, gradients: gradients,
                slot: slot)
        }
        projections = try linear(slots?.projections, .query, .key, .value)
        output = try linear(slots?.output, .output)
        gateUp = try linear(slots?.gateUp, .gate, .up)
        down = try linear(slots?.down, .down)
        attentionNorm = entry("input_layernorm").range
        attentionSubNorm = entry("self_attn.attn_sub_norm").range
        feedForwardNorm = entry("post_attention_layernorm").range
        feedForwardSubNorm = entry("mlp.ffn_sub_norm").range
    }

    var linears: [ShadowLinear] { [projections, output, gateUp, down] }
}

/// Cosines and sines of the rotary embedding for every position of a window.
struct RopeTable: Sendable {
    private let cosines, sines, negatedSines: AlignedBuffer<Float>
    private let half: Int

    init(_ shape: NetworkShape) throws(BitNetError) {
        half = shape.headDimension / 2
        let purpose = "rotary angles"
        cosines = try AlignedBuffer(count: shape.contextLength * half, purpose: purpose)
        sines = try AlignedBuffer(count: shape.contextLength * half, purpose: purpose)
        negatedSines = try AlignedBuffer(count: shape.contextLength * half, purpose: purpose)
        let rope = RotaryEmbedding(dimension: shape.headDimension, base: shape.ropeBase)
        for position in 0..<shape.contextLength {
            let range = position * half..<(position + 1) * half
            rope.fill(position: position, cos: cosines.view[range], sin: sines.view[range])
            for index in range { negatedSines.view[index] = -sines.view[index] }
        }
    }

    /// Rotates a token's heads, or gradients of them back.
    func rotate(
        _ x: BufferView<Float>, position: Int, backwards: Bool = false, kernels: KernelSet
    ) {
        let range = position * half..<(position + 1) * half
        kernels.rotate(
            x, heads: x.count / (2 * half), cos: cosines.view[range],
            sin: (backwards ? negatedSines : sines).view[range])
    }
}

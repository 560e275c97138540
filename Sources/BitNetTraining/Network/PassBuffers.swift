internal import BitNetKit

/// What a pass over some sequences computes and its backward pass needs, and scratch for both: one
/// allocation for all steps.
final class PassBuffers: @unchecked Sendable {
    /// Of one block.
    struct Layer {
        /// Inputs of the four linear layers, rounded.
        let attentionInput, outputInput, feedForwardInput, downInput: LinearInput
        /// Queries, keys and values after the rotation, `[tokens, hidden + 2 * keyValueSize]`.
        let projections: AlignedBuffer<Float>
        /// The same keys and values by sequence and head, `[positions, headDimension]` each.
        let keys, values: AlignedBuffer<Float>
        /// Outputs of attention, and the residual stream behind it, `[tokens, hidden]`.
        let attended, middle: AlignedBuffer<Float>
        /// Gates and what they multiply, `[tokens, 2 * feedForwardSize]`.
        let gateUp: AlignedBuffer<Float>
    }

    /// Tokens that fit.
    let tokens: Int
    let layers: [Layer]
    /// The residual stream before each block and after the last, `[tokens, hidden]`.
    let residuals: [AlignedBuffer<Float>]
    /// After the final norm, `[tokens, hidden]`.
    let normed: AlignedBuffer<Float>
    /// Logits, then their gradients, `[logitTokens, vocabulary]`.
    let logits: AlignedBuffer<Float>
    let logitTokens: Int
    let losses: AlignedBuffer<Double>

    /// Gradients: of the residual stream, of what a linear layer takes or gives.
    let residualGradient, hiddenGradient, attendedGradient: AlignedBuffer<Float>
    let projectionGradient, innerGradient, gateUpGradient: AlignedBuffer<Float>

    init(
        _ shape: NetworkShape, tokens: Int, isRounded: Bool
    ) throws(BitNetError) {
        let (hidden, inner, heads) = (shape.hiddenSize, shape.feedForwardSize, shape.keyValueSize)
        self.tokens = tokens
        func floats(_ columns: Int) throws(BitNetError) -> AlignedBuffer<Float> {
            try AlignedBuffer(count: tokens * columns, purpose: "activations of a training step")
        }
        func input(_ columns: Int) throws(BitNetError) -> LinearInput {
            try LinearInput(tokens: tokens, columns: columns, isRounded: isRounded)
        }
        var layers: [Layer] = []
        var residuals = [try floats(hidden)]
        for _ in 0..<shape.layerCount {
            layers.append(
                Layer(
                    attentionInput: try input(hidden), outputInput: try input(hidden),
                    feedForwardInput: try input(hidden), downInput: try input(inner),
                    projections: try floats(hidden + 2 * heads), keys: try floats(heads),
                    values: try floats(heads), attended: try floats(hidden),
                    middle: try floats(hidden), gateUp: try floats(2 * inner)))
            residuals.append(try floats(hidden))
        }
        self.layers = layers
        self.residuals = residuals
        normed = try floats(hidden)
        // As many as keep a core busy, and no more memory than that takes.
        logitTokens = min(tokens, max(64, (1 << 20) / shape.vocabularySize / 64 * 64))
        logits = try AlignedBuffer(count: logitTokens * shape.vocabularySize, purpose: "logits")
        losses = try AlignedBuffer(count: tokens, purpose: "losses")
        residualGradient = try floats(hidden)
        hiddenGradient = try floats(hidden)
        attendedGradient = try floats(hidden)
        projectionGradient = try floats(hidden + 2 * heads)
        innerGradient = try floats(inner)
        gateUpGradient = try floats(2 * inner)
    }
}

/// Scratch that every thread has to itself.
final class ThreadScratch: @unchecked Sendable {
    private let floats: AlignedBuffer<Float>
    private let floatCount: Int
    private let trits: AlignedBuffer<Int8>
    private let tritCount: Int
    private let gemm: AlignedBuffer<UInt8>
    private let gemmBytes: Int

    init(
        threads: Int, floats floatCount: Int, trits tritCount: Int, gemm gemmCount: Int
    ) throws(BitNetError) {
        func rounded(_ count: Int) -> Int { (count + 63) / 64 * 64 }
        (self.floatCount, self.tritCount) = (rounded(floatCount), rounded(tritCount))
        gemmBytes = rounded(gemmCount)
        let purpose = "scratch of a training step"
        floats = try AlignedBuffer(count: threads * self.floatCount, purpose: purpose)
        trits = try AlignedBuffer(count: threads * self.tritCount, purpose: purpose)
        gemm = try AlignedBuffer(count: threads * gemmBytes, purpose: purpose)
    }

    func floats(_ thread: Int) -> BufferView<Float> {
        floats.view[thread * floatCount..<(thread + 1) * floatCount]
    }

    func trits(_ thread: Int) -> BufferView<Int8> {
        trits.view[thread * tritCount..<(thread + 1) * tritCount]
    }

    func gemm(_ thread: Int) -> BufferView<UInt8> {
        gemm.view[thread * gemmBytes..<(thread + 1) * gemmBytes]
    }
}

/// A model too large for this machine's memory, one layer after the other: each is made of random
/// weights, decodes a token, and is gone before the next. Its speed and memory are right, its text
/// would be noise; the weights are never all there. That holds for layers much larger than the
/// caches, as those of 70B are: a smaller one is in the caches the second time and seems faster.
///
/// ```swift
/// let result = try LayerwiseRun.run(ModelShape.named["llama-70b"]!)
/// print(result.tokensPerSecond, result.peakBytes)
/// ```
public struct LayerwiseRun: Sendable, Hashable, Codable {
    /// What decoding a token took in each layer that was run, in seconds.
    public let layerSeconds: [Double]
    /// The same for the LM head, with all tokens of the shape.
    public let headSeconds: Double
    /// Layers of the shape; where fewer were run, the others are taken to be like them.
    public let layers: Int
    /// Bytes of the packed ternary weights of all layers, and of the LM head.
    public let ternaryBytes, headBytes: Int
    /// The most memory that this process had used when it was done.
    public let peakBytes: Int

    /// Tokens a second with all weights in memory.
    public var tokensPerSecond: Double {
        let mean = layerSeconds.reduce(0, +) / Double(max(1, layerSeconds.count))
        return 1 / (mean * Double(layers) + headSeconds)
    }

    /// Runs the layers.
    ///
    /// - Parameters:
    ///   - shape: the model's sizes.
    ///   - count: layers to run; nil for all.
    ///   - lmHead: type of the LM head; nil for Q6_K, or Q8_0 or F16 where rows are no multiple of
    ///     its blocks.
    ///   - options: threads, kernels and layout.
    ///   - progress: called with the number of layers done.
    /// - Throws: `BitNetError.invalidArgument`, also for a shape that makes no graph,
    ///   `.kernelUnavailable`, `.outOfMemory`, `.cancelled` when the current task is.
    public static func run(
        _ shape: ModelShape, layers count: Int? = nil, lmHead: ElementType? = nil,
        options: LoadOptions = LoadOptions(), progress: (Int) -> Void = { _ in }
    ) throws(BitNetError) -> LayerwiseRun {
        let lmHead = lmHead ?? shape.denseType
        var single = shape
        single.layerCount = 1
        // The head is measured by itself.
        single.vocabularySize = 64
        let compute = try options.compute
        let layout = try LayoutChoice.adopt(
            forWeights: ModelConfiguration(shape, contextLength: 8).ternaryWeightCount, compute,
            asked: options.layout)
        var (times, bytes) = ([Double](), 0)
        let wanted = min(max(count ?? shape.layerCount, 1), max(shape.layerCount, 1))
        for layer in 0..<wanted {
            if Task.isCancelled { throw .cancelled }
            var model = try Transformer(
                random: single, lmHead: lmHead, layout: layout, compute: compute,
                seed: UInt64(layer))
            try model.arrangeWeights(.off)
            bytes = model.byteCount.ternary
            let context = try InferenceContext(model, contextLength: 8, cache: .f16)
            var best = Double.infinity
            // The first warms up the threads.
            for token in 0..<4 {
                let time = try seconds { () throws(BitNetError) in try context.forward([token]) }
                if token > 0 { best = min(best, time) }
            }
            times.append(best)
            progress(layer + 1)
        }
        let head = try headRun(shape, lmHead, compute)
        return LayerwiseRun(
            layerSeconds: times, headSeconds: head.seconds, layers: shape.layerCount,
            ternaryBytes: bytes * shape.layerCount, headBytes: head.bytes,
            peakBytes: MachineLimits.peakMemory)
    }

    private static func headRun(
        _ shape: ModelShape, _ type: ElementType, _ compute: Compute
    ) throws(BitNetError) -> (seconds: Double, bytes: Int) {
        let head = try DenseMatrix(
            randomRows: shape.vocabularySize, columns: shape.hiddenSize, type: type, seed: 1)
        let x = try AlignedBuffer<Float>(count: shape.hiddenSize, purpose: "a product")
        let y = try AlignedBuffer<Float>(count: shape.vocabularySize, purpose: "a product")
        x.view.fill(1)
        var best = Double.infinity
        for _ in 0..<4 {
            best = min(best, try seconds { compute.multiply(head, x.view, into: y.view) })
        }
        withExtendedLifetime((x, y)) {}
        return (best, head.byteCount)
    }
}

extension ModelPlan {
    /// A plan for a model of `shape` with the graph of BitNet b1.58, of which there is no file.
    ///
    /// - Parameters:
    ///   - shape: the sizes.
    ///   - name: what the plan calls the model.
    ///   - lmHead: type of the embedding, and of the LM head where that is another matrix; nil for
    ///     Q6_K, or Q8_0 or F16 where rows are no multiple of its blocks.
    ///   - context: tokens of one sequence; nil for as many as the shape's model was trained to take,
    ///     4096 where it does not say.
    ///   - options: what a model would be loaded with.
    ///   - cache: how keys and values are cached.
    /// - Throws: `BitNetError.invalidArgument` for a shape that makes no graph, a type that cannot hold
    ///   its rows, and a context or threads out of range; `.kernelUnavailable`, `.outOfMemory`.
    public init(
        _ shape: ModelShape, name: String = "synthetic", lmHead: ElementType? = nil,
        context: Int? = nil, options: LoadOptions = LoadOptions(), cache: KVCachePrecision = .f16
    ) throws(BitNetError) {
        let lmHead = lmHead ?? shape.denseType
        let context = context ?? shape.contextLength ?? 4096
        // One of which there is no model is trained for what is asked, or as the longest that is usual.
        let configuration = try ModelConfiguration(
            shape, name: name,
            contextLength: shape.contextLength ?? max(1 << 17, min(context, 1 << 24)))
        try require(
            shape.hiddenSize % lmHead.block.elements == 0, "lmHead",
            "\(lmHead.rawValue) cannot hold rows of \(shape.hiddenSize) weights")
        var files = FileSizes()
        files.embedding = lmHead
        if !shape.isLMHeadTied { files.lmHead = lmHead }
        self = try ModelPlan(
            configuration, files, context: context, options: options,
            compute: try options.compute, cache: cache)
    }

    /// How fast tokens will be decoded here, by measuring memory, which takes a second or two.
    ///
    /// - Throws: `BitNetError.invalidArgument`, `.kernelUnavailable`, `.outOfMemory` (512 MB are read).
    public func speed(options: LoadOptions = LoadOptions()) throws(BitNetError) -> PlannedSpeed {
        let kernels = try options.compute.kernels
        let limits = try MachineLimits.measure(kernels: kernels, threads: threads, repetitions: 3)
        let speeds = try MachineLimits.layoutSpeeds(kernels: kernels, threads: threads)
        let bits = layout == TernaryLayout.t5.rawValue ? 1.6 : 2
        let own = speeds.first { $0.layout.rawValue == layout }
        return speed(
            weightsPerSecond: own?.weightsPerSecond ?? limits.bytesPerSecond * 8 / bits,
            bytesPerSecond: limits.bytesPerSecond,
            jobSeconds: try MachineLimits.dispatchSeconds(threads: threads),
            isOptimized: MachineReport.isOptimized)
    }
}

/// The shape of a model to measure without its weights.
public struct ModelShape: Sendable, Hashable {
    /// Numbers of the residual stream for each token.
    public var hiddenSize: Int
    /// Neurons of a feed-forward network.
    public var feedForwardSize: Int
    /// Transformer blocks.
    public var layerCount: Int
    /// Attention heads of queries; each has `hiddenSize / headCount` numbers.
    public var headCount: Int
    /// Attention heads of keys and values, a divisor of `headCount`.
    public var keyValueHeadCount: Int
    /// Tokens, and rows of the embedding and LM head.
    public var vocabularySize: Int

    /// A shape; whether it makes a graph is checked when a model is made of it.
    public init(
        hiddenSize: Int, feedForwardSize: Int, layerCount: Int, headCount: Int,
        keyValueHeadCount: Int, vocabularySize: Int
    ) {
        self.hiddenSize = hiddenSize
        self.feedForwardSize = feedForwardSize
        self.layerCount = layerCount
        self.headCount = headCount
        self.keyValueHeadCount = keyValueHeadCount
        self.vocabularySize = vocabularySize
    }

    /// Shapes of published models by name, and of a 70B Llama, of which no ternary one is public.
    public static let named: [String: ModelShape] = [
        "bitnet-2b-4t": shape(2560, 6912, 30, 20, 5, 128_256),
        "bitnet-3b": shape(3200, 8640, 26, 32, 32, 32_002),
        "falcon3-7b": shape(3072, 23_040, 28, 12, 4, 131_072),
        "falcon3-10b": shape(3072, 23_040, 40, 12, 4, 131_072),
        "llama3-8b": shape(4096, 14_336, 32, 32, 8, 128_256),
        "llama-70b": shape(8192, 28_672, 80, 64, 8, 128_256),
    ]

    private static func shape(
        _ hidden: Int, _ feedForward: Int, _ layers: Int, _ heads: Int, _ keyValueHeads: Int,
        _ vocabulary: Int
    ) -> ModelShape {
        ModelShape(
            hiddenSize: hidden, feedForwardSize: feedForward, layerCount: layers,
            headCount: heads, keyValueHeadCount: keyValueHeads, vocabularySize: vocabulary)
    }
}

extension ModelConfiguration {
    /// The graph of BitNet b1.58 with squared ReLU and a tied LM head, in a shape.
    ///
    /// - Throws: `BitNetError.invalidArgument` that says what of the shape makes no graph.
    init(_ shape: ModelShape, contextLength: Int) throws(BitNetError) {
        self.init(
            bitnet: "synthetic", vocabularySize: shape.vocabularySize,
            hiddenSize: shape.hiddenSize, feedForwardSize: shape.feedForwardSize,
            layerCount: shape.layerCount, headCount: shape.headCount,
            keyValueHeadCount: shape.keyValueHeadCount, contextLength: contextLength)
        guard shape.headCount < 1 || shape.hiddenSize % shape.headCount == 0 else {
            throw .invalidArgument(
                name: "shape",
                detail: "its hidden_size: \(shape.hiddenSize) cannot be split into "
                    + "\(shape.headCount) heads")
        }
        do throws(BitNetError) {
            try validate(path: "")
        } catch .invalidMetadata(_, let key, let detail) {
            throw .invalidArgument(name: "shape", detail: "its \(key): \(detail)")
        }
    }
}

extension Transformer {
    /// A model with random weights: right in shape, bytes and speed, meaningless in text. Fills the
    /// packed layout, or the fastest one here, with random trits, all threads at once.
    ///
    /// The graph is that of BitNet b1.58 with squared ReLU and a tied LM head.
    init(
        random shape: ModelShape, lmHead: ElementType, layout: TernaryLayout?, compute: Compute,
        seed: UInt64
    ) throws(BitNetError) {
        let configuration = try ModelConfiguration(shape, contextLength: 1 << 20)
        let layout = try LayoutChoice.layout(
            forWeights: configuration.ternaryWeightCount, compute, asked: layout)
        var builder = Builder(
            configuration: configuration, layout: layout, compute: compute,
            random: SeededGenerator(seed: seed))
        self = try builder.transformer(lmHead: lmHead)
    }
}

extension BitNetModel {
    /// A model of `shape` with random trits: right in bytes and speed, its text is noise. Its
    /// tokenizer has one token for each byte.
    ///
    /// - Parameters:
    ///   - lmHead: type of the embedding and LM head, one that has a kernel: F32, F16, BF16, Q8_0,
    ///     Q6_K or Q4_0.
    ///   - zeroShares: zeros to impose on the feed-forward layers, or nil for what random weights
    ///     give.
    /// - Throws: `BitNetError.invalidArgument`, also for a shape that makes no graph,
    ///   `.kernelUnavailable`, `.outOfMemory`.
    public static func synthetic(
        _ shape: ModelShape, lmHead: ElementType = .q6_K, options: LoadOptions = LoadOptions(),
        zeroShares: ZeroShares? = nil, seed: UInt64 = 0
    ) throws(BitNetError) -> BitNetModel {
        let compute = try options.compute
        var transformer = try Transformer(
            random: shape, lmHead: lmHead, layout: options.layout, compute: compute, seed: seed)
        if let zeroShares { transformer = try transformer.imposing(zeroShares) }
        try transformer.hold(lmHead: options.lmHead)
        try transformer.skipZeros(options.sparsity)
        return BitNetModel(transformer, tokenizer: .success(try .bytes()))
    }
}

extension Tokenizer {
    /// One token for each byte, no merges, no special tokens.
    static func bytes() throws(BitNetError) -> Tokenizer {
        let tokens = ByteStrings((0...UInt8.max).map { ByteAlphabet.encode([$0]) })
        return try Tokenizer(
            gguf: GGUFVocabulary(
                model: "gpt2", pre: "gpt-2", architecture: "synthetic", tokens: tokens,
                merges: ByteStrings()))
    }
}

/// Makes layers of random weights.
private struct Builder {
    let configuration: ModelConfiguration
    let layout: TernaryLayout
    let compute: Compute
    var random: SeededGenerator

    mutating func transformer(lmHead: ElementType) throws(BitNetError) -> Transformer {
        let c = configuration
        let embedding = try DenseMatrix(
            randomRows: c.vocabularySize, columns: c.hiddenSize, type: lmHead, seed: random.next())
        var blocks: [TransformerBlock] = []
        for layer in 0..<c.layerCount { blocks.append(try block(layer)) }
        return Transformer(
            c, compute: compute, embedding: embedding, blocks: blocks,
            finalNorm: try norm(c.hiddenSize), lmHead: embedding)
    }

    private mutating func block(_ layer: Int) throws(BitNetError) -> TransformerBlock {
        var builder = self
        defer { self = builder }
        return try TransformerBlock(configuration, layer: layer) { part throws(BitNetError) in
            try builder.linear(part)
        } norm: { _, size throws(BitNetError) in
            try builder.norm(size)
        }
    }

    private func norm(_ size: Int) throws(BitNetError) -> RMSNorm {
        try RMSNorm(
            weight: [Float](repeating: 1, count: size), epsilon: configuration.normEpsilon)
    }

    private mutating func linear(_ part: LinearPart) throws(BitNetError) -> BitLinear {
        let shape = configuration.shape(of: part)
        let matrix = try TernaryMatrix(
            randomRows: shape[0], columns: shape[1], layout: layout, pool: compute.pool,
            seed: random.next())
        return BitLinear(weight: matrix, inputNorm: part.subNorm == nil ? nil : try norm(shape[1]))
    }
}

extension TernaryMatrix {
    /// Random trits, each value as often as the others; the scale keeps outputs about as large as
    /// inputs.
    init(
        randomRows rows: Int, columns: Int, layout: TernaryLayout, pool: WorkerPool, seed: UInt64
    ) throws(BitNetError) {
        let packed = try PackedTrits(rows: rows, columns: columns, layout: layout)
        let chunk = 64
        let scratch = try AlignedBuffer<Int8>(
            count: pool.threads * chunk * columns, purpose: "random weights")
        pool.parallel(rows, granule: chunk, work: rows * columns * 8) { thread, range in
            let trits = scratch.view[thread * chunk * columns..<(thread + 1) * chunk * columns]
            for begin in stride(from: range.lowerBound, to: range.upperBound, by: chunk) {
                let part = begin..<min(begin + chunk, range.upperBound)
                var random = SeededGenerator(seed: seed &+ UInt64(begin))
                random.fill(trits[0..<part.count * columns])
                packed.pack(trits, rows: part)
            }
        }
        let scale = 1.2 / Float(columns).squareRoot()
        try self.init(packed, scale: .perTensor(scale))
    }
}

extension DenseMatrix {
    /// Random weights of about one, in a type that has a kernel.
    init(
        randomRows rows: Int, columns: Int, type: ElementType, seed: UInt64
    ) throws(BitNetError) {
        guard type.hasDenseKernel, columns % type.block.elements == 0 else {
            throw .invalidArgument(
                name: "head", detail: "\(type.rawValue) cannot hold rows of \(columns) weights")
        }
        // A few rows are drawn and encoded; the others are put together from their pieces, which
        // costs no less to read and leaves no two rows alike.
        let distinct = 61
        let rowBytes = columns / type.block.elements * type.block.bytes
        let values = try AlignedBuffer<Float>(count: columns, purpose: "random weights")
        let patterns = try AlignedBuffer<UInt8>(
            count: distinct * rowBytes, purpose: "random weights")
        var random = SeededGenerator(seed: seed)
        for row in 0..<distinct {
            for column in 0..<columns {
                values.view[column] = Float(Int32(truncatingIfNeeded: random.next())) * 0x1p-31
            }
            Codec.encode(
                type, values.view, into: patterns.view[row * rowBytes..<(row + 1) * rowBytes])
        }
        let storage = try AlignedBuffer<UInt8>(count: rows * rowBytes, purpose: "random weights")
        let block = type.block
        let piece = block.bytes * max(1, 16 / block.elements)
        for start in stride(from: 0, to: rows * rowBytes, by: piece) {
            let pattern = Int(random.next() % UInt64(distinct)) * rowBytes + start % rowBytes
            storage.view[start..<start + piece].copy(from: patterns.view[pattern..<pattern + piece])
        }
        self.init(rows: rows, columns: columns, type: type, bytes: storage)
    }
}

extension SeededGenerator {
    /// Fills `trits`, eight to a draw.
    fileprivate mutating func fill(_ trits: BufferView<Int8>) {
        var index = 0
        while index < trits.count {
            var bits = next()
            for _ in 0..<min(8, trits.count - index) {
                // A byte times 3 / 256 is 0, 1 or 2.
                trits[index] = Int8(truncatingIfNeeded: ((bits & 0xFF) * 3) >> 8) - 1
                bits >>= 8
                index += 1
            }
        }
    }
}

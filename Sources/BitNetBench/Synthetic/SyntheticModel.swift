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
    /// Tokens that a published model was trained to take; nil for a shape of which there is none.
    public var contextLength: Int?
    /// Whether the embedding is the LM head too.
    public var isLMHeadTied: Bool

    /// A shape; whether it makes a graph is checked when a model is made of it.
    public init(
        hiddenSize: Int, feedForwardSize: Int, layerCount: Int, headCount: Int,
        keyValueHeadCount: Int, vocabularySize: Int, contextLength: Int? = nil,
        isLMHeadTied: Bool = true
    ) {
        self.hiddenSize = hiddenSize
        self.feedForwardSize = feedForwardSize
        self.layerCount = layerCount
        self.headCount = headCount
        self.keyValueHeadCount = keyValueHeadCount
        self.vocabularySize = vocabularySize
        self.contextLength = contextLength
        self.isLMHeadTied = isLMHeadTied
    }

    /// Shapes of published models by name, and of Llama 3 70B, of which no ternary one is public: sizes,
    /// context and tying of the LM head are those of their configurations.
    public static let named: [String: ModelShape] = [
        // microsoft/bitnet-b1.58-2B-4T
        "bitnet-2b-4t": shape(2560, 6912, 30, 20, 5, 128_256, context: 4096, isTied: true),
        // 1bitLLM/bitnet_b1_58-3B
        "bitnet-3b": shape(3200, 8640, 26, 32, 32, 32_002, context: 2048, isTied: true),
        // tiiuae/Falcon3-7B-Base-1.58bit, Falcon3-10B-Base-1.58bit
        "falcon3-7b": shape(3072, 23_040, 28, 12, 4, 131_072, context: 32_768, isTied: false),
        "falcon3-10b": shape(3072, 23_040, 40, 12, 4, 131_072, context: 32_768, isTied: false),
        // HF1BitLLM/Llama3-8B-1.58-100B-tokens
        "llama3-8b": shape(4096, 14_336, 32, 32, 8, 128_256, context: 8192, isTied: false),
        // meta-llama/Meta-Llama-3-70B
        "llama-70b": shape(8192, 28_672, 80, 64, 8, 128_256, context: 8192, isTied: false),
    ]

    private static func shape(
        _ hidden: Int, _ feedForward: Int, _ layers: Int, _ heads: Int, _ keyValueHeads: Int,
        _ vocabulary: Int, context: Int, isTied: Bool
    ) -> ModelShape {
        ModelShape(
            hiddenSize: hidden, feedForwardSize: feedForward, layerCount: layers,
            headCount: heads, keyValueHeadCount: keyValueHeads, vocabularySize: vocabulary,
            contextLength: context, isLMHeadTied: isTied)
    }
}

extension ModelConfiguration {
    /// The graph of BitNet b1.58 with squared ReLU in a shape.
    ///
    /// - Throws: `BitNetError.invalidArgument`, named after the size that makes no graph.
    init(
        _ shape: ModelShape, name: String = "synthetic", contextLength: Int
    ) throws(BitNetError) {
        self.init(
            bitnet: name, vocabularySize: shape.vocabularySize,
            hiddenSize: shape.hiddenSize, feedForwardSize: shape.feedForwardSize,
            layerCount: shape.layerCount, headCount: shape.headCount,
            keyValueHeadCount: shape.keyValueHeadCount, contextLength: contextLength,
            isLMHeadTied: shape.isLMHeadTied)
        guard shape.headCount < 1 || shape.hiddenSize % shape.headCount == 0 else {
            throw .invalidArgument(
                name: "headCount",
                detail: "\(shape.hiddenSize) cannot be split into \(shape.headCount) heads")
        }
        do throws(BitNetError) {
            try validate(path: "")
        } catch .invalidMetadata(_, let key, let detail) {
            // Of a shape, it follows from two others.
            let size = key == "head_dim" ? "each would have \(headDimension) numbers: " : ""
            throw .invalidArgument(name: ModelShape.members[key] ?? key, detail: size + detail)
        }
    }
}

extension ModelShape {
    /// The type of a dense matrix for which nobody asks for one: Q6_K, or what converters take where
    /// rows are no multiple of its blocks.
    var denseType: ElementType {
        let types: [ElementType] = [.q6_K, .q8_0]
        return types.first { hiddenSize % $0.block.elements == 0 } ?? .f16
    }

    /// Checks that the sizes make a graph.
    ///
    /// - Throws: `BitNetError.invalidArgument`, named after the size that does not fit.
    package func validate() throws(BitNetError) {
        _ = try ModelConfiguration(self, contextLength: contextLength ?? 4096)
    }

    /// The members by the keys that a configuration has for them.
    fileprivate static let members = [
        "hidden_size": "hiddenSize", "intermediate_size": "feedForwardSize",
        "num_hidden_layers": "layerCount", "num_attention_heads": "headCount",
        "head_dim": "headCount",
        "num_key_value_heads": "keyValueHeadCount", "vocab_size": "vocabularySize",
    ]
}

extension Transformer {
    /// A model with random weights: right in shape, bytes and speed, meaningless in text. Fills the
    /// packed layout, or the fastest one here, with random trits, all threads at once.
    ///
    /// The graph is that of BitNet b1.58 with squared ReLU.
    init(
        random shape: ModelShape, lmHead: ElementType, layout: TernaryLayout?, compute: Compute,
        seed: UInt64
    ) throws(BitNetError) {
        let configuration = try ModelConfiguration(shape, contextLength: 1 << 20)
        let layout = try LayoutChoice.adopt(
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
    ///     Q6_K or Q4_0; nil for Q6_K, or Q8_0 or F16 where rows are no multiple of its blocks.
    ///   - zeroShares: zeros to impose on the feed-forward layers, or nil for what random weights
    ///     give.
    /// - Throws: `BitNetError.invalidArgument`, also for a shape that makes no graph,
    ///   `.kernelUnavailable`, `.outOfMemory`.
    public static func synthetic(
        _ shape: ModelShape, lmHead: ElementType? = nil, options: LoadOptions = LoadOptions(),
        zeroShares: ZeroShares? = nil, seed: UInt64 = 0
    ) throws(BitNetError) -> BitNetModel {
        let compute = try options.compute
        var transformer = try Transformer(
            random: shape, lmHead: lmHead ?? shape.denseType, layout: options.layout,
            compute: compute, seed: seed)
        if let zeroShares { transformer = try transformer.imposing(zeroShares) }
        try transformer.hold(lmHead: options.lmHead)
        try transformer.arrangeWeights(options.sparsity)
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
        let head =
            c.isLMHeadTied
            ? embedding
            : try DenseMatrix(
                randomRows: c.vocabularySize, columns: c.hiddenSize, type: lmHead,
                seed: random.next())
        return Transformer(
            c, compute: compute, embedding: embedding, blocks: blocks,
            finalNorm: try norm(c.hiddenSize), lmHead: head)
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

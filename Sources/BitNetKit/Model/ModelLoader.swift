/// How a model is loaded.
public struct LoadOptions: Sendable, Hashable {
    /// Threads to compute with; nil takes all cores this process may use.
    public var threads: Int?
    /// Kernel set, for example `avx2`; nil takes the fastest.
    public var instructionSet: String?
    /// Packed layout; nil takes the one that suits the kernel set.
    public var layout: TernaryLayout?

    public init(
        threads: Int? = nil, instructionSet: String? = nil, layout: TernaryLayout? = nil
    ) {
        self.threads = threads
        self.instructionSet = instructionSet
        self.layout = layout
    }
}

/// How far loading has come.
public struct LoadProgress: Sendable, Hashable {
    /// What is being done.
    public enum Phase: String, Sendable, Hashable {
        /// The file's directory is read and checked.
        case map
        /// Matrices are packed for this machine's kernels.
        case pack
        /// The model is ready.
        case ready
    }

    public let phase: Phase
    /// Share of all weights packed so far, in [0, 1].
    public let fraction: Double
}

/// Builds the layers of a model from a checkpoint: looks up every tensor the graph needs, packs it,
/// and refuses what is left over.
struct ModelLoader {
    let checkpoint: Checkpoint
    let configuration: ModelConfiguration
    let names: TensorNames
    let compute: Compute
    let layout: TernaryLayout
    let progress: (@Sendable (LoadProgress) -> Void)?
    private var taken: Set<String> = []
    private var packedWeights = 0

    init(
        _ checkpoint: Checkpoint, _ configuration: ModelConfiguration, compute: Compute,
        layout: TernaryLayout, progress: (@Sendable (LoadProgress) -> Void)?
    ) {
        self.checkpoint = checkpoint
        self.configuration = configuration
        self.compute = compute
        self.layout = layout
        self.progress = progress
        names = TensorNames(checkpoint)
    }

    /// Everything that has weights.
    struct Parts: Sendable {
        var embedding: DenseMatrix
        var head: DenseMatrix
        var finalNorm: RMSNorm
        var blocks: [TransformerBlock]
        var rotary: RotaryEmbedding
    }

    mutating func load() throws(BitNetError) -> Parts {
        let c = configuration
        let embedding = try dense(names.embedding, isMultiplied: c.isHeadTied)
        let head = c.isHeadTied ? embedding : try dense(names.head, isMultiplied: true)
        let finalNorm = try norm([names.finalNorm], count: c.hiddenSize, epsilon: c.normEpsilon)
        var blocks: [TransformerBlock] = []
        for layer in 0..<c.layerCount { blocks.append(try block(layer)) }
        let divisors = try take(names.ropeDivisors)?.floats() ?? []
        guard divisors.isEmpty || divisors.count == c.headDimension / 2 else {
            throw .shapeMismatch(
                tensor: names.ropeDivisors, expected: [c.headDimension / 2],
                found: [divisors.count])
        }
        try refuseUnused()
        progress?(LoadProgress(phase: .ready, fraction: 1))
        return Parts(
            embedding: embedding, head: head, finalNorm: finalNorm, blocks: blocks,
            rotary: RotaryEmbedding(
                dimension: c.headDimension, base: c.ropeBase, divisors: divisors))
    }

    /// Tensors nobody asked for mean another graph. Only copies of what the graph has are ignored.
    private func refuseUnused() throws(BitNetError) {
        for name in checkpoint.tensorNames where !taken.contains(name) {
            if name.hasSuffix("rotary_emb.inv_freq") { continue }
            if configuration.isHeadTied && name == names.head { continue }
            throw .unexpectedTensor(path: checkpoint.path, tensor: name)
        }
    }
}

// MARK: - Layers

extension ModelLoader {
    private mutating func block(_ layer: Int) throws(BitNetError) -> TransformerBlock {
        let c = configuration
        return TransformerBlock(
            attentionNorm: try norm(
                [names.weight("input_layernorm", layer: layer)], count: c.hiddenSize,
                epsilon: c.normEpsilon),
            attention: try attention(layer),
            feedForwardNorm: try norm(
                [names.weight("post_attention_layernorm", layer: layer)], count: c.hiddenSize,
                epsilon: c.normEpsilon),
            feedForward: try feedForward(layer))
    }

    private mutating func attention(_ layer: Int) throws(BitNetError) -> Attention {
        let c = configuration
        let wide = c.headCount * c.headDimension
        let narrow = c.keyValueHeadCount * c.headDimension
        return Attention(
            query: try linear(
                "self_attn.q_proj", layer, [wide, c.hiddenSize], interleavedHeads: c.headCount),
            key: try linear(
                "self_attn.k_proj", layer, [narrow, c.hiddenSize],
                interleavedHeads: c.keyValueHeadCount),
            value: try linear("self_attn.v_proj", layer, [narrow, c.hiddenSize]),
            output: try linear(
                "self_attn.o_proj", layer, [c.hiddenSize, wide],
                subNorm: names.attentionSubNorms(layer: layer)),
            queryNorm: try headNorm("self_attn.q_norm", layer),
            keyNorm: try headNorm("self_attn.k_norm", layer),
            headCount: c.headCount, keyValueHeadCount: c.keyValueHeadCount,
            headDimension: c.headDimension)
    }

    private mutating func feedForward(_ layer: Int) throws(BitNetError) -> FeedForward {
        let c = configuration
        return FeedForward(
            gate: try linear("mlp.gate_proj", layer, [c.feedForwardSize, c.hiddenSize]),
            up: try linear("mlp.up_proj", layer, [c.feedForwardSize, c.hiddenSize]),
            down: try linear(
                "mlp.down_proj", layer, [c.hiddenSize, c.feedForwardSize],
                subNorm: names.feedForwardSubNorms(layer: layer)),
            activation: c.activation)
    }

    private mutating func headNorm(_ part: String, _ layer: Int) throws(BitNetError) -> RMSNorm? {
        guard configuration.hasHeadNorms else { return nil }
        return try norm(
            [names.weight(part, layer: layer)], count: configuration.headDimension,
            epsilon: configuration.normEpsilon)
    }

    /// A ternary layer `[outputs, inputs]`. GGUF files of the Llama graph interleave the rows of
    /// queries and keys by head.
    private mutating func linear(
        _ part: String, _ layer: Int, _ shape: [Int], interleavedHeads: Int = 0,
        subNorm: [String] = []
    ) throws(BitNetError) -> BitLinear {
        let c = configuration
        let name = names.weight(part, layer: layer)
        guard let tensor = take(name) else {
            throw .missingTensor(path: checkpoint.path, tensor: name)
        }
        var scaleTensor: CheckpointTensor?
        for name in names.scales(part, layer: layer) where scaleTensor == nil {
            scaleTensor = take(name)
        }
        let isInterleaved = names.isGGUF && c.architecture == .llama
        let source = TernarySource(
            tensor: tensor, rows: shape[0], columns: shape[1], scaleTensor: scaleTensor,
            direction: c.scaleDirection,
            masters: c.quantizesMasters ? (names.isGGUF ? .keepTernary : .round) : .requireTernary,
            interleavedHeads: isInterleaved ? interleavedHeads : 0)
        let weight = try source.pack(layout: layout, pool: compute.pool)
        reportPacked(shape[0] * shape[1])
        return BitLinear(weight: weight, inputNorm: try inputNorm(part, layer, shape[1], subNorm))
    }

    private mutating func inputNorm(
        _ part: String, _ layer: Int, _ inputs: Int, _ subNorm: [String]
    ) throws(BitNetError) -> RMSNorm? {
        let c = configuration
        if c.hasLinearNorms {
            return try norm(
                names.linearNorms(part, layer: layer), count: inputs, epsilon: c.linearNormEpsilon)
        }
        guard c.hasSubNorms, !subNorm.isEmpty else { return nil }
        return try norm(subNorm, count: inputs, epsilon: c.normEpsilon)
    }

    private mutating func reportPacked(_ weights: Int) {
        packedWeights += weights
        let c = configuration
        let attention = 2 * c.headDimension * (c.headCount + c.keyValueHeadCount)
        let total = c.layerCount * c.hiddenSize * (attention + 3 * c.feedForwardSize)
        progress?(
            LoadProgress(phase: .pack, fraction: min(1, Double(packedWeights) / Double(total))))
    }
}

// MARK: - Tensors

extension ModelLoader {
    private mutating func take(_ name: String) -> CheckpointTensor? {
        guard let tensor = checkpoint.tensor(named: name) else { return nil }
        taken.insert(name)
        return tensor
    }

    private mutating func dense(
        _ name: String, isMultiplied: Bool
    ) throws(BitNetError) -> DenseMatrix {
        guard let tensor = take(name) else {
            throw .missingTensor(path: checkpoint.path, tensor: name)
        }
        return try DenseMatrix(
            tensor, rows: configuration.vocabularySize, columns: configuration.hiddenSize,
            isMultiplied: isMultiplied)
    }

    /// The first of `names` that exists, as a norm of `count` factors.
    private mutating func norm(
        _ names: [String], count: Int, epsilon: Float
    ) throws(BitNetError) -> RMSNorm {
        for name in names {
            guard let tensor = take(name) else { continue }
            guard tensor.shape == [count] else {
                throw .shapeMismatch(tensor: name, expected: [count], found: tensor.shape)
            }
            return try RMSNorm(weight: try tensor.floats(), epsilon: epsilon)
        }
        throw .missingTensor(path: checkpoint.path, tensor: names[0])
    }
}

extension CheckpointTensor {
    /// All elements as float32.
    func floats() throws(BitNetError) -> [Float] {
        guard type.isFloatLike, elementCount % type.block.elements == 0 else {
            throw .unsupportedFormat(
                path: region.path, detail: "tensor '\(name)' is \(type.rawValue)",
                remedy: "it should hold floats, for example F32")
        }
        let values = try AlignedBuffer<Float>(count: elementCount, purpose: name)
        region.withUnsafeBytes { Codec.decode(type, $0, into: values.view) }
        return values.array
    }
}

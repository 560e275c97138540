/// What a model computes with once it is loaded. No choice changes a result, only its speed.
///
/// ```swift
/// let options = LoadOptions(threads: 4, instructionSet: "avx2")
/// let model = try await BitNetModel.load(url, options: options)
/// ```
public struct LoadOptions: Sendable, Hashable {
    /// Threads to compute with, 1 to 1024; nil takes one for each core.
    public var threads: Int?
    /// The name of one of `KernelSet.available`, for example `avx2`; nil takes the fastest.
    public var instructionSet: String?
    /// How trits are packed in memory, whatever the file has; nil takes the library's choice, which
    /// is `t2`. Matrices with several scales in a row can only be packed as `t2`.
    public var layout: TernaryLayout?
    /// Whether feed-forward layers leave out what zeros make irrelevant; matters to models with
    /// squared ReLU only.
    public var sparsity: Sparsity

    /// Options that differ from the defaults in what is given.
    public init(
        threads: Int? = nil, instructionSet: String? = nil, layout: TernaryLayout? = nil,
        sparsity: Sparsity = .automatic
    ) {
        self.threads = threads
        self.instructionSet = instructionSet
        self.layout = layout
        self.sparsity = sparsity
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

    /// What is being done.
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
        let finalNorm = try norm([names.finalNorm], count: c.hiddenSize)
        var blocks: [TransformerBlock] = []
        for layer in 0..<c.layerCount { blocks.append(try block(layer)) }
        let divisors = try ropeDivisors() ?? []
        try refuseUnused()
        progress?(LoadProgress(phase: .ready, fraction: 1))
        return Parts(
            embedding: embedding, head: head, finalNorm: finalNorm, blocks: blocks,
            rotary: RotaryEmbedding(
                dimension: c.headDimension, base: c.ropeBase, divisors: divisors))
    }
}

// MARK: - Layers

extension ModelLoader {
    private mutating func block(_ layer: Int) throws(BitNetError) -> TransformerBlock {
        let c = configuration
        return TransformerBlock(
            attentionNorm: try norm(names.norm(.attentionInput, layer), count: c.hiddenSize),
            attention: Attention(
                query: try linear(.query, layer), key: try linear(.key, layer),
                value: try linear(.value, layer), output: try linear(.output, layer),
                queryNorm: try headNorm(.queryHead, layer), keyNorm: try headNorm(.keyHead, layer),
                headCount: c.headCount, keyValueHeadCount: c.keyValueHeadCount,
                headDimension: c.headDimension),
            feedForwardNorm: try norm(names.norm(.feedForwardInput, layer), count: c.hiddenSize),
            feedForward: FeedForward(
                gate: try linear(.gate, layer), up: try linear(.up, layer),
                down: try linear(.down, layer), activation: c.activation))
    }

    private mutating func headNorm(_ kind: NormPart, _ layer: Int) throws(BitNetError) -> RMSNorm? {
        guard configuration.hasHeadNorms else { return nil }
        return try norm(names.norm(kind, layer), count: configuration.headDimension)
    }

    private mutating func linear(_ part: LinearPart, _ layer: Int) throws(BitNetError) -> BitLinear
    {
        let source = try source(part, layer)
        let weight = try source.pack(layout: layout, pool: compute.pool)
        reportPacked(source.rows * source.columns)
        return BitLinear(weight: weight, inputNorm: try inputNorm(part, layer))
    }

    /// The norm inside a linear layer: its own, or the sub-norm before an output projection.
    private mutating func inputNorm(_ part: LinearPart, _ layer: Int) throws(BitNetError)
        -> RMSNorm?
    {
        let c = configuration
        let inputs = c.shape(of: part)[1]
        if c.hasLinearNorms {
            return try norm(
                names.linearNorms(part, layer), count: inputs, epsilon: c.linearNormEpsilon)
        }
        guard c.hasSubNorms, let kind = part.subNorm else { return nil }
        return try norm(names.norm(kind, layer), count: inputs)
    }

    private mutating func norm(
        _ names: [String], count: Int, epsilon: Float? = nil
    ) throws(BitNetError) -> RMSNorm {
        try RMSNorm(
            weight: try normWeight(names, count: count),
            epsilon: epsilon ?? configuration.normEpsilon)
    }

    private mutating func reportPacked(_ weights: Int) {
        packedWeights += weights
        let c = configuration
        let perLayer = LinearPart.allCases.reduce(0) { $0 + c.shape(of: $1).reduce(1, *) }
        let fraction = Double(packedWeights) / Double(perLayer * c.layerCount)
        progress?(LoadProgress(phase: .pack, fraction: min(1, fraction)))
    }
}

// MARK: - Tensors

extension ModelLoader {
    mutating func take(_ name: String) -> CheckpointTensor? {
        guard let tensor = checkpoint.tensor(named: name) else { return nil }
        taken.insert(name)
        return tensor
    }

    /// The first of `candidates` that exists.
    mutating func take(required candidates: [String]) throws(BitNetError) -> CheckpointTensor {
        for name in candidates {
            if let tensor = take(name) { return tensor }
        }
        throw .missingTensor(path: checkpoint.path, tensor: candidates[0])
    }

    /// A ternary matrix of a layer, not read yet. GGUF files of the Llama graph interleave the rows
    /// of queries and keys by head.
    mutating func source(_ part: LinearPart, _ layer: Int) throws(BitNetError) -> TernarySource {
        let c = configuration
        let tensor = try take(required: [names.weight(part, layer)])
        var scaleTensor: CheckpointTensor?
        for name in names.scales(part, layer) where scaleTensor == nil { scaleTensor = take(name) }
        try checkScale(scaleTensor, of: tensor)
        let isInterleaved = names.isGGUF && c.architecture == .llama
        return TernarySource(
            tensor: tensor, rows: c.shape(of: part)[0], columns: c.shape(of: part)[1],
            scaleTensor: scaleTensor, direction: c.scaleDirection,
            masters: c.quantizesMasters ? (names.isGGUF ? .keepTernary : .round) : .requireTernary,
            interleavedHeads: isInterleaved ? c.rotatedHeads(of: part) : 0)
    }

    /// A folder says in its configuration what a scale means, and only packed matrices have one.
    private func checkScale(
        _ scale: CheckpointTensor?, of tensor: CheckpointTensor
    ) throws(BitNetError) {
        guard case .huggingFace(let folder) = checkpoint.metadata else { return }
        if tensor.type != .packedTernary, let scale {
            throw .unexpectedTensor(path: checkpoint.path, tensor: scale.name)
        }
        if tensor.type == .packedTernary, folder.config["quantization_config"]?.object == nil {
            throw .invalidMetadata(
                path: checkpoint.path + "/config.json", key: "quantization_config",
                detail: "is missing, but '\(tensor.name)' is packed; without it nobody can tell "
                    + "whether its scale multiplies or divides")
        }
    }

    mutating func normWeight(_ names: [String], count: Int) throws(BitNetError) -> [Float] {
        let tensor = try take(required: names)
        guard tensor.shape == [count] else {
            throw .shapeMismatch(tensor: tensor.name, expected: [count], found: tensor.shape)
        }
        let weight = try tensor.floats()
        // Rounding to int8 would hide it from everything that comes after the norm.
        if let index = weight.firstIndex(where: { !$0.isFinite }) {
            throw .corruptTensor(
                tensor: tensor.name, detail: "element \(index) is \(weight[index])")
        }
        return weight
    }

    /// What the rotary frequencies are divided by, where the file says so.
    mutating func ropeDivisors() throws(BitNetError) -> [Float]? {
        guard let tensor = take(names.ropeDivisors) else { return nil }
        let count = configuration.headDimension / 2
        guard tensor.shape == [count] else {
            throw .shapeMismatch(tensor: tensor.name, expected: [count], found: tensor.shape)
        }
        let divisors = try tensor.floats()
        if let odd = divisors.first(where: { !($0.isFinite && $0 > 0) }) {
            throw .corruptTensor(
                tensor: tensor.name, detail: "\(odd) cannot divide a frequency")
        }
        return divisors
    }

    private mutating func dense(
        _ name: String, isMultiplied: Bool
    ) throws(BitNetError) -> DenseMatrix {
        try DenseMatrix(
            try take(required: [name]), rows: configuration.vocabularySize,
            columns: configuration.hiddenSize, isMultiplied: isMultiplied)
    }

    /// Tensors nobody asked for mean another graph. Only copies of what the graph has are ignored.
    func refuseUnused() throws(BitNetError) {
        for name in checkpoint.unused(after: taken) {
            if name.hasSuffix("rotary_emb.inv_freq") { continue }
            if configuration.isHeadTied && name == names.head { continue }
            throw .unexpectedTensor(path: checkpoint.path, tensor: name)
        }
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

internal import Synchronization

/// Builds the layers of a model from a checkpoint: looks up every tensor the graph needs, packs it,
/// and refuses what is left over.
package struct ModelLoader {
    let checkpoint: Checkpoint
    let configuration: ModelConfiguration
    let names: TensorNames
    let compute: Compute
    let layout: TernaryLayout
    let progress: (@Sendable (LoadProgress) -> Void)?
    /// How I2_S codes lie in their bytes.
    var i2sOrder = I2SOrder.a
    /// Whether dense matrices may stay in the file.
    var keepsFileMapped = false
    /// Whether neurons that never say anything are packed too.
    var keepsSilentNeurons = false
    /// Whether weights that are not ternary are rounded all the same.
    var allowsLossy = false
    /// Things that are odd, but no error.
    var warnings: [String] = []
    /// The first scale that looks as if it were meant the other way; one warning is enough.
    var scaleDoubt: ScaleDoubt?
    private var taken: Set<String> = []
    /// Holds one ternary matrix after the other as the file has it.
    private let scratch = TensorScratch()
    private var readWeights = 0

    init(
        _ checkpoint: Checkpoint, _ configuration: ModelConfiguration, compute: Compute,
        layout: TernaryLayout, progress: (@Sendable (LoadProgress) -> Void)?
    ) {
        self.checkpoint = checkpoint
        self.configuration = configuration
        self.compute = compute
        self.layout = layout
        self.progress = progress
        names = TensorNames(checkpoint, hasPostNorms: configuration.hasPostNorms)
    }

    mutating func load() throws(BitNetError) -> Transformer {
        let c = configuration
        try noteConfiguration()
        let embedding = try dense(names.embedding, isMultiplied: c.isLMHeadTied)
        let lmHead = c.isLMHeadTied ? embedding : try dense(names.lmHead, isMultiplied: true)
        let finalNorm = try norm([names.finalNorm], count: c.hiddenSize)
        var blocks: [TransformerBlock] = []
        for layer in 0..<c.layerCount { blocks.append(try block(layer)) }
        let divisors = try ropeDivisors() ?? []
        try refuseUnused()
        progress?(LoadProgress(phase: .ready, fraction: 1))
        return Transformer(
            c, compute: compute, embedding: embedding, blocks: blocks, finalNorm: finalNorm,
            lmHead: lmHead, ropeDivisors: divisors)
    }
}

// MARK: - Layers

extension ModelLoader {
    private mutating func block(_ layer: Int) throws(BitNetError) -> TransformerBlock {
        var loader = self
        defer { self = loader }
        // The three matrices of a feed-forward network are read together: what is left out of one
        // depends on the others.
        var network: FeedForwardWeights?
        var block = try TransformerBlock(configuration, layer: layer) { part throws(BitNetError) in
            if part == .gate { network = try loader.feedForward(layer) }
            let weight =
                if let read = network?[part] { read } else { try loader.weight(part, layer) }
            return BitLinear(weight: weight, inputNorm: try loader.inputNorm(part, layer))
        } norm: { part, size throws(BitNetError) in
            try loader.norm(loader.names.norm(part, layer), count: size)
        }
        block.feedForward.silent = network?.silent
        return block
    }

    private mutating func weight(
        _ part: LinearPart, _ layer: Int
    ) throws(BitNetError) -> TernaryMatrix {
        let source = try source(part, layer)
        let weight = try source.pack(layout: layout, pool: compute.pool)
        try noteRead(weight, from: source)
        return weight
    }

    private mutating func noteRead(
        _ weight: TernaryMatrix, from source: TernarySource
    ) throws(BitNetError) {
        try note(largestScale: weight.scale.largest, of: source)
        reportRead(source.rows * source.columns)
    }

    /// The matrices of a feed-forward network without its silent neurons.
    private mutating func feedForward(_ layer: Int) throws(BitNetError) -> FeedForwardWeights {
        var gate = try weight(.gate, layer)
        var up = try weight(.up, layer)
        let source = try source(.down, layer)
        let plan = try source.plan(compute.pool)
        let isInGroups = plan.scale.groupColumns(of: source.columns) < source.columns
        var silent = keepsSilentNeurons || isInGroups ? nil : SilentNeurons(gate: gate, up: up)
        if let silent {
            gate = try gate.keeping(rows: silent.others, pool: compute.pool)
            up = try up.keeping(rows: silent.others, pool: compute.pool)
        }
        let sampled = LinearPart.down.sampledRows(layer: layer, rows: source.rows)
        let rows = Mutex<[Int: [Int8]]>([:])
        let down = try source.pack(
            plan, layout: layout, pool: compute.pool, keeping: silent?.others
        ) { row, trits in
            if sampled.contains(row) { rows.withLock { $0[row] = trits.array } }
        }
        silent?.downRows = rows.withLock { $0 }
        try noteRead(down, from: source)
        return FeedForwardWeights(gate: gate, up: up, down: down, silent: silent)
    }

    /// What `feedForward` has read.
    private struct FeedForwardWeights {
        let gate, up, down: TernaryMatrix
        let silent: SilentNeurons?

        subscript(part: LinearPart) -> TernaryMatrix? {
            switch part {
            case .gate: gate
            case .up: up
            case .down: down
            default: nil
            }
        }
    }

    /// The norm inside a linear layer: its own, or the sub-norm before an output projection.
    private mutating func inputNorm(_ part: LinearPart, _ layer: Int) throws(BitNetError)
        -> RMSNorm?
    {
        let c = configuration
        let inputs = c.shape(of: part)[1]
        if c.hasLinearNorms {
            return try RMSNorm(
                weight: try normWeight(names.linearNorms(part, layer), count: inputs, offset: 0),
                epsilon: c.linearNormEpsilon)
        }
        guard let kind = part.subNorm, let size = c.size(of: kind) else { return nil }
        return try norm(names.norm(kind, layer), count: size)
    }

    private mutating func norm(_ names: [String], count: Int) throws(BitNetError) -> RMSNorm {
        try RMSNorm(
            weight: try normWeight(names, count: count, offset: normOffset),
            epsilon: configuration.normEpsilon)
    }

    private mutating func reportRead(_ weights: Int) {
        let c = configuration
        readWeights += weights
        let dense = c.vocabularySize * c.hiddenSize * (c.isLMHeadTied ? 1 : 2)
        let fraction = Double(readWeights) / Double(c.ternaryWeightCount + dense)
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
            masters: masters, interleavedHeads: isInterleaved ? c.rotatedHeads(of: part) : 0,
            order: i2sOrder, scratch: scratch)
    }

    private var masters: MasterWeights {
        guard configuration.quantizesMasters else {
            return allowsLossy ? .approximate : .requireTernary
        }
        return names.isGGUF ? .keepTernary : .round
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
                detail: "is missing, but \(tensor.name.quoted) is packed; without it nobody can "
                    + "tell "
                    + "whether its scale multiplies or divides")
        }
    }

    /// What is added to the weights of norms outside of linear layers: Gemma's folders store how
    /// much they differ from 1, its GGUF files what they are.
    var normOffset: Float { configuration.architecture == .gemma3 && !names.isGGUF ? 1 : 0 }

    mutating func normWeight(
        _ names: [String], count: Int, offset: Float
    ) throws(BitNetError) -> [Float] {
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
        return offset == 0 ? weight : weight.map { $0 + offset }
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
        let tensor = try take(required: [name])
        let columns = configuration.hiddenSize
        let source = try DenseSource(
            tensor, rows: configuration.vocabularySize, columns: columns,
            isMultiplied: isMultiplied)
        if keepsFileMapped, let matrix = try source.mapped() {
            reportRead(tensor.elementCount)
            return matrix
        }
        var loader = self
        defer { self = loader }
        return try source.read(compute.pool) { rows in loader.reportRead(rows * columns) }
    }

    /// Tensors nobody asked for mean another graph. Only copies of what the graph has are ignored.
    func refuseUnused() throws(BitNetError) {
        for name in checkpoint.unused(after: taken) {
            if name.hasSuffix("rotary_emb.inv_freq") { continue }
            if configuration.isLMHeadTied && name == names.lmHead { continue }
            throw .unexpectedTensor(path: checkpoint.path, tensor: name)
        }
    }
}

extension CheckpointTensor {
    /// All elements as float32.
    func floats() throws(BitNetError) -> [Float] {
        guard type.isFloatLike, elementCount % type.block.elements == 0 else {
            throw .unsupportedFormat(
                path: region.path, detail: "tensor \(name.quoted) is \(type.rawValue)",
                remedy: "it should hold floats, for example F32")
        }
        let values = try AlignedBuffer<Float>(count: elementCount, purpose: name)
        try region.read().withUnsafeBytes { Codec.decode(type, $0, into: values.view) }
        return values.array
    }
}

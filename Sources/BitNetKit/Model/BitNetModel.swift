internal import Dispatch
public import Foundation

/// A ternary language model, ready to run: immutable, so one model serves any number of sequences.
///
/// ```swift
/// let model = try await BitNetModel.load(URL(fileURLWithPath: "/models/bitnet-2b-4t.gguf"))
/// print(try await model.generate("The capital of France is").text)
/// ```
public final class BitNetModel: Sendable {
    /// The shape of the model.
    public let configuration: ModelConfiguration
    /// The model's tokenizer.
    public let tokenizer: Tokenizer
    /// How the model wants conversations written; nil where it is not made for any.
    public let chatTemplate: ChatTemplate?
    /// The kernel set the model computes with.
    public var kernels: KernelSet { compute.kernels }
    /// Threads the model computes with.
    public var threads: Int { compute.pool.threads }

    /// How the ternary matrices are packed.
    public var layout: TernaryLayout { blocks.first?.attention.query.weight.layout ?? .t2 }

    let compute: Compute
    let embedding: DenseMatrix
    let blocks: [TransformerBlock]
    let finalNorm: RMSNorm
    let head: DenseMatrix
    /// What a two-stage head scans first.
    let headScan: HeadScan?
    let rotary: RotaryEmbedding
    /// The rotation of layers with a window.
    let localRotary: RotaryEmbedding?
    /// What is odd about the file, but no error: one sentence each, for example scales that look as
    /// if they were meant to divide where the file says that they multiply.
    public let warnings: [String]
    /// What responses in a grammar share.
    let grammars: GrammarCache
    private let queue = DispatchQueue(label: "BitNetModel", qos: .userInitiated)

    init(
        _ configuration: ModelConfiguration, _ parts: ModelLoader.Parts, compute: Compute,
        tokenizer: Tokenizer, chatTemplate: ChatTemplate? = nil
    ) {
        self.chatTemplate = chatTemplate
        self.configuration = configuration
        self.compute = compute
        embedding = parts.embedding
        blocks = parts.blocks
        finalNorm = parts.finalNorm
        head = parts.head
        headScan = parts.headScan
        rotary = parts.rotary
        localRotary = parts.localRotary
        warnings = parts.warnings
        self.tokenizer = tokenizer
        grammars = GrammarCache(tokenizer)
    }

    /// Runs blocking work on the model's own serial queue, off Swift's cooperative threads.
    func onQueue<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: body()) }
        }
    }

    /// Bytes of the packed ternary weights, and of the embedding and the head as they are held.
    public var byteCount: (ternary: Int, dense: Int) {
        let ternary = blocks.reduce(0) { sum, block in
            sum + block.linearLayers.reduce(0) { $0 + $1.weight.byteCount }
        }
        let hasOwnHead = !configuration.isHeadTied || head.type != embedding.type
        let dense = embedding.byteCount + (hasOwnHead ? head.byteCount : 0)
        return (ternary, dense + (headScan?.addedBytes ?? 0))
    }

    /// Bytes of the head that a greedy choice reads, but for the few rows that a scan finds.
    var headBytesRead: Int { headScan?.byteCount ?? head.byteCount }

    /// The head's type, and how it is scanned.
    var headName: String {
        switch headScan?.type {
        case nil, .q6_K: head.type.rawValue
        case .int8: "\(head.type.rawValue) exact"
        case .int4: "\(head.type.rawValue) fast"
        }
    }

    /// Scratch bytes of the largest matrix product.
    var gemmScratchSize: Int {
        blocks.first?.linearLayers.map { KernelSet.gemmScratchSize($0.weight.trits) }.max() ?? 0
    }
}

extension TransformerBlock {
    /// The seven ternary layers, in the order of a checkpoint.
    var linearLayers: [BitLinear] {
        [
            attention.query, attention.key, attention.value, attention.output, feedForward.gate,
            feedForward.up, feedForward.down,
        ]
    }
}

// MARK: - Loading

extension BitNetModel {
    /// Loads a model from a GGUF file or a Hugging Face folder.
    ///
    /// - Parameters:
    ///   - url: a `.gguf` file, or a folder with `config.json` and `model.safetensors`.
    ///   - options: threads and kernels to compute with.
    ///   - progress: called on another thread while matrices are packed.
    /// - Throws: `BitNetError`, which names the file, the tensor or key, and the remedy.
    public static func load(
        _ url: URL, options: LoadOptions = LoadOptions(),
        progress: (@Sendable (LoadProgress) -> Void)? = nil
    ) async throws(BitNetError) -> BitNetModel {
        let result: Result<BitNetModel, BitNetError> = await withCheckedContinuation { done in
            DispatchQueue.global(qos: .userInitiated).async {
                done.resume(
                    returning: Result { () throws(BitNetError) in
                        try BitNetModel(loading: url, options: options, progress: progress)
                    })
            }
        }
        return try result.get()
    }

    /// Loads on the calling thread, which it blocks.
    convenience init(
        loading url: URL, options: LoadOptions = LoadOptions(),
        progress: (@Sendable (LoadProgress) -> Void)? = nil
    ) throws(BitNetError) {
        progress?(LoadProgress(phase: .map, fraction: 0))
        let checkpoint = try Checkpoint(opening: url.path)
        try self.init(checkpoint, options: options, progress: progress)
    }

    convenience init(
        _ checkpoint: Checkpoint, options: LoadOptions = LoadOptions(),
        progress: (@Sendable (LoadProgress) -> Void)? = nil
    ) throws(BitNetError) {
        let configuration = try ModelConfiguration(checkpoint)
        let tokenizer = try Tokenizer(checkpoint)
        try tokenizer.check(fits: configuration, path: checkpoint.path)
        let compute = try Compute(options)
        let layout = try LayoutChoice.layout(
            for: configuration, compute, asked: options.layout)
        var loader = ModelLoader(
            checkpoint, configuration, compute: compute, layout: layout, progress: progress)
        loader.i2sOrder = options.i2sOrder
        loader.warnings += try tokenizer.missingTokens(of: checkpoint)
        var parts = try loader.load()
        try parts.hold(head: options.head, pool: compute.pool)
        try parts.skipZeros(
            options.sparsity, configuration, compute: compute, tokenizer: tokenizer)
        self.init(
            configuration, parts, compute: compute, tokenizer: tokenizer,
            chatTemplate: try ChatTemplate(checkpoint, tokenizer: tokenizer))
    }
}

extension Compute {
    /// The kernels and threads that `options` ask for.
    init(_ options: LoadOptions) throws(BitNetError) {
        if let threads = options.threads, !(1...1024).contains(threads) {
            throw .invalidArgument(name: "threads", detail: "\(threads) is not in 1...1024")
        }
        let threads = options.threads ?? Compute.standard.pool.threads
        let kernels =
            try options.instructionSet.map { (name) throws(BitNetError) in
                try KernelSet.named(name)
            } ?? .best
        let isStandard = threads == Compute.standard.pool.threads && !options.splitsSmallJobs
        self.init(
            kernels: kernels,
            pool: isStandard
                ? Compute.standard.pool
                : WorkerPool(threads: threads, splitsSmallJobs: options.splitsSmallJobs))
    }
}

extension ModelConfiguration {
    /// The configuration of either kind of checkpoint.
    init(_ checkpoint: Checkpoint) throws(BitNetError) {
        let name = URL(fileURLWithPath: checkpoint.path).deletingPathExtension().lastPathComponent
        switch checkpoint.metadata {
        case .gguf(let gguf): try self.init(gguf: gguf, of: checkpoint, name: name)
        case .huggingFace(let folder):
            try self.init(
                huggingFace: folder.config, name: name, path: folder.path + "/config.json")
            // BitNet embeddings say nowhere that they are any; their norms do.
            guard folder.config["quantization_config"]?.object == nil, hasLinearNorms else {
                return
            }
            let norms = TensorNames(checkpoint).linearNorms(.query, 0)
            hasLinearNorms = norms.contains { checkpoint.tensor(named: $0) != nil }
            quantizesMasters = hasLinearNorms
        }
    }
}

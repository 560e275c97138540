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
    let rotary: RotaryEmbedding
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
        rotary = parts.rotary
        self.tokenizer = tokenizer
        grammars = GrammarCache(tokenizer)
    }

    /// Runs blocking work on the model's own serial queue, off Swift's cooperative threads.
    func onQueue<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: body()) }
        }
    }

    /// Bytes of the packed ternary weights, and of the embedding and the head as stored.
    public var byteCount: (ternary: Int, dense: Int) {
        let ternary = blocks.reduce(0) { sum, block in
            sum + block.linearLayers.reduce(0) { $0 + $1.weight.byteCount }
        }
        return (ternary, embedding.byteCount + (configuration.isHeadTied ? 0 : head.byteCount))
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
        var loader = ModelLoader(
            checkpoint, configuration, compute: compute, layout: options.layout ?? .t2,
            progress: progress)
        let parts = try loader.load()
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
        let isStandard = threads == Compute.standard.pool.threads
        self.init(
            kernels: kernels,
            pool: isStandard ? Compute.standard.pool : WorkerPool(threads: threads))
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
        }
    }
}

internal import Dispatch
internal import Synchronization

/// A ternary language model, ready to run: immutable, so one model serves any number of sequences.
///
/// ```swift
/// let model = try await BitNetModel.load(URL(fileURLWithPath: "/models/bitnet-2b-4t.gguf"))
/// print(try await model.generate("The capital of France is").text)
/// ```
public final class BitNetModel: Sendable {
    /// The shape of the model.
    public var configuration: ModelConfiguration { transformer.configuration }
    /// The model's tokenizer. One that cannot be used does not keep a model from computing with
    /// tokens: loading notes it in `warnings`, and whoever asks for it gets the error.
    public var tokenizer: Tokenizer { get throws(BitNetError) { try loadedTokenizer.get() } }
    /// The tokenizer, if it can be used.
    var workingTokenizer: Tokenizer? { try? tokenizer }
    private let loadedTokenizer: Result<Tokenizer, BitNetError>
    /// How the model wants conversations written; nil where it is not made for any.
    public let chatTemplate: ChatTemplate?
    /// The kernel set the model computes with.
    public var kernels: KernelSet { compute.kernels }
    /// Threads the model computes with.
    public var threads: Int { compute.pool.threads }

    /// How the ternary matrices are packed.
    public var layout: TernaryLayout { transformer.layout }

    package let transformer: Transformer
    var compute: Compute { transformer.compute }
    /// What is odd about the file, but no error: one sentence each, for example scales that look as
    /// if they were meant to divide where the file says that they multiply.
    public let warnings: [String]
    /// What responses in a grammar share.
    let grammars: Result<GrammarCache, BitNetError>
    private let queue = DispatchQueue(label: "BitNetModel", qos: .userInitiated)
    /// Jobs that the queue has begun.
    private let begunJobs = Atomic<Int>(0)

    package init(
        _ transformer: Transformer, tokenizer: Result<Tokenizer, BitNetError>,
        chatTemplate: ChatTemplate? = nil, warnings: [String] = []
    ) {
        self.transformer = transformer
        loadedTokenizer = tokenizer
        self.chatTemplate = chatTemplate
        self.warnings = warnings
        grammars = tokenizer.map { GrammarCache($0) }
    }

    /// Runs blocking work on the model's own serial queue, off Swift's cooperative threads.
    func onQueue<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R {
        // The queue's thread runs no task that could have the value.
        let listener = PrefillProgress.listener
        return await withCheckedContinuation { continuation in
            queue.async {
                self.begunJobs.add(1, ordering: .relaxed)
                guard let listener else { return continuation.resume(returning: body()) }
                continuation.resume(
                    returning: PrefillProgress.$listener.withValue(listener, operation: body))
            }
        }
    }

    /// The number of a job that runs on the queue. Where it follows that of an earlier one, nobody
    /// else's was between them.
    var jobNumber: Int { begunJobs.load(ordering: .relaxed) }

    /// Bytes of the packed ternary weights, and of the embedding and the LM head as they are held.
    public var byteCount: (ternary: Int, dense: Int) { transformer.byteCount }

    /// For each layer, how many neurons of the feed-forward network have been left out, since all
    /// their weights in `gate` and `up` are 0 and they never say anything. Results are the same bits,
    /// `byteCount` is smaller; layers with very few such neurons keep them.
    public var silentNeurons: [Int] { transformer.silentNeurons }
}

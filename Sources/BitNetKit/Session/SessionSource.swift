/// A model as one session's answers see it: its cache is the session's own and stays.
struct SessionBackend: GenerationBackend {
    let model: BitNetModel
    let memory: SessionMemory

    /// A sliding window has no end; the answer's own limit holds. Far from overflowing in sums.
    var contextLimit: Int { memory.sliding == nil ? memory.limit : 1 << 40 }
    var vocabularySize: Int { model.vocabularySize }
    var endTokens: Set<Int> { model.endTokens }
    var addsBeginOfText: Bool { model.addsBeginOfText }
    var beginOfText: Int? { model.beginOfText }

    func encode(_ text: String) -> [Int] { model.encode(text) }

    /// An answer is a text of its own; without a chat template it goes on with the prompt's.
    func makeTextDecoder() -> any TextDecoder {
        StreamingDecoder(tokenizer: model.tokenizer, continuing: model.chatTemplate == nil)
    }

    func makeTokenSource(
        contextLength: Int, cache: KVCachePrecision
    ) throws(BitNetError) -> any TokenSource {
        SessionSource(memory)
    }

    func makeConstraint(
        for options: GenerationOptions
    ) throws(BitNetError) -> (any TokenConstraint)? {
        try model.makeConstraint(for: options)
    }

    func onQueue<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R {
        await model.onQueue(body)
    }
}

/// One answer's view of the session's cache. Its first `prefill` is the whole prompt, of which only
/// what the cache lacks is computed.
final class SessionSource: TokenSource {
    private let memory: SessionMemory
    private var hasPrompt = false
    /// Tokens that a sliding window left out since the answer began. Positions count them, so that
    /// they never go backwards by themselves.
    private var left = 0

    init(_ memory: SessionMemory) { self.memory = memory }

    var position: Int { hasPrompt ? memory.tokens.count + left : 0 }

    func prefill(_ tokens: [Int], isCancelled: () -> Bool) throws(BitNetError) {
        var new = tokens
        if !hasPrompt {
            new.removeFirst(memory.keep(beginningOf: tokens))
            hasPrompt = true
        }
        left += try memory.makeRoom(for: new.count, isCancelled: isCancelled)
        try memory.prefill(new, isCancelled: isCancelled)
    }

    func prefill(
        _ tokens: [Int], isCancelled: () -> Bool, eachLogits: (Int, Span<Float>) -> Bool
    ) throws(BitNetError) {
        if !hasPrompt {
            // Logits of every token take computing every token.
            memory.rewind(to: 0)
            hasPrompt = true
        }
        left += try memory.makeRoom(for: tokens.count, isCancelled: isCancelled)
        try memory.prefill(tokens, isCancelled: isCancelled, eachLogits: eachLogits)
    }

    func rewind(to position: Int) {
        memory.rewind(to: max(0, position - left))
    }

    func setLogitsNeeded(_ need: LogitsNeed) { memory.setLogitsNeeded(need) }
    func countZeros(_ isOn: Bool) { memory.countZeros(isOn) }
    var sparsity: FeedForwardSparsity? { memory.sparsity }

    func withLogits<R, E: Error>(_ body: (Span<Float>) throws(E) -> R) throws(E) -> R {
        try memory.withLogits(body)
    }
}

/// The KV cache of a session and the tokens in it. Blocking, on the model's queue.
///
/// One turn or one other operation of the session uses it at a time; the session sees to that.
final class SessionMemory: @unchecked Sendable {
    /// Tokens that fit.
    let limit: Int
    /// What happens when they do not; nil is an error.
    let sliding: SlidingWindow?
    private let context: InferenceContext
    /// The tokens whose keys and values are in the cache.
    private(set) var tokens: [Int]
    /// Tokens of the conversation that are left out after the sinks.
    private(set) var dropped: Int

    /// Whether the next tokens are the whole prompt of an answer.
    private var awaitsPrompt = false
    /// Tokens that the sliding window left out since the answer began. Positions count them, so that
    /// they never go backwards by themselves.
    private var droppedByAnswer = 0

    /// Tokens that a new cache has room for; it grows up to the limit.
    private static let firstCapacity = 256

    /// - Throws: `BitNetError.invalidArgument`, `.outOfMemory`.
    convenience init(
        model: BitNetModel, limit: Int, cache: KVCachePrecision, overflow: ContextOverflow
    ) throws(BitNetError) {
        let most = model.configuration.contextLength
        guard limit >= 2, limit <= most else {
            throw .invalidArgument(
                name: "context", detail: "\(limit) tokens are not in 2...\(most), the model's limit"
            )
        }
        let sliding = try SlidingWindow(overflow, limit: limit)
        self.init(
            try InferenceContext(
                model.transformer, contextLength: limit, cache: cache,
                capacity: SessionMemory.firstCapacity),
            sliding: sliding, tokens: [], dropped: 0)
    }

    /// Takes over a context whose cache holds `tokens`.
    init(_ context: InferenceContext, sliding: SlidingWindow?, tokens: [Int], dropped: Int) {
        self.context = context
        self.sliding = sliding
        self.tokens = tokens
        self.dropped = dropped
        limit = context.contextLength
    }

    /// A copy with a cache of its own.
    func fork() throws(BitNetError) -> SessionMemory {
        SessionMemory(try context.fork(), sliding: sliding, tokens: tokens, dropped: dropped)
    }

    var precision: KVCachePrecision { context.precision }

    /// The bytes of every key and value in the cache.
    var filledParts: [CacheBytes] { context.filledParts }

    /// Sets what sees every intermediate result from now on.
    func probe(with see: @escaping ActivationProbe.Observer) { context.probe(with: see) }

    /// The part of a conversation that is computed: all of it, or else the sinks and the latest
    /// tokens. What was left out before stays out, so that the rest is still in the cache.
    ///
    /// - Throws: `BitNetError.contextWindowExceeded` if it does not fit, with one token to follow,
    ///   and nothing may be left out.
    func window(of conversation: [Int]) throws(BitNetError) -> [Int] {
        if conversation.count >= limit, sliding == nil {
            throw .contextWindowExceeded(limit: limit, requested: conversation.count + 1)
        }
        dropped = droppedTokens(of: conversation.count)
        guard let sliding, dropped > 0 else { return conversation }
        return Array(conversation[..<sliding.sinks] + conversation[(sliding.sinks + dropped)...])
    }

    /// Tokens that a conversation of `count` is left without after the sinks.
    func droppedTokens(of count: Int) -> Int {
        guard let sliding, count >= limit else { return 0 }
        // After going back, less may be left than a window should have.
        return (sliding.kept..<limit).contains(count - dropped) ? dropped : count - sliding.kept
    }

    /// Forgets what does not begin like `window`; returns how many of its tokens need no computation.
    /// The last one always does: it gives the logits.
    func keep(beginningOf window: [Int]) -> Int {
        let common = zip(tokens, window).prefix { $0 == $1 }.count
        forget(after: min(common, max(window.count - 1, 0)))
        return tokens.count
    }

    /// Reads up to `most` more tokens of `window`, of which the cache holds the beginning, but not
    /// the last one; returns whether that is all.
    func readMore(
        of window: [Int], most: Int, isCancelled: () -> Bool
    ) throws(BitNetError) -> Bool {
        let end = min(tokens.count + most, window.count - 1)
        if tokens.count < end {
            try append(Array(window[tokens.count..<end])) { (new) throws(BitNetError) in
                try context.read(
                    new, progress: PrefillProgress(of: window.count, after: tokens.count),
                    isCancelled: isCancelled)
            }
        }
        return end >= window.count - 1
    }

    /// Forgets all but the first `count` tokens.
    func forget(after count: Int) {
        context.rewind(to: count)
        tokens.removeLast(tokens.count - count)
    }

    /// Where `count` more tokens do not fit, drops the oldest tokens after the sinks and reads the
    /// others again.
    private func makeRoom(for count: Int, isCancelled: () -> Bool) throws(BitNetError) {
        guard let sliding, tokens.count + count > limit else { return }
        let kept = min(sliding.kept, limit - count)
        guard kept >= sliding.sinks else {
            throw .contextWindowExceeded(limit: limit, requested: sliding.sinks + count)
        }
        let latest = Array(tokens.suffix(kept - sliding.sinks))
        let left = tokens.count - kept
        dropped += left
        droppedByAnswer += left
        forget(after: sliding.sinks)
        try append(latest) { (new) throws(BitNetError) in
            try context.read(new, isCancelled: isCancelled)
        }
    }

    /// Runs `body`, which adds `new` to the cache, or only the beginning if it throws.
    private func append(
        _ new: [Int], _ body: ([Int]) throws(BitNetError) -> Void
    ) throws(BitNetError) {
        defer { tokens += new.prefix(context.position - tokens.count) }
        try body(new)
    }
}

// MARK: - An answer

extension SessionMemory: TokenSource {
    /// Makes the next tokens the whole prompt of an answer, of which only what the cache lacks is
    /// computed.
    func beginAnswer() {
        awaitsPrompt = true
        droppedByAnswer = 0
    }

    var position: Int { awaitsPrompt ? 0 : tokens.count + droppedByAnswer }

    func forward(_ tokens: [Int], isCancelled: () -> Bool) throws(BitNetError) {
        let known = awaitsPrompt ? keep(beginningOf: tokens) : 0
        awaitsPrompt = false
        let new = Array(tokens[known...])
        try makeRoom(for: new.count, isCancelled: isCancelled)
        try append(new) { (new) throws(BitNetError) in
            try context.forward(new, isCancelled: isCancelled)
        }
    }

    func forward(
        _ tokens: [Int], isCancelled: () -> Bool, eachLogits: (Int, Span<Float>) -> Bool
    ) throws(BitNetError) {
        // Logits of every token take computing every token.
        if awaitsPrompt { forget(after: 0) }
        awaitsPrompt = false
        try makeRoom(for: tokens.count, isCancelled: isCancelled)
        try append(tokens) { (new) throws(BitNetError) in
            try context.forward(new, isCancelled: isCancelled, eachLogits: eachLogits)
        }
    }

    func rewind(to position: Int) { forget(after: max(0, position - droppedByAnswer)) }

    func setLogitsNeeded(_ need: LogitsNeed) { context.setLogitsNeeded(need) }
    func countZeros(_ isOn: Bool) { context.countZeros(isOn) }
    var sparsity: FeedForwardSparsity? { context.sparsity }

    func withLogits<R, E: Error>(_ body: (Span<Float>) throws(E) -> R) throws(E) -> R {
        try context.withLogits(body)
    }
}

/// What generation needs of a model. `BitNetModel` is one; tests bring another.
protocol GenerationBackend: Sendable {
    /// The most tokens a sequence may have.
    var contextLimit: Int { get }
    /// Token ids are in `0..<vocabularySize`.
    var vocabularySize: Int { get }
    /// Whether a text prompt starts with `beginOfText`.
    var addsBeginOfText: Bool { get }
    var beginOfText: Int? { get }
    var endTokens: Set<Int> { get }

    /// The tokens of a text, without a begin-of-text token; `effort` says whether they are wanted,
    /// `most` how many can be used.
    func encode(_ text: String, most: Int, effort: Effort) throws(BitNetError) -> [Int]
    /// The tokens of a conversation up to where the next message begins, a begin-of-text token
    /// included.
    func tokens(
        of messages: [ChatMessage], limit: Int, effort: Effort
    ) throws(BitNetError) -> [Int]
    /// Throws where the model has no tokenizer that works; nothing else is asked of it then.
    func makeTextDecoder(for prompt: Prompt) throws(BitNetError) -> any TextDecoder
    func makeTokenSource(
        contextLength: Int, cache: KVCachePrecision
    ) throws(BitNetError) -> any TokenSource
    /// What `options` demand of a response's tokens, if anything.
    func makeConstraint(
        for options: GenerationOptions
    ) throws(BitNetError) -> (any TokenConstraint)?
    /// Runs blocking work off the cooperative pool, one job at a time.
    func onQueue<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R
}

extension GenerationBackend {
    func makeConstraint(
        for options: GenerationOptions
    ) throws(BitNetError) -> (any TokenConstraint)? { nil }

    func tokens(
        of messages: [ChatMessage], limit: Int, effort: Effort
    ) throws(BitNetError) -> [Int] {
        try Prompt.text(messages.map(\.content).joined())
            .tokens(for: self, limit: limit, effort: effort)
    }
}

/// One sequence being decoded: takes tokens, gives logits. Blocking, one user at a time.
protocol TokenSource: AnyObject {
    /// Tokens taken so far.
    var position: Int { get }
    /// Appends `tokens` (at least one); afterwards the logits are those of the last one. Throws
    /// `.cancelled` soon after `isCancelled` has become true.
    func forward(_ tokens: [Int], isCancelled: () -> Bool) throws(BitNetError)
    /// The same, calling `eachLogits` with the index in `tokens` and the logits of one token after
    /// the other until it returns false; the logits of the rest are not computed.
    func forward(
        _ tokens: [Int], isCancelled: () -> Bool, eachLogits: (Int, Span<Float>) -> Bool
    ) throws(BitNetError)
    /// Forgets the tokens from `position` on; there are no logits until the next `forward`.
    func rewind(to position: Int)
    /// Says which logits `withLogits` must have from the next `forward` on; others may be -infinity.
    func setLogitsNeeded(_ need: LogitsNeed)
    /// The logits of the latest token, one per token of the vocabulary.
    func withLogits<R, E: Error>(_ body: (Span<Float>) throws(E) -> R) throws(E) -> R
    /// Starts to count zeros in the feed-forward networks, and what is left out for them, from none,
    /// or stops.
    func countZeros(_ isOn: Bool)
    /// What was counted since; nil if that is off or nothing was computed.
    var sparsity: FeedForwardSparsity? { get }
}

extension TokenSource {
    func countZeros(_ isOn: Bool) {}
    var sparsity: FeedForwardSparsity? { nil }
}

/// Turns a sequence of tokens into text, whole characters at a time.
protocol TextDecoder {
    /// The text that `id` completes.
    mutating func append(_ id: Int) -> String
    /// What is left at the end of the sequence.
    mutating func finish() -> String
}

extension InferenceContext: TokenSource {}
extension StreamingDecoder: TextDecoder {}

extension BitNetModel: GenerationBackend {
    var contextLimit: Int { configuration.contextLength }
    var vocabularySize: Int { configuration.vocabularySize }
    var addsBeginOfText: Bool { workingTokenizer?.addsBeginOfText ?? false }
    var beginOfText: Int? { workingTokenizer?.beginOfText }
    var endTokens: Set<Int> { workingTokenizer?.endTokens ?? [] }

    func encode(_ text: String, most: Int, effort: Effort) throws(BitNetError) -> [Int] {
        try tokenizer.encode(text, most: most, effort: effort)
    }

    func makeConstraint(
        for options: GenerationOptions
    ) throws(BitNetError) -> (any TokenConstraint)? {
        guard let grammar = options.grammar else { return nil }
        return try grammars.get().state(for: grammar)
    }

    func tokens(
        of messages: [ChatMessage], limit: Int, effort: Effort
    ) throws(BitNetError) -> [Int] {
        try tokens(of: messages, addsGenerationPrompt: true, limit: limit, effort: effort)
    }

    /// An answer is a text of its own where a chat template sets it apart; else it goes on with the
    /// prompt's.
    func makeTextDecoder(for prompt: Prompt) throws(BitNetError) -> any TextDecoder {
        var isContinuing = true
        if case .messages = prompt { isContinuing = chatTemplate == nil }
        return StreamingDecoder(tokenizer: try tokenizer, continuing: isContinuing)
    }

    func makeTokenSource(
        contextLength: Int, cache: KVCachePrecision
    ) throws(BitNetError) -> any TokenSource {
        try InferenceContext(transformer, contextLength: contextLength, cache: cache)
    }
}

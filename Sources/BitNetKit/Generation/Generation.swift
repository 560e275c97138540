/// A response being generated: everything but waiting. Blocking; `GenerationRun` gives it a thread.
///
/// Each call of `advance` makes at most one pass through the model. Nothing is computed ahead: the
/// token chosen last goes through the model only when the next one is asked for, with a draft behind
/// it if there is one.
struct Generation {
    private let backend: any GenerationBackend
    private let prompt: Prompt
    private let options: GenerationOptions
    private let isCancelled: @Sendable () -> Bool

    private var sampler: Sampler
    /// Nil until the response begins.
    private var decoder: (any TextDecoder)?
    private var matcher: StopMatcher
    private var source: (any TokenSource)?
    private var lookup: PromptLookup?

    private var events: [GenerationEvent] = []
    /// What ended the response; it follows the events that came before it.
    private var failure: BitNetError?
    private var isFinished = false
    /// Prompt and response.
    private var tokens: [Int] = []
    /// What goes through the model in one pass.
    private var batch: [Int] = []
    /// The most tokens the response may have.
    private var room = 0
    private var promptTokens = 0
    private var generatedTokens = 0
    private var decodedTokens = 0
    private var decodePasses = 0
    private var draftedTokens = 0
    private var acceptedDraftTokens = 0
    private var prefill = Duration.zero
    private var decode = Duration.zero

    init(
        backend: any GenerationBackend, prompt: Prompt, options: GenerationOptions,
        processors: [LogitProcessor] = [], isCancelled: @escaping @Sendable () -> Bool
    ) {
        self.backend = backend
        self.prompt = prompt
        self.options = options
        self.isCancelled = isCancelled
        sampler = Sampler(options, processors: processors)
        matcher = StopMatcher(options.stop)
        if case .promptLookup(let maximumDraft, let ngram) = options.speculation {
            lookup = PromptLookup(maximumDraft: maximumDraft, ngram: ngram)
        }
    }

    /// The next event that needs no computation, if there is one.
    mutating func takeEvent() -> GenerationEvent? {
        events.isEmpty ? nil : events.removeFirst()
    }

    /// The next event; nil after `finished` and after an error.
    mutating func advance() -> Result<GenerationEvent?, BitNetError> {
        if let event = takeEvent() { return .success(event) }
        if isFinished { return takeFailure() }
        do throws(BitNetError) {
            if let reason = try step() { finish(reason) }
        } catch .cancelled {
            finish(.cancelled)
        } catch {
            end()
            failure = error
        }
        return takeEvent().map { .success($0) } ?? takeFailure()
    }

    private mutating func takeFailure() -> Result<GenerationEvent?, BitNetError> {
        defer { failure = nil }
        return failure.map { .failure($0) } ?? .success(nil)
    }

    /// Makes one pass. Appends its events or returns why the response ends, or both.
    private mutating func step() throws(BitNetError) -> StopReason? {
        if isCancelled() { throw .cancelled }
        if source == nil { source = try begin() }
        guard let source else { return limitReached }
        // The first token comes out of the prompt's pass, and is no part of what is timed.
        if generatedTokens == 0 { return try chooseLatest(from: source) }
        let start = ContinuousClock.now
        defer { decode += ContinuousClock.now - start }
        batch.removeAll(keepingCapacity: true)
        batch.append(tokens[tokens.count - 1])
        // Behind the draft there must be room for the token chosen after it.
        let (limit, ends) = (room - generatedTokens - 1, backend.endTokens)
        lookup?.propose(after: tokens, atMost: limit, endTokens: ends)
        guard let draft = lookup?.draft, !draft.isEmpty else { return try decodeOne(source) }
        return try decode(draft, source)
    }

    /// Takes the latest token through the model and chooses the next one.
    private mutating func decodeOne(
        _ source: any TokenSource
    ) throws(BitNetError) -> StopReason? {
        try source.forward(batch, isCancelled: isCancelled)
        decodePasses += 1
        decodedTokens += 1
        return try chooseLatest(from: source)
    }

    /// Takes the latest token and `draft` through the model, and chooses tokens from their own
    /// logits for as long as the draft was right.
    private mutating func decode(
        _ draft: [Int], _ source: any TokenSource
    ) throws(BitNetError) -> StopReason? {
        let start = source.position
        let decoded = decodedTokens
        var accepted = 0
        var outcome: Result<StopReason?, BitNetError> = .success(nil)
        do throws(BitNetError) {
            try source.forward(batch + draft, isCancelled: isCancelled) { index, logits in
                decodedTokens += 1
                outcome = Result { () throws(BitNetError) in try choose(from: logits) }
                guard outcome == .success(nil), index < draft.count,
                    tokens[tokens.count - 1] == draft[index]
                else { return false }
                accepted += 1
                return true
            }
        } catch {
            // What fails in the draft may lie behind a token that is never chosen.
            guard case .corruptTensor = error, decodedTokens == decoded else { throw error }
            source.rewind(to: start)
            return try decodeOne(source)
        }
        decodePasses += 1
        draftedTokens += draft.count
        acceptedDraftTokens += accepted
        source.rewind(to: start + 1 + accepted)
        return try outcome.get()
    }

    /// Validates, and computes the prompt. Returns nil if there is no room for a response.
    private mutating func begin() throws(BitNetError) -> (any TokenSource)? {
        try options.validate()
        try options.validate(vocabularySize: backend.vocabularySize)
        let limit = try contextLimit()
        decoder = try backend.makeTextDecoder(for: prompt)
        tokens = try prompt.tokens(
            for: backend, limit: limit, effort: Effort(isCancelled: isCancelled))
        guard tokens.count <= limit else {
            throw .contextWindowExceeded(limit: limit, requested: tokens.count)
        }
        promptTokens = tokens.count
        room = min(limit - tokens.count, options.maximumResponseTokens ?? .max)
        if limitReached != nil { return nil }
        // The cache holds what this response can need, not what the model could hold.
        let source = try backend.makeTokenSource(
            contextLength: tokens.count + room, cache: options.kvCache)
        sampler.constraint = try backend.makeConstraint(for: options)
        source.setLogitsNeeded(sampler.isSteered ? .all : options.logitsNeeded)
        for token in tokens { sampler.acceptPrompt(token) }
        let start = ContinuousClock.now
        defer { prefill = ContinuousClock.now - start }
        try source.forward(tokens, isCancelled: isCancelled)
        source.countZeros(options.includesSparsity)
        return source
    }

    private func contextLimit() throws(BitNetError) -> Int {
        guard let length = options.contextLength else { return backend.contextLimit }
        guard length <= backend.contextLimit else {
            throw .invalidArgument(
                name: "contextLength",
                detail: "\(length) tokens are more than the model's \(backend.contextLimit)")
        }
        return length
    }

    private var limitReached: StopReason? {
        if generatedTokens < room { return nil }
        return generatedTokens == options.maximumResponseTokens ? .length : .contextFull
    }

    private mutating func chooseLatest(
        from source: any TokenSource
    ) throws(BitNetError) -> StopReason? {
        try source.withLogits { logits throws(BitNetError) in try choose(from: logits) }
    }

    /// Chooses the next token and appends its events; returns why the response ends, if it does.
    private mutating func choose(from logits: Span<Float>) throws(BitNetError) -> StopReason? {
        let id = try sampler.next(logits, after: tokens)
        if backend.endTokens.contains(id) { return .endOfText }
        sampler.accept(id)
        generatedTokens += 1
        tokens.append(id)
        let logProbabilities = options.topLogProbabilities.map {
            LogProbabilities(of: id, top: $0, logits)
        }
        events.append(.token(id: id, logProbabilities: logProbabilities))
        emit(matcher.append(decoder?.append(id) ?? ""))
        return matcher.matched.map(StopReason.stopString) ?? limitReached
    }

    private mutating func emit(_ text: String) {
        if !text.isEmpty { events.append(.text(text)) }
    }

    /// Gives out the text that was held back, then the end.
    private mutating func finish(_ reason: StopReason) {
        emit(matcher.append(decoder?.finish() ?? ""))
        emit(matcher.finish())
        let statistics = GenerationStatistics(
            promptTokens: promptTokens, cachedPromptTokens: 0, generatedTokens: generatedTokens,
            decodedTokens: decodedTokens, decodePasses: decodePasses,
            draftedTokens: draftedTokens, acceptedDraftTokens: acceptedDraftTokens,
            prefill: prefill, decode: decode, sparsity: source?.sparsity)
        events.append(.finished(reason, statistics))
        end()
    }

    /// Frees the cache; there is nothing more to compute.
    private mutating func end() {
        source = nil
        isFinished = true
    }
}

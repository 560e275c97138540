/// A response being generated: everything but waiting. Blocking; `GenerationRun` gives it a thread.
///
/// Each call of `advance` computes at most one token. Nothing is computed ahead: the token chosen
/// last goes through the model only when the next one is asked for.
struct Generation {
    private let backend: any GenerationBackend
    private let prompt: Prompt
    private let options: GenerationOptions
    private let isCancelled: @Sendable () -> Bool

    private var sampler: Sampler
    private var decoder: any TextDecoder
    private var matcher: StopMatcher
    private var source: (any TokenSource)?

    private var events: [GenerationEvent] = []
    private var isFinished = false
    /// The most tokens the response may have.
    private var room = 0
    private var promptTokens = 0
    private var generatedTokens = 0
    private var decodedTokens = 0
    private var latest: Int?
    private var prefill = Duration.zero
    private var decode = Duration.zero

    init(
        backend: any GenerationBackend, prompt: Prompt, options: GenerationOptions,
        isCancelled: @escaping @Sendable () -> Bool
    ) {
        self.backend = backend
        self.prompt = prompt
        self.options = options
        self.isCancelled = isCancelled
        sampler = Sampler(options)
        decoder = backend.makeTextDecoder()
        matcher = StopMatcher(options.stop)
    }

    /// The next event that needs no computation, if there is one.
    mutating func takeEvent() -> GenerationEvent? {
        events.isEmpty ? nil : events.removeFirst()
    }

    /// The next event; nil after `finished` and after an error.
    mutating func advance() -> Result<GenerationEvent?, BitNetError> {
        if let event = takeEvent() { return .success(event) }
        if isFinished { return .success(nil) }
        do throws(BitNetError) {
            if let reason = try step() { finish(reason) }
        } catch .cancelled {
            finish(.cancelled)
        } catch {
            end()
            return .failure(error)
        }
        return .success(takeEvent())
    }

    /// Computes one token. Appends its events or returns why the response ends, or both.
    private mutating func step() throws(BitNetError) -> StopReason? {
        if isCancelled() { throw .cancelled }
        if source == nil { source = try begin() }
        guard let source else { return limitReached }
        let clock = ContinuousClock()
        let start = clock.now
        defer { decode += clock.now - start }
        if let latest {
            try source.prefill([latest], isCancelled: isCancelled)
            decodedTokens += 1
        }
        return try choose(from: source)
    }

    /// Validates, and computes the prompt. Returns nil if there is no room for a response.
    private mutating func begin() throws(BitNetError) -> (any TokenSource)? {
        let clock = ContinuousClock()
        let start = clock.now
        defer { prefill = clock.now - start }
        try options.validate()
        let limit = try contextLimit()
        let tokens = try prompt.tokens(for: backend)
        guard tokens.count <= limit else {
            throw .contextWindowExceeded(limit: limit, requested: tokens.count)
        }
        promptTokens = tokens.count
        room = min(limit - tokens.count, options.maximumResponseTokens ?? .max)
        if limitReached != nil { return nil }
        // The cache holds what this response can need, not what the model could hold.
        let source = try backend.makeTokenSource(
            contextLength: tokens.count + room, cache: options.kvCache)
        source.setLogitsNeeded(options.logitsNeeded)
        for token in tokens { sampler.accept(token) }
        try source.prefill(tokens, isCancelled: isCancelled)
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

    /// Chooses the next token and appends its events; returns why the response ends, if it does.
    private mutating func choose(from source: any TokenSource) throws(BitNetError) -> StopReason? {
        let (id, logProbability) = try source.withLogits { logits throws(BitNetError) in
            let id = try sampler.next(logits)
            let wanted = options.includesLogProbabilities
            return (id, wanted ? sampler.logProbability(of: id, logits) : nil)
        }
        if backend.endTokens.contains(id) { return .endOfText }
        sampler.accept(id)
        generatedTokens += 1
        latest = id
        events.append(.token(id: id, logProbability: logProbability))
        emit(matcher.append(decoder.append(id)))
        return matcher.matched.map(StopReason.stopString) ?? limitReached
    }

    private mutating func emit(_ text: String) {
        if !text.isEmpty { events.append(.text(text)) }
    }

    /// Gives out the text that was held back, then the end.
    private mutating func finish(_ reason: StopReason) {
        emit(matcher.append(decoder.finish()))
        emit(matcher.finish())
        let statistics = GenerationStatistics(
            promptTokens: promptTokens, cachedPromptTokens: 0, generatedTokens: generatedTokens,
            decodedTokens: decodedTokens, prefill: prefill, decode: decode)
        events.append(.finished(reason, statistics))
        end()
    }

    /// Frees the cache; there is nothing more to compute.
    private mutating func end() {
        source = nil
        isFinished = true
    }
}

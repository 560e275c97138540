internal import Synchronization

/// A conversation with a model, which keeps what it has computed.
///
/// ```swift
/// let session = try BitNetSession(model: model, instructions: "Answer in one sentence.")
/// print(try await session.respond(to: "What is a ternary weight?").text)
/// print(try await session.respond(to: "And a trit?").text)  // knows the first question
/// ```
///
/// Every answer is exactly what the model says to the whole conversation as one prompt; only tokens
/// that the session's KV cache does not hold yet are computed (`cachedPromptTokens` in the
/// statistics counts the others). Sessions of one model are independent and may run at the same
/// time: the model computes a token of one, then a token of another.
///
/// A model with a chat template gets messages in its own format. Any other model, such as the
/// sample model, just continues a text: instructions, prompts and answers are joined as they are,
/// without anything between them.
///
/// A session gives one answer at a time; asking for another one meanwhile throws
/// `BitNetError.sessionBusy`, as does `fork`, `rewind` or `save`. A turn that fails leaves the
/// session as it was before. A turn that is cancelled, or whose stream is given up, keeps the answer
/// as far as it came; if there was none yet, the turn never happened.
public actor BitNetSession {
    /// The model that answers.
    public nonisolated let model: BitNetModel
    /// The most tokens that the conversation may have, or the model sees at once with a sliding
    /// window.
    public nonisolated var context: Int { memory.limit }
    /// How keys and values are stored.
    public nonisolated var cache: KVCachePrecision { memory.precision }

    nonisolated let memory: SessionMemory
    private var history: [ChatMessage]
    private var current: Turn?
    private var isWorking = false
    /// What has the session to itself, from one answer to the next, until it ends or nobody holds it.
    private weak var owner: ToolTurn?
    /// The conversation before that; nil where nothing has the session to itself.
    private var historyBeforeOwner: [ChatMessage]?

    /// A turn, until its answer is part of the history.
    private struct Turn {
        /// The conversation that is answered.
        let messages: [ChatMessage]
        let request: SessionRequest
        let answer: SessionAnswer
        /// Lives as long as somebody may still ask for tokens.
        weak var run: SessionRun?
    }

    /// An empty conversation.
    ///
    /// - Parameters:
    ///   - model: the model that answers.
    ///   - instructions: what holds for the whole conversation: the system message of a chat model;
    ///     the beginning of the text otherwise.
    ///   - context: the most tokens to keep, at least 2; nil for the model's own limit. Memory for
    ///     them is taken as the conversation grows.
    ///   - cache: how keys and values are kept; takes the place of `GenerationOptions.kvCache`.
    ///   - overflow: what happens when the context is full.
    /// - Throws: `BitNetError.invalidArgument` for a context or a window that is not possible,
    ///   `.outOfMemory`.
    public init(
        model: BitNetModel, instructions: String? = nil, context: Int? = nil,
        cache: KVCachePrecision = .f16, overflow: ContextOverflow = .error
    ) throws(BitNetError) {
        let memory = try SessionMemory(
            model: model, limit: context ?? model.configuration.contextLength, cache: cache,
            overflow: overflow)
        self.init(
            model: model, memory: memory,
            history: instructions.map { [ChatMessage(.system, $0)] } ?? [])
    }

    /// A conversation that has been held elsewhere. Nothing is computed before the first answer, or
    /// `prewarm()`.
    ///
    /// ```swift
    /// let session = try BitNetSession(model: model, messages: [
    ///     ChatMessage(.user, "My name is Ada."), ChatMessage(.assistant, "Hello, Ada!"),
    /// ])
    /// print(try await session.respond(to: "What is my name?").text)
    /// ```
    ///
    /// - Parameters:
    ///   - model: the model that answers.
    ///   - messages: what has been said so far, the oldest first. Which roles may follow which is up
    ///     to the chat template, which says so when the conversation is read.
    ///   - context: as for an empty conversation, and so are the others.
    ///   - cache: how keys and values are kept.
    ///   - overflow: what happens when the context is full.
    /// - Throws: `BitNetError.invalidArgument` for a context or a window that is not possible,
    ///   `.outOfMemory`.
    public init(
        model: BitNetModel, messages: [ChatMessage], context: Int? = nil,
        cache: KVCachePrecision = .f16, overflow: ContextOverflow = .error
    ) throws(BitNetError) {
        let memory = try SessionMemory(
            model: model, limit: context ?? model.configuration.contextLength, cache: cache,
            overflow: overflow)
        self.init(model: model, memory: memory, history: messages)
    }

    init(model: BitNetModel, memory: SessionMemory, history: [ChatMessage]) {
        self.model = model
        self.memory = memory
        self.history = history
    }

    /// The conversation so far: the instructions as a system message, if there are any, then a
    /// user's and an assistant's message for each turn. A running turn is not part of it.
    public var messages: [ChatMessage] {
        settle()
        return history
    }

    /// The turns so far, each of which begins with a user's message.
    public var turnCount: Int { messages.count { $0.role == .user } }

    /// Answers `prompt` and returns the whole answer.
    ///
    /// If the task is cancelled, the answer so far is returned with `StopReason.cancelled`.
    ///
    /// - Parameters:
    ///   - prompt: what the user says, plain text; with a model that has no chat template, the text
    ///     to go on with. It may be empty.
    ///   - options: how to choose tokens. `kvCache` is ignored, the session has its own. With a
    ///     sliding window an answer has at most `context` tokens if the options do not say.
    ///   - processors: run on the logits of every token of the answer, in this order. They see the
    ///     tokens of the whole conversation, or what a sliding window has left of it.
    /// - Throws: `BitNetError.contextWindowExceeded`, `.sessionBusy`, `.invalidArgument` for an
    ///   option out of range, `.corruptTensor` if the model computes numbers that are not finite,
    ///   `.outOfMemory`, and what the chat template throws.
    public func respond(
        to prompt: String, options: GenerationOptions = .init(),
        processors: [LogitProcessor] = []
    ) async throws(BitNetError) -> GenerationResult {
        try await streamResponse(to: prompt, options: options, processors: processors).collect()
    }

    /// Answers `prompt` token by token. The turn begins with the stream's first `next()`, from which
    /// the errors of `respond(to:options:processors:)` come too; each iterator is a turn of its own.
    ///
    /// ```swift
    /// for try await event in session.streamResponse(to: "Tell me a story.") {
    ///     if case .text(let text) = event { print(text, terminator: "") }
    /// }
    /// ```
    public nonisolated func streamResponse(
        to prompt: String, options: GenerationOptions = .init(),
        processors: [LogitProcessor] = []
    ) -> ResponseStream {
        ResponseStream(
            session: self, request: SessionRequest(.prompt(prompt)), options: options,
            processors: processors)
    }

    /// Computes what is known of the next prompt, so that the next answer begins sooner: after
    /// `init` the instructions, after `rewind(toTurn:)` whatever the cache has lost.
    ///
    /// - Throws: as `respond(to:options:processors:)`; `.cancelled` if the task is cancelled. The session stays
    ///   usable.
    public func prewarm() async throws(BitNetError) {
        try begin()
        defer { isWorking = false }
        guard !history.isEmpty else { return }
        let reading = try await read(history, addsGenerationPrompt: false)
        if !reading.isComplete { throw .cancelled }
    }
}

// MARK: - Turns

extension BitNetSession {
    /// Begins a turn and reads all of its prompt but the last token.
    func open(
        _ request: SessionRequest, options: GenerationOptions, processors: [LogitProcessor],
        for run: SessionRun
    ) async throws(BitNetError) -> SessionOpening {
        try begin(for: request.owner)
        defer { isWorking = false }
        try options.validate()
        let messages = try request.messages(after: history)
        let reading = try await read(messages, request.tools, addsGenerationPrompt: true)
        current = Turn(messages: messages, request: request, answer: run.answer, run: run)
        var options = options
        if memory.sliding != nil, options.maximumResponseTokens == nil {
            options.maximumResponseTokens = memory.limit
        }
        let stream = GenerationStream(
            backend: SessionBackend(model: model, memory: memory),
            prompt: .tokens(reading.window), options: options, processors: processors)
        return SessionOpening(events: stream.makeAsyncIterator(), reading: reading)
    }

    /// Makes the turn that has ended part of the history, or drops it.
    func settle() {
        if let turn = current {
            switch turn.answer.outcome(isAbandoned: turn.run == nil) {
            case nil: return
            case .dropped?: break
            case .kept(let text, let reason)?:
                if let answer = turn.request.answer(text, reason) {
                    history = turn.messages + [answer]
                }
            }
            current = nil
        }
        // A turn with tools that was given up has never happened.
        guard owner == nil, let before = historyBeforeOwner else { return }
        (history, historyBeforeOwner) = (before, nil)
    }

    /// Brings a conversation into the cache, all but its last token: a batch at a time, so that
    /// other sequences of the model get their turn.
    private func read(
        _ messages: [ChatMessage], _ tools: [ToolDescription] = [], addsGenerationPrompt: Bool
    ) async throws(BitNetError) -> SessionReading {
        let cancellation = Cancellation()
        return try await cancellation.follow {
            await readAll(messages, tools, addsGenerationPrompt, cancellation)
        }.get()
    }

    private func readAll(
        _ messages: [ChatMessage], _ tools: [ToolDescription], _ addsGenerationPrompt: Bool,
        _ cancellation: Cancellation
    ) async -> Result<SessionReading, BitNetError> {
        let (model, memory) = (model, memory)
        var reading = await model.onQueue {
            Result { () throws(BitNetError) in
                do throws(BitNetError) {
                    // What slides out of a window has to be counted first.
                    let tokens = try model.tokens(
                        of: messages, tools: tools, addsGenerationPrompt: addsGenerationPrompt,
                        limit: memory.sliding == nil ? memory.limit : .max,
                        effort: Effort { cancellation.isRequested })
                    let window = try memory.window(of: tokens)
                    return SessionReading(
                        window: window, cachedTokens: memory.keep(beginningOf: window))
                } catch .cancelled {
                    return SessionReading(window: [], cachedTokens: 0, isCancelled: true)
                }
            }
        }
        while case .success(let latest) = reading, !latest.isComplete, !latest.isCancelled {
            reading = await model.onQueue {
                Result { () throws(BitNetError) in
                    var next = latest
                    try next.advance(memory, job: model.jobNumber) {
                        cancellation.isRequested
                    }
                    return next
                }
            }
        }
        return reading
    }

    /// Reserves the session for one operation; the caller clears `isWorking`.
    private func begin(for owner: ToolTurn? = nil) throws(BitNetError) {
        settle()
        guard current == nil, !isWorking, self.owner === owner else { throw .sessionBusy }
        isWorking = true
    }

    /// Gives the session to `turn` until `release(_:keeping:)`, or until nobody holds it.
    func reserve(for turn: ToolTurn) throws(BitNetError) {
        try begin()
        isWorking = false
        (owner, historyBeforeOwner) = (turn, history)
    }

    /// Ends what has the session to itself; unless it `keeps` what it has added to the conversation,
    /// that is unsaid.
    func release(_ turn: ToolTurn, keeping keeps: Bool) {
        settle()
        guard owner === turn else { return }
        if !keeps, let before = historyBeforeOwner { history = before }
        (owner, historyBeforeOwner) = (nil, nil)
    }

    func append(_ message: ChatMessage, in turn: ToolTurn) throws(BitNetError) {
        try begin(for: turn)
        defer { isWorking = false }
        history.append(message)
    }
}

// MARK: - Branching

extension BitNetSession {
    /// Changes the conversation while nothing is being answered.
    func edit<R>(
        _ body: (inout [ChatMessage]) throws(BitNetError) -> R
    ) throws(BitNetError) -> R {
        try begin()
        defer { isWorking = false }
        return try body(&history)
    }

    /// An independent session with the same conversation. The used part of the cache is copied,
    /// nothing is computed again.
    ///
    /// - Throws: `BitNetError.sessionBusy`, `.outOfMemory`.
    public func fork() async throws(BitNetError) -> BitNetSession {
        let memory = memory
        let copy = try await exclusively { () throws(BitNetError) in try memory.fork() }
        return BitNetSession(model: model, memory: copy, history: history)
    }

    /// Runs `body` on the model's queue while the session does nothing else.
    func exclusively<R: Sendable>(
        _ body: @escaping @Sendable () throws(BitNetError) -> R
    ) async throws(BitNetError) -> R {
        try begin()
        defer { isWorking = false }
        return try await model.onQueue { Result(catching: body) }.get()
    }
}

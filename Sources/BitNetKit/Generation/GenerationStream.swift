import Synchronization

/// A response, event by event.
///
/// The stream is driven by its consumer: each token is computed when it is asked for, none ahead,
/// and nothing is left running when the consumer stops asking. Cancelling the consuming task ends
/// the response within one token (also while the prompt is being computed) with
/// `StopReason.cancelled`. Each iterator is a response of its own. With
/// `GenerationOptions.speculation` it is one pass in place of one token: those that a pass has
/// brought are given out one by one.
///
/// ```swift
/// for try await event in model.stream("Once upon a time") {
///     if case .text(let text) = event { print(text, terminator: "") }
/// }
/// ```
public struct GenerationStream: AsyncSequence, Sendable {
    /// What the stream gives.
    public typealias Element = GenerationEvent
    /// What it throws, from the `next()` that ran into it.
    public typealias Failure = BitNetError

    private let backend: any GenerationBackend
    private let prompt: Prompt
    private let options: GenerationOptions
    private let processors: [LogitProcessor]

    init(
        backend: any GenerationBackend, prompt: Prompt, options: GenerationOptions,
        processors: [LogitProcessor] = []
    ) {
        self.backend = backend
        self.prompt = prompt
        self.options = options
        self.processors = processors
    }

    /// Starts a response; nothing is computed before its first `next()`.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(
            GenerationRun(
                backend: backend, prompt: prompt, options: options, processors: processors))
    }

    /// One response in progress.
    public struct AsyncIterator: AsyncIteratorProtocol, Sendable {
        private let run: any ResponseRun

        init(_ run: any ResponseRun) { self.run = run }

        /// The next event; computes one token if need be. Returns nil after the end.
        public mutating func next() async throws(BitNetError) -> GenerationEvent? {
            try await run.next().get()
        }

        /// The next event; computes one token if need be. Returns nil after the end.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(BitNetError) -> GenerationEvent? {
            try await run.next().get()
        }
    }
}

extension AsyncSequence where Element == GenerationEvent, Failure == BitNetError {
    /// Runs the response to its end.
    func collect() async throws(BitNetError) -> GenerationResult {
        var text = ""
        var tokens: [Int] = []
        var logProbabilities: [LogProbabilities] = []
        var iterator = makeAsyncIterator()
        while let event = try await iterator.next(isolation: nil) {
            switch event {
            case .text(let piece): text += piece
            case .token(let id, let found):
                tokens.append(id)
                if let found { logProbabilities.append(found) }
            case .finished(let reason, let statistics):
                return GenerationResult(
                    text: text, tokens: tokens, stopReason: reason, statistics: statistics,
                    logProbabilities: logProbabilities)
            }
        }
        // A stream ends with `finished` or throws.
        throw .cancelled
    }
}

/// A response in progress: a text of its own, or a turn of a session.
protocol ResponseRun: Sendable {
    /// The next event; nil after the end, also after an error.
    func next() async -> Result<GenerationEvent?, BitNetError>
}

/// Runs a `Generation` step by step on its model's queue.
private final class GenerationRun: ResponseRun {
    private let backend: any GenerationBackend
    private let generation: Mutex<Generation>
    private let cancellation: Cancellation

    init(
        backend: any GenerationBackend, prompt: Prompt, options: GenerationOptions,
        processors: [LogitProcessor]
    ) {
        let cancellation = Cancellation()
        self.backend = backend
        self.cancellation = cancellation
        generation = Mutex(
            Generation(
                backend: backend, prompt: prompt, options: options, processors: processors,
                isCancelled: { cancellation.isRequested }))
    }

    func next() async -> Result<GenerationEvent?, BitNetError> {
        if let event = generation.withLock({ $0.takeEvent() }) { return .success(event) }
        return await cancellation.follow {
            await backend.onQueue { self.generation.withLock { $0.advance() } }
        }
    }
}

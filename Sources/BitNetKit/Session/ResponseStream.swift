internal import Synchronization

extension BitNetSession {
    /// One answer of a session, event by event, like `GenerationStream`: each token is computed when
    /// it is asked for, and nothing is left running when nobody asks.
    public struct ResponseStream: AsyncSequence, Sendable {
        /// What the stream gives.
        public typealias Element = GenerationEvent
        /// What it throws, from the `next()` that ran into it.
        public typealias Failure = BitNetError

        let session: BitNetSession
        let request: SessionRequest
        let options: GenerationOptions
        let processors: [LogitProcessor]

        /// One answer in progress.
        public typealias AsyncIterator = GenerationStream.AsyncIterator

        /// Starts a turn; nothing is computed before its first `next()`.
        public func makeAsyncIterator() -> AsyncIterator {
            AsyncIterator(
                SessionRun(
                    session: session, request: request, options: options, processors: processors))
        }
    }
}

/// Runs one turn. The session holds it weakly: when nobody can ask for more, the turn is over.
final class SessionRun: ResponseRun {
    let answer = SessionAnswer()
    private let session: BitNetSession
    private let request: SessionRequest
    private let options: GenerationOptions
    private let processors: [LogitProcessor]
    private let state = Mutex(State.new)

    private enum State {
        case new
        case running(SessionOpening)
        case finished
    }

    init(
        session: BitNetSession, request: SessionRequest, options: GenerationOptions,
        processors: [LogitProcessor]
    ) {
        self.session = session
        self.request = request
        self.options = options
        self.processors = processors
    }

    func next() async -> Result<GenerationEvent?, BitNetError> {
        do throws(BitNetError) {
            let opening: SessionOpening
            switch state.withLock({ $0 }) {
            case .finished: return .success(nil)
            case .running(let running): opening = running
            case .new:
                opening = try await session.open(
                    request, options: options, processors: processors, for: self)
                state.withLock { $0 = .running(opening) }
            }
            var events = opening.events
            let event = try await events.next().map(opening.complete)
            if let event { answer.record(event) }
            if case .finished? = event { await end() }
            return .success(event)
        } catch {
            answer.fail()
            await end()
            return .failure(error)
        }
    }

    /// Lets the session go on.
    private func end() async {
        state.withLock { $0 = .finished }
        await session.settle()
    }
}

/// A turn whose prompt has been read.
struct SessionOpening: Sendable {
    let events: GenerationStream.AsyncIterator
    let reading: SessionReading

    /// Puts what reading the prompt took into the statistics.
    func complete(_ event: GenerationEvent) -> GenerationEvent {
        guard case .finished(let reason, var statistics) = event else { return event }
        statistics.cachedPromptTokens = min(reading.cachedTokens, statistics.promptTokens)
        statistics.prefill += reading.duration
        return .finished(reason, statistics)
    }
}

/// How far a prompt has been read.
struct SessionReading: Sendable {
    /// The tokens to compute.
    let window: [Int]
    /// Tokens that were in the cache already.
    let cachedTokens: Int
    /// Whether the cache has all but the last one.
    var isComplete = false
    var isCancelled = false
    /// What the model took for it so far.
    var duration = Duration.zero
    /// The model's job that read the latest batch.
    var latestJob: Int?

    /// Reads another batch: as much as a pass takes where nobody else had a turn since the latest
    /// one, else a quarter, so that other sequences of the model get theirs soon.
    mutating func advance(
        _ memory: SessionMemory, job: Int, isCancelled isAsked: () -> Bool
    ) throws(BitNetError) {
        let isAlone = latestJob == job - 1
        latestJob = job
        let batch = InferenceContext.batchLength
        let start = ContinuousClock.now
        defer { duration += ContinuousClock.now - start }
        do throws(BitNetError) {
            isComplete = try memory.readMore(
                of: window, most: isAlone ? batch : batch / 4, isCancelled: isAsked)
        } catch .cancelled {
            isCancelled = true
        }
    }
}

/// An answer as far as it came.
final class SessionAnswer: Sendable {
    private struct State {
        var text = ""
        var tokenCount = 0
        var end: End?
    }

    private enum End {
        case finished(StopReason)
        case failed
    }

    private let state = Mutex(State())

    func record(_ event: GenerationEvent) {
        state.withLock {
            switch event {
            case .text(let piece): $0.text += piece
            case .token: $0.tokenCount += 1
            case .finished(let reason, _): $0.end = .finished(reason)
            }
        }
    }

    func fail() { state.withLock { $0.end = .failed } }

    /// How a turn has ended.
    enum Outcome {
        /// It stays, with the text so far.
        case kept(String, StopReason)
        case dropped
    }

    /// How the turn has ended; nil while it is still running.
    func outcome(isAbandoned: Bool) -> Outcome? {
        state.withLock {
            let isCut = Outcome.kept($0.text, .cancelled)
            switch $0.end {
            case .failed: return .dropped
            case .finished(.cancelled): return $0.tokenCount > 0 ? isCut : .dropped
            case .finished(let reason): return .kept($0.text, reason)
            case nil where isAbandoned: return $0.tokenCount > 0 ? isCut : .dropped
            case nil: return nil
            }
        }
    }
}

extension BitNetSession.ResponseStream {
    /// The answer's text alone.
    public var text: TextStream { TextStream { makeAsyncIterator() } }
}

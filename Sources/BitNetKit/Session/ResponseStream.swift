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
        let prompt: String
        let options: GenerationOptions

        /// One answer in progress.
        public typealias AsyncIterator = GenerationStream.AsyncIterator

        /// Starts a turn; nothing is computed before its first `next()`.
        public func makeAsyncIterator() -> AsyncIterator {
            AsyncIterator(SessionRun(session: session, prompt: prompt, options: options))
        }
    }
}

/// Runs one turn. The session holds it weakly: when nobody can ask for more, the turn is over.
final class SessionRun: ResponseRun {
    let answer = SessionAnswer()
    private let session: BitNetSession
    private let prompt: String
    private let options: GenerationOptions
    private let state = Mutex(State.new)

    private enum State {
        case new
        case running(SessionOpening)
        case finished
    }

    init(session: BitNetSession, prompt: String, options: GenerationOptions) {
        self.session = session
        self.prompt = prompt
        self.options = options
    }

    func next() async -> Result<GenerationEvent?, BitNetError> {
        do throws(BitNetError) {
            let opening: SessionOpening
            switch state.withLock({ $0 }) {
            case .finished: return .success(nil)
            case .running(let running): opening = running
            case .new:
                opening = try await session.open(prompt, options: options, for: self)
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
    var duration = Duration.zero

    /// Reads another batch.
    mutating func advance(
        _ memory: SessionMemory, isCancelled isAsked: () -> Bool
    ) throws(BitNetError) {
        do throws(BitNetError) {
            isComplete = try memory.readMore(of: window, isCancelled: isAsked)
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

    /// The text, and whether the turn is kept; nil while it is still running.
    func outcome(isAbandoned: Bool) -> (text: String, isKept: Bool?) {
        state.withLock {
            switch $0.end {
            case .failed: ($0.text, false)
            case .finished(.cancelled): ($0.text, $0.tokenCount > 0)
            case .finished: ($0.text, true)
            case nil: ($0.text, isAbandoned ? $0.tokenCount > 0 : nil)
            }
        }
    }
}

extension BitNetSession {
    /// One answer for which the model may call tools, event by event: nothing is computed and no tool
    /// runs before its event is asked for.
    public struct ToolStream: AsyncSequence, Sendable {
        /// What the stream gives.
        public typealias Element = ToolEvent
        /// What it throws, from the `next()` that ran into it.
        public typealias Failure = BitNetError

        let session: BitNetSession
        let prompt: String
        let processors: [LogitProcessor]
        let makeTurn: @Sendable () throws(BitNetError) -> ToolTurn

        /// Starts a turn; nothing is computed before its first `next()`.
        public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }

        /// One answer in progress. The session holds its turn weakly: when nobody can ask for more, the
        /// turn is over.
        public struct AsyncIterator: AsyncIteratorProtocol, Sendable {
            private let stream: ToolStream
            private var turn: ToolTurn?
            private var step = Step.new
            private var response = SpokenResponse(.generic)
            private var calls: [ToolResult.Call] = []
            private var responses: [GenerationResult] = []

            private enum Step {
                case new
                /// The model speaks.
                case speaking(GenerationStream.AsyncIterator)
                /// It has called a tool.
                case calling(ToolCall)
                /// It has answered.
                case answered(ToolResult)
                case over
            }

            init(_ stream: ToolStream) { self.stream = stream }

            /// The next event; computes tokens or runs a tool if need be. Returns nil after the end.
            public mutating func next() async throws(BitNetError) -> ToolEvent? {
                try await next(isolation: nil)
            }

            /// The next event; computes tokens or runs a tool if need be. Returns nil after the end.
            public mutating func next(
                isolation actor: isolated (any Actor)?
            ) async throws(BitNetError) -> ToolEvent? {
                do throws(BitNetError) {
                    while true {
                        if case .over = step { return nil }
                        if let event = try await advance(isolation: actor) { return event }
                    }
                } catch {
                    await end(keeping: false)
                    throw error
                }
            }

            /// Makes one step; returns its event if it has one.
            private mutating func advance(
                isolation actor: isolated (any Actor)?
            ) async throws(BitNetError) -> ToolEvent? {
                switch step {
                case .new:
                    let new = try stream.makeTurn()
                    try await stream.session.reserve(for: new)
                    turn = new
                    step = .speaking(try speaker(of: new, .prompt(stream.prompt)))
                case .speaking(var events):
                    let event = try await events.next(isolation: actor)
                    step = .speaking(events)
                    return try note(event)
                case .calling(let call): return .result(try await run(call))
                case .answered(let result):
                    await end(keeping: true)
                    return .finished(result)
                case .over: break
                }
                return nil
            }

            /// Lets the model say something; its first token is computed when that is asked for.
            private mutating func speaker(
                of turn: ToolTurn, _ question: SessionRequest.Question
            ) throws(BitNetError) -> GenerationStream.AsyncIterator {
                response = SpokenResponse(turn.format)
                return ResponseStream(
                    session: stream.session, request: turn.request(question),
                    options: try turn.options(afterCalls: calls.count),
                    processors: stream.processors
                ).makeAsyncIterator()
            }

            /// Notes what the model says, and goes on to what that makes necessary.
            private mutating func note(_ event: GenerationEvent?) throws(BitNetError) -> ToolEvent?
            {
                guard let turn, let event else { throw .cancelled }
                let answer = response.append(event)
                guard let said = response.result else { return answer.map(ToolEvent.text) }
                responses.append(said)
                switch try turn.output(of: said) {
                case .answer(let text):
                    step = .answered(ToolResult(text: text, calls: calls, responses: responses))
                    return nil
                case .call(let call):
                    guard calls.count < turn.maximumRounds else {
                        throw .toolRoundsExceeded(limit: turn.maximumRounds)
                    }
                    step = .calling(call)
                    return .call(call)
                }
            }

            /// Runs a tool, and lets the model go on.
            private mutating func run(_ call: ToolCall) async throws(BitNetError) -> ToolResult.Call
            {
                guard let turn else { throw .cancelled }
                let made = ToolResult.Call(call: call, output: try await turn.run(call))
                calls.append(made)
                try await stream.session.append(ChatMessage(tool: call.name, made.output), in: turn)
                step = .speaking(try speaker(of: turn, .pending))
                return made
            }

            private mutating func end(keeping keeps: Bool) async {
                if let turn { await stream.session.release(turn, keeping: keeps) }
                (turn, step) = (nil, .over)
            }
        }
    }
}

/// What a model says while it says it: the response, and the text of the answer in it.
private struct SpokenResponse: Sendable {
    private var answer: AnswerText
    private var text = ""
    private var tokens: [Int] = []
    private var logProbabilities: [LogProbabilities] = []
    /// The response once it has ended.
    private(set) var result: GenerationResult?

    init(_ format: ToolFormat) { answer = AnswerText(format) }

    /// Returns what the event adds to the answer.
    mutating func append(_ event: GenerationEvent) -> String? {
        switch event {
        case .text(let piece):
            text += piece
            let new = answer.append(piece)
            return new.isEmpty ? nil : new
        case .token(let id, let found):
            tokens.append(id)
            if let found { logProbabilities.append(found) }
        case .finished(let reason, let statistics):
            result = GenerationResult(
                text: text, tokens: tokens, stopReason: reason, statistics: statistics,
                logProbabilities: logProbabilities)
        }
        return nil
    }
}

/// The answer in what a model says, piece by piece; a call has none. `ToolFormat.output(of:)` finds the
/// same in the whole.
struct AnswerText: Sendable {
    private enum State: Sendable {
        /// It is not known whether this is an answer.
        case beginning
        /// A text as it stands, or a string of JSON.
        case plain, string
        /// Nothing that comes is of the answer.
        case over
    }

    private let format: ToolFormat
    private var state = State.beginning
    /// What has come before the answer.
    private var head = String.UnicodeScalarView()
    /// An escape that has begun.
    private var escape = String.UnicodeScalarView()
    /// The first half of a character of two escapes.
    private var highSurrogate: UInt32?

    init(_ format: ToolFormat) { self.format = format }

    /// What `piece` adds to the answer.
    mutating func append(_ piece: String) -> String {
        var new = String.UnicodeScalarView()
        for scalar in piece.unicodeScalars {
            switch state {
            case .beginning: begin(with: scalar, &new)
            case .plain: new.append(scalar)
            case .string: append(scalar, to: &new)
            case .over: break
            }
        }
        return String(new)
    }

    private mutating func begin(
        with scalar: Unicode.Scalar, _ new: inout String.UnicodeScalarView
    ) {
        switch format {
        case .template(let format):
            let isCall = scalar == (format.prefix.unicodeScalars.first ?? "{")
            state = isCall ? .over : .plain
            if !isCall { new.append(scalar) }
        case .generic:
            // Keys have no escapes: the value's string begins behind the third quotation mark.
            head.append(scalar)
            let parts = head.split(separator: "\"", omittingEmptySubsequences: false)
            guard parts.count == 4 else { return }
            state = parts[1].elementsEqual(ToolFormat.answerKey.unicodeScalars) ? .string : .over
        }
    }

    /// Appends a scalar of a JSON string, or what it completes.
    private mutating func append(
        _ scalar: Unicode.Scalar, to new: inout String.UnicodeScalarView
    ) {
        guard escape.isEmpty else {
            escape.append(scalar)
            return finishEscape(&new)
        }
        switch scalar {
        case "\\": escape.append(scalar)
        case "\"": state = .over
        default: new.append(scalar)
        }
    }

    private mutating func finishEscape(_ new: inout String.UnicodeScalarView) {
        let body = escape.dropFirst()
        guard let kind = body.first, kind != "u" || body.count == 5 else { return }
        escape = String.UnicodeScalarView()
        guard kind == "u" else {
            let controls: [Unicode.Scalar: Unicode.Scalar] = [
                "b": "\u{8}", "f": "\u{C}", "n": "\n", "r": "\r", "t": "\t",
            ]
            return new.append(controls[kind] ?? kind)
        }
        let code = UInt32(String(body.dropFirst()), radix: 16) ?? 0xFFFD
        switch (highSurrogate, code) {
        case (nil, 0xD800..<0xDC00): highSurrogate = code
        case (let high?, 0xDC00..<0xE000):
            highSurrogate = nil
            let pair = 0x10000 + (high - 0xD800) << 10 + (code - 0xDC00)
            new.append(Unicode.Scalar(pair) ?? "\u{FFFD}")
        default:
            highSurrogate = nil
            new.append(Unicode.Scalar(code) ?? "\u{FFFD}")
        }
    }
}

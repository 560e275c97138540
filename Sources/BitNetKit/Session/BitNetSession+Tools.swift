extension BitNetSession {
    /// Answers `prompt`; the model may call tools first, whose results it then reads.
    ///
    /// What the model says is held to a grammar: either a call of one of the tools, with arguments of
    /// its schema, or an answer. A call is run, its result is added to the conversation, and the model
    /// goes on, until it answers. Calls and results are messages of the conversation; the turn as a
    /// whole either happens or leaves the session as it was.
    ///
    /// A chat template that knows tools, as those of Qwen, Hermes and Llama 3.1 do, writes all of it
    /// in the model's own format: found by rendering a call, and used if that is a JSON object with a
    /// name and arguments between fixed texts. An answer then does not begin as a call would. For any
    /// other model the tools are described in the system message, and its messages are JSON:
    /// `{"tool": NAME, "arguments": {...}}` or `{"answer": TEXT}`.
    ///
    /// ```swift
    /// let answer = try await session.respond(to: "Is it cold in Oslo?", tools: [weather])
    /// for call in answer.calls { print(call.call.name, call.call.arguments, call.output) }
    /// print(answer.text)
    /// ```
    ///
    /// - Parameters:
    ///   - prompt: what the user says.
    ///   - tools: what the model may call, each by a name of its own. They are part of this turn's
    ///     prompt; later turns know of them if they are given again.
    ///   - options: how tokens are chosen, for each thing that the model says; a grammar among them is
    ///     an error.
    ///   - processors: run on the logits of every token, in this order.
    ///   - choice: whether the model has to call a tool.
    ///   - maximumRounds: the most calls, one after the other.
    /// - Throws: `BitNetError.toolRoundsExceeded` where the model calls once more,
    ///   `.toolFailed` with what a tool has thrown, `.incompleteResponse` where a call was cut off,
    ///   `.undecodableResponse` where the type of the arguments refuses them, `.cancelled` if the task
    ///   is cancelled, and what `respond(to:options:processors:)` throws.
    public func respond(
        to prompt: String, tools: [Tool], options: GenerationOptions = .init(),
        processors: [LogitProcessor] = [], choice: ToolChoice = .automatic, maximumRounds: Int = 8
    ) async throws(BitNetError) -> ToolResult {
        let stream = streamResponse(
            to: prompt, tools: tools, options: options, processors: processors, choice: choice,
            maximumRounds: maximumRounds)
        var events = stream.makeAsyncIterator()
        while let event = try await events.next(isolation: self) {
            if case .finished(let result) = event { return result }
        }
        // A stream ends with `finished` or throws.
        throw .cancelled
    }

    /// Answers `prompt` event by event; the model may call tools first. The turn begins with the
    /// stream's first `next()`, from which the errors of `respond(to:tools:options:processors:choice:maximumRounds:)`
    /// come too; each iterator is a turn of its own.
    ///
    /// ```swift
    /// for try await event in session.streamResponse(to: "Is it cold in Oslo?", tools: [weather]) {
    ///     switch event {
    ///     case .text(let text): print(text, terminator: "")
    ///     case .call(let call): print("calling", call.name)
    ///     case .result, .finished: break
    ///     }
    /// }
    /// ```
    ///
    /// A turn whose stream is given up before `finished` never happened, but for what its tools did.
    public nonisolated func streamResponse(
        to prompt: String, tools: [Tool], options: GenerationOptions = .init(),
        processors: [LogitProcessor] = [], choice: ToolChoice = .automatic, maximumRounds: Int = 8
    ) -> ToolStream {
        ToolStream(session: self, prompt: prompt, processors: processors) {
            [model] () throws(BitNetError) in
            try ToolTurn(
                tools: tools, options: options, choice: choice, maximumRounds: maximumRounds,
                format: model.toolFormat)
        }
    }
}

/// A turn in which tools may be called: it has its session to itself until the answer.
final class ToolTurn: Sendable {
    let maximumRounds: Int
    private let tools: [Tool]
    private let baseOptions: GenerationOptions
    private let choice: ToolChoice
    let format: ToolFormat

    /// - Throws: `BitNetError.invalidArgument` for tools with one name, none at all, a grammar, or a
    ///   negative number of rounds.
    init(
        tools: [Tool], options: GenerationOptions, choice: ToolChoice, maximumRounds: Int,
        format: ToolFormat
    ) throws(BitNetError) {
        var names: Set<String> = []
        guard !tools.isEmpty else {
            throw .invalidArgument(name: "tools", detail: "there are none")
        }
        for tool in tools where !names.insert(tool.name).inserted {
            throw .invalidArgument(name: "tools", detail: "two are called \(tool.name.quoted)")
        }
        guard maximumRounds >= 0 else {
            throw .invalidArgument(name: "maximumRounds", detail: "must not be negative")
        }
        guard options.grammar == nil else {
            throw .invalidArgument(
                name: "grammar", detail: "a turn with tools has a grammar of its own")
        }
        self.tools = tools
        baseOptions = options
        self.choice = choice
        self.maximumRounds = maximumRounds
        self.format = format
    }

    func request(_ question: SessionRequest.Question) -> SessionRequest {
        SessionRequest(question, tools: tools.map(\.toolDescription), owner: self) {
            [format] text, _ in format.message(of: text)
        }
    }

    func options(afterCalls count: Int) throws(BitNetError) -> GenerationOptions {
        var options = baseOptions
        options.grammar = try format.grammar(
            tools, allowsAnswer: choice == .automatic || count > 0)
        return options
    }

    func output(of response: GenerationResult) throws(BitNetError) -> ToolFormat.Output {
        if response.stopReason == .cancelled { throw .cancelled }
        guard let output = format.output(of: response.text) else {
            throw .incompleteResponse(
                text: response.text, detail: "ended \(response.stopReason.explanation)")
        }
        return output
    }

    func run(_ call: ToolCall) async throws(BitNetError) -> String {
        guard let tool = tools.first(where: { $0.name == call.name }) else {
            throw .toolFailed(name: call.name, detail: "there is no such tool")
        }
        return try await tool(call.arguments)
    }
}

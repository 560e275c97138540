/// What a turn of a session answers, and how its answer becomes a message.
struct SessionRequest: Sendable {
    enum Question: Sendable {
        /// Something new that the user says.
        case prompt(String)
        /// The conversation as it stands.
        case pending
        /// The latest question once more, in place of its answer.
        case again
    }

    let question: Question
    /// What the model is told that it may call.
    let tools: [ToolDescription]
    /// What has reserved the session, of which this is a part.
    let owner: ToolTurn?
    /// The message that an answer becomes; nil for one that leaves no trace.
    let answer: @Sendable (_ text: String, StopReason) -> ChatMessage?

    init(
        _ question: Question, tools: [ToolDescription] = [], owner: ToolTurn? = nil,
        answer: @escaping @Sendable (String, StopReason) -> ChatMessage? = { text, _ in
            ChatMessage(.assistant, text)
        }
    ) {
        self.question = question
        self.tools = tools
        self.owner = owner
        self.answer = answer
    }

    /// The conversation that is answered.
    ///
    /// - Throws: `BitNetError.invalidArgument` where there is no question.
    func messages(after history: [ChatMessage]) throws(BitNetError) -> [ChatMessage] {
        switch question {
        case .prompt(let text): return history + [ChatMessage(.user, text)]
        case .pending:
            guard let last = history.last, last.role != .assistant else {
                throw .invalidArgument(
                    name: "messages",
                    detail: history.isEmpty
                        ? "the conversation is empty; append a message first"
                        : "the last message is the assistant's; append a question first, or "
                            + "regenerate the answer")
            }
            return history
        case .again:
            guard let last = history.last, last.role == .assistant, history.count > 1 else {
                throw .invalidArgument(
                    name: "messages",
                    detail: "the conversation does not end with an answer to generate again")
            }
            return history.dropLast()
        }
    }
}

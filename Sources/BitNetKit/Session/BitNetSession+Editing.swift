// Changing a conversation without an answer, and answering what is there.
extension BitNetSession {
    /// Adds messages to the conversation, without an answer. What the cache holds is used again.
    ///
    /// ```swift
    /// try await session.append([ChatMessage(.user, "One."), ChatMessage(.user, "Two.")])
    /// print(try await session.respond().text)
    /// ```
    ///
    /// - Throws: `BitNetError.sessionBusy`.
    public func append(_ messages: [ChatMessage]) throws(BitNetError) {
        try edit { $0 += messages }
    }

    /// Adds a message to the conversation, without an answer.
    ///
    /// - Throws: `BitNetError.sessionBusy`.
    public func append(_ message: ChatMessage) throws(BitNetError) { try append([message]) }

    /// Makes the user's latest message say something else, and forgets what followed it.
    ///
    /// ```swift
    /// try await session.editLastPrompt("What is a trit, in one word?")
    /// print(try await session.respond().text)
    /// ```
    ///
    /// - Throws: `BitNetError.invalidArgument` where no user has said anything, `.sessionBusy`.
    public func editLastPrompt(_ prompt: String) throws(BitNetError) {
        try edit { (messages) throws(BitNetError) in
            guard let index = messages.lastIndex(where: { $0.role == .user }) else {
                throw .invalidArgument(
                    name: "messages", detail: "the conversation has no user's message to change")
            }
            messages.removeSubrange(index...)
            messages.append(ChatMessage(.user, prompt))
        }
    }

    /// Makes the latest answer say something else; what comes next follows that.
    ///
    /// - Throws: `BitNetError.invalidArgument` where the conversation does not end with an answer,
    ///   `.sessionBusy`.
    public func editLastAnswer(_ answer: String) throws(BitNetError) {
        try edit { (messages) throws(BitNetError) in
            guard let last = messages.last, last.role == .assistant else {
                throw .invalidArgument(
                    name: "messages", detail: "the conversation does not end with an answer")
            }
            messages[messages.count - 1] = ChatMessage(.assistant, answer)
        }
    }

    /// Goes back to the end of turn `turn`; 0 leaves only the instructions. What the cache holds of
    /// the turns that stay is used again.
    ///
    /// - Throws: `BitNetError.invalidArgument` unless `0 <= turn <= turnCount`, `.sessionBusy`.
    public func rewind(toTurn turn: Int) throws(BitNetError) {
        try edit { (messages) throws(BitNetError) in
            let starts = messages.indices.filter { messages[$0].role == .user }
            guard turn >= 0, turn <= starts.count else {
                throw .invalidArgument(
                    name: "turn", detail: "\(turn) is not in 0...\(starts.count), the turns so far")
            }
            if turn < starts.count { messages.removeSubrange(starts[turn]...) }
        }
    }

    /// Answers the conversation as it stands, which ends with a question: after `append(_:)` or
    /// `editLastPrompt(_:)`.
    ///
    /// - Throws: as `respond(to:options:processors:)`; `BitNetError.invalidArgument` where the last
    ///   message is an answer, or there is none.
    public func respond(
        options: GenerationOptions = .init(), processors: [LogitProcessor] = []
    ) async throws(BitNetError) -> GenerationResult {
        try await streamResponse(options: options, processors: processors).collect()
    }

    /// Answers the conversation as it stands token by token.
    public nonisolated func streamResponse(
        options: GenerationOptions = .init(), processors: [LogitProcessor] = []
    ) -> ResponseStream {
        ResponseStream(
            session: self, request: SessionRequest(.pending), options: options,
            processors: processors)
    }

    /// Answers the latest question once more; the new answer takes the place of the old one.
    ///
    /// With greedy sampling, and with the same seed, that is the same answer. A turn that fails leaves
    /// the old one.
    ///
    /// - Throws: as `respond(to:options:processors:)`; `BitNetError.invalidArgument` where the
    ///   conversation does not end with an answer.
    public func regenerate(
        options: GenerationOptions = .init(), processors: [LogitProcessor] = []
    ) async throws(BitNetError) -> GenerationResult {
        try await streamRegeneration(options: options, processors: processors).collect()
    }

    /// Answers the latest question once more, token by token.
    public nonisolated func streamRegeneration(
        options: GenerationOptions = .init(), processors: [LogitProcessor] = []
    ) -> ResponseStream {
        ResponseStream(
            session: self, request: SessionRequest(.again), options: options,
            processors: processors)
    }
}

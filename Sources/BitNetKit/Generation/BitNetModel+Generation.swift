extension BitNetModel {
    /// Continues `prompt` and returns the whole response.
    ///
    /// A begin-of-text token is added where the model wants one; special tokens in the prompt are
    /// plain text. An empty prompt starts a text from nothing. If the task is cancelled, the
    /// response so far is returned with `StopReason.cancelled`.
    ///
    /// ```swift
    /// let model = try await BitNetModel.load(URL(fileURLWithPath: "model.gguf"))
    /// print(try await model.generate("The capital of France is").text)
    /// ```
    ///
    /// - Parameters:
    ///   - prompt: the text to continue.
    ///   - options: how tokens are chosen, and when the response ends.
    ///   - processors: run on the logits of every token of the response, in this order.
    /// - Throws: `BitNetError.invalidArgument` for an option out of range or an empty prompt that the
    ///   model cannot start from, `.contextWindowExceeded` if the prompt has more tokens than the
    ///   context, `.corruptTensor` if the model computes logits that are not finite,
    ///   `.noAllowedToken` if no token may come next, `.outOfMemory`.
    public func generate(
        _ prompt: String, options: GenerationOptions = .init(),
        processors: [LogitProcessor] = []
    ) async throws(BitNetError) -> GenerationResult {
        try await stream(prompt, options: options, processors: processors).collect()
    }

    /// Continues `tokens`, taken as they are, and returns the whole response.
    ///
    /// - Throws: as `generate(_:options:processors:)`; an id outside the vocabulary is an `.invalidArgument`.
    public func generate(
        tokens: [Int], options: GenerationOptions = .init(),
        processors: [LogitProcessor] = []
    ) async throws(BitNetError) -> GenerationResult {
        try await stream(tokens: tokens, options: options, processors: processors).collect()
    }

    /// Answers a conversation and returns the whole answer: its messages in the format of the model's
    /// chat template, or, for a model without one, joined to one text that is continued.
    ///
    /// A ``BitNetSession`` does the same and keeps what it has computed for the next turn.
    ///
    /// ```swift
    /// let messages = [ChatMessage(.system, "Be brief."), ChatMessage(.user, "What is a trit?")]
    /// print(try await model.generate(messages).text)
    /// ```
    ///
    /// - Throws: as `generate(_:options:processors:)` for a text, and what the chat template throws.
    public func generate(
        _ messages: [ChatMessage], options: GenerationOptions = .init(),
        processors: [LogitProcessor] = []
    ) async throws(BitNetError) -> GenerationResult {
        try await stream(messages, options: options, processors: processors).collect()
    }

    /// Continues `prompt` token by token. Nothing is computed before the stream's first `next()`,
    /// from which the errors of `generate(_:options:processors:)` come too.
    ///
    /// ```swift
    /// for try await event in model.stream("Once upon a time") {
    ///     if case .text(let text) = event { print(text, terminator: "") }
    /// }
    /// ```
    public func stream(
        _ prompt: String, options: GenerationOptions = .init(),
        processors: [LogitProcessor] = []
    ) -> GenerationStream {
        GenerationStream(
            backend: self, prompt: .text(prompt), options: options, processors: processors)
    }

    /// Answers a conversation token by token.
    public func stream(
        _ messages: [ChatMessage], options: GenerationOptions = .init(),
        processors: [LogitProcessor] = []
    ) -> GenerationStream {
        GenerationStream(
            backend: self, prompt: .messages(messages), options: options, processors: processors)
    }

    /// Continues `tokens`, taken as they are, token by token.
    public func stream(
        tokens: [Int], options: GenerationOptions = .init(),
        processors: [LogitProcessor] = []
    ) -> GenerationStream {
        GenerationStream(
            backend: self, prompt: .tokens(tokens), options: options, processors: processors)
    }
}

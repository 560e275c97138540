extension BitNetSession {
    /// What happens when the context is full.
    package nonisolated var overflow: ContextOverflow {
        memory.sliding.map { .slidingWindow(sinks: $0.sinks, keeping: $0.kept) } ?? .error
    }

    /// Tokens of the conversation so far, as the model reads it.
    package func tokenCount() throws(BitNetError) -> Int {
        let messages = messages
        guard !messages.isEmpty else { return 0 }
        return try model.tokens(of: messages, addsGenerationPrompt: false).count
    }
}

extension BitNetSession {
    /// What happens when the context is full.
    package nonisolated var overflow: ContextOverflow {
        memory.sliding.map { .slidingWindow(sinks: $0.sinks, keeping: $0.kept) } ?? .error
    }

    /// Tokens of the conversation so far, as the model reads it, and those of them that a sliding
    /// window has not left behind.
    ///
    /// - Throws: `BitNetError.sessionBusy`, and what the chat template throws.
    package func tokenCounts() throws(BitNetError) -> (all: Int, window: Int) {
        let (model, memory) = (model, memory)
        return try edit { (messages) throws(BitNetError) in
            guard !messages.isEmpty else { return (0, 0) }
            let count = try model.tokens(of: messages, addsGenerationPrompt: false).count
            return (count, count - memory.droppedTokens(of: count))
        }
    }
}

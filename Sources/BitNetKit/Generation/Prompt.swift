/// What a response continues.
enum Prompt: Sendable {
    /// A text; special tokens in it are plain text.
    case text(String)
    /// Token ids, taken as they are.
    case tokens([Int])
    /// A conversation, which the response goes on with as its next message.
    case messages([ChatMessage])

    /// The prompt's token ids, at least one, all known to the model.
    ///
    /// Of a text with far more than `limit`, the rest is not read: that is an error, as is one token
    /// too many for whoever asks.
    ///
    /// A text gets a begin-of-text token if the model wants one. An empty prompt becomes the
    /// begin-of-text token or else an end token, which is what starts a text in models that
    /// have only that.
    func tokens(
        for backend: some GenerationBackend, limit: Int = .max, effort: Effort = Effort()
    ) throws(BitNetError) -> [Int] {
        var tokens: [Int]
        switch self {
        case .text(let text):
            tokens = try backend.encode(text, most: limit, effort: effort)
            if backend.addsBeginOfText, let begin = backend.beginOfText {
                tokens.insert(begin, at: 0)
            }
        case .tokens(let ids):
            tokens = ids
        case .messages(let messages):
            tokens = try backend.tokens(of: messages, limit: limit, effort: effort)
        }
        if tokens.isEmpty {
            guard let start = backend.beginOfText ?? backend.endTokens.min() else {
                throw .invalidArgument(
                    name: "prompt",
                    detail: "is empty, and the model has no token to start a text with")
            }
            tokens = [start]
        }
        let range = 0..<backend.vocabularySize
        if let unknown = tokens.first(where: { !range.contains($0) }) {
            // Ids that somebody has given are not in a text.
            let name = if case .tokens = self { "tokens" } else { "prompt" }
            throw .invalidArgument(
                name: name,
                detail: "token \(unknown) is not in the vocabulary of \(range.count) tokens")
        }
        return tokens
    }
}

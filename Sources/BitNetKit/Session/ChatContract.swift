/// One message of a conversation.
public struct ChatMessage: Sendable, Hashable, Codable {
    /// Who speaks.
    public enum Role: String, Sendable, Hashable, Codable {
        /// Instructions for the whole conversation.
        case system
        /// The person.
        case user
        /// The model.
        case assistant
    }

    /// Who speaks.
    public var role: Role
    /// What is said; plain text.
    public var content: String

    /// A message.
    public init(_ role: Role, _ content: String) {
        self.role = role
        self.content = content
    }
}

/// How a model wants a conversation written.
public struct ChatTemplate: Sendable {
    /// The conversation as text.
    ///
    /// - Throws: `BitNetError` where the template has no place for a message.
    public func render(
        _ messages: [ChatMessage], addsGenerationPrompt: Bool
    ) throws(BitNetError) -> String {
        messages.map { "\($0.role.rawValue): \($0.content)\n" }.joined()
            + (addsGenerationPrompt ? "assistant: " : "")
    }
}

extension Tokenizer {
    /// The tokens of a conversation.
    ///
    /// - Throws: as `ChatTemplate.render(_:addsGenerationPrompt:)`.
    public func encode(
        _ messages: [ChatMessage], template: ChatTemplate, addsGenerationPrompt: Bool
    ) throws(BitNetError) -> [Int] {
        let text = try template.render(messages, addsGenerationPrompt: addsGenerationPrompt)
        return (addsBeginOfText ? beginOfText.map { [$0] } ?? [] : []) + encode(text)
    }
}

extension BitNetModel {
    /// The model's chat template, if it has one.
    public var chatTemplate: ChatTemplate? { endOfTurnTokens.isEmpty ? nil : ChatTemplate() }

    /// Tokens that end an answer.
    public var endOfTurnTokens: Set<Int> {
        tokenizer.id(ofSpecial: "<|eot_id|>").map { [$0] } ?? []
    }
}

/// One message of a conversation: who says what.
///
/// ```swift
/// let messages = [ChatMessage(.system, "Be brief."), ChatMessage(.user, "Hello!")]
/// ```
public struct ChatMessage: Sendable, Hashable {
    /// Who speaks.
    public enum Role: String, Sendable, Hashable, Codable {
        /// Whoever sets the conversation up.
        case system
        /// Whom the model answers.
        case user
        /// The model.
        case assistant
        /// A tool that the model has called.
        case tool
    }

    /// Who speaks.
    public var role: Role
    /// What is said; special tokens written out in it are text.
    public var content: String
    /// The tools that the model calls with this message.
    public var toolCalls: [ToolCall]
    /// The tool whose result this is.
    public var toolName: String?

    /// A message of `role` that says `content`.
    public init(_ role: Role, _ content: String) { self.init(role, content, toolCalls: []) }

    /// A message of the model that calls tools.
    public init(_ role: Role, _ content: String, toolCalls: [ToolCall]) {
        self.role = role
        self.content = content
        self.toolCalls = toolCalls
    }

    /// What a tool has returned.
    public init(tool name: String, _ content: String) {
        self.init(.tool, content)
        toolName = name
    }
}

extension ChatMessage: Codable {
    private enum CodingKeys: String, CodingKey {
        case role, content, toolCalls, toolName
    }

    /// Reads a message; only its role and content must be there.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        role = try container.decode(Role.self, forKey: .role)
        content = try container.decode(String.self, forKey: .content)
        toolCalls = try container.decodeIfPresent([ToolCall].self, forKey: .toolCalls) ?? []
        toolName = try container.decodeIfPresent(String.self, forKey: .toolName)
    }

    /// Writes role and content, and what there is of tools.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(role, forKey: .role)
        try container.encode(content, forKey: .content)
        if !toolCalls.isEmpty { try container.encode(toolCalls, forKey: .toolCalls) }
        try container.encodeIfPresent(toolName, forKey: .toolName)
    }
}

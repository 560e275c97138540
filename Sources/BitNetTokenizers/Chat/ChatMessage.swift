/// One message of a conversation: who says what.
///
/// ```swift
/// let messages = [ChatMessage(.system, "Be brief."), ChatMessage(.user, "Hello!")]
/// ```
public struct ChatMessage: Sendable, Hashable, Codable {
    /// Who speaks.
    public enum Role: String, Sendable, Hashable, Codable {
        /// Whoever sets the conversation up.
        case system
        /// Whom the model answers.
        case user
        /// The model.
        case assistant
    }

    /// Who speaks.
    public var role: Role
    /// What is said; special tokens written out in it are text.
    public var content: String

    /// A message of `role` that says `content`.
    public init(_ role: Role, _ content: String) {
        self.role = role
        self.content = content
    }
}

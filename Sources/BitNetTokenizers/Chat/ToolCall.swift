/// What a model wants called: a tool by its name, with arguments.
public struct ToolCall: Sendable, Hashable, Codable {
    /// The tool's name.
    public var name: String
    /// The arguments, a JSON object.
    public var arguments: String

    /// A call of the tool called `name` with `arguments`, a JSON object.
    public init(name: String, arguments: String) {
        self.name = name
        self.arguments = arguments
    }
}

/// What a model is told of a tool, by its chat template for example.
public struct ToolDescription: Sendable, Hashable, Codable {
    /// The tool's name.
    public var name: String
    /// What it is for.
    public var description: String
    /// The JSON schema of its arguments.
    public var parameters: String

    /// A tool called `name`, which takes what `parameters`, a JSON schema, says.
    public init(name: String, description: String, parameters: String) {
        self.name = name
        self.description = description
        self.parameters = parameters
    }
}

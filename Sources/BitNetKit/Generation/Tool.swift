/// Something that a model can have done: a name and a description for the model, arguments, and a
/// closure that does it.
///
/// ```swift
/// struct Place: Decodable {
///     let city: String
/// }
///
/// let weather = try Tool("weather", "Tells the weather in a city.", arguments: Place.self) { place in
///     try await forecast(for: place.city)
/// }
/// let answer = try await session.respond(to: "Do I need an umbrella in Oslo?", tools: [weather])
/// print(answer.text)
/// ```
///
/// What the closure returns is what the model reads. What it throws ends the turn
/// (`BitNetError.toolFailed`); return a text instead if the model is to know what went wrong.
public struct Tool: Sendable {
    /// The name that the model calls.
    public let name: String
    /// What the tool is for, in words for the model.
    public let description: String
    /// The schema of the arguments, an object.
    public let parameters: JSONSchema
    /// Runs the tool on arguments in JSON.
    private let run: @Sendable (String) async throws -> String

    /// A tool whose arguments are a type; ``JSONSchema/init(derivedFrom:)`` lists what it may be made
    /// of.
    ///
    /// - Parameters:
    ///   - name: for the model: letters, digits, `_` and `-`, at most 64.
    ///   - description: what the tool is for.
    ///   - arguments: the type of the arguments, an object in JSON.
    ///   - call: does it, and returns what the model is to read.
    /// - Throws: `BitNetError.unsupportedType` for arguments without a schema, `.invalidArgument` for a
    ///   name with something else in it, and for arguments that are no object.
    public init<Arguments: Decodable & Sendable>(
        _ name: String, _ description: String, arguments: Arguments.Type,
        call: @escaping @Sendable (Arguments) async throws -> String
    ) throws(BitNetError) {
        try self.init(name, description, parameters: try JSONSchema(of: arguments)) { text in
            let value: Arguments
            do { value = try TypedJSON.decode(arguments, from: text) } catch {
                throw BitNetError.undecodableResponse(text: text, detail: "\(error)")
            }
            return try await call(value)
        }
    }

    /// A tool with a schema for its arguments, which `call` gets as JSON.
    ///
    /// - Throws: `BitNetError.invalidArgument` for a name with something else in it, and for a schema
    ///   of no object.
    public init(
        _ name: String, _ description: String, parameters: JSONSchema,
        call: @escaping @Sendable (String) async throws -> String
    ) throws(BitNetError) {
        let isName = name.utf8.allSatisfy {
            ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A || (0x30...0x39).contains($0)
                || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
        }
        guard isName, (1...64).contains(name.utf8.count) else {
            throw .invalidArgument(
                name: "name of a tool",
                detail: "\(name.quoted) is not 1 to 64 letters, digits, '_' and '-'")
        }
        guard parameters.tree["type"]?.string == "object" else {
            throw .invalidArgument(
                name: "arguments of \(name)",
                detail: "\(parameters.json.quoted) is not the schema of an object; use a type with "
                    + "properties")
        }
        self.name = name
        self.description = description
        self.parameters = parameters
        run = call
    }

    /// What a model is told of the tool.
    public var toolDescription: ToolDescription {
        ToolDescription(name: name, description: description, parameters: parameters.json)
    }

    /// Runs the tool on arguments in JSON, as a model has written them.
    ///
    /// - Throws: `BitNetError.toolFailed` with what the closure has thrown, unless that is a
    ///   `BitNetError`; `.cancelled` for a `CancellationError`.
    public func callAsFunction(_ arguments: String) async throws(BitNetError) -> String {
        do { return try await run(arguments) } catch let error as BitNetError {
            throw error
        } catch is CancellationError { throw .cancelled } catch {
            throw .toolFailed(name: name, detail: "\(error)")
        }
    }
}

/// Whether a model has to call a tool.
public enum ToolChoice: String, Sendable, Hashable, Codable, CaseIterable {
    /// The model decides.
    case automatic
    /// The first thing the model says is a call.
    case required
}

/// One step of an answer for which a model may call tools; the last one of a stream is `finished`.
public enum ToolEvent: Sendable, Hashable, Codable {
    /// More text of the answer: whole characters.
    case text(String)
    /// The model calls a tool, which runs when the next event is asked for.
    case call(ToolCall)
    /// A tool has run.
    case result(ToolResult.Call)
    /// The end of the answer, all of it.
    case finished(ToolResult)
}

/// An answer for which a model may have called tools.
public struct ToolResult: Sendable, Hashable, Codable {
    /// One call and what it returned.
    public struct Call: Sendable, Hashable, Codable {
        /// What the model wanted.
        public let call: ToolCall
        /// What the tool returned.
        public let output: String
    }

    /// What the model answers the user in the end.
    public let text: String
    /// The calls, in their order.
    public let calls: [Call]
    /// What the model said, calls and the answer, as it was written.
    public let responses: [GenerationResult]
}

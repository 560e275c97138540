internal import Foundation

/// A response as a value of a type, and the response itself.
public struct TypedResult<Value: Sendable>: Sendable {
    /// What the response says.
    public let value: Value
    /// The response: its text, its tokens, what it cost.
    public let result: GenerationResult

    /// The JSON that the model wrote.
    public var text: String { result.text }
}

extension TypedResult: Equatable where Value: Equatable {}
extension TypedResult: Hashable where Value: Hashable {}
extension TypedResult: Encodable where Value: Encodable {}
extension TypedResult: Decodable where Value: Decodable {}

/// Holds a response to the schema of a type, and decodes it.
struct TypedOutput<Value: Decodable & Sendable>: Sendable {
    private let schema: JSONSchema
    /// Those of the response: in the type's grammar.
    let options: GenerationOptions

    /// - Throws: `BitNetError.unsupportedType` or `.grammar` for the type; `.invalidArgument` where
    ///   the options bring a grammar of their own.
    init(_ type: Value.Type, _ options: GenerationOptions) throws(BitNetError) {
        guard options.grammar == nil else {
            throw .invalidArgument(
                name: "grammar",
                detail: "a typed response has the grammar of its type; leave the option out")
        }
        schema = try JSONSchema(of: type)
        var options = options
        options.grammar = try Grammar(jsonSchema: schema)
        self.options = options
    }

    /// The prompt, with the schema behind it if that is wanted.
    func prompt(_ text: String, includesSchema: Bool) -> String {
        includesSchema ? "\(text)\n\nAnswer with JSON of this schema:\n\(schema.json)\n" : text
    }

    /// - Throws: `BitNetError.incompleteResponse`, `.undecodableResponse`, `.cancelled`.
    func value(of result: GenerationResult) throws(BitNetError) -> TypedResult<Value> {
        TypedResult(value: try value(of: result.text, result.stopReason), result: result)
    }

    /// The value of a response that ended for a reason.
    func value(of text: String, _ reason: StopReason) throws(BitNetError) -> Value {
        if reason == .cancelled { throw .cancelled }
        guard reason == .endOfText || JSONSchema.isWhole(text) else {
            throw .incompleteResponse(text: text, detail: "ended \(reason.explanation)")
        }
        do { return try TypedJSON.decode(Value.self, from: text) } catch {
            throw .undecodableResponse(text: text, detail: error.whatAndWhere)
        }
    }
}

extension JSONSchema {
    /// Whether a text is JSON that nothing can follow. Half of a number looks whole.
    static func isWhole(_ text: String) -> Bool {
        guard let tree = try? JSONTree(parsing: text, "a response") else { return false }
        return tree.number == nil
    }
}

extension StopReason {
    /// What ended a response, for messages.
    var explanation: String {
        switch self {
        case .endOfText: "at an end of text"
        case .stopString(let text): "at the stop string \(text.quoted)"
        case .length: "at the limit of tokens (maximumResponseTokens)"
        case .contextFull: "at the end of the context"
        case .cancelled: "when it was cancelled"
        }
    }
}

extension Error {
    /// A decoder's error as one sentence with its coding path; others as they describe themselves.
    fileprivate var whatAndWhere: String {
        guard let error = self as? DecodingError else { return "\(self)" }
        let context: DecodingError.Context
        switch error {
        case .typeMismatch(_, let found), .valueNotFound(_, let found), .dataCorrupted(let found):
            context = found
        case .keyNotFound(let key, let found):
            return "\(key.stringValue.quoted) is missing in \(Self.path(found.codingPath))"
        @unknown default: return "\(self)"
        }
        return "\(Self.path(context.codingPath)): \(context.debugDescription)"
    }

    private static func path(_ keys: [any CodingKey]) -> String {
        keys.isEmpty ? "the whole" : keys.map(\.stringValue).joined(separator: ".").quoted
    }
}

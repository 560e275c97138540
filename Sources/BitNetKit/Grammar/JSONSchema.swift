/// A JSON schema as a value: what a typed response must look like.
///
/// A schema comes from a type, or is given as text. Either can be changed by what JSON schema calls
/// its keywords:
///
/// ```swift
/// struct Pet: Decodable {
///     let name: String
///     let age: Int
///     let tricks: [String]
/// }
///
/// var schema = try JSONSchema(derivedFrom: Pet.self)
/// schema["name"].description = "The pet's first name"
/// schema["age"].minimum = 0
/// schema["age"].maximum = 30
/// schema["tricks"].maximumCount = 3
/// schema["tricks"].items.maximumLength = 40
/// print(schema.json)
/// ```
///
/// Descriptions say something to a model that is shown the schema; a grammar has no use for them.
/// A type that conforms to ``JSONSchemaConvertible`` brings such a schema along.
public struct JSONSchema: Sendable, Hashable {
    /// An object, whose members are the keywords.
    var tree: JSONTree
    /// Properties that were to be changed and are not there, as paths.
    private(set) var strangers: [String] = []

    init(_ tree: JSONTree) { self.tree = tree }

    init(_ members: [(String, JSONTree)]) {
        tree = .object(members.map { JSONTree.Member(key: $0.0, value: $0.1) })
    }

    /// A schema of a type of JSON: `string`, `integer`, ...
    init(type: String) { self.init([("type", .string(type))]) }

    /// A schema from its text, with the keywords that `Grammar(jsonSchema:)` lists. A reference
    /// (`$ref`) is looked up in the whole schema that this one becomes a part of.
    ///
    /// - Throws: `BitNetError.grammar` where the text is not JSON, or no object.
    public init(json: String) throws(BitNetError) {
        let tree = try JSONTree(parsing: json, "the JSON schema")
        guard tree.isObject else {
            throw .grammar(detail: "#: expected a schema, an object, found \(json.quoted)")
        }
        self.init(tree)
    }

    /// The schema of a type: its own where it conforms to ``JSONSchemaConvertible``, else what
    /// ``init(derivedFrom:)`` finds.
    ///
    /// - Throws: as ``init(derivedFrom:)``; `.invalidArgument` where the type's own schema changes a
    ///   property that is not there.
    public init<T: Decodable>(of type: T.Type) throws(BitNetError) {
        self = try SchemaWalk.schema(of: type)
    }

    /// The schema of the JSON that a type decodes, found by decoding made-up values (0, "", false)
    /// and noting what is asked for.
    ///
    /// Found are properties in the order in which they are decoded, optional ones, nested types,
    /// arrays and sets, dictionaries with `String` keys, numbers of every size, `Bool`, `String`,
    /// `Date` (as ISO 8601), `URL`, `UUID`, `Data` (as base 64), `Decimal`, and types with a list of
    /// cases: `CaseIterable` with raw values, or `CaseIterable & Encodable`.
    ///
    /// - Throws: `BitNetError.unsupportedType` with the coding path of what has no such schema: types
    ///   inside themselves, enums whose cases are not listed or have values, keys that are known
    ///   only while decoding, lists of several types, `superDecoder()`, and types that refuse the
    ///   made-up values.
    public init<T: Decodable>(derivedFrom type: T.Type) throws(BitNetError) {
        self = try SchemaWalk.derived(from: type)
    }

    /// The schema as JSON, on one line.
    public var json: String { tree.text }

    /// - Throws: `BitNetError.invalidArgument` where a property was changed that is not there.
    func checked(_ type: Any.Type) throws(BitNetError) -> JSONSchema {
        guard let name = strangers.first else { return self }
        throw .invalidArgument(
            name: "jsonSchema of \(type)",
            detail: "changes \(name.quoted), which is not there; there are "
                + properties.joined(separator: ", ").cut(to: 200))
    }
}

// MARK: - Keywords

extension JSONSchema {
    /// What the value is, for a model that is shown the schema.
    public var description: String? {
        get { tree["description"]?.string }
        set { tree["description"] = newValue.map { .string($0) } }
    }

    /// The least that a number may be.
    public var minimum: Double? {
        get { tree["minimum"]?.number }
        set { tree["minimum"] = newValue.map { .number($0) } }
    }

    /// The most that a number may be.
    public var maximum: Double? {
        get { tree["maximum"]?.number }
        set { tree["maximum"] = newValue.map { .number($0) } }
    }

    /// The least characters of a string.
    public var minimumLength: Int? {
        get { count("minLength") }
        set { set("minLength", newValue) }
    }

    /// The most characters of a string.
    public var maximumLength: Int? {
        get { count("maxLength") }
        set { set("maxLength", newValue) }
    }

    /// A regular expression that has to match in a string.
    public var pattern: String? {
        get { tree["pattern"]?.string }
        set { tree["pattern"] = newValue.map { .string($0) } }
    }

    /// The only strings that may come; nil where they are not listed.
    public var choices: [String]? {
        get { tree["enum"]?.elements?.compactMap(\.string) }
        set { tree["enum"] = newValue.map { .list($0.map { .string($0) }) } }
    }

    /// The least elements of a list.
    public var minimumCount: Int? {
        get { count("minItems") }
        set { set("minItems", newValue) }
    }

    /// The most elements of a list.
    public var maximumCount: Int? {
        get { count("maxItems") }
        set { set("maxItems", newValue) }
    }

    /// What each element of a list is.
    public var items: JSONSchema {
        get { JSONSchema(tree["items"] ?? .object([])) }
        set {
            if tree["items"] == nil { strangers.append("items") }
            take(newValue, "items")
            tree["items"] = newValue.tree
        }
    }

    /// The names of an object's properties.
    public var properties: [String] { tree["properties"]?.keys ?? [] }

    /// The schema of a property. To change one that is not there is an error when the schema is used
    /// for its type.
    public subscript(property: String) -> JSONSchema {
        get { JSONSchema(tree["properties"]?[property] ?? .object([])) }
        set {
            if tree["properties"]?[property] == nil { strangers.append(property) }
            take(newValue, property)
            tree["properties"]?[property] = newValue.tree
        }
    }

    private mutating func take(_ part: JSONSchema, _ name: String) {
        strangers += part.strangers.map { "\(name).\($0)" }
    }

    private func count(_ keyword: String) -> Int? {
        tree[keyword]?.number.flatMap { Int(exactly: $0) }
    }

    private mutating func set(_ keyword: String, _ count: Int?) {
        tree[keyword] = count.map { .scalar("\($0)") }
    }
}

// MARK: - Making schemas

extension JSONSchema {
    /// The same, or null.
    var orNull: JSONSchema {
        guard tree["type"] != nil || tree["enum"] != nil else {
            return .anyOf([self, JSONSchema(type: "null")])
        }
        var schema = self
        if let values = tree["enum"]?.elements { schema.tree["enum"] = .list(values + [.null]) }
        if let type = tree["type"] {
            schema.tree["type"] = .list((type.elements ?? [type]) + [.string("null")])
        }
        return schema
    }

    static func string(pattern: String) -> JSONSchema {
        var schema = JSONSchema(type: "string")
        schema.pattern = pattern
        return schema
    }

    /// One of several.
    static func anyOf(_ choices: [JSONSchema]) -> JSONSchema {
        choices.count == 1 ? choices[0] : JSONSchema([("anyOf", .list(choices.map(\.tree)))])
    }

    /// An object with these properties and no others.
    static func object(
        _ properties: [(name: String, schema: JSONSchema, isRequired: Bool)]
    ) -> JSONSchema {
        JSONSchema([
            ("type", .string("object")),
            (
                "properties",
                .object(properties.map { JSONTree.Member(key: $0.name, value: $0.schema.tree) })
            ),
            ("required", .list(properties.filter(\.isRequired).map { .string($0.name) })),
            ("additionalProperties", .scalar("false")),
        ])
    }
}

extension Grammar {
    /// A grammar of the JSON texts that are valid under a schema.
    ///
    /// - Throws: as for the schema's text.
    public init(jsonSchema: JSONSchema) throws(BitNetError) {
        try self.init(jsonSchema: jsonSchema.json)
    }
}

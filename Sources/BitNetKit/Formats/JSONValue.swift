/// A JSON value: `config.json`, the header of a safetensors file, `tokenizer.json`.
///
/// Parsed here rather than by Foundation for three reasons: a duplicate key is an error instead of
/// a silent loss, keys that differ only in Unicode normalisation (they occur in vocabularies) stay
/// apart, and whole numbers are told from truth values and decimals on every platform.
public enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    /// A number written without fraction or exponent that fits in 64 bits.
    case int(Int)
    case double(Double)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// Parses a JSON text in UTF-8; `malformedFile` with the byte position where it is not one.
    ///
    /// At most 128 levels of nesting are accepted.
    public init(parsing region: ByteRegion) throws(BitNetError) {
        var parser = JSONParser(region)
        self = try parser.parseDocument()
    }

    /// The truth value, if it is one.
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }

    /// The whole number, if it is one; 4096.0 is.
    public var int: Int? {
        switch self {
        case .int(let value): value
        case .double(let value): Int(exactly: value)
        default: nil
        }
    }

    /// The number, if it is one.
    public var double: Double? {
        switch self {
        case .int(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }

    /// The text, if it is one.
    public var string: String? { if case .string(let value) = self { value } else { nil } }

    /// The elements, if it is an array.
    public var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }

    /// The members, if it is an object.
    public var object: JSONObject? { if case .object(let value) = self { value } else { nil } }

    /// The member called `key`, or nil where there is none or this is no object.
    public subscript(key: String) -> JSONValue? { object?[key] }
}

// Typed access to configuration keys: absent or null is nil, another type is an error.
extension JSONValue {
    /// The whole number at `key`; nil where absent or null, else `invalidMetadata` naming `path`.
    public func int(_ key: String, in path: String) throws(BitNetError) -> Int? {
        try typed(key, path, "a whole number") { $0.int }
    }

    /// The number at `key`; nil where absent or null, else `invalidMetadata` naming `path`.
    public func double(_ key: String, in path: String) throws(BitNetError) -> Double? {
        try typed(key, path, "a number") { $0.double }
    }

    /// The truth value at `key`; nil where absent or null, else `invalidMetadata` naming `path`.
    public func bool(_ key: String, in path: String) throws(BitNetError) -> Bool? {
        try typed(key, path, "true or false") { $0.bool }
    }

    /// The text at `key`; nil where absent or null, else `invalidMetadata` naming `path`.
    public func string(_ key: String, in path: String) throws(BitNetError) -> String? {
        try typed(key, path, "a string") { $0.string }
    }

    /// The array at `key`; nil where absent or null, else `invalidMetadata` naming `path`.
    public func array(_ key: String, in path: String) throws(BitNetError) -> [JSONValue]? {
        try typed(key, path, "an array") { $0.array }
    }

    /// The object at `key`, as a value; nil where absent or null, else `invalidMetadata`.
    public func object(_ key: String, in path: String) throws(BitNetError) -> JSONValue? {
        try typed(key, path, "an object") { $0.object == nil ? nil : $0 }
    }

    private func typed<Value>(
        _ key: String, _ path: String, _ expected: String, _ convert: (JSONValue) -> Value?
    ) throws(BitNetError) -> Value? {
        guard let value = self[key], value != .null else { return nil }
        guard let converted = convert(value) else {
            throw .invalidMetadata(
                path: path, key: key, detail: "expected \(expected), found \(value.kind)")
        }
        return converted
    }

    /// What the value is, for messages.
    var kind: String {
        switch self {
        case .null: "null"
        case .bool(let value): "\(value)"
        case .int(let value): "\(value)"
        case .double(let value): "\(value)"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

/// The members of a JSON object, in the order of the file.
public struct JSONObject: Sendable, Hashable {
    /// One key and its value.
    public struct Member: Sendable, Hashable {
        public let key: String
        public let value: JSONValue
    }

    /// All members, in the order of the file; keys are distinct byte for byte.
    public private(set) var members: [Member] = []
    private var positions: [ExactString: Int] = [:]

    /// The value of `key`, compared byte for byte.
    public subscript(key: String) -> JSONValue? {
        positions[ExactString(key)].map { members[$0].value }
    }

    /// Appends a member; false where the key is already there.
    mutating func append(_ key: String, _ value: JSONValue) -> Bool {
        guard positions.updateValue(members.count, forKey: ExactString(key)) == nil else {
            return false
        }
        members.append(Member(key: key, value: value))
        return true
    }
}

/// A string compared byte for byte; `String` takes "é" and "e" + U+0301 for the same.
struct ExactString: Sendable, Hashable {
    let value: String

    init(_ value: String) { self.value = value }

    static func == (left: Self, right: Self) -> Bool {
        left.value.utf8.elementsEqual(right.value.utf8)
    }

    func hash(into hasher: inout Hasher) {
        for byte in value.utf8 { hasher.combine(byte) }
    }
}

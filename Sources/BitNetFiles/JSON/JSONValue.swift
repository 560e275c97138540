/// A JSON value: `config.json`, the header of a safetensors file, `tokenizer.json`.
///
/// Parsed here rather than by Foundation for three reasons: a duplicate key is an error instead of
/// a silent loss, keys that differ only in Unicode normalisation (they occur in vocabularies) stay
/// apart, and whole numbers differ from truth values and decimals on every platform. Numbers keep
/// their spelling where neither `Int` nor `Double` would write it again. Arrays and objects stay in the
/// text until they are looked at, so that memory is a small multiple of a file whatever is in it.
package enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    /// A number written without fraction or exponent that fits in 64 bits.
    case int(Int)
    case double(Double)
    /// A number that neither of these holds and writes as it was spelled.
    case decimal(JSONDecimal)
    /// What Python writes for a number that is not finite, and numbers beyond a double. No reader
    /// takes it for a number.
    case notFinite(spelling: String, line: Int)
    case string(String)
    case array(JSONArray)
    case object(JSONObject)

    /// Parses a JSON text in UTF-8; `malformedFile` with the byte position where it is not one.
    ///
    /// At most 128 levels of nesting and 1 GiB are accepted. Of several members with one key, which
    /// is an error otherwise, the last one counts with `lastCounts`, as it does in Python.
    package init(parsing region: ByteRegion, lastCounts: Bool = false) throws(BitNetError) {
        var parser = try JSONParser(region, lastCounts: lastCounts)
        self = try parser.parseDocument()
    }

    /// Parses JSON that a caller gave as text: `error` makes one of what is wrong with it, as there is
    /// no file to name.
    package init(
        _ text: String, orThrow error: (_ detail: String) -> BitNetError
    ) throws(BitNetError) {
        do throws(BitNetError) {
            try self.init(parsing: ByteRegion(Array(text.utf8)))
        } catch let found {
            guard case .malformedFile(_, let detail) = found else { throw error("\(found)") }
            throw error(detail)
        }
    }

    /// The truth value, if it is one.
    package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }

    /// The whole number, if it is one; 4096.0 is.
    package var int: Int? {
        switch self {
        case .int(let value): value
        case .double(let value): Int(exactly: value)
        case .decimal(let decimal): decimal.int
        default: nil
        }
    }

    /// The number, if it is one.
    package var double: Double? {
        switch self {
        case .int(let value): Double(value)
        case .double(let value): value
        case .decimal(let decimal): decimal.double
        default: nil
        }
    }

    /// The text, if it is one.
    package var string: String? { if case .string(let value) = self { value } else { nil } }

    /// The elements, if it is an array.
    package var array: JSONArray? { if case .array(let value) = self { value } else { nil } }

    /// The members, if it is an object.
    package var object: JSONObject? { if case .object(let value) = self { value } else { nil } }

    /// The member called `key`, or nil where there is none or this is no object.
    package subscript(key: String) -> JSONValue? { object?[key] }
}

// Typed access to configuration keys: absent or null is nil, another type is an error.
extension JSONValue {
    /// The whole number at `key`; nil where absent or null, else `invalidMetadata` naming `path`.
    package func int(_ key: String, in path: String) throws(BitNetError) -> Int? {
        try typed(key, path, "a whole number") { $0.int }
    }

    /// The number at `key`; nil where absent or null, else `invalidMetadata` naming `path`.
    package func double(_ key: String, in path: String) throws(BitNetError) -> Double? {
        try typed(key, path, "a number") { $0.double }
    }

    /// The truth value at `key`; nil where absent or null, else `invalidMetadata` naming `path`.
    package func bool(_ key: String, in path: String) throws(BitNetError) -> Bool? {
        try typed(key, path, "true or false") { $0.bool }
    }

    /// The text at `key`; nil where absent or null, else `invalidMetadata` naming `path`.
    package func string(_ key: String, in path: String) throws(BitNetError) -> String? {
        try typed(key, path, "a string") { $0.string }
    }

    /// The array at `key`; nil where absent or null, else `invalidMetadata` naming `path`.
    package func array(_ key: String, in path: String) throws(BitNetError) -> JSONArray? {
        try typed(key, path, "an array") { $0.array }
    }

    /// The object at `key`, as a value; nil where absent or null, else `invalidMetadata`.
    package func object(_ key: String, in path: String) throws(BitNetError) -> JSONValue? {
        try typed(key, path, "an object") { $0.object == nil ? nil : $0 }
    }

    private func typed<Value>(
        _ key: String, _ path: String, _ expected: String, _ convert: (JSONValue) -> Value?
    ) throws(BitNetError) -> Value? {
        guard let value = self[key], value != .null else { return nil }
        guard let converted = convert(value) else {
            throw .invalidMetadata(
                path: path, key: key, detail: "expected \(expected), found \(value.shown)")
        }
        return converted
    }

    /// What the value is, for messages.
    package var kind: String {
        switch self {
        case .null: "null"
        case .bool(let value): "\(value)"
        case .int(let value): "\(value)"
        case .double(let value): "\(value)"
        case .decimal(let decimal): decimal.spelling
        case .notFinite(let spelling, let line): "\(spelling) (line \(line))"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

/// A string compared byte for byte; `String` takes "é" and "e" + U+0301 for the same.
package struct ExactString: Sendable, Hashable {
    let value: String

    package init(_ value: String) { self.value = value }

    package static func == (left: Self, right: Self) -> Bool {
        left.value.utf8.elementsEqual(right.value.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        for byte in value.utf8 { hasher.combine(byte) }
    }
}

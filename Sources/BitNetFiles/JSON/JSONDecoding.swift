extension JSONValue {
    /// The value as a type that decodes itself, as Foundation's `JSONDecoder` would give it.
    ///
    /// Foundation's decoder takes many times the size of a text, whatever of it is asked for; this one
    /// reads what is asked for, and no more than `JSONContents.mostParts` objects and lists of it.
    ///
    /// - Throws: `DecodingError`, and what `type` throws.
    package func decode<T: Decodable>(_ type: T.Type) throws -> T {
        try T(from: JSONContents(self, path: [], parts: .init()))
    }
}

/// A value that is being decoded.
struct JSONContents: Decoder, SingleValueDecodingContainer {
    /// The most objects and lists that are decoded: what they become is far larger than their text.
    static let mostParts = 1 << 17

    /// Counts objects and lists.
    final class Parts {
        var count = 0
    }

    private let value: JSONValue
    let codingPath: [any CodingKey]
    let userInfo: [CodingUserInfoKey: Any] = [:]
    private let parts: Parts

    init(_ value: JSONValue, path: [any CodingKey], parts: Parts) {
        self.value = value
        codingPath = path
        self.parts = parts
    }

    private func mismatch<T>(_ type: T.Type, _ expected: String) -> DecodingError {
        .typeMismatch(
            type,
            .init(
                codingPath: codingPath,
                debugDescription: "expected \(expected), found \(value.shown)"))
    }

    private func countPart() throws {
        parts.count += 1
        guard parts.count <= Self.mostParts else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: codingPath,
                    debugDescription: "more than \(Self.mostParts) objects and lists"))
        }
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        guard let object = value.object else { throw mismatch(type, "an object") }
        try countPart()
        return KeyedDecodingContainer(
            JSONMembers<Key>(object, path: codingPath, parts: parts))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        guard let array = value.array else { throw mismatch([Any].self, "a list") }
        try countPart()
        return JSONElements(array, path: codingPath, parts: parts)
    }

    func singleValueContainer() -> any SingleValueDecodingContainer { self }

    func decodeNil() -> Bool { value == .null }

    func decode(_ type: Bool.Type) throws -> Bool {
        guard let found = value.bool else { throw mismatch(type, "true or false") }
        return found
    }

    func decode(_ type: String.Type) throws -> String {
        guard let found = value.string else { throw mismatch(type, "a string") }
        return found
    }

    func decode(_ type: Double.Type) throws -> Double {
        guard let found = value.double else { throw mismatch(type, "a number") }
        return found
    }

    func decode(_ type: Float.Type) throws -> Float { Float(try decode(Double.self)) }

    func decode<T: Decodable>(_ type: T.Type) throws -> T {
        if let integer = type as? any FixedWidthInteger.Type, let found = try whole(integer) as? T {
            return found
        }
        return try T(from: self)
    }

    private func whole<T: FixedWidthInteger>(_ type: T.Type) throws -> T {
        guard let found = value.int, let number = T(exactly: found) else {
            throw mismatch(type, "a whole number that fits")
        }
        return number
    }

    func decode(_ type: Int.Type) throws -> Int { try whole(type) }
    func decode(_ type: Int8.Type) throws -> Int8 { try whole(type) }
    func decode(_ type: Int16.Type) throws -> Int16 { try whole(type) }
    func decode(_ type: Int32.Type) throws -> Int32 { try whole(type) }
    func decode(_ type: Int64.Type) throws -> Int64 { try whole(type) }
    func decode(_ type: UInt.Type) throws -> UInt { try whole(type) }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try whole(type) }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try whole(type) }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try whole(type) }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try whole(type) }
}

/// The members of an object that is being decoded.
private struct JSONMembers<Key: CodingKey>: KeyedDecodingContainerProtocol {
    private let object: JSONObject
    let codingPath: [any CodingKey]
    private let parts: JSONContents.Parts
    /// Where to look first: members are mostly asked for in their order.
    private let next: Place

    private final class Place {
        var index: JSONObject.Members.Index

        init(_ index: JSONObject.Members.Index) { self.index = index }
    }

    init(_ object: JSONObject, path: [any CodingKey], parts: JSONContents.Parts) {
        self.object = object
        codingPath = path
        self.parts = parts
        next = Place(object.members.startIndex)
    }

    /// All keys that are asked for in one list; a type that has none for a name leaves it out.
    var allKeys: [Key] {
        // One more than are decoded is enough to be refused.
        object.members.prefix(JSONContents.mostParts + 1).compactMap { Key(stringValue: $0.key) }
    }

    private func value(_ key: Key) -> JSONValue? {
        let members = object.members
        if !object.mayRepeat, next.index < members.endIndex {
            let member = members[next.index]
            if member.key.utf8.elementsEqual(key.stringValue.utf8) {
                next.index = members.index(after: next.index)
                return member.value
            }
        }
        return object[key.stringValue]
    }

    func contains(_ key: Key) -> Bool { object[key.stringValue] != nil }

    private func contents(_ key: Key) throws -> JSONContents {
        guard let value = value(key) else {
            throw DecodingError.keyNotFound(
                key,
                .init(
                    codingPath: codingPath,
                    debugDescription: "\(key.stringValue.quoted) is "
                        + "missing"))
        }
        return JSONContents(value, path: codingPath + [key], parts: parts)
    }

    func decodeNil(forKey key: Key) throws -> Bool { try contents(key).decodeNil() }

    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
        try contents(key).decode(type)
    }

    func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool {
        try contents(key).decode(type)
    }

    func decode(_ type: String.Type, forKey key: Key) throws -> String {
        try contents(key).decode(type)
    }

    func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try contents(key).decode(type) }

    func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<NestedKey> {
        try contents(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try contents(key).unkeyedContainer()
    }

    func superDecoder() throws -> any Decoder {
        JSONContents(.object(object), path: codingPath, parts: parts)
    }

    func superDecoder(forKey key: Key) throws -> any Decoder { try contents(key) }
}

/// The elements of a list that is being decoded.
private struct JSONElements: UnkeyedDecodingContainer {
    private let array: JSONArray
    let codingPath: [any CodingKey]
    private let parts: JSONContents.Parts
    private var index: JSONArray.Index
    private(set) var currentIndex = 0

    init(_ array: JSONArray, path: [any CodingKey], parts: JSONContents.Parts) {
        self.array = array
        codingPath = path
        self.parts = parts
        index = array.startIndex
    }

    /// Not known without going through all: room is made as elements come.
    var count: Int? { nil }
    var isAtEnd: Bool { index == array.endIndex }

    private struct Number: CodingKey {
        let intValue: Int?
        var stringValue: String { "\(intValue ?? 0)" }

        init(_ number: Int) { intValue = number }
        init?(stringValue: String) { nil }
        init?(intValue: Int) { self.init(intValue) }
    }

    private mutating func next() throws -> JSONContents {
        let path = codingPath + [Number(currentIndex)]
        guard !isAtEnd, currentIndex < JSONContents.mostParts else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: path,
                    debugDescription: isAtEnd
                        ? "the list ends here" : "a list of more than \(JSONContents.mostParts)"))
        }
        let value = array[index]
        index = array.index(after: index)
        currentIndex += 1
        return JSONContents(value, path: path, parts: parts)
    }

    mutating func decodeNil() throws -> Bool {
        guard !isAtEnd, array[index] == .null else { return false }
        _ = try next()
        return true
    }

    mutating func decode<T: Decodable>(_ type: T.Type) throws -> T { try next().decode(type) }
    mutating func decode(_ type: Bool.Type) throws -> Bool { try next().decode(type) }
    mutating func decode(_ type: String.Type) throws -> String { try next().decode(type) }
    mutating func decode(_ type: Int.Type) throws -> Int { try next().decode(type) }

    mutating func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type
    ) throws -> KeyedDecodingContainer<NestedKey> {
        try next().container(keyedBy: type)
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try next().unkeyedContainer()
    }

    mutating func superDecoder() throws -> any Decoder { try next() }
}

/// What a type asks for at one place in the JSON.
final class SchemaPlace {
    private enum Form {
        case known(JSONSchema)
        case object
        case list
    }

    private var form: Form?
    private var isNullable = false
    /// Of an object, in the order in which they are asked for.
    private var properties: [(key: any CodingKey, place: SchemaPlace, isRequired: Bool)] = []
    /// Keys of which it was asked whether they are there.
    private var optionalKeys: Set<String> = []
    /// Of a list: what its first element is, and how many are read without asking for the end.
    private var element: SchemaPlace?
    private var elementCount = 0
    /// Whether it was asked how many elements a list has.
    var asksForEnd = false

    init() {}

    init(_ schema: JSONSchema) { form = .known(schema) }

    func allowNull() { isNullable = true }

    func take(_ schema: JSONSchema) -> Bool {
        switch form {
        case nil: form = .known(schema)
        case .known(let known)?: return known == schema
        case .object?, .list?: return false
        }
        return true
    }

    func becomeObject() -> Bool {
        if case .object? = form { return true }
        guard form == nil else { return false }
        form = .object
        return true
    }

    func becomeList() -> Bool {
        guard form == nil else { return false }
        form = .list
        return true
    }

    func allowAbsence(of key: any CodingKey) { optionalKeys.insert(key.stringValue) }

    func allowNull(of key: any CodingKey) {
        // What may be absent need not be null as well.
        if !optionalKeys.contains(key.stringValue) { nullableKeys.insert(key.stringValue) }
    }

    private var nullableKeys: Set<String> = []

    /// The place of a property, which may be read twice as the same; nil where it is another.
    func add(_ place: SchemaPlace, for key: any CodingKey) -> Bool {
        if nullableKeys.contains(key.stringValue) { place.allowNull() }
        if let known = properties.first(where: { $0.key.stringValue == key.stringValue }) {
            guard case .known(let old)? = known.place.form, case .known(let new)? = place.form
            else { return false }
            return old == new
        }
        properties.append((key, place, !optionalKeys.contains(key.stringValue)))
        return true
    }

    /// Counts an element; false where it is another than those before.
    func append(_ place: SchemaPlace) -> Bool {
        elementCount += 1
        guard let element else {
            element = place
            return true
        }
        guard case .known(let old)? = element.form, case .known(let new)? = place.form else {
            return false
        }
        return old == new && element.isNullable == place.isNullable
    }

    /// What was asked for as a schema.
    func schema(
        _ type: Any.Type, _ path: [any CodingKey], _ walk: SchemaWalk
    ) throws -> JSONSchema {
        var schema: JSONSchema
        switch form {
        case .known(let known)?: schema = known
        // A type without properties asks for nothing.
        case .object?, nil:
            var members: [(String, JSONSchema, Bool)] = []
            for (key, place, isRequired) in properties {
                members.append(
                    (key.stringValue, try place.schema(type, path + [key], walk), isRequired))
            }
            schema = .object(members)
        case .list?:
            guard let element else {
                throw walk.fail(type, path, "it reads a list without reading an element")
            }
            let items = try element.schema(type, path + [SchemaKey(index: 0)], walk)
            schema = JSONSchema([("type", .string("array")), ("items", items.tree)])
            if !asksForEnd {
                (schema.minimumCount, schema.maximumCount) = (elementCount, elementCount)
            }
        }
        return isNullable ? schema.orNull : schema
    }
}

/// Decodes made-up values, and notes what is asked for.
struct SchemaDecoder: Decoder, SingleValueDecodingContainer {
    let walk: SchemaWalk
    let place: SchemaPlace
    let codingPath: [any CodingKey]
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    private static let twoForms =
        "it is read in two ways, and only one can be in a schema; conform to JSONSchemaConvertible"

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        guard place.becomeObject() else { throw walk.fail(type, codingPath, Self.twoForms) }
        return KeyedDecodingContainer(SchemaMembers<Key>(decoder: self))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        guard place.becomeList() else { throw walk.fail([Any].self, codingPath, Self.twoForms) }
        return SchemaElements(decoder: self)
    }

    func singleValueContainer() -> any SingleValueDecodingContainer { self }

    func decodeNil() -> Bool {
        place.allowNull()
        return false
    }

    func decode<T: Decodable>(_ type: T.Type) throws -> T {
        let (schema, value) = try walk.walk(type, codingPath)
        guard place.take(schema) else { throw walk.fail(type, codingPath, Self.twoForms) }
        return value
    }

    func superDecoder(_ path: [any CodingKey]) -> any Error {
        walk.fail(
            Any.self, path,
            "superDecoder() nests a class in its subclass; decode both from one container, or "
                + "conform to JSONSchemaConvertible")
    }
}

/// The members of an object.
private struct SchemaMembers<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let decoder: SchemaDecoder
    var codingPath: [any CodingKey] { decoder.codingPath }

    /// Whoever asks decodes keys that are known only with the JSON: an enum whose cases have values,
    /// or a dictionary of its own.
    var allKeys: [Key] {
        decoder.walk.fail(
            Key.self, codingPath,
            "its keys are known only while decoding (an enum whose cases have values, for example); "
                + "conform to JSONSchemaConvertible")
        return []
    }

    func contains(_ key: Key) -> Bool {
        decoder.place.allowAbsence(of: key)
        return true
    }

    func decodeNil(forKey key: Key) -> Bool {
        decoder.place.allowNull(of: key)
        return false
    }

    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
        let path = codingPath + [key]
        let (schema, value) = try decoder.walk.walk(type, path)
        try add(SchemaPlace(schema), key)
        return value
    }

    private func add(_ place: SchemaPlace, _ key: Key) throws {
        guard decoder.place.add(place, for: key) else {
            throw decoder.walk.fail(
                Key.self, codingPath + [key],
                "it is read as two types; conform to JSONSchemaConvertible")
        }
    }

    private func nested(_ key: Key) throws -> SchemaDecoder {
        let place = SchemaPlace()
        try add(place, key)
        return SchemaDecoder(walk: decoder.walk, place: place, codingPath: codingPath + [key])
    }

    func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<NestedKey> {
        try nested(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try nested(key).unkeyedContainer()
    }

    func superDecoder() throws -> any Decoder {
        throw decoder.superDecoder(codingPath + [SchemaKey("super")])
    }

    func superDecoder(forKey key: Key) throws -> any Decoder {
        throw decoder.superDecoder(codingPath + [key])
    }
}

/// The elements of a list, of which there is one if somebody asks.
private struct SchemaElements: UnkeyedDecodingContainer {
    let decoder: SchemaDecoder
    private(set) var currentIndex = 0
    private var isNullable = false
    var codingPath: [any CodingKey] { decoder.codingPath }

    init(decoder: SchemaDecoder) { self.decoder = decoder }

    var count: Int? {
        decoder.place.asksForEnd = true
        return nil
    }

    var isAtEnd: Bool {
        decoder.place.asksForEnd = true
        return currentIndex > 0
    }

    private var path: [any CodingKey] { codingPath + [SchemaKey(index: currentIndex)] }

    private mutating func add(_ place: SchemaPlace) throws {
        if isNullable { place.allowNull() }
        isNullable = false
        guard decoder.place.append(place), !decoder.place.asksForEnd || currentIndex == 0 else {
            throw decoder.walk.fail(
                [Any].self, path,
                "its list has elements of several types, or some before the rest; decode an object, "
                    + "or conform to JSONSchemaConvertible")
        }
        currentIndex += 1
    }

    mutating func decodeNil() -> Bool {
        isNullable = true
        return false
    }

    mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
        let (schema, value) = try decoder.walk.walk(type, path)
        try add(SchemaPlace(schema))
        return value
    }

    private mutating func nested() throws -> SchemaDecoder {
        let (place, path) = (SchemaPlace(), path)
        try add(place)
        return SchemaDecoder(walk: decoder.walk, place: place, codingPath: path)
    }

    mutating func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type
    ) throws -> KeyedDecodingContainer<NestedKey> {
        try nested().container(keyedBy: type)
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try nested().unkeyedContainer()
    }

    mutating func superDecoder() throws -> any Decoder {
        throw decoder.superDecoder(path)
    }
}

internal import Foundation

/// Finds the schema of a type: decodes it from made-up values, and notes what it asks for.
///
/// A decoder cannot be asked which keys a type has; but a type that decodes itself asks for one after
/// the other, as long as each gets a value.
final class SchemaWalk {
    /// The types being walked, the outermost first, also by walks that a type's own schema begins.
    @TaskLocal private static var outerTypes: [ObjectIdentifier] = []

    private var types: [ObjectIdentifier]
    /// What was found first that has no schema. A type may go on after an error; its schema would not
    /// be what it decodes.
    private(set) var failure: BitNetError?

    private init(_ types: [ObjectIdentifier]) { self.types = types }

    /// The schema of a type, its own where it has one.
    static func schema<T: Decodable>(of type: T.Type) throws(BitNetError) -> JSONSchema {
        let id = ObjectIdentifier(type)
        // A type's own schema that asks for the type's schema means what can be found.
        guard let convertible = type as? any JSONSchemaConvertible.Type, outerTypes.last != id
        else {
            return try derived(from: type)
        }
        return try own(convertible, in: outerTypes)
    }

    /// The schema of a type as decoding shows it.
    static func derived<T: Decodable>(from type: T.Type) throws(BitNetError) -> JSONSchema {
        let walk = SchemaWalk(outerTypes)
        // The type whose own schema asks for this.
        if walk.types.last == ObjectIdentifier(type) { walk.types.removeLast() }
        do {
            let (schema, _) = try walk.walk(type, [], usesOwn: false)
            if let failure = walk.failure { throw failure }
            return schema
        } catch let error as BitNetError {
            throw walk.failure ?? error
        } catch {
            throw walk.failure ?? walk.unsupported(type, [], "\(error)")
        }
    }

    private static func own(
        _ type: any JSONSchemaConvertible.Type, in types: [ObjectIdentifier]
    ) throws(BitNetError) -> JSONSchema {
        let result = $outerTypes.withValue(types + [ObjectIdentifier(type)]) {
            Result { () throws(BitNetError) in try type.jsonSchema.checked(type) }
        }
        return try result.get()
    }

    // MARK: - Errors

    func unsupported(
        _ type: Any.Type, _ path: [any CodingKey], _ detail: String
    ) -> BitNetError {
        let path = path.map { $0.intValue == nil ? $0.stringValue : "[]" }.joined(separator: ".")
        return .unsupportedType(type: "\(type)", path: path, detail: detail)
    }

    /// Notes what has no schema, where that cannot be thrown as well.
    @discardableResult
    func fail(_ type: Any.Type, _ path: [any CodingKey], _ detail: String) -> BitNetError {
        let error = unsupported(type, path, detail)
        failure = failure ?? error
        return error
    }

    // MARK: - Types

    /// The schema of a type, and a value of it for the type that asked.
    func walk<T: Decodable>(
        _ type: T.Type, _ path: [any CodingKey], usesOwn: Bool = true
    ) throws -> (JSONSchema, T) {
        if let (schema, value) = Self.known(type), let value = value as? T {
            return (schema, value)
        }
        let id = ObjectIdentifier(type)
        guard !types.contains(id) else {
            throw fail(
                type, path,
                "it is inside itself, and JSON without an end has no schema that a grammar can hold; "
                    + "give the type that contains it a schema of its own (JSONSchemaConvertible)")
        }
        if usesOwn, let convertible = type as? any JSONSchemaConvertible.Type {
            let schema = try noting { () throws(BitNetError) in
                try Self.own(convertible, in: types)
            }
            return (schema, try value(type, of: schema, path))
        }
        if let dictionary = type as? any StringKeyed.Type, let empty = dictionary.empty as? T {
            types.append(id)
            defer { types.removeLast() }
            return (try dictionary.schema(self, path), empty)
        }
        if let listed = type as? any CaseIterable.Type, let found = try cases(listed, path) {
            guard let first = found.first as? T else { throw fail(type, path, "it has no cases") }
            return (found.schema, first)
        }
        types.append(id)
        defer { types.removeLast() }
        let place = SchemaPlace()
        let value: T
        do {
            value = try T(from: SchemaDecoder(walk: self, place: place, codingPath: path))
        } catch {
            throw failure ?? fail(type, path, Self.refusal(type, error))
        }
        return (try place.schema(type, path, self), value)
    }

    private func noting<R>(
        _ body: () throws(BitNetError) -> R
    ) throws(BitNetError) -> R {
        do throws(BitNetError) { return try body() } catch {
            failure = failure ?? error
            throw error
        }
    }

    private static func refusal(_ type: Any.Type, _ error: any Error) -> String {
        if type is any RawRepresentable.Type, !(type is any CaseIterable.Type) {
            return "its raw values are not listed; conform to CaseIterable"
        }
        return "it does not decode made-up values (0, an empty text, false), which its schema is "
            + "found with; conform to JSONSchemaConvertible (it says: \(error))"
    }

    /// A value of a type with a schema of its own: of made-up values, or else what the shortest JSON
    /// of the schema decodes to.
    private func value<T: Decodable>(
        _ type: T.Type, of schema: JSONSchema, _ path: [any CodingKey]
    ) throws -> T {
        let trial = SchemaWalk(types)
        if let (_, value) = try? trial.walk(type, path, usesOwn: false) { return value }
        let grammar = try noting { () throws(BitNetError) in try Grammar(jsonSchema: schema) }
        guard let text = grammar.shortestText else {
            throw fail(type, path, "no short JSON of its own schema was found to try it with")
        }
        do { return try TypedJSON.decode(type, from: text) } catch {
            throw fail(
                type, path,
                "it does not decode \(text.quoted), which its own schema allows: \(error)")
        }
    }

    /// The literals of a type with a list of its cases, and the first case; nil where only decoding
    /// can tell.
    private func cases<T: CaseIterable>(
        _ type: T.Type, _ path: [any CodingKey]
    ) throws -> (schema: JSONSchema, first: Any?)? {
        var literals: [JSONTree] = []
        for value in type.allCases {
            if let value = value as? any Encodable {
                literals.append(try JSONTree(parsing: try TypedJSON.encode(value), "\(type)"))
            } else if let raw = (value as? any RawRepresentable)?.rawValueAsAny as? any Encodable {
                literals.append(try JSONTree(parsing: try TypedJSON.encode(raw), "\(type)"))
            } else {
                throw fail(
                    type, path, "its cases have no JSON; give it raw values or conform to Encodable"
                )
            }
        }
        return (JSONSchema([("enum", .list(literals))]), type.allCases.first)
    }
}

extension RawRepresentable {
    fileprivate var rawValueAsAny: Any { rawValue }
}

/// A dictionary whose keys are strings, which JSON has as an object.
private protocol StringKeyed {
    static var empty: Any { get }
    static func schema(_ walk: SchemaWalk, _ path: [any CodingKey]) throws -> JSONSchema
}

extension Dictionary: StringKeyed where Key: Decodable, Value: Decodable {
    static var empty: Any { [:] as Self }

    static func schema(_ walk: SchemaWalk, _ path: [any CodingKey]) throws -> JSONSchema {
        guard Key.self == String.self else {
            throw walk.fail(Self.self, path, "its keys are \(Key.self), and JSON's are strings")
        }
        let (value, _) = try walk.walk(Value.self, path + [SchemaKey("*")])
        return JSONSchema([("type", .string("object")), ("additionalProperties", value.tree)])
    }
}

/// A key that a path has besides those of types.
struct SchemaKey: CodingKey {
    let stringValue: String
    let intValue: Int?

    init(_ name: String) { (stringValue, intValue) = (name, nil) }
    init(index: Int) { (stringValue, intValue) = ("\(index)", index) }
    init?(stringValue: String) { self.init(stringValue) }
    init?(intValue: Int) { self.init(index: intValue) }
}

// MARK: - Types that decoders know

extension SchemaWalk {
    /// The schema of a type that a JSON decoder reads by itself, and a value.
    private static func known(_ type: Any.Type) -> (JSONSchema, Any)? {
        switch type {
        case is Bool.Type: return (JSONSchema(type: "boolean"), false)
        case is String.Type: return (JSONSchema(type: "string"), "")
        case is Decimal.Type: return (JSONSchema(type: "number"), Decimal())
        case is Date.Type: return (.string(pattern: datePattern), Date(timeIntervalSince1970: 0))
        case is URL.Type: return (.string(pattern: urlPattern), URL(fileURLWithPath: "/"))
        case is UUID.Type: return (.string(pattern: uuidPattern), UUID())
        case is Data.Type: return (.string(pattern: "^([A-Za-z0-9+/]{4})*$"), Data())
        case let number as any BinaryFloatingPoint.Type: return floating(number)
        case let number as any FixedWidthInteger.Type: return integer(number)
        default: return nil
        }
    }

    private static func floating<T: BinaryFloatingPoint>(_ type: T.Type) -> (JSONSchema, Any) {
        var schema = JSONSchema(type: "number")
        let most = Double(T.greatestFiniteMagnitude)
        // What a grammar writes without bounds fits a double.
        if most < .greatestFiniteMagnitude { (schema.minimum, schema.maximum) = (-most, most) }
        return (schema, T.zero)
    }

    private static func integer<T: FixedWidthInteger>(_ type: T.Type) -> (JSONSchema, Any) {
        var schema = JSONSchema(type: "integer")
        // Without an upper bound whole numbers have 18 digits, which fit 64 bits.
        if T.bitWidth < 64 { schema.maximum = Double(T.max) }
        if T.bitWidth < 64 || !T.isSigned { schema.minimum = Double(T.min) }
        return (schema, T.zero)
    }

    /// ISO 8601 in UTC from 1900 to 2099, no day that is not there.
    private static let datePattern =
        "^((19|20)[0-9][0-9]-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])"
        + "|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
        + "|((19|20)(0[48]|[2468][048]|[13579][26])|2000)-02-29)"
        + "T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$"

    /// A part of what URLs can be, of which every reader takes all.
    private static let urlPattern =
        "^https?://[a-z0-9]+(-[a-z0-9]+)*([.][a-z0-9]+(-[a-z0-9]+)*)+(/[A-Za-z0-9._~-]*)*$"

    private static let uuidPattern =
        "^[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}$"
}

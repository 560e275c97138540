import BitNetFiles
import BitNetKit

/// Checks JSON against a schema, with those words of JSON Schema that the tests' schemas use.
package struct JSONSchemaCheck {
    private let schema: JSONValue

    /// - Throws: what is wrong with the schema's text, or a word that is not known: a schema that says
    ///   more than is checked would promise too much.
    package init(_ text: some Sequence<UInt8>) throws {
        schema = try JSONValue(parsing: ByteRegion(Array(text)))
        try Self.checkWords(schema)
    }

    /// Where and how `text` differs from the schema; nil where it does not.
    package func problem(in text: String) -> String? {
        do {
            return Self.problem(
                try JSONValue(parsing: ByteRegion(Array(text.utf8))), schema, at: "$")
        } catch {
            return "\(error)"
        }
    }

    private static let words: Set = [
        "$schema", "title", "description", "type", "properties", "required",
        "additionalProperties", "items", "enum", "anyOf",
    ]

    private static func checkWords(_ schema: JSONValue) throws(BitNetError) {
        guard case .object(let object) = schema else {
            if schema.bool != nil { return }
            throw .malformedFile(path: "schema", detail: "\(schema) is no schema")
        }
        for member in object.members {
            switch member.key {
            case "properties":
                guard case .object(let properties) = member.value else { continue }
                for property in properties.members { try checkWords(property.value) }
            case "items", "additionalProperties": try checkWords(member.value)
            case "anyOf":
                for part in member.value.array.map(Array.init) ?? [] { try checkWords(part) }
            default:
                guard words.contains(member.key) else {
                    throw .malformedFile(path: "schema", detail: "\(member.key) is not known")
                }
            }
        }
    }

    private static func problem(
        _ value: JSONValue, _ schema: JSONValue, at path: String
    ) -> String? {
        guard case .object(let words) = schema else {
            return schema.bool == false ? "\(path) is not in the schema" : nil
        }
        if let parts = words["anyOf"]?.array {
            let problems = parts.map { problem(value, $0, at: path) }
            return problems.contains(nil)
                ? nil : "\(path): none of: " + problems.compactMap(\.self).joined(separator: "; ")
        }
        if let type = words["type"] {
            let types = type.string.map { [$0] } ?? type.array?.compactMap(\.string) ?? []
            guard types.contains(where: { hasType(value, $0) }) else {
                return "\(path): \(value) is not \(types.joined(separator: " or "))"
            }
        }
        if let values = words["enum"]?.array, !values.contains(value) {
            return "\(path): \(value) is none of those listed"
        }
        switch value {
        case .array(let elements):
            guard let items = words["items"] else { return nil }
            for (index, element) in elements.enumerated() {
                if let found = problem(element, items, at: "\(path)[\(index)]") { return found }
            }
            return nil
        case .object(let object): return problem(object, words, at: path)
        default: return nil
        }
    }

    private static func problem(
        _ object: JSONObject, _ words: JSONObject, at path: String
    ) -> String? {
        for key in words["required"]?.array?.compactMap(\.string) ?? [] where object[key] == nil {
            return "\(path): '\(key)' is missing"
        }
        for member in object.members {
            var schema = words["additionalProperties"] ?? .bool(true)
            if case .object(let properties)? = words["properties"] {
                schema = properties[member.key] ?? schema
            }
            if let found = problem(member.value, schema, at: "\(path).\(member.key)") {
                return found
            }
        }
        return nil
    }

    private static func hasType(_ value: JSONValue, _ type: String) -> Bool {
        switch (type, value) {
        case ("null", .null), ("boolean", .bool), ("string", .string), ("array", .array),
            ("object", .object):
            true
        case ("integer", .decimal(let number)):
            number.spelling.allSatisfy { "-0123456789".contains($0) }
        case ("integer", _): value.int != nil
        case ("number", _): value.double != nil
        default: false
        }
    }
}

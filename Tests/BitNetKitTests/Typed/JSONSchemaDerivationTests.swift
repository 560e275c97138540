import Foundation
import Testing

@testable import BitNetKit

@Suite("Schemas of types")
struct JSONSchemaDerivationTests {
    enum Colour: String, Codable, CaseIterable { case red, green, darkBlue = "dark blue" }
    enum Level: Int, Decodable, CaseIterable { case low = 1, high = 9 }
    enum Plain: Codable, CaseIterable { case on, off }
    struct Inner: Codable, Equatable {
        var x: Double
        var tags: [String]
    }
    struct Everything: Codable, Equatable {
        var name: String
        var age: Int
        var size: Float
        var small: Int8
        var positive: UInt16
        var large: UInt64
        var isThere: Bool
        var colour: Colour
        var plain: Plain
        var inner: Inner
        var list: [Inner]
        var matrix: [[Int]]
        var maybe: Int?
        var maybeInner: Inner?
        var nulls: [Int?]
        var words: Set<String>
        var counts: [String: Int]
        var date: Date
        var url: URL
        var id: UUID
        var data: Data
        var price: Decimal
    }

    @Test("every kind of property has a schema, in the order of the type")
    func everything() throws {
        let schema = try JSONSchema(of: Everything.self)
        #expect(
            schema.properties == [
                "name", "age", "size", "small", "positive", "large", "isThere", "colour", "plain",
                "inner", "list", "matrix", "maybe", "maybeInner", "nulls", "words", "counts",
                "date",
                "url", "id", "data", "price",
            ])
        #expect(schema["name"].json == #"{"type":"string"}"#)
        #expect(schema["age"].json == #"{"type":"integer"}"#)
        #expect(schema["small"].json == #"{"type":"integer","maximum":127,"minimum":-128}"#)
        #expect(schema["positive"].json == #"{"type":"integer","maximum":65535,"minimum":0}"#)
        #expect(schema["large"].json == #"{"type":"integer","minimum":0}"#)
        #expect(schema["isThere"].json == #"{"type":"boolean"}"#)
        #expect(schema["colour"].json == #"{"enum":["red","green","dark blue"]}"#)
        #expect(schema["plain"].json == #"{"enum":[{"on":{}},{"off":{}}]}"#)
        #expect(
            schema["inner"].json
                == #"{"type":"object","properties":{"x":{"type":"number"},"tags":{"type":"array","#
                + #""items":{"type":"string"}}},"required":["x","tags"],"additionalProperties":false}"#
        )
        #expect(schema["list"].items == schema["inner"])
        #expect(schema["matrix"].items.items.json == #"{"type":"integer"}"#)
        #expect(schema["maybe"].json == #"{"type":"integer"}"#)
        #expect(schema["maybeInner"] == schema["inner"])
        #expect(schema["nulls"].items.json == #"{"type":["integer","null"]}"#)
        #expect(
            schema["counts"].json
                == #"{"type":"object","additionalProperties":{"type":"integer"}}"#)
        #expect(schema["price"].json == #"{"type":"number"}"#)
        let required = (schema.tree["required"]?.elements ?? []).compactMap(\.string)
        #expect(!required.contains("maybe") && !required.contains("maybeInner"))
        #expect(required.count == 20)
        _ = try Grammar(jsonSchema: schema)
        // What is read as text is the same schema.
        #expect(try JSONSchema(json: schema.json) == schema)
    }

    @Test("types that are no objects have schemas too")
    func others() throws {
        #expect(try JSONSchema(of: Int.self).json == #"{"type":"integer"}"#)
        #expect(
            try JSONSchema(of: [Bool].self).json
                == #"{"type":"array","items":{"type":"boolean"}}"#)
        #expect(try JSONSchema(of: Level.self).json == #"{"enum":[1,9]}"#)
        #expect(try JSONSchema(of: Int?.self).json == #"{"type":["integer","null"]}"#)
        #expect(
            try JSONSchema(of: Colour?.self).json == #"{"enum":["red","green","dark blue",null]}"#)
        struct Empty: Decodable {}
        #expect(
            try JSONSchema(of: Empty.self).json
                == #"{"type":"object","properties":{},"required":[],"additionalProperties":false}"#)
        struct Name: Decodable {
            let text: String
            init(from decoder: any Decoder) throws {
                text = try decoder.singleValueContainer().decode(String.self)
            }
        }
        #expect(try JSONSchema(of: Name.self).json == #"{"type":"string"}"#)
        struct Point: Decodable {
            init(from decoder: any Decoder) throws {
                var list = try decoder.unkeyedContainer()
                _ = try (list.decode(Double.self), list.decode(Double.self))
            }
        }
        #expect(
            try JSONSchema(of: Point.self).json
                == #"{"type":"array","items":{"type":"number"},"minItems":2,"maxItems":2}"#)
        class Animal: Decodable { var name = "" }
        final class Dog: Animal {
            var breed: String
            enum CodingKeys: CodingKey { case breed }
            required init(from decoder: any Decoder) throws {
                breed = try decoder.container(keyedBy: CodingKeys.self).decode(
                    String.self, forKey: .breed)
                try super.init(from: decoder)
            }
        }
        #expect(try JSONSchema(of: Dog.self).properties == ["breed", "name"])
        struct Nested: Decodable {
            enum Outer: CodingKey { case data }
            enum Keys: CodingKey { case x }
            init(from decoder: any Decoder) throws {
                let outer = try decoder.container(keyedBy: Outer.self)
                let inner = try outer.nestedContainer(keyedBy: Keys.self, forKey: .data)
                _ = try inner.decode(Int.self, forKey: .x)
            }
        }
        #expect(try JSONSchema(of: Nested.self)["data"]["x"].json == #"{"type":"integer"}"#)
    }

    @Test("whatever the grammar of a type writes is decoded", arguments: [0, 3, 14])
    func shortest(_ seed: Int) throws {
        var schema = try JSONSchema(of: Everything.self)
        if seed > 0 {
            // Shortest texts of other schemas of the same type.
            schema["name"].minimumLength = seed
            schema["age"].minimum = Double(seed * seed)
            schema["list"].minimumCount = seed % 4
            schema["nulls"].minimumCount = seed % 3
        }
        let text = try #require(try Grammar(jsonSchema: schema).shortestText)
        let value = try TypedJSON.decode(Everything.self, from: text)
        #expect(value.name.unicodeScalars.count == seed)
        #expect(value.age >= seed * seed)
        #expect(value.list.count == (seed == 0 ? 0 : seed % 4))
        let again = try TypedJSON.encode(value)
        #expect(try TypedJSON.decode(Everything.self, from: again) == value)
    }

    @Test("dates, URLs, identifiers and data in bounds of their grammars are read by Foundation")
    func patterns() throws {
        struct Known: Decodable {
            var date: Date
            var url: URL
            var id: UUID
            var data: Data
        }
        let program = try Grammar(jsonSchema: JSONSchema(of: Known.self)).program
        func allows(_ date: String, url: String = "https://a.b/c") throws -> Bool {
            let text =
                #"{"date":"\#(date)","url":"\#(url)","id":"00000000-0000-0000-0000-00000000000F","#
                + #""data":"AAAA"}"#
            var automaton = GrammarAutomaton(program)
            var state = automaton.state(of: try automaton.start())
            for byte in text.utf8 { state = try automaton.next(state, byte) }
            guard automaton.isAccepting(state) else { return false }
            _ = try TypedJSON.decode(Known.self, from: text)
            return true
        }
        for date in ["2024-02-29", "2000-02-29", "1999-12-31", "2023-04-30", "1904-02-29"] {
            #expect(try allows(date + "T23:59:59Z"), "\(date)")
        }
        for date in ["2023-02-29", "1900-02-29", "2023-04-31", "2023-13-01", "2023-00-10"] {
            #expect(try !allows(date + "T00:00:00Z"), "\(date)")
        }
        #expect(try !allows("2023-01-01T24:00:00Z"))
        #expect(try allows("2023-01-01T00:00:00Z", url: "http://sub.example.org/a/b.c~d"))
        #expect(try !allows("2023-01-01T00:00:00Z", url: "no url"))
    }

    // MARK: - Types without a schema

    final class Node: Decodable {
        var name: String
        var children: [Node]
    }
    struct Holder: Decodable {
        var title: String
        var trees: [String: Node]
    }
    enum Shape: Decodable { case circle(radius: Double), square }
    enum Unlisted: String, Decodable { case a, b }
    enum NoJSON: CaseIterable, Decodable {
        case a
        init(from decoder: any Decoder) throws { self = .a }
    }
    struct Mixed: Decodable {
        init(from decoder: any Decoder) throws {
            var list = try decoder.unkeyedContainer()
            _ = try (list.decode(Double.self), list.decode(String.self))
        }
    }
    struct Super: Decodable {
        enum Keys: CodingKey { case base }
        init(from decoder: any Decoder) throws {
            _ = try decoder.container(keyedBy: Keys.self).superDecoder(forKey: .base)
        }
    }
    struct Picky: Decodable {
        init(from decoder: any Decoder) throws {
            let text = try decoder.singleValueContainer().decode(String.self)
            guard text.hasPrefix("A") else {
                throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "no A"))
            }
        }
    }
    struct Swallowing: Decodable {
        let shape: Shape?
        enum Keys: CodingKey { case shape }
        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Keys.self)
            shape = try? container.decode(Shape.self, forKey: .shape)
        }
    }
    struct At<Value: Decodable>: Decodable {
        struct Deep: Decodable { var value: [Value] }
        var first: Int
        var deep: Deep
    }

    private func expect<T: Decodable>(
        _ type: T.Type, _ found: String, at path: String, _ word: String
    ) {
        let error = #expect(throws: BitNetError.self) { try JSONSchema(of: type) }
        guard case .unsupportedType(let name, let place, let detail) = error else {
            Issue.record("\(type): \(String(describing: error))")
            return
        }
        #expect(name.contains(found) && place == path && detail.contains(word), "\(error!)")
    }

    @Test("a type without a schema is a typed error with its coding path")
    func unsupported() {
        expect(Node.self, "Node", at: "children.[]", "inside itself")
        expect(Holder.self, "Node", at: "trees.*.children.[]", "inside itself")
        expect(Shape.self, "CodingKeys", at: "", "known only while decoding")
        expect(At<Shape>.self, "CodingKeys", at: "deep.value.[]", "known only while decoding")
        expect(At<Unlisted>.self, "Unlisted", at: "deep.value.[]", "CaseIterable")
        expect(At<NoJSON>.self, "NoJSON", at: "deep.value.[]", "no JSON")
        expect(At<Mixed>.self, "Any", at: "deep.value.[].[]", "several types")
        expect(At<Super>.self, "Any", at: "deep.value.[].base", "superDecoder")
        expect(At<Picky>.self, "Picky", at: "deep.value.[]", "no A")
        expect(At<[Int: Int]>.self, "Dictionary", at: "deep.value.[]", "JSON's are strings")
        expect(Swallowing.self, "CodingKeys", at: "shape", "known only while decoding")
        expect(Never.self, "Never", at: "", "made-up")
    }

    // MARK: - Schemas of their own

    struct Age: JSONSchemaConvertible, Equatable {
        var years: Int
        init(from decoder: any Decoder) throws {
            years = try decoder.singleValueContainer().decode(Int.self)
            guard (18...99).contains(years) else {
                throw DecodingError.dataCorrupted(
                    .init(codingPath: decoder.codingPath, debugDescription: "\(years) is no age"))
            }
        }
        static var jsonSchema: JSONSchema {
            get throws(BitNetError) {
                try JSONSchema(json: #"{"type": "integer", "minimum": 18, "maximum": 99}"#)
            }
        }
    }
    struct Person: JSONSchemaConvertible {
        var name: String
        var age: Age
        var tags: [String]
        static var jsonSchema: JSONSchema {
            get throws(BitNetError) {
                var schema = try JSONSchema(derivedFrom: Person.self)
                schema["name"].description = "Who \"it\" is"
                schema["name"].maximumLength = 12
                schema["tags"].maximumCount = 2
                schema["tags"].items.choices = ["a", "b"]
                return schema
            }
        }
    }
    struct Team: Decodable {
        var leader: Person
        var members: [Person]
    }

    @Test("hints change what the type says, also inside other types, and values may be picky")
    func hints() throws {
        let schema = try JSONSchema(of: Team.self)
        #expect(schema["leader"] == schema["members"].items)
        #expect(try schema["leader"] == JSONSchema(of: Person.self))
        #expect(
            schema["leader"]["name"].json
                == #"{"type":"string","description":"Who \"it\" is","maxLength":12}"#)
        #expect(schema["leader"]["name"].maximumLength == 12)
        #expect(schema["leader"]["age"].json == #"{"type":"integer","minimum":18,"maximum":99}"#)
        #expect(schema["leader"]["tags"].items.choices == ["a", "b"])
        let text = try #require(try Grammar(jsonSchema: schema).shortestText)
        #expect(try TypedJSON.decode(Team.self, from: text).leader.age.years == 18)
    }

    @Test("keywords read back what they were set to, and nil takes them away")
    func keywords() throws {
        var schema = JSONSchema(type: "number")
        schema.minimum = -0.5
        schema.maximum = 1e300
        #expect(schema.json == #"{"type":"number","minimum":-0.5,"maximum":1e+300}"#)
        #expect(schema.minimum == -0.5 && schema.maximum == 1e300)
        schema.minimum = nil
        schema.maximum = nil
        #expect(schema == JSONSchema(type: "number"))
        schema = JSONSchema(type: "array")
        schema.minimumCount = 2
        schema.maximumCount = 3
        #expect(schema.minimumCount == 2 && schema.maximumCount == 3)
        schema = .string(pattern: "^a+$")
        schema.minimumLength = 2
        #expect(schema.pattern == "^a+$" && schema.minimumLength == 2)
        #expect(try Grammar(jsonSchema: schema).shortestText == "\"aa\"")
    }

    @Test("a hint for what is not there, and a schema that is none, are errors")
    func badHints() throws {
        struct Misspelt: JSONSchemaConvertible {
            var age: Age
            var inner: Inner
            static var jsonSchema: JSONSchema {
                get throws(BitNetError) {
                    var schema = try JSONSchema(derivedFrom: Misspelt.self)
                    schema["inner"]["tagz"].maximumCount = 3
                    return schema
                }
            }
        }
        let error = #expect(throws: BitNetError.self) { try JSONSchema(of: [Misspelt].self) }
        #expect("\(error!)".contains("'inner.tagz'") && "\(error!)".contains("age, inner"))
        for text in ["", "{", "3", "[]", "true"] {
            #expect(throws: BitNetError.self) { try JSONSchema(json: text) }
        }
        struct Unending: JSONSchemaConvertible {
            var more: [Unending]
            static var jsonSchema: JSONSchema {
                get throws(BitNetError) { try JSONSchema(derivedFrom: Unending.self) }
            }
        }
        let recursion = #expect(throws: BitNetError.self) { try JSONSchema(of: Unending.self) }
        #expect("\(recursion!)".contains("inside itself"))
        struct Asking: JSONSchemaConvertible {
            var x: Int
            static var jsonSchema: JSONSchema {
                get throws(BitNetError) { try JSONSchema(of: Asking.self) }
            }
        }
        #expect(try JSONSchema(of: Asking.self).properties == ["x"])
    }
}

import BitNetSampleModel
import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("JSON schemas")
struct JSONSchemaTests {
    /// A text that a grammar allows, its tokens chosen by `seed`, in a hurry to end after 40.
    private static func text(
        _ start: GrammarState, _ tokenizer: Tokenizer, _ seed: UInt64
    ) throws -> String? {
        var generator = SplitMix64(seed: seed)
        var state = start
        var mask = TokenMask(count: tokenizer.vocabularySize)
        var bytes: [UInt8] = []
        for step in 0..<2000 {
            try state.allow(&mask)
            var allowed: [Int] = []
            mask.forEach { allowed.append($0) }
            if step > 40 || allowed.isEmpty, state.isAccepting {
                return String(validating: bytes, as: UTF8.self)
            }
            var token = try #require(allowed.randomElement(using: &generator))
            let closers = allowed.filter { "\"]}".utf8.contains(UInt8(truncatingIfNeeded: $0)) }
            if step > 40, Bool.random(using: &generator) {
                token = closers.first { $0 < 256 } ?? token
            }
            bytes += tokenizer.bytes(of: token) ?? []
            state.accept(token)
        }
        return nil
    }

    private static func isObject(_ value: Any, _ keys: Set<String>, _ needed: Set<String>) -> Bool {
        guard let found = (value as? [String: Any]).map({ Set($0.keys) }) else { return false }
        return found.isSubset(of: keys) && found.isSuperset(of: needed)
    }

    /// Schemas, and whether a value is as they say.
    static let schemas: [(String, @Sendable (Any) -> Bool)] = [
        (
            #"{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}},"#
                + #""required":["b"]}"#, { isObject($0, ["a", "b"], ["b"]) }
        ),
        (
            #"{"properties":{"a":{"type":"null"},"ab":{"type":"boolean"}},"required":["a"],"#
                + #""additionalProperties":{"type":"number"}}"#,
            { value in
                guard let object = value as? [String: Any] else { return false }
                return object["a"] is NSNull
                    && object.allSatisfy { ["a"].contains($0.key) || $0.value is NSNumber }
            }
        ),
        (#"{"type":"object","additionalProperties":false}"#, { isObject($0, [], []) }),
        (
            #"{"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":4}"#,
            { ($0 as? [Int]).map { (2...4).contains($0.count) } ?? false }
        ),
        (#"{"type":"array","maxItems":0}"#, { ($0 as? [Any])?.isEmpty ?? false }),
        (
            #"{"type":"string","minLength":2,"maxLength":3}"#,
            { ($0 as? String).map { (2...3).contains($0.unicodeScalars.count) } ?? false }
        ),
        (
            #"{"enum":["x\"é",3,null],"type":["string","null"]}"#,
            { $0 as? String == "x\"é" || $0 is NSNull }
        ),
        (#"{"const":{"k":[1,{"y":null}]}}"#, { isObject($0, ["k"], ["k"]) }),
        (#"{"anyOf":[{"type":"integer"},{"type":"array"}]}"#, { $0 is Int || $0 is [Any] }),
        (#"{"type":["boolean","null"]}"#, { $0 is Bool || $0 is NSNull }),
        (
            ##"{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":"##
                + ##"{"v":{"type":"integer"},"next":{"oneOf":[{"$ref":"#/$defs/node"},"##
                + #"{"type":"null"}]}},"required":["v","next"]}}}"#,
            { isObject($0, ["v", "next"], ["v", "next"]) }
        ),
        ("{}", { _ in true }), (#"{"type":"number","title":"t"}"#, { $0 is NSNumber }),
    ]

    @Test("what a schema's grammar allows is valid JSON under it", arguments: schemas.indices)
    func validity(_ index: Int) throws {
        let (schema, isValid) = Self.schemas[index]
        let tokenizer = try GrammarTests.tokenizer()
        let cache = GrammarCache(tokenizer)
        let grammar = try Grammar(jsonSchema: schema)
        var finished = 0
        for seed in 0..<15 {
            guard let text = try Self.text(cache.state(for: grammar), tokenizer, UInt64(seed))
            else { continue }
            let value = try JSONSerialization.jsonObject(
                with: Data(text.utf8), options: .fragmentsAllowed)
            #expect(isValid(value), "\(text)")
            finished += 1
        }
        #expect(finished >= 10)
    }

    @Test("valid JSON is accepted, other JSON is not")
    func membership() throws {
        let schema =
            #"{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"array","items":"#
            + #"{"type":"number"}}},"required":["a"],"additionalProperties":{"type":"null"}}"#
        let tokenizer = try GrammarTests.tokenizer()
        let cache = GrammarCache(tokenizer)
        let grammar = try Grammar(jsonSchema: schema)
        func accepts(_ text: String) throws -> Bool {
            var state = cache.state(for: grammar)
            for token in try tokenizer.encode(text) { state.accept(token) }
            return state.isAccepting
        }
        let escaped = "{\"a\": \"\\u00e9\\ndD\", \"b\":[-1.5e-7,0], \"é\":null}"
        for text in [#"{"a":""}"#, #"{"a":"é✓","b":[]}"#, escaped, "{\n  \"a\": \"b\"\n}"] {
            #expect(try accepts(text), "\(text)")
        }
        for text in [
            "{}", #"{"b":[]}"#, #"{"a":1}"#, #"{"a":"","b":[01]}"#, #"{"a":"","b":[1.]}"#,
            #"{"a":"",}"#, #"{"a":"","a":null}"#, #"{"a":"","b":null}"#, #"{"a":"\ud800"}"#,
            "{\"a\":\"\n\"}", #"{"a":"""#, #"{"a":""}}"#, #"{"a":"","c":1}"#,
        ] {
            #expect(try !accepts(text), "\(text)")
        }
    }

    @Test(
        "what would be ignored otherwise is refused by name",
        arguments: [
            (#"{"type":"string","format":"date"}"#, "'format'"), ("{", "no JSON"),
            ("{\n\"a\":\n x}", "line 3 (byte 8): unexpected character 'x'"),
            (#"{"type":"string","minimum":3}"#, "'minimum'"), (#"{"allOf":[{}]}"#, "'allOf'"),
            (#"{"properties":{"a":{"not":{}}}}"#, "#/properties/a: the keyword 'not'"),
            (##"{"$ref":"#/x"}"##, "$ref '#/x'"), (#"{"$ref":3}"#, "$ref"), ("false", "false"),
            (##"{"$ref":"#/$defs/q","$defs":{"q":{"$ref":"#/$defs/q"}}}"##, "no end"),
            (#"{"type":"foo"}"#, "'foo'"), (#"{"type":3}"#, "type"), (#"{"enum":[]}"#, "enum"),
            (#"{"type":"string","minLength":-1}"#, "minLength"),
            (#"{"type":"string","minLength":5,"maxLength":2}"#, "maxLength"),
            (#"{"type":"object","required":["a"]}"#, "'a'"), (#"{"properties":3}"#, "properties"),
            (#"{"type":"string","const":3}"#, "no value"), (#"{"anyOf":[]}"#, "anyOf"),
            (#"{"type":"integer","properties":{}}"#, "'properties'"),
            (#"{"items":false}"#, "items"),
            (#"{"type":"array","maxItems":1e9}"#, "maxItems"),
        ])
    func refusals(_ schema: String, _ detail: String) {
        #expect {
            try Grammar(jsonSchema: schema)
        } throws: { error in
            "\(error)".hasPrefix("grammar: ") && "\(error)".contains(detail)
        }
    }

    @Test(
        "references lead anywhere in the schema",
        arguments: [
            ("#", true), ("#/properties/a~1b", true), ("#/properties/m~0n", true),
            ("#/properties/p%25q", true), ("#/properties/%C3%A9", true),
            ("#/properties/e\u{301}", false), ("#/properties/", true),
            ("#/properties/list/items/anyOf/1", true), ("#/properties/list/items/anyOf/2", false),
            ("#/properties/list/items/anyOf/01", false), ("#/properties/list/items/anyOf/-", false),
            ("#/properties/m~2n", false), ("#/properties/a/b", false), ("#/properties/%2", false),
            ("#/properties/%C3", false), ("#/properties/a~1b/const", false), ("#properties", false),
            ("", true), ("other.json#/a", false),
            ("https://example.com/root#/properties/a~1b", true), ("https://example.com/root", true),
            ("#/parts/x", true), ("#/parts/nested/y", true),
        ])
    func references(_ reference: String, _ leads: Bool) throws {
        let schema =
            #"{"$id":"https://example.com/root","properties":{"a/b":{"const":"here"},"#
            + #""m~n":{"const":"here"},"p%q":{"const":"here"},"é":{"const":"here"},"#
            + #""":{"const":"here"},"list":{"items":{"anyOf":[{"const":1},{"const":"here"}]}},"#
            + ##""use":{"$ref":"\##(reference)"},"x":{"$ref":"#/parts/x"}},"##
            + ##""parts":{"x":{"const":"here"},"nested":{"y":{"const":"here"}}}}"##
        guard leads else {
            #expect {
                try Grammar(jsonSchema: schema)
            } throws: {
                "\($0)".hasPrefix("grammar: ")
            }
            return
        }
        let grammar = try Grammar(jsonSchema: schema)
        let isRoot = reference.isEmpty || reference == "#" || reference.hasSuffix("root")
        #expect(try grammar.accepts(isRoot ? #"{"use":{}}"# : #"{"use":"here"}"#))
        #expect(try !grammar.accepts(isRoot ? #"{"use":"here"}"# : #"{"use":{}}"#))
    }

    @Test("names that differ only in normalisation stay apart")
    func normalisation() throws {
        let schema =
            ##"{"properties":{"\u00e9":{"$ref":"#/$defs/\u00e9"},"##
            + ##""e\u0301":{"$ref":"#/$defs/e\u0301"}},"required":["e\u0301"],"##
            + #""$defs":{"\u00e9":{"const":1},"e\u0301":{"const":2}}}"#
        let grammar = try Grammar(jsonSchema: schema)
        #expect(try grammar.accepts("{\"\u{e9}\":1,\"e\u{301}\":2}"))
        #expect(try grammar.accepts("{\"e\u{301}\":2}"))
        #expect(try !grammar.accepts("{\"\u{e9}\":1}"))
        #expect(try !grammar.accepts("{\"e\u{301}\":1}"))
    }

    @Test("the sample model, which knows only stories, writes JSON under a schema")
    func sampleModel() throws {
        let model = try BitNetModel(loading: BitNetSampleModel.url)
        let grammar = try Grammar(
            jsonSchema: #"{"type":"object","properties":{"name":{"type":"string","maxLength":12},"#
                + #""age":{"type":"integer"},"kind":{"enum":["cat","dog"]},"tags":{"type":"array","#
                + #""items":{"type":"boolean"},"maxItems":3}},"required":["name","age","kind"]}"#)
        for seed in 0..<12 {
            var generator = SplitMix64(seed: UInt64(seed))
            let prompt = [try #require(try model.tokenizer.beginOfText)]
            let context = try InferenceContext(model.transformer, contextLength: 300, cache: .f16)
            var state = try model.grammars.get().state(for: grammar)
            var mask = TokenMask(count: model.configuration.vocabularySize)
            var ids: [Int] = []
            try context.forward(prompt, isCancelled: { false })
            while ids.count < 250 {
                try state.allow(&mask)
                // The likeliest allowed token; with a seed above 0, after some noise.
                let id = context.withLogits { logits in
                    var best: (id: Int, logit: Float)?
                    mask.forEach { id in
                        let noise = seed == 0 ? 0 : 4 * generator.nextFloat()
                        if logits[id] + noise > best?.logit ?? -.infinity {
                            best = (id, logits[id] + noise)
                        }
                    }
                    return best?.id
                }
                let token = try #require(id)
                if try model.tokenizer.endTokens.contains(token) { break }
                ids.append(token)
                state.accept(token)
                try context.forward([token], isCancelled: { false })
            }
            let text = try model.tokenizer.decode(ids)
            #expect(state.isAccepting, "\(text)")
            let value = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
            let object = try #require(value)
            #expect(object["age"] is NSNumber)
            #expect(["cat", "dog"].contains(object["kind"] as? String))
            #expect((object["name"] as? String).map { $0.unicodeScalars.count <= 12 } ?? false)
        }
    }
}

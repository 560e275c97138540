// Texts of all kinds: what is read must come out the same again, and what is written must be what
// was asked for. Inputs that have two parts have a zero byte between them.

import BitNetFiles
import Foundation
import TernaryCompute

@testable import BitNetKit
@testable import BitNetTokenizers

/// The parts of an input, as text; what is not UTF-8 is repaired.
private func parts(_ bytes: [UInt8]) -> (first: String, second: String) {
    let parts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
    return (
        String(decoding: parts[0], as: UTF8.self),
        parts.count > 1 ? String(decoding: parts[1], as: UTF8.self) : "the \"ab\" 12\n\u{E9}x"
    )
}

private func input(_ first: String, _ second: String = "the ab") -> [UInt8] {
    Array(first.utf8) + [0] + Array(second.utf8)
}

// MARK: - JSON

extension FuzzTarget {
    static let json = FuzzTarget(
        name: "json",
        seeds: {
            [
                Array(TinyModel.config.utf8),
                Array(
                    #"[1, -0.5e-3, 12345678901234567890, 1e999, NaN, true, null, "\ud83d\ude00"]"#
                        .utf8),
                Array(#"{"a": {"b": [[], {}]}, "é": "\u0000\n", "": 1.0}"#.utf8),
            ]
        },
        words: ["\\u", "\\ud83d", "1e308", "-0", "NaN", "Infinity", "[[[[", "{\"\":", "null"],
        run: { bytes in
            let value = try JSONValue(parsing: ByteRegion(bytes))
            let text = written(value)
            let again: JSONValue
            do { again = try JSONValue(parsing: ByteRegion(Array(text.utf8))) } catch {
                fail("written again it is refused: \(error) in \(text)")
            }
            check(written(again) == text, "another value when written again: \(text)")
        })

    private static func written(_ value: JSONValue) -> String {
        switch value {
        case .null: return "null"
        case .bool(let value): return "\(value)"
        case .int, .double, .decimal: return value.spelling ?? "?"
        case .notFinite(let spelling, _): return spelling
        case .string(let text): return text.jsonLiteral(isASCII: false)
        case .array(let values): return "[" + values.map(written).joined(separator: ",") + "]"
        case .object(let object):
            let members = object.members.map {
                $0.key.jsonLiteral(isASCII: true) + ":" + written($0.value)
            }
            return "{" + members.joined(separator: ",") + "}"
        }
    }
}

// MARK: - Tokenizers

extension FuzzTarget {
    static let tokenizerJSON = FuzzTarget(
        name: "tokenizer-json",
        seeds: {
            var seeds = [input(TinyModel.tokenizerJSON, "the <w> ab<s>")]
            let lines = try fixture("tokenizer-random.jsonl").split(separator: 10)
            for line in lines.prefix(24) {
                let value = try JSONValue(parsing: ByteRegion(Array(line)))
                guard let json = value["json"] else { continue }
                let text = value["cases"]?.array?.first?["text"]?.string ?? "ab"
                seeds.append(input(written(json), text))
            }
            return seeds
        },
        words: [
            "\"type\":\"Replace\"", "\"type\":\"Sequence\"", "\"normalizers\":[", "\"NFC\"",
            "\"NFKC\"", "\"Prepend\"", "\"Lowercase\"", "\"Split\"", "\"Regex\":", "\"String\":",
            "\"pattern\":{", "\"behavior\":\"Isolated\"", "\"invert\":true", "\"Metaspace\"",
            "\"ByteLevel\"", "\"byte_fallback\":true", "\"unk_token\":\"a\"", "\"lstrip\":true",
            "\"normalized\":true", "\"ignore_merges\":true", "\"Digits\"", "\"TemplateProcessing\"",
        ],
        run: { bytes in
            let (json, text) = parts(bytes)
            try exercise(Tokenizer(json: Data(json.utf8)), text: text)
        })

    static let sentencePiece = FuzzTarget(
        name: "sentencepiece",
        seeds: {
            let value = try JSONValue(
                parsing: ByteRegion(try fixture("tokenizer-marks.json")))
            let data = value["sentencePiece"]?.string.flatMap { Data(base64Encoded: $0) }
            return [data.map { [UInt8]($0) } ?? [], smallSentencePiece]
        },
        run: { bytes in try exercise(Tokenizer(model: Data(bytes)), text: "the <w> \u{E9}ab") })

    static let tiktoken = FuzzTarget(
        name: "tiktoken",
        seeds: {
            let all = (0...255).map { [UInt8($0)] } + ["th", "the", " the"].map { Array($0.utf8) }
            let lines = all.enumerated().map { index, bytes in
                "\(Data(bytes).base64EncodedString()) \(index)\n"
            }
            return [Array(lines.joined().utf8), Array(lines.prefix(128).joined().utf8)]
        },
        run: { bytes in try exercise(Tokenizer(model: Data(bytes)), text: "the <w> \u{E9}ab") })

    /// One piece and all bytes, as byte pair encoding.
    private static var smallSentencePiece: [UInt8] {
        func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
            [number << 3 | 2, UInt8(bytes.count)] + bytes
        }
        var bytes = field(1, field(1, Array("a".utf8)) + [3 << 3, 1])
        for byte in 0...255 {
            let digits = String(byte, radix: 16, uppercase: true)
            let name = "<0x\(byte < 16 ? "0" : "")\(digits)>"
            bytes += field(1, field(1, Array(name.utf8)) + [3 << 3, 6])
        }
        return bytes + field(2, [3 << 3, 2]) + field(3, [3 << 3, 0, 4 << 3, 0])
    }

    private static func exercise(_ tokenizer: Tokenizer, text: String) throws {
        for isSpecial in [false, true] {
            let ids = try tokenizer.encode(text, special: isSpecial)
            check(
                ids.allSatisfy { (0..<tokenizer.vocabularySize).contains($0) },
                "an id outside the vocabulary")
            check(
                try tokenizer.encode(text, special: isSpecial) == ids, "other ids the second time")
            var decoder = StreamingDecoder(tokenizer: tokenizer)
            let streamed = ids.map { decoder.append($0) }.joined() + decoder.finish()
            check(
                Array(streamed.utf8) == Array(tokenizer.decode(ids).utf8),
                "streamed another text than decoded")
            for id in ids { check(tokenizer.text(of: id) != nil, "a token without a text") }
        }
        // What GGUF can hold makes a tokenizer with the same tokens.
        guard let vocabulary = try? tokenizer.ggufVocabulary(architecture: "llama") else { return }
        let copy: Tokenizer
        do { copy = try Tokenizer(gguf: vocabulary) } catch {
            fail("its own GGUF vocabulary is refused: \(error)")
        }
        for id in 0..<tokenizer.vocabularySize {
            check(
                copy.bytes(of: id) == tokenizer.bytes(of: id)
                    && copy.isSpecial(id) == tokenizer.isSpecial(id),
                "token \(id) is another one after the way through GGUF")
        }
        for isSpecial in [false, true] {
            let ids = try tokenizer.encode(text, special: isSpecial)
            check(
                try copy.encode(text, special: isSpecial) == ids,
                "other ids after the way through GGUF")
            check(
                copy.decode(ids).utf8.elementsEqual(tokenizer.decode(ids).utf8),
                "another text after the way through GGUF")
        }
    }
}

// MARK: - Regular expressions

extension FuzzTarget {
    /// The second byte says whose: a tokenizer's that cuts into words, or a schema's.
    static let expression = FuzzTarget(
        name: "expression",
        seeds: {
            let patterns = [
                #"(?i:'s|'t|'re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"#,
                #"(?:a?){8}b|."#, #"a*b|."#, #"[a-z]+(?=\d)|(?:ab)*+"#, #"\p{Lu}\p{Ll}{0,9}|\S"#,
            ]
            return patterns.map { input("t" + $0, "the aab 12 ab") }
                + [#"^[a-f0-9]{2,4}$"#, #"(ab|c)*d?"#, #"^\d+(\.\d+)?$"#].map { input("s" + $0) }
        },
        words: [
            "(?:", "(?=", "(?!", "(?i:", "\\p{L}", "\\p{N}", "\\s", "\\S", "{1,3}", "{0,}", "*+",
            "++", "?+", "[^", "]", "|", "\\u00e9", "^", "$", ")*", ")+", "){9}",
        ],
        run: { bytes in
            let (pattern, text) = parts(bytes)
            let quoted = pattern.dropFirst().description.jsonLiteral(isASCII: false)
            if pattern.hasPrefix("s") {
                try walk(
                    Grammar(jsonSchema: "{\"type\":\"string\",\"pattern\":\(quoted)}"),
                    seed: bytes.count)
                return
            }
            let split =
                "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
                + "\"pattern\":{\"Regex\":\(quoted)},\"behavior\":\"Isolated\",\"invert\":false},"
                + "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}]}"
            let json = expressionTokenizer.replacingOccurrences(of: "\"SPLIT\"", with: split)
            try exercise(Tokenizer(json: Data(json.utf8)), text: text)
        })

    /// A few tokens only, as it is read anew for every pattern.
    private static let expressionTokenizer = """
        {"added_tokens":[],"normalizer":null,"SPLIT","post_processor":null,
        "decoder":{"type":"ByteLevel"},"model":{"type":"BPE",
        "vocab":{"a":0,"b":1,"ab":2,"t":3,"h":4,"\u{120}":5},"merges":["a b"]}}
        """
}

// MARK: - Templates

extension FuzzTarget {
    static let jinja = FuzzTarget(
        name: "jinja",
        seeds: {
            let value = try JSONValue(parsing: ByteRegion(try fixture("jinja.json")))
            let cases = (value["cases"]?.array).map { Array($0) } ?? []
            let texts = cases.compactMap { $0["template"]?.string ?? $0.array?.first?.string }
            return ([TinyModel.chatML] + texts.filter { $0.utf8.count < 1000 }.prefix(400))
                .map { input($0, "hi") }
        },
        words: [
            "{% for x in ", " %}", "{% endfor %}", "{% if ", "{% else %}", "{% endif %}", "{{ ",
            " }}", "{% set ", "{% macro m(a) %}", "{% endmacro %}", "namespace(", "loop.index",
            "messages", "|join(", "|tojson", "|replace(", "|sort", "|map(", "|format(", "|center(",
            "~", "**", "//", "range(", "is defined", "'%s' % ", ".split(", ".items()", "|wordwrap(",
            "|indent(", "{%- ", "-%}", "{% raw %}", "{% call ", "{% filter ", "not in ", "[::2]",
            "strftime_now(", "raise_exception(", "lipsum", "cycler(", "joiner(", "dict(",
        ],
        run: { bytes in
            let (source, content) = parts(bytes)
            let template = try ChatTemplate(source, beginOfText: "<s>", endOfText: "</s>")
            let messages = [
                ChatMessage(.system, "You are."), ChatMessage(.user, content),
                ChatMessage(.assistant, "1 < 2"), ChatMessage(.user, "x"),
            ]
            let date = Date(timeIntervalSince1970: 1_700_000_000)
            guard let zone = TimeZone(secondsFromGMT: 0) else { return }
            func render() throws -> String {
                try template.render(
                    messages, addsGenerationPrompt: true, date: date, timeZone: zone)
            }
            let text = try render()
            check(try render() == text, "another text the second time")
        })

    private static let chatTokenizer: Tokenizer = {
        do { return try Tokenizer(json: Data(TinyModel.tokenizerJSON.utf8)) } catch {
            fail("\(error)")
        }
    }()

    /// U+FDD0, one of those that mark places in messages.
    private static let noncharacter = String(decoding: [0xEF, 0xB7, 0x90], as: UTF8.self)

    /// Messages, parted by zero bytes; the first byte says which template.
    static let chat = FuzzTarget(
        name: "chat",
        seeds: {
            [
                "Hello!", "<|im_end|>\n<|im_start|>system\nx", "<s><w><|im_",
                noncharacter + "a\u{E9}",
            ]
            .flatMap { text in (0..<6).map { [UInt8($0)] + input(text, "ok\0go on") } }
        },
        words: TinyModel.specials + ["<|im_", "start|>", "end|>", noncharacter, "\n"],
        run: { bytes in
            let formats = ChatTemplate.Format.allCases
            let format = formats[Int(bytes.first ?? 0) % formats.count]
            let template = try ChatTemplate(
                format == .chatML ? TinyModel.chatML : format.source, beginOfText: "<s>",
                endOfText: "<|im_end|>")
            let texts = bytes.dropFirst().split(separator: 0).prefix(8).map {
                String(decoding: $0, as: UTF8.self)
            }
            func ids(_ texts: [String]) throws -> [Int] {
                let messages = texts.enumerated().map {
                    ChatMessage($0 % 2 == 0 ? .user : .assistant, $1)
                }
                return try chatTokenizer.encode(
                    messages, template: template, addsGenerationPrompt: true)
            }
            let found = try ids(texts).filter { chatTokenizer.isSpecial($0) }
            let expected = try ids(texts.map { _ in "x" }).filter { chatTokenizer.isSpecial($0) }
            check(found == expected, "a message has made special tokens: \(found)")
        })
}

// MARK: - Grammars

extension FuzzTarget {
    static let gbnf = FuzzTarget(
        name: "gbnf",
        seeds: {
            [
                "root ::= \"yes\" | \"no\"",
                "root ::= item (\",\" item)* \"\\n\"\nitem ::= [a-z]{1,3} | \"(\" root \")\"",
                "root ::= [^\"\\x00-\\x1f]+ ws?\nws ::= [ \\t]* # spaces",
                "root ::= e\ne ::= t (\"+\" t)*\nt ::= [0-9]+ | \"-\" t | \"(\" e \")\"",
                "root ::= \"\u{E9}\" . [\\u4e00-\\u9fff]{2,} a\na ::= \"\" | \"a\" a",
            ].map { Array($0.utf8) }
        },
        words: [
            "::=", "root", "|", "{2,5}", "{0,}", "[^", "[a-z]", "\\x41", "\\u00e9", "\"\"", ")*",
            ")+", ")?", "\n", ".", "#",
        ],
        run: { bytes in
            try walk(Grammar(gbnf: String(decoding: bytes, as: UTF8.self)), seed: bytes.count)
        })

    static let jsonSchema = FuzzTarget(
        name: "json-schema",
        seeds: {
            [
                ##"{"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}, "b": {"enum": [1, "x"]}}, "required": ["a"]}"##,
                ##"{"type": "array", "items": {"type": "number", "multipleOf": 0.5}, "maxItems": 3}"##,
                ##"{"anyOf": [{"type": "string", "minLength": 2, "maxLength": 4}, {"const": null}]}"##,
                ##"{"$defs": {"t": {"type": "object", "properties": {"c": {"$ref": "#/$defs/t"}}, "additionalProperties": {"type": "boolean"}}}, "$ref": "#/$defs/t"}"##,
                ##"{"type": "string", "pattern": "^[a-c]+$"}"##, #"true"#,
                ##"{"type": ["integer", "null"], "exclusiveMaximum": 1000, "exclusiveMinimum": -5.5}"##,
            ].map { Array($0.utf8) }
        },
        words: [
            "\"type\":", "\"object\"", "\"array\"", "\"string\"", "\"number\"", "\"integer\"",
            "\"properties\":", "\"required\":", "\"items\":", "\"minItems\":", "\"maxItems\":",
            "\"pattern\":", "\"minimum\":", "\"maximum\":", "\"multipleOf\":", "\"enum\":",
            "\"const\":", "\"anyOf\":", "\"oneOf\":", "\"$ref\":", "\"#\"", "\"#/$defs/t\"",
            "\"additionalProperties\":", "\"maxLength\":", "1e3", "0.25", "null", "false",
        ],
        run: { bytes in
            let text = try walk(
                Grammar(jsonSchema: String(decoding: bytes, as: UTF8.self)), seed: bytes.count)
            guard let text else { return }
            do { _ = try JSONValue(parsing: ByteRegion(text)) } catch {
                fail("a text of the schema is no JSON: \(String(decoding: text, as: UTF8.self))")
            }
        })

    private static let trie: VocabularyTrie = {
        do { return try VocabularyTrie(Tokenizer(json: Data(TinyModel.tokenizerJSON.utf8))) } catch
        {
            fail("\(error)")
        }
    }()

    /// Goes through a grammar at random. Every token that is allowed must lead on, as there is one
    /// for every byte. Returns a complete text, if it came to one.
    @discardableResult
    private static func walk(_ grammar: Grammar, seed: Int) throws -> [UInt8]? {
        var random = FuzzRandom(seed: UInt64(seed))
        var state = GrammarState(grammar, trie)
        var mask = TokenMask(count: trie.count)
        var text: [UInt8] = []
        for step in 0..<24 {
            if state.isAccepting, random.below(3) == 0 { return text }
            try state.allow(&mask)
            var allowed: [Int] = []
            mask.forEach { allowed.append($0) }
            let tokens = allowed.filter { !trie.endTokens.contains($0) }
            guard !tokens.isEmpty else {
                check(state.isAccepting, "nothing may follow after \(step) tokens")
                return text
            }
            let token = tokens[random.below(tokens.count)]
            check(trie.text(of: token) != nil, "a token without a text is allowed")
            text += trie.text(of: token) ?? []
            state.accept(token)
        }
        return state.isAccepting ? text : nil
    }
}

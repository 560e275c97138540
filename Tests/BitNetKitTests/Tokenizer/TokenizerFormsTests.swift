import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// A tokenizer.json's parts around a vocabulary, and what Hugging Face's tokenizers 0.23 makes of
/// texts with them.
struct TokenizerVariant {
    struct Case: Decodable {
        let text: String
        let ids: [Int]
        /// Missing where releases of tokenizers differ: a `normalized` token decodes to its text
        /// in some, and to its normalised text in others.
        let decoded: String?
    }

    let name: String
    let json: Data
    let cases: [Case]

    /// The variants of a fixture, each put into `base`.
    static func all(_ variants: Any?, in base: [String: Any]) throws -> [TokenizerVariant] {
        try #require(variants as? [[String: Any]]).map { variant in
            let parts = variant.filter { $0.key != "name" && $0.key != "cases" }
            let cases = try JSONSerialization.data(withJSONObject: try #require(variant["cases"]))
            return TokenizerVariant(
                name: try #require(variant["name"] as? String),
                json: try JSONSerialization.data(
                    withJSONObject: base.merging(parts) { $1 }),
                cases: try JSONDecoder().decode([Case].self, from: cases))
        }
    }

    static func object(_ name: String) throws -> Any {
        try JSONSerialization.jsonObject(with: TokenizerFixtures.data(name))
    }

    /// Expects that every case comes out, streamed too.
    func check() throws {
        let tokenizer = try Tokenizer(json: json)
        for expected in cases {
            let ids = try tokenizer.encode(expected.text, special: true)
            #expect(ids == expected.ids, "\(name): \(expected.text.debugDescription)")
            let decoded = tokenizer.decode(expected.ids)
            if let wanted = expected.decoded {
                #expect(Array(decoded.utf8) == Array(wanted.utf8), "\(name): \(expected.ids)")
            }
            var decoder = StreamingDecoder(tokenizer: tokenizer)
            let parts = expected.ids.map { decoder.append($0) }.joined() + decoder.finish()
            #expect(Array(parts.utf8) == Array(decoded.utf8))
        }
    }
}

@Suite("Forms of tokenizer.json")
struct TokenizerFormsTests {
    @Test("Llama 2's, Gemma's and Metaspace's forms agree with Hugging Face")
    func marks() throws {
        let fixture = try #require(
            TokenizerVariant.object("tokenizer-marks.json") as? [String: Any])
        let base = ["model": try #require(fixture["model"])]
        let variants = try TokenizerVariant.all(fixture["variants"], in: base)
        #expect(variants.count == 5)
        for variant in variants { try variant.check() }
    }

    @Test("merges of characters become scores in a GGUF vocabulary, or are refused")
    func scores() throws {
        let fixture = try #require(
            TokenizerVariant.object("tokenizer-marks.json") as? [String: Any])
        let base = ["model": try #require(fixture["model"])]
        let variants = try TokenizerVariant.all(fixture["variants"], in: base)
        var written: [String] = []
        for variant in variants {
            let original = try Tokenizer(json: variant.json)
            let vocabulary: GGUFVocabulary
            do {
                vocabulary = try original.ggufVocabulary(architecture: "llama")
            } catch {
                #expect(error.description.contains("tokenizer.model"))
                continue
            }
            written.append(variant.name)
            let copy = try Tokenizer(gguf: vocabulary)
            for expected in variant.cases where !expected.text.contains("<") {
                // A user-defined token, which parts the text before spaces are put in front.
                if expected.text.contains("    ") { continue }
                let ids = try copy.encode(expected.text)
                #expect(ids == expected.ids, "\(variant.name): \(expected.text.debugDescription)")
                #expect(copy.decode(ids) == original.decode(ids))
            }
        }
        #expect(written.contains("Llama 2") && !written.contains("Metaspace first"))
        #expect(!written.contains("Metaspace never, normalised"))
    }

    @Test("word cuts in several steps agree with Hugging Face")
    func cuts() throws {
        var base = try #require(TokenizerVariant.object("tokenizer-tiny.json") as? [String: Any])
        var model = try #require(base["model"] as? [String: Any])
        model["ignore_merges"] = false
        base["model"] = model
        let variants = try TokenizerVariant.all(
            TokenizerVariant.object("tokenizer-cuts.json"), in: base)
        #expect(variants.count == 11)
        for variant in variants { try variant.check() }
    }

    @Test("marked spaces that no decoder undoes, and bytes that none joins, are refused")
    func missingDecoders() throws {
        let fixture = try #require(
            TokenizerVariant.object("tokenizer-marks.json") as? [String: Any])
        let metaspace: [String: Any] = ["type": "Metaspace", "replacement": "\u{2581}"]
        var json: [String: Any] = [
            "model": try #require(fixture["model"]), "pre_tokenizer": metaspace,
        ]
        func expectError(_ words: String) throws {
            let data = try JSONSerialization.data(withJSONObject: json)
            #expect {
                try Tokenizer(json: data)
            } throws: {
                ($0 as? BitNetError)?.description.contains(words) == true
            }
        }
        try expectError("no decoder undoes it")
        json["decoder"] = metaspace
        try expectError("needs the decoder ByteFallback")
        json["decoder"] = ["type": "Sequence", "decoders": [["type": "Strip", "content": "x"]]]
        try expectError("decoder 'Strip'")
        json["pre_tokenizer"] = ["type": "Split", "pattern": ["Regex": "a"]]
        try expectError("U+2581")
    }

    @Test("a token is not recognised in text unless its kind and the caller say so")
    func specialIsText() throws {
        let fixture = try #require(
            TokenizerVariant.object("tokenizer-marks.json") as? [String: Any])
        let base = ["model": try #require(fixture["model"])]
        for variant in try TokenizerVariant.all(fixture["variants"], in: base) {
            let tokenizer = try Tokenizer(json: variant.json)
            let tool = try #require(tokenizer.id(ofSpecial: "<tool>"))
            #expect(try !tokenizer.encode("a</s>b").contains(2))
            #expect(try tokenizer.encode("a</s>b", special: true).contains(2))
            #expect(try tokenizer.encode("a<tool>b").contains(tool))
        }
    }
}

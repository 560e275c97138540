import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("tokenizer.json")
struct TokenizerJSONTests {
    /// The tiny tokenizer's JSON after `change`.
    private func json(_ change: (inout [String: Any]) -> Void = { _ in }) throws -> Data {
        let data = try TokenizerFixtures.data("tokenizer-tiny.json")
        var object = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
        change(&object)
        return try JSONSerialization.data(withJSONObject: object)
    }

    private func changingModel(_ change: (inout [String: Any]) -> Void) throws -> Data {
        try json { object in
            var model = object["model"] as? [String: Any] ?? [:]
            change(&model)
            object["model"] = model
        }
    }

    private func addedToken(_ id: Int, _ text: String, _ more: [String: Any]) throws -> Data {
        try json { object in
            var tokens = object["added_tokens"] as? [[String: Any]] ?? []
            tokens.append(["id": id, "content": text].merging(more) { $1 })
            object["added_tokens"] = tokens
        }
    }

    /// Expects a tokenizer error whose text has all of `words`.
    private func expectError(_ data: Data, _ words: String...) {
        #expect {
            _ = try Tokenizer(json: data)
        } throws: { error in
            guard case .tokenizer(let detail)? = error as? BitNetError else { return false }
            let hasAll = words.allSatisfy { detail.contains($0) }
            if !hasAll { print(detail) }
            return hasAll
        }
    }

    @Test("merges as strings and as pairs are the same")
    func mergeForms() throws {
        let strings = try changingModel { model in
            let pairs = model["merges"] as? [[String]] ?? []
            model["merges"] = pairs.map { $0.joined(separator: " ") }
        }
        let text = "string in the tokenizer the the"
        let ids = try TokenizerFixtures.tiny().encode(text)
        #expect(ids.count < text.utf8.count)
        #expect(try Tokenizer(json: strings).encode(text) == ids)
    }

    @Test("a truncated file is an error at every length")
    func truncated() throws {
        let data = try TokenizerFixtures.data("tokenizer-tiny.json")
        let end = data.lastIndex(of: UInt8(ascii: "}")) ?? data.count
        for length in stride(from: 0, to: end, by: 97) {
            expectError(data.prefix(length), "tokenizer.json")
        }
    }

    @Test("a damaged file is an error or a tokenizer, never a crash")
    func damaged() throws {
        let data = try TokenizerFixtures.data("tokenizer-tiny.json")
        var random = SplitMix64(seed: 3)
        var errors = 0
        for _ in 0..<150 {
            var copy = [UInt8](data)
            for _ in 0..<(1 + random.next() % 3) {
                copy[Int(random.next() % UInt64(copy.count))] = UInt8(random.next() % 256)
            }
            do throws(BitNetError) {
                let tokenizer = try Tokenizer(json: Data(copy))
                let ids = try tokenizer.encode("the string <|eot_id|> in 日本\n", special: true)
                #expect(ids.allSatisfy { tokenizer.bytes(of: $0) != nil })
            } catch {
                errors += 1
            }
        }
        #expect(errors > 0)
    }

    @Test("other kinds of files are refused by name")
    func otherModels() throws {
        for type in ["Unigram", "WordPiece", "WordLevel"] {
            expectError(try changingModel { $0["type"] = type }, "'\(type)'")
        }
        expectError(
            try changingModel { $0["byte_fallback"] = true }, "byte_fallback with ByteLevel")
        expectError(try changingModel { $0["dropout"] = 0.1 }, "dropout 0.1")
        expectError(try changingModel { $0["end_of_word_suffix"] = "</w>" }, "end_of_word_suffix")
        expectError(try json { $0["normalizer"] = ["type": "Nmt"] }, "normalizer 'Nmt'")
        expectError(
            try json { $0["normalizer"] = ["type": "Replace", "pattern": ["Regex": "a+"]] },
            "normalizer Replace", "'a+'")
        expectError(try json { $0["decoder"] = ["type": "Metaspace"] }, "tokenizer.json")
        expectError(try json { $0["decoder"] = ["type": "WordPiece"] }, "decoder 'WordPiece'")
        expectError(
            try json { $0["post_processor"] = ["type": "BertProcessing"] }, "'cls' is missing")
        expectError(Data(repeating: UInt8(ascii: "["), count: 100_000), "tokenizer.json")
        expectError(Data("{}".utf8), "model")
    }

    @Test("pre-tokenizers other than the known ones are refused by name")
    func otherPreTokenizers() throws {
        let byteLevel: [String: Any] = ["type": "ByteLevel", "add_prefix_space": false]
        let gpt2 = try Tokenizer(json: json { $0["pre_tokenizer"] = byteLevel })
        #expect(gpt2.storage.wordCut.scanner == .gpt2)
        expectError(try json { $0["pre_tokenizer"] = NSNull() }, "pre_tokenizer []")
        func sequence(_ parts: [String: Any]...) throws -> Data {
            try json { $0["pre_tokenizer"] = ["type": "Sequence", "pretokenizers": parts] }
        }
        expectError(
            try sequence(["type": "Digits"], ["type": "ByteLevel"]), "add_prefix_space")
        expectError(try sequence(["type": "BertPreTokenizer"], byteLevel), "'BertPreTokenizer'")
        expectError(
            try sequence(
                ["type": "Punctuation", "behavior": "Nowhere"], byteLevel), "'Nowhere'")
        expectError(
            try sequence(["type": "Metaspace", "replacement": "_"], byteLevel), "Metaspace")
        let split: [String: Any] = ["type": "Split", "behavior": "Isolated"]
        expectError(try sequence(split, byteLevel), "pattern")
        let lookBehind = split.merging(["pattern": ["Regex": #"(?<!a)b"#]]) { $1 }
        expectError(try sequence(lookBehind, byteLevel), #"'(?<!a)b'"#)
    }

    @Test("an inconsistent vocabulary is refused, naming what is wrong")
    func vocabulary() throws {
        func changingTokens(_ change: (inout [String: Any]) -> Void) throws -> Data {
            try changingModel { model in
                var vocab = model["vocab"] as? [String: Any] ?? [:]
                change(&vocab)
                model["vocab"] = vocab
            }
        }
        expectError(try changingTokens { $0["zz"] = 5 }, "id 5")
        expectError(try changingTokens { $0["zz"] = 4_000_000 }, "'zz' has id 4000000")
        expectError(try changingTokens { $0["zz"] = -1 }, "'zz' has id -1")
        expectError(try changingTokens { $0["zz"] = 1.5 }, "tokenizer.json")
    }

    @Test("merges of unknown tokens are refused, naming the first")
    func merges() throws {
        func changingMerges(_ last: Any) throws -> Data {
            try changingModel { model in
                model["merges"] = (model["merges"] as? [Any] ?? []) + [last]
            }
        }
        expectError(try changingMerges(["qq", "a"]), "merge 56 'qq a'", "'qq'")
        expectError(try changingMerges(["a", "日"]), "merge 56", "'日'")
        expectError(try changingMerges(["q", "q"]), "merge 56 'q q' makes a token")
        expectError(try changingMerges(["a"]), "is not two tokens")
        expectError(try changingMerges(["a", "b", "c"]), "is not two tokens")
        expectError(try changingMerges("ab"), "tokenizer.json: model.merges")
        expectError(try changingModel { $0["merges"] = ["ab"] }, "merge 0 'ab' is not two tokens")
    }

    @Test("added tokens have the ids that tokenizers gives them, whatever the file says")
    func addedTokens() throws {
        #expect(try Tokenizer(json: addedToken(64, "<x>", [:])).encode("<x>a") == [320, 64])
        let listed = try Tokenizer(json: addedToken(320, "a", [:]))
        #expect(try listed.encode("xa") == [87, 64] && listed.id(ofSpecial: "a") == 64)
        let again = try Tokenizer(json: addedToken(320, "<|eot_id|>", ["special": true]))
        #expect(
            try again.encode("<|eot_id|>", special: true) == [316] && again.vocabularySize == 320)
        let user = try Tokenizer(json: addedToken(320, "<x>", ["special": false]))
        #expect(try user.encode("a<x>") == [64, 320])
        #expect(!user.isSpecial(320))
    }

    @Test("begin and end of text come from template, configuration and arguments")
    func template() throws {
        func tokenizer(_ config: String, _ ends: [Int] = []) throws -> Tokenizer {
            try Tokenizer(json: json(), config: Data(config.utf8), endTokens: ends)
        }
        // The post-processor decides, as in transformers.
        #expect(try tokenizer(#"{"add_bos_token": false}"#).addsBeginOfText)
        #expect(try tokenizer("{}").addsBeginOfText)
        #expect(try tokenizer(#"{"eos_token": null}"#, [5]).endTokens == [5, 313, 316])
        let plain = try json { $0["post_processor"] = ["type": "ByteLevel"] }
        let named = Data(#"{"bos_token": "<|begin_of_text|>", "add_bos_token": true}"#.utf8)
        let without = try Tokenizer(json: plain, config: named)
        #expect(without.beginOfText == 312 && !without.addsBeginOfText)
        let appending = try tokenizer(#"{"eos_token": "<|eot_id|>", "add_eos_token": true}"#)
        #expect(appending.endOfText == 316 && appending.appendedTokens == [])
        #expect(try tokenizer("{}", [320, -1, 5]).endTokens == [5, 313, 316])
        #expect { try tokenizer("[") } throws: { "\($0)".contains("tokenizer_config.json") }
    }

    @Test("a template's tokens after the text are appended tokens")
    func appendedTokens() throws {
        let data = try json { object in
            object["post_processor"] = [
                "type": "TemplateProcessing",
                "single": [["Sequence": ["id": "A"]], ["SpecialToken": ["id": "E"]]],
                "special_tokens": ["E": ["id": "E", "ids": [316], "tokens": ["<|eot_id|>"]]],
            ]
        }
        let tokenizer = try Tokenizer(json: data)
        #expect(tokenizer.appendedTokens == [316])
        #expect(!tokenizer.addsBeginOfText)
    }
}

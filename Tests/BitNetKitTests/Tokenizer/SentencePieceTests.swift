import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Sentencepiece")
struct SentencePieceTests {
    /// A model of 400 pieces that sentencepiece 0.2.3 trained, and what it makes of texts.
    struct Fixture: Decodable {
        struct Decoding: Decodable {
            let ids: [Int]
            let decoded: String
        }
        let sentencePiece: Data
        let cases: [TokenizerVariant.Case]
        let decodings: [Decoding]

        static func load() throws -> Fixture {
            try JSONDecoder().decode(
                Fixture.self, from: TokenizerFixtures.data("tokenizer-marks.json"))
        }
    }

    @Test("a model encodes and decodes as sentencepiece does, also after a way through GGUF")
    func references() throws {
        let fixture = try Fixture.load()
        let model = try Tokenizer(model: fixture.sentencePiece)
        let written = try model.ggufVocabulary(architecture: "llama")
        #expect(written.addsSpacePrefix == true && written.model == "llama")
        for (tokenizer, isCopy) in [(model, false), (try Tokenizer(gguf: written), true)] {
            for expected in fixture.cases {
                // A GGUF file's user-defined tokens part the text before spaces are put in front.
                if isCopy, expected.text.contains("<tool>") || expected.text.contains("   ") {
                    continue
                }
                let ids = try tokenizer.encode(expected.text)
                #expect(ids == expected.ids, "\(expected.text.debugDescription)")
                let decoded = try #require(expected.decoded)
                #expect(Array(tokenizer.decode(ids).utf8) == Array(decoded.utf8))
            }
            for expected in fixture.decodings {
                let text = tokenizer.decode(expected.ids, skippingSpecial: true)
                #expect(Array(text.utf8) == Array(expected.decoded.utf8), "\(expected.ids)")
            }
        }
        #expect(model.beginOfText == 1 && model.addsBeginOfText && model.endTokens == [2])
    }

    @Test("the space before the first word stays where a text goes on")
    func continuing() throws {
        let tokenizer = try Tokenizer(model: Fixture.load().sentencePiece)
        let ids = try tokenizer.encode("the file")
        #expect(tokenizer.decode(ids) == "the file")
        var decoder = StreamingDecoder(tokenizer: tokenizer, continuing: true)
        #expect(ids.map { decoder.append($0) }.joined() + decoder.finish() == " the file")
        var first = StreamingDecoder(tokenizer: tokenizer)
        #expect(ids.map { first.append($0) }.joined() + first.finish() == "the file")
        #expect(Array(tokenizer.decodeBytes(ids)) == Array("the file".utf8))
    }

    @Test("priorities of scores keep their order, and give the scores back")
    func priorities() {
        let scores: [Float] = [
            .infinity, 1e30, 2, 1, .leastNonzeroMagnitude, 0, -.leastNonzeroMagnitude, -1, -2,
            -1e9, -.infinity,
        ]
        let priorities = scores.map { PieceScore.priority($0) }
        #expect(priorities == priorities.sorted() && Set(priorities).count == scores.count)
        #expect(priorities.map { PieceScore.score($0) } == scores)
        #expect(PieceScore.priority(-0.0) == PieceScore.priority(0))
        #expect(priorities.allSatisfy { $0 < UInt32.max })
    }

    @Test("one very long word takes no quadratic time", .timeLimit(.minutes(10)))
    func longWord() throws {
        let tokenizer = try Tokenizer(model: Fixture.load().sentencePiece)
        for unit in ["the", "e", "\u{65E5}", " "] {
            let text = String(repeating: unit, count: 100_000)
            #expect(try tokenizer.decode(tokenizer.encode(text)) == text)
        }
    }

    @Test("a truncated or damaged model is an error or a tokenizer, never a crash")
    func damaged() throws {
        let model = [UInt8](try Fixture.load().sentencePiece)
        var errors = 0
        for length in stride(from: 0, to: model.count, by: 13) {
            do throws(BitNetError) {
                _ = try Tokenizer(model: Data(model.prefix(length)))
            } catch {
                if case .tokenizer = error { errors += 1 }
            }
        }
        // Every prefix lacks the part that says how it was trained.
        #expect(errors == (model.count + 12) / 13)
        var random = SplitMix64(seed: 8)
        for _ in 0..<300 {
            var copy = model
            copy[Int(random.next() % UInt64(copy.count))] = UInt8(random.next() % 256)
            guard let tokenizer = try? Tokenizer(model: Data(copy)) else { continue }
            let ids = try tokenizer.encode("the file \u{65E5} <tool>", special: true)
            #expect(ids.allSatisfy { tokenizer.bytes(of: $0) != nil })
        }
    }

    /// A field of a message: a number, or bytes.
    private func field(_ number: UInt8, _ value: UInt8) -> [UInt8] { [number << 3, value] }
    private func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        [number << 3 | 2, UInt8(bytes.count)] + bytes
    }

    /// A model of the piece "a" and 256 bytes, with the trainer's and normaliser's fields given.
    private func model(trainer: [UInt8], normalizer: [UInt8], type: UInt8 = 1) -> Data {
        var bytes = field(1, field(1, Array("a".utf8)) + field(3, type))
        for byte in 0...255 {
            let name = String(byte, radix: 16, uppercase: true)
            let text = "<0x\(name.count < 2 ? "0" : "")\(name)>"
            bytes += field(1, field(1, Array(text.utf8)) + field(3, 6))
        }
        return Data(bytes + field(2, trainer) + field(3, normalizer))
    }

    @Test("other algorithms and normalisers are refused by name")
    func refused() throws {
        let plain = field(3, 0) + field(4, 0)
        func expectError(_ words: String, _ data: Data) {
            #expect {
                try Tokenizer(model: data)
            } throws: {
                let text = ($0 as? BitNetError)?.description ?? ""
                if !text.contains(words) { print(text) }
                return text.contains(words)
            }
        }
        let tokenizer = try Tokenizer(model: model(trainer: field(3, 2), normalizer: plain))
        #expect(try tokenizer.encode("ab") == [0, 1 + 0x62])
        expectError("'unigram'", model(trainer: [], normalizer: plain))
        expectError("'word'", model(trainer: field(3, 3), normalizer: plain))
        expectError("'9'", model(trainer: field(3, 9), normalizer: plain))
        expectError(
            "'nmt_nfkc'",
            model(trainer: field(3, 2), normalizer: field(1, Array("nmt_nfkc".utf8)) + plain))
        expectError(
            "normalizer ''", model(trainer: field(3, 2), normalizer: field(2, [1]) + plain))
        expectError("remove_extra_whitespaces", model(trainer: field(3, 2), normalizer: []))
        expectError(
            "escape_whitespaces", model(trainer: field(3, 2), normalizer: plain + field(5, 0)))
        expectError(
            "unused", model(trainer: field(3, 2), normalizer: plain, type: 5))
        expectError(
            "unk_id", model(trainer: field(3, 2) + [0xC0, 2, 0xFF, 0x7F], normalizer: plain))
    }

    @Test("added tokens that contradict the model are refused")
    func contradicting() {
        expectError(
            "'x' is no id", config: #"{"added_tokens_decoder": {"x": {"content": "a"}}}"#)
        expectError(
            "id 1000000000, far above",
            config: #"{"added_tokens_decoder": {"1000000000": {"content": "<x>"}}}"#)
        expectError(
            "'<x>' has id 0", config: #"{"added_tokens_decoder": {"0": {"content": "<x>"}}}"#)
    }

    private func expectError(_ words: String, config: String) {
        let plain = field(3, 0) + field(4, 0)
        #expect {
            try Tokenizer(
                model: model(trainer: field(3, 2), normalizer: plain), config: Data(config.utf8))
        } throws: {
            ($0 as? BitNetError)?.description.contains(words) == true
        }
    }

    @Test("tokens beside the model come from tokenizer_config.json and added_tokens.json")
    func addedTokens() throws {
        let plain = field(3, 0) + field(4, 0)
        let config = #"""
            {"bos_token": "<b>", "eos_token": "<e>", "add_bos_token": false,
             "pad_token": "<p>",
             "added_tokens_decoder": {"257": {"content": "<b>", "special": true},
                                      "260": {"content": "<e>", "special": true}}}
            """#
        let tokenizer = try Tokenizer(
            model: model(trainer: field(3, 2), normalizer: plain), config: Data(config.utf8),
            added: Data(#"{"<t>": 259, "<e>": 258}"#.utf8), endTokens: [257])
        // Two ids between them are holes, and the configuration names one more token.
        #expect(tokenizer.vocabularySize == 262)
        #expect(try tokenizer.encode("a<e><p>", special: true) == [0, 260, 261])
        #expect(tokenizer.decode([258, 259]) == "")
        #expect(tokenizer.beginOfText == 257 && !tokenizer.addsBeginOfText)
        #expect(tokenizer.endOfText == 260 && tokenizer.endTokens == [257, 260])
    }

    @Test("special_tokens_map.json and added_tokens.json count without added_tokens_decoder")
    func legacyFiles() throws {
        let plain = field(3, 0) + field(4, 0)
        let tokenizer = try Tokenizer(
            model: model(trainer: field(3, 2), normalizer: plain),
            config: Data(#"{"eos_token": "</s>"}"#.utf8),
            specialTokens: Data(#"{"eos_token": {"content": "<e>", "lstrip": true}}"#.utf8),
            added: Data(#"{"<t>": 258, "<e>": 257}"#.utf8))
        #expect(tokenizer.endOfText == 257 && tokenizer.isSpecial(257))
        #expect(try tokenizer.encode("a<e><t>", special: true) == [0, 257, 258])
        #expect(try tokenizer.encode("<t>") == [258] && !tokenizer.isSpecial(258))
        // The name in tokenizer_config.json is overridden.
        #expect(tokenizer.vocabularySize == 259)
    }

    @Test("a GGUF vocabulary whose scores do not fit is refused")
    func ggufScores() throws {
        var gguf = try Tokenizer(model: Fixture.load().sentencePiece)
            .ggufVocabulary(architecture: "llama")
        func expectError(_ words: String) {
            #expect {
                try Tokenizer(gguf: gguf)
            } throws: {
                ($0 as? BitNetError)?.description.contains(words) == true
            }
        }
        let scores = try #require(gguf.scores)
        gguf.scores?.removeLast()
        expectError("399")
        gguf.scores = nil
        expectError("tokenizer.ggml.scores")
        gguf.scores = scores
        gguf.scores?[7] = .nan
        expectError("score of token 7")
        gguf.scores = scores
        gguf.unknown = 400
        expectError("special token id 400")
        gguf.unknown = nil
        gguf.tokenTypes?[10] = 1
        gguf.tokenTypes?[0] = 3
        expectError("neither a token for every byte")
        gguf.tokenTypes = nil
        expectError("token_type")
    }

    @Test("without bytes, characters without a token are unknown, several in a row as one")
    func unknown() throws {
        let tokenizer = try Tokenizer(
            gguf: {
                var gguf = GGUFVocabulary(
                    model: "llama", pre: nil, architecture: "llama",
                    tokens: ByteStrings(["<unk>", "\u{2581}", "a", "\u{2581}a"]),
                    merges: ByteStrings(), tokenTypes: [2, 1, 1, 1])
                gguf.scores = [0, -2, -3, -1]
                return gguf
            }())
        #expect(try tokenizer.encode("a") == [3])
        #expect(try tokenizer.encode("xy a") == [1, 0, 3])
        #expect(try tokenizer.encode("a\u{65E5}\u{672C}a") == [3, 0, 2])
    }

    @Test("tokens with a plain space are ones that no text has, also after a way through GGUF")
    func plainSpaces() throws {
        var gguf = GGUFVocabulary(
            model: "llama", pre: nil, architecture: "llama",
            tokens: ByteStrings(["<unk>", "\u{2581}", "a", " a", "\u{2581}a", "a a", "a a"]),
            merges: ByteStrings(), tokenTypes: [2, 1, 1, 1, 1, 1, 1])
        gguf.scores = [0, -2, -3, -1, -1, -1, -1]
        let tokenizer = try Tokenizer(gguf: gguf)
        let written = try tokenizer.ggufVocabulary(architecture: "llama")
        #expect((0..<7).map { written.tokens.text($0) } == (0..<7).map { gguf.tokens.text($0) })
        let copy = try Tokenizer(gguf: written)
        for text in ["a", "a a", "xa"] { #expect(try copy.encode(text) == tokenizer.encode(text)) }
        #expect(try copy.encode("a") == [4] && copy.decode([2, 3, 6]) == "a aa a")
    }
}

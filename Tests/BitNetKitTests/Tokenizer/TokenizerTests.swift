import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Tokenizer")
struct TokenizerTests {
    struct Case: Decodable {
        let text: String
        let ids: [Int]
        let decoded: String
    }

    @Test("the tiny tokenizer encodes and decodes as Hugging Face does")
    func tiny() throws {
        let tokenizer = try TokenizerFixtures.tiny()
        let data = try TokenizerFixtures.data("tokenizer-tiny-cases.json")
        for expected in try JSONDecoder().decode([Case].self, from: data) {
            let ids = try tokenizer.encode(expected.text, special: true)
            #expect(ids == expected.ids, "\(expected.text)")
            #expect(tokenizer.decode(ids) == expected.decoded)
        }
    }

    @Test("a tokenizer says what its file says")
    func properties() throws {
        let config = #"{"bos_token": {"content": "<|begin_of_text|>"}, "eos_token": "<|eot_id|>"}"#
        let tokenizer = try Tokenizer(
            json: TokenizerFixtures.data("tokenizer-tiny.json"), config: Data(config.utf8),
            endTokens: [313])
        #expect(tokenizer.vocabularySize == 320)
        #expect(tokenizer.beginOfText == 312)
        #expect(tokenizer.addsBeginOfText)
        #expect(tokenizer.endTokens == [313, 316])
        #expect(tokenizer.appendedTokens == [])
        #expect(!tokenizer.preTokenizerWasInferred)
        #expect(tokenizer.id(ofSpecial: "<|eot_id|>") == 316)
        #expect(tokenizer.id(ofSpecial: "<|eot") == nil)
        #expect(tokenizer.isSpecial(312) && !tokenizer.isSpecial(311))
        #expect(!tokenizer.isSpecial(-1) && !tokenizer.isSpecial(320))
    }

    @Test("tokens have bytes and a text for display; ids out of range have neither")
    func tokens() throws {
        let tokenizer = try TokenizerFixtures.tiny()
        #expect(tokenizer.bytes(of: 220) == [0x20])
        #expect(tokenizer.text(of: 220) == " ")
        #expect(tokenizer.bytes(of: 127) == [0xC3])
        #expect(tokenizer.text(of: 127) == "<0xC3>")
        #expect(tokenizer.text(of: 188) == "\0")
        #expect(tokenizer.text(of: 316) == "<|eot_id|>")
        for id in [-1, 320, Int.min, Int.max] {
            #expect(tokenizer.bytes(of: id) == nil)
            #expect(tokenizer.text(of: id) == nil)
            #expect(tokenizer.decode([64, id, 65]) == "ab")
            #expect(tokenizer.decodeBytes([id]) == [])
        }
    }

    @Test("special tokens are text unless asked for, and can be skipped")
    func special() throws {
        let tokenizer = try TokenizerFixtures.tiny()
        let text = "a<|eot_id|><|eot_id|>b <|eot_id"
        let plain = try tokenizer.encode(text)
        #expect(!plain.contains(316))
        #expect(tokenizer.decode(plain, skippingSpecial: true) == text)
        let special = try tokenizer.encode(text, special: true)
        #expect(special.prefix(4) == [64, 316, 316, 65])
        #expect(special.count { $0 == 316 } == 2)
        #expect(tokenizer.decode(special) == text)
        #expect(tokenizer.decode(special, skippingSpecial: true) == "ab <|eot_id")
    }

    @Test("added tokens match leftmost first, then longest, then in the second pass")
    func addedTokens() throws {
        func entry(_ id: Int, _ text: String, second: Bool = false) -> AddedTokens.Entry {
            AddedTokens.Entry(
                id: id, text: Array(text.utf8)[...], isSpecial: id < 10,
                flags: second ? .normalized : [])
        }
        let tokens = try AddedTokens([
            entry(1, "<a>"), entry(2, "<a><b>"), entry(3, "<a><b><c>x"), entry(11, "><"),
            entry(12, "a", second: true), entry(4, ""),
        ])
        func pieces(_ text: String, special: Bool) throws -> [String] {
            let bytes = Array(text.utf8)
            var pieces: [String] = []
            try tokens.forEachPiece(in: bytes, special: special) { piece in
                switch piece {
                case .token(let id): pieces.append("\(id)")
                case .text(let range): pieces.append(String(decoding: bytes[range], as: UTF8.self))
                }
            }
            return pieces
        }
        #expect(try pieces("<a><b><c>y", special: true) == ["2", "<c>y"])
        #expect(try pieces("<a><b><c>xa<a>", special: true) == ["3", "12", "1"])
        #expect(try pieces("<a><b>", special: false) == ["<", "12", "11", "b>"])
        #expect(try pieces("", special: true) == [])
        #expect(try pieces("none", special: true) == ["none"])
    }

    @Test("decoding what was encoded gives the text back")
    func roundTrip() throws {
        let tokenizer = try TokenizerFixtures.tiny()
        var random = SplitMix64(seed: 11)
        for _ in 0..<200 {
            var text = String.UnicodeScalarView()
            for _ in 0..<(random.next() % 60) {
                let limit: UInt64 = random.next() % 2 == 0 ? 0x80 : 0x11_0000
                if let scalar = Unicode.Scalar(UInt32(random.next() % limit)) {
                    text.append(scalar)
                }
            }
            let decoded = try tokenizer.decode(tokenizer.encode(String(text)))
            #expect(Array(decoded.unicodeScalars) == Array(text))
        }
    }

    @Test("a text that is not a native string encodes the same")
    func bridgedText() throws {
        let tokenizer = try TokenizerFixtures.tiny()
        let text = "naïve 日本 12345\n"
        #expect(try tokenizer.encode(NSString(string: text) as String) == tokenizer.encode(text))
        #expect(
            try tokenizer.encode(String(text.dropFirst(2))) == tokenizer.encode("ïve 日本 12345\n"))
    }

    @Test(
        "the sample model's vocabulary loads and gives texts back",
        .enabled(if: TokenizerFixtures.sampleVocabulary != nil, "the sample model is empty"))
    func sampleModel() throws {
        let vocabulary = try #require(TokenizerFixtures.sampleVocabulary)
        let tokenizer = try Tokenizer(gguf: vocabulary)
        #expect(tokenizer.vocabularySize == 2048)
        #expect(tokenizer.beginOfText == 0)
        #expect(tokenizer.endTokens == [1])
        #expect(try tokenizer.encode("Once upon a time") == [421, 429, 260, 397])
        for id in 2..<2048 {
            guard let text = String(validating: tokenizer.bytes(of: id) ?? [], as: UTF8.self) else {
                continue
            }
            #expect(try tokenizer.decode(tokenizer.encode(text)) == text)
        }
    }
}

import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Streaming decoder")
struct StreamingDecoderTests {
    private func bytes(hex: String) -> [UInt8] {
        stride(from: 0, to: hex.count, by: 2).compactMap {
            UInt8(hex.dropFirst($0).prefix(2), radix: 16)
        }
    }

    /// Token ids are bytes here.
    private func byteTokenizer() throws -> Tokenizer {
        try Tokenizer(gguf: TokenizerFixtures.vocabulary(merges: []))
    }

    private func stream(_ tokenizer: Tokenizer, _ ids: [Int], skippingSpecial: Bool) -> [String] {
        var decoder = StreamingDecoder(tokenizer: tokenizer, skippingSpecial: skippingSpecial)
        var parts = ids.map { decoder.append($0) }
        parts.append(decoder.finish())
        return parts
    }

    @Test("invalid UTF-8 becomes U+FFFD where Python puts it")
    func replacement() throws {
        // Ids in the order of the alphabet are bytes.
        let tokenizer = try byteTokenizer()
        for vector in try TokenizerVectors.load().replaced {
            let ids = bytes(hex: vector.bytes).map { Int($0) }
            #expect(tokenizer.decodeBytes(ids) == bytes(hex: vector.bytes))
            // Compared by scalars: Swift strings are equal in any normal form.
            let whole = tokenizer.decode(ids)
            #expect(Array(whole.unicodeScalars) == Array(vector.text.unicodeScalars))
            let parts = stream(tokenizer, ids, skippingSpecial: false).joined()
            #expect(Array(parts.unicodeScalars) == Array(vector.text.unicodeScalars))
        }
    }

    @Test("parts of random ids make the text of all ids", arguments: [false, true])
    func concatenation(skippingSpecial: Bool) throws {
        var random = SplitMix64(seed: 5)
        let tokenizer = try TokenizerFixtures.tiny()
        for _ in 0..<400 {
            let count = Int(random.next() % 40)
            let ids = (0..<count).map { _ in
                Int(random.next() % UInt64(tokenizer.vocabularySize + 4)) - 2
            }
            let parts = stream(tokenizer, ids, skippingSpecial: skippingSpecial)
            let whole = tokenizer.decode(ids, skippingSpecial: skippingSpecial)
            #expect(Array(parts.joined().utf8) == Array(whole.utf8))
        }
    }

    @Test("only the bytes of an unfinished character are held back")
    func holdsBackNothingElse() throws {
        let tokenizer = try byteTokenizer()
        let ids = Array("a€👍\u{301}z".utf8).map { Int($0) }
        let parts = stream(tokenizer, ids, skippingSpecial: false)
        #expect(
            parts.map { $0.isEmpty ? "" : $0 } == [
                "a", "", "", "€", "", "", "", "👍", "", "\u{301}", "z", "",
            ])
        // C3 could begin a character, 28 shows that it does not.
        #expect(
            stream(tokenizer, [0xC3, 0x28, 0xE2, 0x82], skippingSpecial: false)
                == ["", "\u{FFFD}(", "", "", "\u{FFFD}"])
    }

    @Test("bytes that can not become a character are not waited for")
    func impossibleSequences() throws {
        let tokenizer = try byteTokenizer()
        // Overlong, surrogate, above U+10FFFF: the second byte already rules a character out.
        for ids in [[0xE0, 0x80], [0xED, 0xA0], [0xF0, 0x80], [0xF4, 0x90]] {
            #expect(stream(tokenizer, ids, skippingSpecial: false) == ["", "\u{FFFD}\u{FFFD}", ""])
        }
        for ids in [[0xC0], [0xC1], [0xF5], [0xFF], [0x80]] {
            #expect(stream(tokenizer, ids, skippingSpecial: false) == ["\u{FFFD}", ""])
        }
    }

    @Test("a finished decoder starts afresh")
    func reuse() throws {
        var decoder = StreamingDecoder(tokenizer: try byteTokenizer())
        #expect(decoder.append(0xE2) == "")
        #expect(decoder.finish() == "\u{FFFD}")
        #expect(decoder.append(0x82) == "\u{FFFD}")
        #expect(decoder.append(0x41) == "A")
        #expect(decoder.finish() == "")
    }
}

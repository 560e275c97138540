import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("GGUF vocabularies")
struct TokenizerGGUFTests {
    /// The 256 bytes and some tokens beside them.
    private func vocabulary(_ more: [(String, Int32)] = []) -> GGUFVocabulary {
        var vocabulary = TokenizerFixtures.vocabulary(merges: [])
        vocabulary.pre = "llama-bpe"
        for (text, _) in more { vocabulary.tokens.append(text.utf8) }
        vocabulary.tokenTypes = [Int32](repeating: 1, count: 256) + more.map(\.1)
        return vocabulary
    }

    private func expectError(
        _ words: String, _ change: (inout GGUFVocabulary) -> Void = { _ in }
    ) {
        var changed = vocabulary()
        change(&changed)
        #expect {
            _ = try Tokenizer(gguf: changed)
        } throws: { error in
            guard case .tokenizer(let detail)? = error as? BitNetError else { return false }
            if !detail.contains(words) { print(detail) }
            return detail.contains(words)
        }
    }

    @Test("token types decide what is special, recognised, and decoded")
    func tokenTypes() throws {
        var gguf = vocabulary([("<|eot_id|>", 3), ("<tool>", 4), ("[PAD]", 5), ("<unk>", 2)])
        gguf.beginOfText = 256
        gguf.endOfText = 259
        let tokenizer = try Tokenizer(gguf: gguf)
        #expect(try tokenizer.encode("a<tool><|eot_id|>", special: true) == [97, 257, 256])
        #expect(try tokenizer.encode("<tool>") == [257])
        #expect(try tokenizer.encode("[PAD]").count == 5)
        #expect(tokenizer.decode([256, 257, 258, 259]) == "<|eot_id|><tool><unk>")
        #expect(tokenizer.decode([256, 257, 258, 259], skippingSpecial: true) == "<tool>")
        #expect(tokenizer.endTokens == [256, 259])
        #expect(tokenizer.addsBeginOfText)
    }

    @Test("begin of text is added as the file says, and by default as llama.cpp does")
    func beginOfText() throws {
        var gguf = vocabulary([("<s>", 3)])
        #expect(try !Tokenizer(gguf: gguf).addsBeginOfText)
        gguf.beginOfText = 256
        #expect(try Tokenizer(gguf: gguf).addsBeginOfText)
        gguf.pre = "falcon3"
        #expect(try !Tokenizer(gguf: gguf).addsBeginOfText)
        gguf.addsBeginOfText = true
        #expect(try Tokenizer(gguf: gguf).addsBeginOfText)
        gguf.endOfText = 256
        gguf.addsEndOfText = true
        #expect(try Tokenizer(gguf: gguf).appendedTokens == [256])
    }

    @Test("without types, the named ids are special")
    func noTypes() throws {
        var gguf = vocabulary([("<s>", 3)])
        gguf.tokenTypes = nil
        gguf.endOfText = 256
        let tokenizer = try Tokenizer(gguf: gguf)
        #expect(tokenizer.isSpecial(256))
        #expect(try tokenizer.encode("<s>", special: true) == [256])
        #expect(try tokenizer.encode("<s>").count == 3)
    }

    @Test("a missing pre-tokenizer is inferred from the vocabulary, or refused")
    func inferred() throws {
        func size(_ count: Int) -> GGUFVocabulary {
            var gguf = vocabulary((256..<count).map { ("<|\($0)|>", 3) })
            gguf.pre = nil
            gguf.architecture = "bitnet-b1.58"
            return gguf
        }
        for (count, expected) in [(300, PreTokenizer.llama3), (50_257, .gpt2), (128_256, .llama3)] {
            let tokenizer = try Tokenizer(gguf: size(count))
            #expect(tokenizer.preTokenizerWasInferred)
            #expect(tokenizer.storage.wordCut.scanner == expected)
            #expect(tokenizer.storage.encoder.ignoresMerges == (expected == .llama3))
        }
        #expect(try !Tokenizer(gguf: vocabulary()).preTokenizerWasInferred)
        #expect { try Tokenizer(gguf: size(65_024)) } throws: {
            "\($0)".contains("65024") && "\($0)".contains("bitnet-b1.58")
        }
    }

    @Test("architecture and first tokens tell what the size does not")
    func inferredFromContents() throws {
        func tokenizer(
            _ architecture: String, _ first: [String], _ count: Int
        ) throws -> Tokenizer {
            let names = first + (first.count..<count - 256).map { "<|\($0)|>" }
            var gguf = GGUFVocabulary(
                model: "gpt2", pre: nil, architecture: architecture, tokens: ByteStrings(names),
                merges: ByteStrings())
            for byte in TokenizerFixtures.vocabulary(merges: []).tokens.strings {
                gguf.tokens.append(byte.utf8)
            }
            gguf.tokenTypes = names.map { _ in 3 } + [Int32](repeating: 1, count: 256)
            return try Tokenizer(gguf: gguf)
        }
        let neox = ["<|endoftext|>", "<|padding|>"]
        for (architecture, first, count, expected) in [
            ("gptneox", [], 3000, "gpt-neox"), ("llama", neox, 50_304, "gpt-neox"),
            ("falcon", [], 65_024, "falcon"), ("qwen3", [], 300, "qwen2"),
        ] {
            let found = try tokenizer(architecture, first, count)
            let named = try NamedWordCut.named(expected)
            #expect(found.preTokenizerWasInferred)
            #expect(found.storage.wordCut == named.cut)
            #expect(found.storage.normalizer.steps == named.normalizer.steps)
        }
        #expect {
            try tokenizer("llama", [], 50_304)
        } throws: {
            "\($0)".contains("--pre-tokenizer") && "\($0)".contains("olmo")
        }
    }

    @Test("what is written to a GGUF file makes the same tokenizer", arguments: [true, false])
    func written(ignoresMerges: Bool) throws {
        let file = try #require(
            String(data: TokenizerFixtures.data("tokenizer-tiny.json"), encoding: .utf8))
        let flag = "\"ignore_merges\":"
        let json = file.replacingOccurrences(of: flag + " true", with: flag + " \(ignoresMerges)")
            .replacingOccurrences(of: flag + "true", with: flag + "\(ignoresMerges)")
        let config = #"{"eos_token": "<|eot_id|>", "bos_token": "<|begin_of_text|>"}"#
        let original = try Tokenizer(
            json: Data(json.utf8), config: Data(config.utf8), endTokens: [313])
        let copy = try Tokenizer(
            gguf: original.ggufVocabulary(architecture: "bitnet-b1.58"))
        #expect(original.storage.encoder.ignoresMerges == ignoresMerges)
        #expect(copy.storage.encoder.ignoresMerges == ignoresMerges)
        #expect(copy.endOfText == 316 && copy.endTokens == original.endTokens)
        #expect(copy.beginOfText == 312 && copy.addsBeginOfText && !copy.preTokenizerWasInferred)
        for id in 0..<original.vocabularySize {
            #expect(copy.bytes(of: id) == original.bytes(of: id))
            #expect(copy.isSpecial(id) == original.isSpecial(id))
        }
        for vector in try TokenizerVectors.load().words {
            let text = vector.text + "<|eot_id|> the string in it"
            #expect(try copy.encode(text, special: true) == original.encode(text, special: true))
        }
    }

    @Test("a special token that is half a character cuts it and crashes nothing")
    func halfCharacter() throws {
        var gguf = vocabulary()
        for bytes: [UInt8] in [[0xE6], [0x97], [0xF0, 0x9F]] {
            gguf.tokens.append(bytes)
            gguf.tokenTypes?.append(3)
        }
        let tokenizer = try Tokenizer(gguf: gguf)
        for text in ["日", "日日x", "👍", "a日 👍\u{1F3FD}"] {
            let ids = try tokenizer.encode(text, special: true)
            #expect(ids.contains { $0 >= 256 })
            #expect(tokenizer.decode(ids) == text)
        }
    }

    @Test("inconsistent or unsupported values are refused by name")
    func malformed() {
        expectError("sentencepiece") { $0.model = "llama" }
        expectError("'bert'") { $0.model = "bert" }
        expectError("'default'") { $0.pre = "default" }
        expectError("255 token types for 256 tokens") { $0.tokenTypes?.removeLast() }
        expectError("type 6") { $0.tokenTypes?[9] = 6 }
        expectError("type -1") { $0.tokenTypes?[9] = -1 }
        expectError("special token id 256") { $0.beginOfText = 256 }
        expectError("special token id -1") { $0.endOfText = -1 }
        expectError("special token id 999") { $0.additionalEnds = [999] }
        expectError("tokenizer.ggml.bos_token_id names no token") { $0.addsBeginOfText = true }
        expectError("without tokenizer.ggml.eos_token_id") { $0.addsEndOfText = true }
        expectError("0 tokens") {
            $0.tokens = ByteStrings(); $0.tokenTypes = []
        }
        expectError("'a' is token 97 too") {
            $0.tokens.append("a".utf8)
            $0.tokenTypes?.append(1)
        }
        expectError("'<s>' is token 256 too") {
            for _ in 0..<2 {
                $0.tokens.append("<s>".utf8)
                $0.tokenTypes?.append(3)
            }
        }
        expectError("byte alphabet") {
            $0.tokens.append([0xC4])
            $0.tokenTypes?.append(1)
        }
        expectError("merge 0 'a b' makes a token") { $0.merges = ByteStrings(["a b"]) }
        expectError("merge 0 '' is not two tokens") { $0.merges = ByteStrings([""]) }
        expectError("merge 0 ' ' names ''") { $0.merges = ByteStrings([" "]) }
    }
}

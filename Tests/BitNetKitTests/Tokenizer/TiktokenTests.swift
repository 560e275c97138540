import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Tiktoken")
struct TiktokenTests {
    /// All bytes, and the tokens "th", "the" and " the" made of them.
    private func lines(_ more: [(String, Int)] = [("th", 256), ("the", 257), (" the", 258)])
        -> String
    {
        let bytes = (0...255).map { (Data([UInt8($0)]).base64EncodedString(), $0) }
        let words = more.map { (Data($0.0.utf8).base64EncodedString(), $0.1) }
        return (bytes + words).map { "\($0.0) \($0.1)\n" }.joined()
    }

    private func expectError(_ words: String, _ text: String) {
        #expect {
            try Tokenizer(model: Data(text.utf8))
        } throws: {
            let found = ($0 as? BitNetError)?.description ?? ""
            if !found.contains(words) { print(found) }
            return found.contains(words)
        }
    }

    @Test("merges are implied by ranks, and words that are tokens are taken whole")
    func merges() throws {
        let tokenizer = try Tokenizer(model: Data(lines().utf8))
        #expect(tokenizer.vocabularySize == 259 + 256)
        #expect(try tokenizer.encode("the the th") == [257, 258, 32, 256])
        #expect(try tokenizer.encode("thee") == [257, 101])
        #expect(tokenizer.id(ofSpecial: "<|begin_of_text|>") == 259)
        #expect(tokenizer.id(ofSpecial: "<|eot_id|>") == 268)
        #expect(tokenizer.id(ofSpecial: "<|reserved_special_token_250|>") == 514)
        #expect(tokenizer.beginOfText == 259 && tokenizer.addsBeginOfText)
        #expect(tokenizer.endTokens == [260, 268])
        #expect(try tokenizer.encode("<|eot_id|>").count == 10)
        #expect(try tokenizer.encode("<|eot_id|>", special: true) == [268])
    }

    @Test("ranks may come in any order, each once, and empty lines are none")
    func order() throws {
        let sorted = lines().split(separator: "\n")
        let shuffled = "\n\n" + sorted.reversed().joined(separator: "\r\n\n")
        let tokenizer = try Tokenizer(model: Data(shuffled.utf8))
        #expect(try tokenizer.encode("the the th") == [257, 258, 32, 256])
        expectError("rank 258 is missing", sorted.dropLast().joined(separator: "\n") + "\neHk= 259")
        expectError("rank 258 is missing", lines([("th", 256), ("the", 257), ("x", 257)]))
    }

    @Test("what is written to a GGUF file makes the same tokens")
    func written() throws {
        let tokenizer = try Tokenizer(model: Data(lines().utf8))
        let gguf = try tokenizer.ggufVocabulary(architecture: "llama")
        #expect(gguf.pre == "llama-bpe")
        // t h, th e, " " the, and none for "he", which is no token.
        #expect((0..<gguf.merges.count).map { gguf.merges.text($0) } == ["t h", "th e", "Ġ the"])
        let copy = try Tokenizer(gguf: gguf)
        for text in ["the the th", "thee", "日本 the<|eot_id|>"] {
            #expect(try copy.encode(text, special: true) == tokenizer.encode(text, special: true))
        }
    }

    @Test("special tokens of tokenizer_config.json take the place of Llama 3's")
    func specials() throws {
        let config = #"""
            {"eos_token": "<end>",
             "added_tokens_decoder": {"259": {"content": "<end>", "special": true}}}
            """#
        let tokenizer = try Tokenizer(model: Data(lines().utf8), config: Data(config.utf8))
        #expect(tokenizer.vocabularySize == 260)
        #expect(tokenizer.endTokens == [259] && !tokenizer.addsBeginOfText)
    }

    @Test("malformed lines and ranks are refused by number")
    func malformed() {
        expectError("line 257", lines().replacingOccurrences(of: "dGg= 256", with: "d*g= 256"))
        expectError("line 257", lines().replacingOccurrences(of: "dGg= 256", with: "dGg= x"))
        expectError("line 257", lines().replacingOccurrences(of: "dGg= 256", with: "dGg="))
        expectError("line 257", lines().replacingOccurrences(of: "dGg= 256", with: "dGg= -1"))
        expectError("rank 256", lines([("th", 257)]))
        expectError("rank 256", lines([("th", 255)]))
        expectError("token 257", lines([("th", 256), ("th", 257)]))
        expectError("no token for byte 0", "dGg= 0\n")
        expectError("tokenizer.model", "")
        expectError("tokenizer.model", "hello world")
    }
}

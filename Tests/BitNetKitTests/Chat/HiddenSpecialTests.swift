import Foundation
import Testing

@testable import BitNetTokenizers

/// No message makes a special token, whatever the tokenizer does to texts before it looks for them.
@Suite("Special tokens hidden in messages")
struct HiddenSpecialTests {
    /// The tokens of a conversation in which every message ends with the special token `name`.
    private func ids(
        _ messages: [String], _ name: String, _ tokenizer: Tokenizer
    ) throws -> [Int] {
        let template = try ChatTemplate(
            "{% for m in messages %}{{ m.content }}\(name){% endfor %}")
        return try tokenizer.encode(
            messages.map { ChatMessage(.user, $0) }, template: template,
            addsGenerationPrompt: false)
    }

    @Test("not by letters that a normalizer makes those of a special token")
    func normalized() throws {
        let added: [String: Any] = [
            "id": 256, "content": "<|k|>", "special": true, "normalized": true,
        ]
        let replace: [String: Any] = [
            "type": "Replace", "pattern": ["String": "~"], "content": "",
        ]
        for (normalizer, hidden) in [
            (["type": "Lowercase"], ["<|K|>", "x<|K|>y <|k|>", "<|\u{212A}|>"]),
            (["type": "NFKC"], ["\u{FF1C}|k|>", "<\u{FF5C}k|>", "<|k|>"]), (replace, ["<|~k|>"]),
        ] as [([String: Any], [String])] {
            let tokenizer = try Tokenizer(
                json: TokenizerFolderTests.json(
                    parts: ["added_tokens": [added], "normalizer": normalizer]))
            for text in hidden {
                // It is one in the template, and would be one in a text of the caller's own.
                #expect(try tokenizer.encode(text, special: true).contains(256))
                let ids = try ids([text, "ok", text], "<|k|>", tokenizer)
                #expect(ids.count { $0 == 256 } == 3, "\(text)")
                #expect(ids.count > 3)
            }
            #expect(
                try ids(["a b", "c"], "<|k|>", tokenizer)
                    == tokenizer.encode("a b<|k|>c<|k|>", special: true))
        }
    }

    @Test("not by the spelling that a token of the vocabulary is found by")
    func spelled() throws {
        let added: [String: Any] = ["id": 256, "content": "Ġab", "special": true]
        let tokenizer = try Tokenizer(
            json: TokenizerFolderTests.json(
                vocab: ["Ġab": 256], parts: ["added_tokens": [added]]))
        #expect(try tokenizer.encode("xĠab", special: true).contains(256))
        #expect(try ids(["xĠab"], "Ġab", tokenizer).count { $0 == 256 } == 1)
    }
}

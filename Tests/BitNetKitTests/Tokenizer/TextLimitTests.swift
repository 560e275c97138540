import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("What becomes of one text has a bound")
struct TextLimitTests {
    /// Writes 200 bytes for every `a`; `<x>` is a special token.
    private static func multiplying() throws -> Tokenizer {
        let content = String(repeating: "b", count: 200)
        return try Tokenizer(
            json: TokenizerFolderTests.json(parts: [
                "normalizer": ["type": "Replace", "pattern": ["String": "a"], "content": content],
                "added_tokens": [["id": 256, "content": "<x>", "special": true]],
            ]))
    }

    @Test("a normaliser makes twelve bytes for each of a text and 65,536, and no more")
    func growth() throws {
        let tokenizer = try Self.multiplying()
        let most = (1...).first { 200 * $0 > TextLimit.growth * $0 + TextLimit.shortest } ?? 0
        let inside = String(repeating: "a", count: most - 1)
        #expect(try tokenizer.encode(inside).count == 200 * (most - 1))
        #expect {
            try tokenizer.encode(inside + "a")
        } throws: {
            "\($0)".contains("the normalizer makes more than")
        }
        // A text that grows less may be as long as it likes.
        let long = String(repeating: "a" + String(repeating: "c", count: 20), count: 10_000)
        #expect(try tokenizer.encode(long).count == 220 * 10_000)
    }

    @Test("the parts between special tokens count together", arguments: [false, true])
    func parts(_ isChat: Bool) throws {
        let tokenizer = try Self.multiplying()
        let template = try ChatTemplate("{% for m in messages %}{{ m.content }}{% endfor %}")
        func count(_ parts: Int) throws -> Int {
            let text = String(repeating: "<x>a", count: parts)
            if !isChat { return try tokenizer.encode(text, special: true).count }
            // In a message the special token is text, and every part ends where it begins.
            return try tokenizer.encode(
                [ChatMessage(.user, text)], template: template, addsGenerationPrompt: false
            ).count
        }
        #expect(try count(400) == (isChat ? 203 : 201) * 400)
        #expect(throws: BitNetError.self) { try count(600) }
    }

    @Test("the longest form of a character is made of any number of them")
    func forms() throws {
        let tokenizer = try Tokenizer(
            json: TokenizerFolderTests.json(parts: ["normalizer": ["type": "NFKC"]]))
        #expect(try tokenizer.encode(String(repeating: "\u{FDFA}", count: 30_000)).count == 990_000)
    }

    @Test(
        "of a text with far more tokens than anybody can use, the rest is not read",
        arguments: ["the cat ", "a", "\u{1F468}\u{200D}", "<", "12 "], ["tiny", "chat", "sample"])
    func tokens(_ part: String, _ kind: String) throws {
        let tokenizer =
            switch kind {
            case "tiny": try TokenizerFixtures.tiny()
            case "sample": try Tokenizer(gguf: try #require(TokenizerFixtures.sampleVocabulary))
            default:
                try Tokenizer.load(
                    from: Fixtures.url("reference/bitnet-untied/packed/tokenizer.json"))
            }
        let text = String(repeating: part, count: 4_000_000 / part.utf8.count)
        let effort = Effort()
        let error = failure { () throws(BitNetError) in
            try tokenizer.encode(text, special: true, most: 100, effort: effort)
        }
        guard case .contextWindowExceeded(limit: 100, let requested) = error else {
            Issue.record("\(error as Any)")
            return
        }
        #expect(requested > 65_536)
        #expect("\(try #require(error))".contains("at least \(requested) tokens"))
        // All of it is looked through for added tokens and for words; none of it is merged for long.
        #expect(effort.total < 4 * text.utf8.count + 40 * 65_536)
    }

    @Test("a text with some tokens too many gives their number")
    func exact() throws {
        let tokenizer = try TokenizerFixtures.tiny()
        let text = String(repeating: "the cat ", count: 2000)
        let all = try tokenizer.encode(text)
        #expect(try tokenizer.encode(text, most: 10, effort: Effort()) == all)
    }

    @Test("a session refuses a long message soon, and goes on", arguments: SessionModel.allCases)
    func session(_ kind: SessionModel) async throws {
        let model = try await kind.load()
        let session = try BitNetSession(model: model, context: 40)
        let options = GenerationOptions(maximumResponseTokens: 2)
        let message = String(repeating: "The dog ran. ", count: 200_000)
        let error = await #expect(throws: BitNetError.self) {
            _ = try await session.respond(to: message, options: options)
        }
        guard case .contextWindowExceeded(limit: 40, let requested) = error else {
            Issue.record("\(error as Any)")
            return
        }
        #expect(requested > 65_536 && requested < 400_000)
        await #expect(throws: BitNetError.self) {
            _ = try await model.generate(message, options: options)
        }
        await #expect(throws: BitNetError.self) { _ = try await model.logits(message) }
        await #expect(throws: BitNetError.self) { _ = try await model.embed([message]) }
        #expect(try await session.respond(to: "A cat", options: options).tokens.count <= 2)
    }
}

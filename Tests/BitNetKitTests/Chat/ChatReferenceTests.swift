import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Chat templates against references", .enabled(if: ReferenceData.isAvailable))
struct ChatReferenceTests {
    struct File: Decodable {
        let templates: [String: Family]
    }
    struct Family: Decodable {
        let template: String
        let examples: [Example]
    }
    struct Example: Decodable {
        let messages: [ChatMessage]
        let addsPrompt: Bool
        let rendered: String
        let ids: [Int]?
        let idsWithBOS: [Int]?

        enum CodingKeys: String, CodingKey {
            case messages, rendered, ids
            case addsPrompt = "add_generation_prompt"
            case idsWithBOS = "ids_with_bos"
        }
    }

    static let families: [String: Family] = {
        let url = ReferenceData.url("tokenizer/chat_templates.json")
        let file = url.flatMap { try? JSONDecoder().decode(File.self, from: Data(contentsOf: $0)) }
        return file?.templates ?? [:]
    }()

    static let formats: [String: ChatTemplate.Format] = [
        "bitnet-2b-4t": .bitnet, "llama3": .llama3, "falcon3": .falcon3,
    ]

    @Test("every published template and every known format renders as jinja2 does")
    func rendering() throws {
        #expect(Self.families.count >= 4)
        for (name, family) in Self.families {
            #expect(family.examples.count >= 6)
            var templates = [
                try ChatTemplate(
                    family.template, beginOfText: "<|begin_of_text|>",
                    endOfText: "<|end_of_text|>")
            ]
            if let format = Self.formats[name] {
                templates.append(ChatTemplate(format, beginOfText: "<|begin_of_text|>"))
            }
            #expect(templates.count == (name == "bitnet-gguf-placeholder" ? 1 : 2))
            for (template, example) in templates.flatMap({ t in family.examples.map { (t, $0) } }) {
                let text = try template.render(
                    example.messages, addsGenerationPrompt: example.addsPrompt)
                #expect(Array(text.utf8) == Array(example.rendered.utf8), "\(name)")
            }
        }
    }

    @Test("rendered conversations have the reference's Llama 3 tokens")
    func tokens() throws {
        let tokenizer = try #require(TokenizerFixtures.llama3)
        let end = try #require(tokenizer.id(ofSpecial: "<|eot_id|>"))
        var compared = 0
        for (name, family) in Self.families {
            let template = try ChatTemplate(
                family.template, beginOfText: "<|begin_of_text|>", endOfText: "<|end_of_text|>")
            for example in family.examples {
                guard let expected = example.ids else { continue }
                #expect(
                    try tokenizer.encode(example.rendered, special: true) == expected, "\(name)")
                let ids = try tokenizer.encode(
                    example.messages, template: template, addsGenerationPrompt: example.addsPrompt)
                let begin = expected.first == 128_000 ? [] : [128_000]
                #expect(example.idsWithBOS.map { $0 == begin + expected } ?? true)
                if example.messages.contains(where: { $0.content.contains("<|eot_id|>") }) {
                    // The reference has the user's words as a token; here they are text.
                    #expect(tokenizer.decode(ids).hasSuffix(example.rendered))
                    let ends = expected.filter { $0 == end }.count
                    #expect(ids.filter { $0 == end }.count == ends - 1)
                } else {
                    #expect(ids == begin + expected, "\(name)")
                }
                compared += 1
            }
        }
        #expect(compared >= 18)
    }

    @Test("reference models come with the template they were made with and stop at its turn's end")
    func models() throws {
        for path in ["bitnet-tied/packed", "embedding-qwen3/online"] {
            let url = try #require(ReferenceData.url(path))
            let tokenizer = try Tokenizer.load(from: url)
            let template = try #require(try ChatTemplate.load(from: url, tokenizer: tokenizer))
            #expect(template.source == Self.families["bitnet-2b-4t"]?.template)
            let end = try #require(tokenizer.id(ofSpecial: "<|eot_id|>"))
            #expect(tokenizer.endTokens.contains(end))
        }
        let file = try #require(ReferenceData.url("tokenizers/ggml-vocab-llama-bpe.gguf"))
        let tokenizer = try Tokenizer.load(from: file)
        let template = try ChatTemplate.load(from: file, tokenizer: tokenizer)
        #expect(template?.source == ChatTemplate.Format.llama3.source)
        #expect(tokenizer.endTokens.isSuperset(of: [128_001, 128_009]))
    }
}

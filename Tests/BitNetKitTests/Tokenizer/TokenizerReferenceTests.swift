import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Tokenizers against references", .enabled(if: ReferenceData.isAvailable))
struct TokenizerReferenceTests {
    struct Vector: Decodable {
        let t: String
        let i: [Int]
        let s: [Int]?
        let c: String
    }
    struct Decoding: Decodable {
        let i: [Int]
        let b64: String
        let lossy: String
    }
    struct Case: Decodable {
        let text: String
        let ids: [Int]
        let idsWithBOS: [Int]
        let decoded: String

        enum CodingKeys: String, CodingKey {
            case text, ids, decoded
            case idsWithBOS = "ids_with_bos"
        }
    }
    enum Source: CaseIterable {
        case json, gguf, tiktoken

        var tokenizer: Tokenizer? {
            switch self {
            case .json: TokenizerFixtures.llama3
            case .gguf: TokenizerFixtures.llama3GGUF
            case .tiktoken: TokenizerFixtures.llama3Tiktoken
            }
        }
    }

    @Test("Llama 3 encodes every vector as tiktoken does", arguments: Source.allCases)
    func llama3(_ source: Source) throws {
        let tokenizer = try #require(source.tokenizer)
        let url = try #require(ReferenceData.url("tokenizer/llama3.jsonl"))
        let vectors = try TokenizerFixtures.lines(url, as: Vector.self)
        #expect(vectors.count > 900)
        for vector in vectors {
            let ids = try tokenizer.encode(vector.t)
            #expect(ids == vector.i, "\(vector.c): \(vector.t.debugDescription)")
            #expect(
                try tokenizer.encode(vector.t, special: true) == vector.s ?? vector.i,
                "\(vector.c): \(vector.t.debugDescription)")
            #expect(Array(tokenizer.decode(ids).utf8) == Array(vector.t.utf8))
        }
        #expect(tokenizer.vocabularySize == 128_256)
        #expect(tokenizer.beginOfText == 128_000 && tokenizer.addsBeginOfText)
    }

    @Test("Llama 3 encodes llama.cpp's vectors", arguments: Source.allCases)
    func llamaCpp(_ source: Source) throws {
        let tokenizer = try #require(source.tokenizer)
        try expect(tokenizer, encodes: "tokenizers/ggml-vocab-llama-bpe.gguf")
    }

    /// Expects the ids of a `.inp` and `.out` pair.
    private func expect(_ tokenizer: Tokenizer, encodes name: String) throws {
        let input = try String(
            contentsOf: try #require(ReferenceData.url(name + ".inp")), encoding: .utf8)
        let output = try String(
            contentsOf: try #require(ReferenceData.url(name + ".out")), encoding: .utf8)
        var texts = input.components(separatedBy: "\n__ggml_vocab_test__\n")
        var lines = output.components(separatedBy: "\n")
        #expect(texts.removeLast() == "" && lines.removeLast() == "")
        #expect(texts.count == lines.count && texts.count > 40)
        for (text, line) in zip(texts, lines) {
            let ids = line.split(separator: " ").compactMap { Int($0) }
            #expect(try tokenizer.encode(text) == ids, "\(text.debugDescription)")
        }
    }

    @Test("Falcon encodes llama.cpp's vectors")
    func falcon() throws {
        let name = "tokenizers/ggml-vocab-falcon.gguf"
        let url = try #require(ReferenceData.url(name))
        try expect(try Tokenizer.load(from: url), encodes: name)
    }

    @Test(
        "Llama 2's sentencepiece encodes every vector, from its model and from GGUF",
        arguments: ["tokenizers/llama-spm.model", "tokenizers/ggml-vocab-llama-spm.gguf"])
    func llama2(_ path: String) throws {
        let tokenizer = try Tokenizer.load(from: try #require(ReferenceData.url(path)))
        try expect(tokenizer, encodes: "tokenizers/ggml-vocab-llama-spm.gguf")
        let url = try #require(ReferenceData.url("tokenizer/llama-spm.jsonl"))
        let vectors = try TokenizerFixtures.lines(url, as: Vector.self)
        #expect(vectors.count == 400)
        for vector in vectors {
            let ids = try tokenizer.encode(vector.t)
            #expect(ids == vector.i, "\(vector.c): \(vector.t.debugDescription)")
            #expect(Array(tokenizer.decode(ids).utf8) == Array(vector.t.utf8))
        }
        #expect(tokenizer.vocabularySize == 32_000 && tokenizer.addsBeginOfText)
        #expect(tokenizer.beginOfText == 1 && tokenizer.endTokens == [2])
        #expect(tokenizer.decode([1, 15_043, 3186]) == "<s> Hello world")
        #expect(tokenizer.decode([1, 15_043, 3186], skippingSpecial: true) == "Hello world")
        #expect(try tokenizer.encode("</s>").count > 1)
        #expect(try tokenizer.encode("</s>", special: true) == [2])
        let written = try tokenizer.ggufVocabulary(architecture: "llama")
        let copy = try Tokenizer(gguf: written)
        for vector in vectors { #expect(try copy.encode(vector.t) == vector.i) }
    }

    @Test("GPT-NeoX's vocabulary without a named word cut is recognised")
    func gptNeoX() throws {
        let url = try #require(ReferenceData.url("tokenizers/ggml-vocab-gpt-neox.gguf"))
        let tokenizer = try Tokenizer.load(from: url)
        #expect(tokenizer.preTokenizerWasInferred)
        #expect(tokenizer.storage.wordCut.scanner == .gpt2)
        let text = "Hello world, it's 1234!\n\n  e\u{301}t\u{e9}"
        let ids = try tokenizer.encode(text)
        #expect(
            Array(tokenizer.decode(ids).utf8)
                == Array("Hello world, it's 1234!\n\n  \u{e9}t\u{e9}".utf8))
    }

    @Test("the merges that Llama 3's ranks imply are those of its tokenizer.json")
    func impliedMerges() throws {
        let implied = try #require(TokenizerFixtures.llama3Tiktoken)
            .ggufVocabulary(architecture: "llama").merges
        let listed = try #require(TokenizerFixtures.llama3)
            .ggufVocabulary(architecture: "llama").merges
        #expect(implied.count == 280_147 && listed.count == implied.count)
        #expect(implied.storage == listed.storage)
    }

    @Test("Llama 3 decodes to the reference's bytes and text", arguments: Source.allCases)
    func decoding(_ source: Source) throws {
        let tokenizer = try #require(source.tokenizer)
        let url = try #require(ReferenceData.url("tokenizer/llama3-decode.jsonl"))
        for vector in try TokenizerFixtures.lines(url, as: Decoding.self) {
            #expect(Data(tokenizer.decodeBytes(vector.i)) == Data(base64Encoded: vector.b64))
            #expect(Array(tokenizer.decode(vector.i).utf8) == Array(vector.lossy.utf8))
            var decoder = StreamingDecoder(tokenizer: tokenizer)
            let parts = vector.i.map { decoder.append($0) }.joined() + decoder.finish()
            #expect(Array(parts.utf8) == Array(vector.lossy.utf8))
        }
    }

    @Test(
        "every reference model's tokenizer agrees with Hugging Face",
        arguments: [
            "bitnet-tied/packed", "bitnet-untied/online", "bitnet-untied/packed",
            "llama-bitlinear/packed", "llama-rmsnorm/packed", "1bitllm-style/online",
            "embedding-qwen3/online",
        ])
    func models(_ folder: String) throws {
        let json = try Data(
            contentsOf: try #require(ReferenceData.url(folder + "/tokenizer.json")))
        let config = try Data(
            contentsOf: try #require(ReferenceData.url(folder + "/tokenizer_config.json")))
        let tokenizer = try Tokenizer(json: json, config: config)
        let model = folder.split(separator: "/")[0]
        let url = try #require(ReferenceData.url("\(model)/tokenizer_cases.json"))
        let cases = try JSONDecoder().decode([Case].self, from: Data(contentsOf: url))
        #expect(cases.count >= 10)
        let begin = tokenizer.addsBeginOfText ? [try #require(tokenizer.beginOfText)] : []
        for expected in cases {
            let ids = try tokenizer.encode(expected.text, special: true)
            #expect(ids == expected.ids, "\(expected.text.debugDescription)")
            #expect(begin + ids == expected.idsWithBOS)
            #expect(tokenizer.decode(ids) == expected.decoded)
        }
    }

    @Test("a vocabulary gives the same tokens from GGUF and from JSON")
    func formsAgree() throws {
        let folder = try #require(ReferenceData.root).deletingLastPathComponent()
            .appendingPathComponent("models/stories")
        guard let json = try? Data(contentsOf: folder.appendingPathComponent("tokenizer.json")),
            let text = try? String(
                contentsOf: folder.appendingPathComponent("validation.txt"), encoding: .utf8)
        else { return print("models/stories not found: its tokenizer is not compared") }
        let tokenizer = try Tokenizer(json: json)
        let part = String(text.prefix(100_000))
        let ids = try tokenizer.encode(part)
        #expect(tokenizer.decode(ids) == part)
        let url = folder.appendingPathComponent("expected.json")
        let expected = try JSONSerialization.jsonObject(with: Data(contentsOf: url))
        let sequences = try #require((expected as? [String: Any])?["sequences"] as? [[String: Any]])
        for sequence in sequences {
            guard let prompt = sequence["prompt"] as? String else { continue }
            #expect(try [0] + tokenizer.encode(prompt) == sequence["tokens"] as? [Int])
        }
        let gguf = try Tokenizer(gguf: tokenizer.ggufVocabulary(architecture: "bitnet"))
        #expect(try gguf.encode(part) == ids)
    }
}

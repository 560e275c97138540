import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetSampleModel
@testable import BitNetTokenizers
@testable import TernaryCompute

/// The model that comes with the package, against transformers in float32 (`sample-model.json`, which
/// Tests/Differential/sample_model.py writes).
@Suite("Sample model")
struct SampleModelTests {
    struct Expected: Decodable {
        struct Sequence: Decodable {
            let prompt: String
            let tokens: [Int]
            let last_logits: [Float]
        }

        let sequences: [Sequence]
        let greedy: [ReferenceCheckpoint.Expected.Greedy]

        static func load() throws -> Expected {
            let data = try Data(contentsOf: Fixtures.url("sample-model.json"))
            return try JSONDecoder().decode(Expected.self, from: data)
        }
    }

    @Test("logits after a prompt are within 1e-3 of transformers")
    func logits() async throws {
        let model = try await BitNetModel.sample()
        for sequence in try Expected.load().sequences {
            let found = try await model.logits(tokens: sequence.tokens).logits[0]
            try #require(found.count == sequence.last_logits.count)
            let worst = zip(found, sequence.last_logits).map { abs($0 - $1) }.max() ?? .infinity
            #expect(worst < 1e-3, "\(sequence.prompt): \(worst)")
        }
    }

    /// Within 160 tokens some activations lie so close to the middle of two int8 values that they
    /// are rounded the other way. That moves the difference of two logits by up to 0.1; where the
    /// best token leads by more, it must be the same.
    @Test("teacher-forced, every token with a margin is the greedy token of transformers")
    func greedy() async throws {
        let model = try await BitNetModel.sample()
        for text in try Expected.load().greedy {
            let tokens = text.prompt + text.greedy.dropLast()
            let rows = try await model.logits(tokens: tokens, allPositions: true).logits
            let chosen = rows.dropFirst(text.prompt.count - 1).map(argmax)
            try #require(chosen.count == 160 && text.margins.count == 160)
            for (position, token) in chosen.enumerated() where text.margins[position] >= 0.1 {
                #expect(token == text.greedy[position], "token \(position)")
            }
            #expect(zip(chosen, text.greedy).filter { $0 != $1 }.count <= 2)
        }
    }

    @Test("prompts have the token ids of transformers")
    func prompts() async throws {
        let tokenizer = try await BitNetModel.sample().tokenizer
        for sequence in try Expected.load().sequences {
            let begin = try #require(tokenizer.beginOfText)
            #expect(try [begin] + tokenizer.encode(sequence.prompt) == sequence.tokens)
            #expect(try tokenizer.decode(tokenizer.encode(sequence.prompt)) == sequence.prompt)
        }
    }

    @Test("it is the model that its card describes")
    func configuration() async throws {
        let model = try await BitNetModel.sample(options: LoadOptions(threads: 1))
        let configuration = model.configuration
        #expect(model.threads == 1)
        #expect(configuration.architecture == .bitnet)
        #expect(configuration.activation == .squaredReLU)
        #expect(configuration.isLMHeadTied)
        #expect(configuration.hiddenSize == 256)
        #expect(configuration.feedForwardSize == 768)
        #expect(configuration.layerCount == 6)
        #expect(configuration.headCount == 4)
        #expect(configuration.keyValueHeadCount == 2)
        #expect(configuration.headDimension == 64)
        #expect(configuration.vocabularySize == 2048)
        #expect(configuration.contextLength == 512)
        #expect(configuration.ropeBase == 10_000)
        #expect(model.transformer.embedding.type == .f16)
        #expect(try model.tokenizer.beginOfText == 0)
        #expect(try model.tokenizer.endTokens == [1])
        let card = try String(contentsOf: BitNetSampleModel.modelCardURL, encoding: .utf8)
        #expect(card.contains("CDLA-Sharing-1.0"))
    }

    @Test("without its resource bundle the model is a typed error that names what is missing")
    func missingBundle() throws {
        let folders = [FileManager.default.temporaryDirectory, URL(fileURLWithPath: "/nowhere")]
        let error = #expect(throws: BitNetError.self) {
            try BitNetSampleModel.resource("stories.gguf", in: folders + folders)
        }
        let words = error.map { "\($0)" } ?? ""
        for part in folders.map(\.path) + ["stories.gguf", "BitNetKit_BitNetSampleModel.resources"]
        {
            #expect(words.ranges(of: part).count == 1, "\(words)")
        }
        #expect(throws: BitNetError.self) {
            try BitNetSampleModel.resource("stories.gguf", in: [])
        }
        let there = try BitNetSampleModel.url.deletingLastPathComponent()
            .deletingLastPathComponent()
        #expect(throws: BitNetError.self) {
            try BitNetSampleModel.resource("novels.gguf", in: [there])
        }
    }

    @Test("it tells a story")
    func story() async throws {
        let model = try await BitNetModel.sample()
        let options = GenerationOptions(
            sampling: .random(temperature: 0.8, topP: 0.95, seed: 1), maximumResponseTokens: 60)
        let first = try await model.generate("Once upon a time", options: options)
        #expect(first.tokens.count == 60 || first.stopReason == .endOfText)
        #expect(first.text.split(separator: " ").count > 20)
        let again = try await model.generate("Once upon a time", options: options)
        #expect(again.text == first.text)
    }
}

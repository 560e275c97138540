import BitNetSampleModel
import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Embeddings")
struct EmbeddingTests {
    @Test(
        "vectors are those of the reference", arguments: ReferenceCheckpoint.embeddingModels)
    func reference(_ checkpoint: ReferenceCheckpoint) async throws {
        let model = try await BitNetModel.load(checkpoint.path)
        let sequences = try checkpoint.expected().sequences
        let vectors = try await model.embed(tokens: sequences.map(\.tokens))
        for (sequence, vector) in zip(sequences, vectors) {
            let expected = try #require(sequence.embedding)
            try #require(vector.count == expected.count)
            let cosine = zip(vector, expected).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
            let isExact = (sequence.numpy_f64_max_abs_diff ?? 1) < 1e-4
            #expect(cosine > (isExact ? 0.9999 : 0.99), "\(sequence.tokens.count) tokens")
            #expect(cosine < 1.0001)
        }
    }

    @Test("a text's vector has length 1 and is its last token's state after the final norm")
    func decoder() async throws {
        let model = try await BitNetModel.sample()
        let texts = ["Once upon a time", "A", String(repeating: "The cat ran. ", count: 45)]
        let vectors = try await model.embed(texts)
        #expect(vectors.count == 3)
        for (text, vector) in zip(texts, vectors) {
            let tokens = try Prompt.text(text).tokens(for: model)
            let context = try InferenceContext(
                model.transformer, contextLength: tokens.count, cache: .f32)
            var state: [Float] = []
            context.probe { step, _, values in
                if step == .finalNorm { state = values.storage.array }
            }
            try context.forward(tokens)
            let norm = state.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
            #expect(vector == state.map { Float(Double($0) / norm) })
            let length = vector.reduce(0.0) { $0 + Double($1) * Double($1) }
            #expect(abs(length - 1) < 1e-5)
        }
        #expect(vectors[0] != vectors[1])
    }

    @Test("a batch gives what its texts give alone, and a prompt goes before each")
    func batches() async throws {
        let model = try await BitNetModel.sample()
        let texts = ["a cat", "a dog", "a cat"]
        let together = try await model.embed(texts)
        for (index, text) in texts.enumerated() {
            #expect(try await model.embed([text]) == [together[index]])
        }
        #expect(together[0] == together[2])
        #expect(try await model.embed([]) == [])
        let prompted = try await model.embed(
            ["cat", "dog"], options: EmbeddingOptions(prompt: "a "))
        #expect(prompted == Array(together.prefix(2)))
    }

    @Test("tokens that an embedding model expects after a text are appended")
    func appended() async throws {
        let fixture = Fixtures.url("reference/bitnet-untied/packed")
        let folder = temporaryFile()
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.copyItem(at: fixture, to: folder)
        let json = folder.appendingPathComponent("tokenizer.json")
        var tokenizer = try #require(
            JSONSerialization.jsonObject(with: Data(contentsOf: json)) as? [String: Any])
        let end = try #require(
            (tokenizer["added_tokens"] as? [[String: Any]])?.first {
                $0["content"] as? String == "<|end_of_text|>"
            }?["id"] as? Int)
        tokenizer["post_processor"] = [
            "type": "TemplateProcessing",
            "single": [
                ["Sequence": ["id": "A", "type_id": 0]],
                ["SpecialToken": ["id": "<|end_of_text|>", "type_id": 0]],
            ],
            "pair": [["Sequence": ["id": "A", "type_id": 0]]],
            "special_tokens": [
                "<|end_of_text|>": [
                    "id": "<|end_of_text|>", "ids": [end], "tokens": ["<|end_of_text|>"],
                ]
            ],
        ]
        try JSONSerialization.data(withJSONObject: tokenizer).write(to: json)
        let model = try await BitNetModel.load(folder)
        try #require(try model.tokenizer.appendedTokens == [end])
        let tokens = try model.tokenizer.encode("hello") + [end]
        #expect(try model.embeddingTokens("hello") == tokens)
        #expect(try model.embeddingTokens("") == [end])
        #expect(try await model.embed(["hello"]) == model.embed(tokens: [tokens]))
    }

    @Test("texts that are too long, and tokens that are not there, are errors")
    func errors() async throws {
        let model = try await BitNetModel.sample()
        let long = String(repeating: "The cat ran. ", count: 400)
        await #expect(throws: BitNetError.self) { _ = try await model.embed(["a", long]) }
        await #expect(throws: BitNetError.self) { _ = try await model.embed(tokens: [[]]) }
        for id in [-1, 2048, .max, .min] {
            await #expect(throws: BitNetError.self) {
                _ = try await model.embed(tokens: [[3, id]])
            }
        }
    }

    @Test("cancelling the task ends it")
    func cancelled() async throws {
        let model = try await BitNetModel.sample()
        let gate = AsyncStream<Void>.makeStream()
        let task = Task {
            for await _ in gate.stream {}
            return try await model.embed(["a", "b"])
        }
        task.cancel()
        await #expect(throws: BitNetError.cancelled) { _ = try await task.value }
    }
}

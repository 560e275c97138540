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

    /// Graphs with sliding windows, local rotations, norms inside linear layers, several threads.
    @Test(
        "texts in one pass have the bits they have alone",
        arguments: ["sample", "reference/bitnet-untied/packed", "gemma3"], [1, 3])
    func onePass(_ name: String, _ threads: Int) async throws {
        let url = name == "sample" ? try BitNetSampleModel.url : Fixtures.url(name)
        let model = try await BitNetModel.load(url, options: LoadOptions(threads: threads))
        var generator = SeededGenerator(seed: 11)
        let sequences = (0..<24).map { _ in
            (0..<Int.random(in: 1...40, using: &generator)).map { _ in
                Int.random(in: 0..<model.vocabularySize, using: &generator)
            }
        }
        let groups = BitNetModel.groups(of: sequences)
        #expect(groups.count < sequences.count / 2 && groups.contains { $0.count > 3 })
        let together = try await model.embed(tokens: sequences)
        for (sequence, vector) in zip(sequences, together) {
            #expect(try await model.embed(tokens: [sequence]) == [vector])
        }
    }

    @Test("sequences are grouped in order, none is left out, and a pass is never too long")
    func groups() {
        func sequences(_ lengths: [Int]) -> [[Int]] {
            lengths.map { Array(repeating: 1, count: $0) }
        }
        #expect(BitNetModel.groups(of: []) == [])
        let most = InferenceContext.batchLength
        #expect(BitNetModel.groups(of: sequences([most, 1])) == [0..<1, 1..<2])
        #expect(BitNetModel.groups(of: sequences([most - 1, 1, 1])) == [0..<2, 2..<3])
        #expect(BitNetModel.groups(of: sequences([1, 2 * most, 1])) == [0..<1, 1..<2, 2..<3])
        #expect(BitNetModel.groups(of: sequences([2 * most])) == [0..<1])
        let half = most / 2
        #expect(BitNetModel.groups(of: sequences([half, half, half])) == [0..<2, 2..<3])
    }

    @Test("one text is a batch of one")
    func single() async throws {
        let model = try await BitNetModel.sample()
        let options = EmbeddingOptions(prompt: "a ")
        #expect(
            try await model.embed("cat", options: options)
                == model.embed(["cat"], options: options)[0])
    }

    @Test("cosine similarity is that of the definition")
    func cosine() throws {
        #expect(try Embedding.cosineSimilarity([3, 4], [3, 4]) == 1)
        #expect(try Embedding.cosineSimilarity([3, 4], [-6, -8]) == -1)
        #expect(try Embedding.cosineSimilarity([1, 0], [0, 2]) == 0)
        #expect(
            try abs(Embedding.cosineSimilarity([1, 0], [1, 1]) - Float(0.5).squareRoot()) < 1e-6)
        #expect(try Embedding.cosineSimilarity([0, 0], [1, 1]) == 0)
        #expect(try Embedding.cosineSimilarity([], []) == 0)
        let large = Float.greatestFiniteMagnitude
        #expect(try Embedding.cosineSimilarity([large, large], [large, large]) == 1)
        for (a, b) in [([1], [1, 2]), ([.nan], [1]), ([1], [.infinity])] as [([Float], [Float])] {
            #expect(throws: BitNetError.self) { try Embedding.cosineSimilarity(a, b) }
        }
    }

    @Test("the nearest come first, the earlier of equals before the later")
    func nearest() throws {
        let vectors: [[Float]] = [[0, 1], [1, 0], [2, 0], [-1, 0], [1, 1]]
        let found = try Embedding.nearest(to: [5, 0], in: vectors, count: 3)
        #expect(found.map(\.index) == [1, 2, 4])
        #expect(found[0].similarity == 1 && found[1].similarity == 1)
        let all = try Embedding.nearest(to: [5, 0], in: vectors, count: 99)
        #expect(all.map(\.index) == [1, 2, 4, 0, 3])
        #expect(try Embedding.nearest(to: [5, 0], in: vectors, count: 0) == [])
        #expect(try Embedding.nearest(to: [1], in: [], count: 3) == [])
        #expect(throws: BitNetError.self) {
            try Embedding.nearest(to: [5, 0], in: vectors, count: -1)
        }
        let error = #expect(throws: BitNetError.self) {
            try Embedding.nearest(to: [5, 0], in: vectors + [[1]], count: 1)
        }
        #expect("\(error!)".contains("number 5 has 1"))
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

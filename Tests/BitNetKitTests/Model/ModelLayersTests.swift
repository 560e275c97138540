import BitNetKit
import Foundation
import Testing

/// The parts of a loaded model, as an importer sees them.
@Suite("A model's layers")
struct ModelLayersTests {
    /// Without silent neurons, which are not loaded, so that matrices are as large as the file's.
    private let file = Fixtures.url("reference/1bitllm-style/gguf/i2_s-embd-bf16.gguf")

    @Test("matrices have the shapes of the configuration and the weights of the file")
    func matrices() async throws {
        for sparsity in [Sparsity.off, .always] {
            let options = LoadOptions(threads: 1, layout: .t5, sparsity: sparsity)
            let model = try await BitNetModel.load(file, options: options)
            let c = model.configuration
            try #require(model.layers.count == c.layerCount)
            let inspection = try ModelInspection.inspect(file)
            for (index, layer) in model.layers.enumerated() {
                let parts: [(String, BitLinear, Int, Int)] = [
                    ("attn_q", layer.attention.query, c.hiddenSize, c.hiddenSize),
                    ("attn_k", layer.attention.key, layer.attention.key.weight.rows, c.hiddenSize),
                    ("attn_output", layer.attention.output, c.hiddenSize, c.hiddenSize),
                    ("ffn_gate", layer.feedForward.gate, c.feedForwardSize, c.hiddenSize),
                    ("ffn_up", layer.feedForward.up, c.feedForwardSize, c.hiddenSize),
                    ("ffn_down", layer.feedForward.down, c.hiddenSize, c.feedForwardSize),
                ]
                for (name, part, rows, columns) in parts {
                    #expect(part.weight.rows == rows && part.weight.columns == columns)
                    #expect(part.weight.layout == .t5)
                    let stored = try #require(
                        inspection.tensors.first { $0.name == "blk.\(index).\(name).weight" })
                    #expect(part.weight.statistics() == stored.ternary?.trits)
                }
                #expect(layer.attention.headCount == c.headCount)
                #expect(layer.attentionNorm.weights.count == c.hiddenSize)
            }
            #expect(
                model.embedding.rows == c.vocabularySize && model.lmHead.rows == c.vocabularySize)
            #expect(model.finalNorm.count == c.hiddenSize)
        }
    }

    @Test("a layer's matrix multiplies as any other, also where zeros are left out")
    func products() async throws {
        var results: [[Float]] = []
        for sparsity in [Sparsity.off, .always] {
            let options = LoadOptions(threads: 1, sparsity: sparsity)
            let model = try await BitNetModel.load(file, options: options)
            let network = try #require(model.layers.last).feedForward
            let x = (0..<model.configuration.hiddenSize).map { Float($0 % 17) - 8 }
            let inner = try network.up(Tensor(x, shape: [x.count]))
            results.append(try network.down(inner).values)
        }
        #expect(results[0] == results[1] && results[0].contains { $0 != 0 })
    }
}

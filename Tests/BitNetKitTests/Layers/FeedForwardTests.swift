import BitNetSampleModel
import Testing

@testable import BitNetKit
@testable import TernaryCompute

@Suite("Feed-forward networks")
struct FeedForwardTests {
    /// Logits behind `count` tokens.
    private func logits(
        _ transformer: Transformer, _ count: Int, isWatched: Bool
    ) throws -> [UInt32] {
        let context = try InferenceContext(transformer, contextLength: count, cache: .f16)
        if isWatched { context.probe { _, _, _ in } }
        try context.forward(transformer.configuration.fixedTokens(count))
        return context.withLogits { logits in
            (0..<logits.count).map { [logits] in logits[$0].bitPattern }
        }
    }

    @Test(
        "gates that open part by part give the bits of those that somebody watches",
        arguments: [Activation.squaredReLU, .silu, .gelu], [false, true])
    func watched(_ activation: Activation, _ hasInputNorms: Bool) async throws {
        var transformer = try await BitNetModel.sample().transformer
        for index in transformer.blocks.indices {
            var network = transformer.blocks[index].feedForward
            network.activation = activation
            if hasInputNorms {
                let size = network.gate.weight.columns
                let norm = try RMSNorm(
                    weight: (0..<size).map { 0.5 + Float($0 % 7) }, epsilon: 1e-6)
                network.gate = BitLinear(weight: network.gate.weight, inputNorm: norm)
                network.up = BitLinear(weight: network.up.weight, inputNorm: norm)
            }
            transformer.blocks[index].feedForward = network
        }
        for count in [1, 5, 20, 300] {
            transformer.compute = .standard
            let expected = try logits(transformer, count, isWatched: true)
            for threads in [1, 3] {
                transformer.compute = Compute(
                    kernels: .best, pool: WorkerPool(threads: threads, sharing: .every))
                let isSame = try logits(transformer, count, isWatched: false) == expected
                #expect(isSame, "\(count) tokens, \(threads) threads")
            }
        }
    }
}

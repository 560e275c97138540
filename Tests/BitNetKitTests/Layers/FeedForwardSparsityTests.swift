import BitNetSampleModel
import Foundation
import Testing

@testable import BitNetKit

@Suite("Feed-forward sparsity")
struct FeedForwardSparsityTests {
    /// Zeros of one layer counted from the intermediate results.
    private struct Counts: Equatable {
        var gates = 0
        var downInputs = 0
    }

    @Test("shares are those counted from the hidden states, layer by layer", arguments: [1, 3])
    func sampleModel(batch: Int) async throws {
        let model = try await BitNetModel.sample()
        let context = try InferenceContext(model: model, contextLength: 40, cache: .f16)
        let tokens = [0] + model.tokenizer.encode("One day a little girl found a red ball.")
        try context.prefill(Array(tokens.prefix(4)))
        #expect(context.sparsity == nil)
        context.countZeros(true)
        #expect(context.sparsity == nil)
        var expected = [Counts](repeating: Counts(), count: 6)
        context.probe { layer, name, values in
            let floats = values.storage.array
            if name == "gate" {
                expected[layer].gates += floats.count { max($0, 0) * max($0, 0) == 0 }
            }
            guard name == "down_input" else { return }
            for row in 0..<values.rows {
                let row = values[row].array
                let scale = 127 / row.reduce(1e-5) { max($0, abs($1)) }
                expected[layer].downInputs += row.count {
                    ($0 * scale).rounded(.toNearestOrEven) == 0
                }
            }
        }
        let rest = Array(tokens.dropFirst(4).prefix(6))
        for start in stride(from: 0, to: 6, by: batch) {
            try context.prefill(Array(rest[start..<start + batch]))
        }
        let sparsity = try #require(context.sparsity)
        #expect(sparsity.tokens == 6)
        let total = Double(6 * 768)
        #expect(
            sparsity.layers.map { ($0.gateZeroShare * total).rounded() }
                == expected.map { Double($0.gates) })
        #expect(
            sparsity.layers.map { ($0.downZeroShare * total).rounded() }
                == expected.map { Double($0.downInputs) })
        let gates = sparsity.layers.reduce(0) { $0 + $1.gateZeroShare } / 6
        #expect(abs(sparsity.gateZeroShare - gates) < 1e-12)
        // Squared ReLU: most of both is zero, and more of the products than of the gates.
        #expect(sparsity.gateZeroShare > 0.5 && sparsity.gateZeroShare < 1)
        #expect(sparsity.downZeroShare > sparsity.gateZeroShare && sparsity.downZeroShare < 1)
        context.countZeros(false)
        try context.prefill([5])
        #expect(context.sparsity == nil)
    }

    @Test(
        "a gate counts as zero where the kernels' activation is zero",
        arguments: [Activation.squaredReLU, .silu])
    func activations(_ activation: Activation) throws {
        let values: [Float] =
            [
                0, -0.0, 1, -1, 1e-20, -1e-20, 1e-23, 3e-23, -3e-23, 1e-38, -1e-38,
                .leastNonzeroMagnitude, -.leastNonzeroMagnitude,
                -80, -87, -88, -0x1.62e42ep6, (-0x1.62e42ep6 as Float).nextDown, -89, -200, -3e38,
                3e18,
            ] + (0..<200).map { -90 + Float($0) * 0.013 }
        let gates = try AlignedBuffer(values, purpose: "test")
        var counts = ZeroCounts(layers: 2)
        counts.countGates(
            Activations(gates.view, rows: 1, columns: values.count), activation, layer: 1)
        #expect(counts.layers[0].gates == 0 && counts.layers[1].tokens == 1)
        for kernels in KernelSet.available {
            let output = try AlignedBuffer(values, purpose: "test")
            let ones = try AlignedBuffer(
                [Float](repeating: 1, count: values.count), purpose: "test")
            kernels.gated(activation, output.view, ones.view)
            #expect(output.array.count { $0 == 0 } == counts.layers[1].gates, "\(kernels)")
        }
        #expect(counts.layers[1].gates > 3 && counts.layers[1].gates < values.count)
    }

    @Test("a response tells its zeros when asked, and says the same")
    func response() async throws {
        let model = try await BitNetModel.sample()
        var options = GenerationOptions(maximumResponseTokens: 10)
        let without = try await model.generate("A cat", options: options)
        #expect(without.statistics.sparsity == nil)
        options.includesSparsity = true
        let with = try await model.generate("A cat", options: options)
        #expect(with.tokens == without.tokens)
        let sparsity = try #require(with.statistics.sparsity)
        // The first token comes out of the prompt.
        #expect(sparsity.tokens == 9)
        #expect(sparsity.layers.count == 6)
        let data = try JSONEncoder().encode(sparsity)
        #expect(try JSONDecoder().decode(FeedForwardSparsity.self, from: data) == sparsity)
        options.maximumResponseTokens = 1
        #expect(try await model.generate("A cat", options: options).statistics.sparsity == nil)
    }
}

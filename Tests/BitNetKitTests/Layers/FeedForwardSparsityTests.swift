import BitNetSampleModel
import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

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
        let context = try InferenceContext(model.transformer, contextLength: 40, cache: .f16)
        let tokens = try [0] + model.tokenizer.encode("One day a little girl found a red ball.")
        try context.forward(Array(tokens.prefix(4)))
        #expect(context.sparsity == nil)
        context.countZeros(true)
        #expect(context.sparsity == nil)
        var expected = [Counts](repeating: Counts(), count: 6)
        context.probe { step, layer, values in
            guard let layer else { return }
            let floats = values.storage.array
            if step == .gate {
                expected[layer].gates += floats.count { max($0, 0) * max($0, 0) == 0 }
            }
            guard step == .downInput else { return }
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
            try context.forward(Array(rest[start..<start + batch]))
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
        try context.forward([5])
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
                3e18, 0x1p-75, (0x1p-75 as Float).nextUp, (0x1p-75 as Float).nextDown,
            ] + (0..<200).map { -90 + Float($0) * 0.013 }
        let gates = try AlignedBuffer(values, purpose: "test")
        let zeros = activation.zeros(in: gates.view)
        for kernels in KernelSet.available {
            let output = try AlignedBuffer(values, purpose: "test")
            let ones = try AlignedBuffer(
                [Float](repeating: 1, count: values.count), purpose: "test")
            kernels.gated(activation, output.view, ones.view)
            #expect(output.array.count { $0 == 0 } == zeros, "\(kernels)")
        }
        #expect(zeros > 3 && zeros < values.count)
    }

    @Test(
        "rows, columns and bytes left out are those of the hidden states",
        arguments: Sparsity.allCases, [1, 3])
    func leftOut(sparsity: Sparsity, batch: Int) throws {
        let model = try BitNetModel(
            loading: BitNetSampleModel.url, options: LoadOptions(sparsity: sparsity))
        let context = try InferenceContext(model.transformer, contextLength: 12, cache: .f16)
        context.countZeros(true)
        var kept = [(rows: Int, columns: Int)](repeating: (0, 0), count: 6)
        context.probe { step, layer, values in
            guard let layer else { return }
            if step == .gate { kept[layer].rows += values.storage.array.count { $0 > 0 } }
            guard step == .downInput else { return }
            for row in 0..<values.rows {
                let row = values[row].array
                let scale = 127 / row.reduce(1e-5) { max($0, abs($1)) }
                kept[layer].columns += row.count { ($0 * scale).rounded(.toNearestOrEven) != 0 }
            }
        }
        let passes = 12 / batch
        for pass in 0..<passes {
            try context.forward((0..<batch).map { 300 + 40 * (pass * batch + $0) })
        }
        let found = try #require(context.sparsity)
        for (layer, block) in model.transformer.blocks.enumerated() {
            let network = block.feedForward
            // Silent neurons are not loaded: they are no more left out, but in what shares are of.
            let all = network.up.weight.rows * 12
            let neurons = Double(model.configuration.feedForwardSize * 12)
            var expected = passes * network.gate.weight.byteCount
            let skipped = (
                rows: Int((found.layers[layer].upSkippedShare * neurons).rounded()),
                columns: Int((found.layers[layer].downSkippedShare * neurons).rounded())
            )
            if network.skipping?.rows == true {
                #expect(skipped.rows == all - kept[layer].rows)
                expected += kept[layer].rows * network.up.weight.byteCount * 12 / all
            } else {
                #expect(skipped.rows == 0)
                expected += passes * network.up.weight.byteCount
            }
            if network.skipping?.columns == true {
                #expect(skipped.columns == all - kept[layer].columns)
                expected += kept[layer].columns * network.down.weight.byteCount * 12 / all
            } else {
                #expect(skipped.columns == 0)
                expected += passes * network.down.weight.byteCount
            }
            #expect(found.layers[layer].bytesRead == expected)
            #expect(found.layers[layer].bytesDense == passes * network.byteCount)
        }
        #expect(
            model.transformer.blocks.contains { $0.feedForward.skipping != nil }
                == (sparsity != .off))
        #expect(found.bytesRead == found.layers.reduce(0) { $0 + $1.bytesRead })
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

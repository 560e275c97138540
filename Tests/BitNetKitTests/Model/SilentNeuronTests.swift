import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Neurons that never say anything are not in memory, and nothing but speed and memory shows it.
@Suite("Silent neurons")
struct SilentNeuronTests {
    static let neurons = 384
    /// Of each layer, which neurons are silent: none, two of five, one, some at both ends.
    static let silent: [Set<Int>] = [
        [], Set((0..<neurons).filter { $0 % 5 < 2 }), [7],
        [0, 1, 7, 8, 300, neurons - 2, neurons - 1],
    ]
    /// How many of them are left out: one is not worth it.
    static let leftOut = [0, 154, 0, 7]

    /// A random BitNet model with sub-norms and master weights, some rows of which are zeros.
    private func model(_ activation: String = "relu2", rowScales: Bool = false) throws
        -> EditableFolder
    {
        var random = SplitMix64(seed: 9)
        var folder = try EditableFolder(TinyModel.bitnetFolder)
        let hidden = 128
        folder.config["hidden_size"] = hidden
        folder.config["intermediate_size"] = Self.neurons
        folder.config["num_attention_heads"] = 4
        folder.config["num_key_value_heads"] = 2
        folder.config["head_dim"] = 32
        folder.config["num_hidden_layers"] = Self.silent.count
        folder.config["hidden_act"] = activation
        folder[quantization: "quantization_mode"] = "online"
        var tensors: [(name: String, shape: [Int])] = [
            ("model.embed_tokens.weight", [320, hidden]), ("lm_head.weight", [320, hidden]),
            ("model.norm.weight", [hidden]),
        ]
        for layer in Self.silent.indices {
            let shapes: [(String, [Int])] = [
                ("self_attn.q_proj", [128, hidden]), ("self_attn.k_proj", [64, hidden]),
                ("self_attn.v_proj", [64, hidden]), ("self_attn.o_proj", [hidden, 128]),
                ("mlp.gate_proj", [Self.neurons, hidden]), ("mlp.up_proj", [Self.neurons, hidden]),
                ("mlp.down_proj", [hidden, Self.neurons]), ("input_layernorm", [hidden]),
                ("post_attention_layernorm", [hidden]), ("mlp.ffn_sub_norm", [Self.neurons]),
                ("self_attn.attn_sub_norm", [128]),
            ]
            tensors += shapes.map { ("model.layers.\(layer).\($0.0).weight", $0.1) }
        }
        folder.tensors = tensors.map { name, shape in
            var values = (0..<shape.reduce(1, *)).map { _ in random.nextFloat() }
            let parts = name.split(separator: ".")
            if name.hasSuffix("gate_proj.weight") || name.hasSuffix("up_proj.weight") {
                for row in Self.silent[Int(parts[2]) ?? 0] {
                    values.replaceSubrange(
                        row * hidden..<(row + 1) * hidden,
                        with: [Float](repeating: 0, count: hidden))
                }
            }
            return .init(name: name, dtype: "F32", shape: shape, bytes: floatBytes(values))
        }
        return folder
    }

    private func load(
        _ url: URL, keeping: Bool, _ change: (inout LoadOptions) -> Void = { _ in }
    ) throws -> BitNetModel {
        var options = LoadOptions(threads: 2)
        options.keepsSilentNeurons = keeping
        options.sharing = .every
        change(&options)
        return try BitNetModel(loading: url, options: options)
    }

    private func logits(_ model: BitNetModel, batch: Int) throws -> [[Float]] {
        let tokens = (0..<15).map { $0 * 17 + 3 }
        let context = try InferenceContext(model.transformer, contextLength: 15, cache: .f16)
        return try stride(from: 0, to: 15, by: batch).flatMap {
            try context.allLogits(Array(tokens[$0..<min($0 + batch, 15)]))
        }
    }

    @Test("without them logits are the same bits in every way of computing")
    func sameBits() throws {
        for activation in ["relu2", "silu"] {
            let folder = try TemporaryFolder()
            let url = try model(activation).write(to: folder)
            let whole = try load(url, keeping: true) { $0.instructionSet = "scalar" }
            let expected = try logits(whole, batch: 1)
            #expect(Set(expected[14]).count > 100 && whole.silentNeurons == [0, 0, 0, 0])
            for set in KernelSet.available {
                for layout in TernaryLayout.allCases {
                    for sparsity in Sparsity.allCases {
                        let part = try load(url, keeping: false) {
                            $0.instructionSet = set.name
                            $0.layout = layout
                            $0.sparsity = sparsity
                        }
                        #expect(part.silentNeurons == Self.leftOut)
                        for batch in [1, 3, 15] {
                            #expect(
                                try logits(part, batch: batch) == expected,
                                "\(activation), \(set), \(layout.rawValue), \(sparsity), \(batch)")
                        }
                    }
                }
            }
        }
    }

    @Test("whoever looks at a step sees all neurons, and the same bits")
    func probes() throws {
        let folder = try TemporaryFolder()
        let url = try model().write(to: folder)
        var seen: [[String: [Float]]] = []
        for keeping in [true, false] {
            let model = try load(url, keeping: keeping)
            let context = try InferenceContext(model.transformer, contextLength: 4, cache: .f16)
            var steps: [String: [Float]] = [:]
            context.probe { step, layer, values in
                // Nothing and less than nothing are the same.
                steps["\(step) \(layer ?? -1)"] = values.storage.array.map { $0 == 0 ? 0 : $0 }
            }
            try context.forward([1, 2, 3, 4])
            seen.append(steps)
        }
        #expect(seen[0] == seen[1] && seen[0].count > 30)
        #expect(seen[1]["up 1"]?.count == 4 * Self.neurons)
    }

    @Test("whether the model is whole and meant so does not depend on them")
    func verification() async throws {
        let folder = try TemporaryFolder()
        let url = try model().write(to: folder)
        let failed = try await ModelVerification.verify(url).results.filter {
            $0.outcome == .failed
        }
        #expect(failed.isEmpty)
    }

    @Test("memory is smaller, and the model is still itself")
    func figures() throws {
        let folder = try TemporaryFolder()
        let url = try model().write(to: folder)
        func load(keeping: Bool, _ sparsity: Sparsity) throws -> BitNetModel {
            try self.load(url, keeping: keeping) {
                $0.layout = .t2
                $0.sparsity = sparsity
            }
        }
        let whole = try load(keeping: true, .off)
        let part = try load(keeping: false, .off)
        // Of 384 rows of 32 bytes gate and up keep 230 and 377, in tiles of four; of three blocks a
        // row `down` keeps two and three.
        let saved = whole.byteCount.ternary - part.byteCount.ternary
        #expect(saved == 2 * (384 - 232 + 384 - 380) * 32 + 128 * 32)
        #expect(try load(keeping: false, .always).byteCount.ternary < part.byteCount.ternary)
        #expect(whole.fingerprint == part.fingerprint)
        #expect(try load(keeping: false, .always).fingerprint == part.fingerprint)
    }

    @Test(
        "statistics say how many there are, and count zeros as with all",
        arguments: Sparsity.allCases)
    func statistics(_ sparsity: Sparsity) throws {
        let folder = try TemporaryFolder()
        let url = try model().write(to: folder)
        var found: [FeedForwardSparsity] = []
        for keeping in [true, false] {
            let model = try load(url, keeping: keeping) { $0.sparsity = sparsity }
            let context = try InferenceContext(model.transformer, contextLength: 6, cache: .f16)
            context.countZeros(true)
            for token in 1...6 { try context.forward([token]) }
            found.append(try #require(context.sparsity))
        }
        #expect(found[0].silentShare == 0 && found[0].layers.allSatisfy { $0.silentShare == 0 })
        #expect(found[1].layers.map(\.silentShare) == Self.leftOut.map { Double($0) / 384 })
        #expect(abs(found[1].silentShare - 161.0 / 384 / 4) < 1e-12)
        for (all, some) in zip(found[0].layers, found[1].layers) {
            #expect(all.gateZeroShare == some.gateZeroShare)
            #expect(all.downZeroShare == some.downZeroShare)
            #expect(some.bytesRead <= some.bytesDense)
        }
        #expect(found[1].bytesDense < found[0].bytesDense)
    }

    @Test("a conversion still writes every row")
    func conversion() throws {
        let folder = try TemporaryFolder()
        let url = try model().write(to: folder)
        let target = URL(fileURLWithPath: folder.file("all.gguf"))
        _ = try BitNetConverter.convert(from: url, to: target)
        let file = try GGUFFile(opening: target.path)
        let gate = try #require(file.tensors.first { $0.name == "blk.1.ffn_gate.weight" })
        #expect(gate.shape == [Self.neurons, 128])
        #expect(try TinyModel.haveSameLogits(url, target))
    }

    @Test("runs move elements there and back")
    func runs() throws {
        var random = SplitMix64(seed: 3)
        for total in [1, 2, 31, 200] {
            for share in [0, 1, 5, 10] {
                let isIn = (0..<total).map { _ in random.next() % 10 < UInt64(share) }
                let runs = Runs(isIn)
                let places = isIn.indices.filter { isIn[$0] }
                #expect(runs.count == places.count && runs.total == total)
                #expect(runs.ranges.flatMap { Array($0) } == places)
                let x = try AlignedBuffer((0..<total).map { Float($0 + 1) }, purpose: "test")
                runs.gather(from: x.view, into: x.view[0..<runs.count])
                #expect(x.array.prefix(runs.count).map { Int($0) - 1 } == places)
                runs.spread(x.view, zero: 0)
                #expect(x.array == isIn.indices.map { isIn[$0] ? Float($0 + 1) : 0 })
                for place in 0..<total {
                    #expect(runs.index(of: place) == places.firstIndex(of: place))
                }
            }
        }
    }
}

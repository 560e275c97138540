import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// What families of models do differently, on small models that do the same.
@Suite("Families of models")
struct FamilyTests {
    @Test("1bitLLM's names of the sub-norms stand for the same norms")
    func subNormNames() throws {
        let folder = try TemporaryFolder()
        var model = try EditableFolder(TinyModel.bitnetFolder)
        model.config["architectures"] = ["BitnetForCausalLM"]
        model.tensors = model.tensors.map { tensor in
            var tensor = tensor
            tensor.name = tensor.name
                .replacingOccurrences(of: "attn_sub_norm", with: "inner_attn_ln")
                .replacingOccurrences(of: "ffn_sub_norm", with: "ffn_layernorm")
            return tensor
        }
        let url = try model.write(to: folder)
        #expect(try TinyModel.haveSameLogits(url, TinyModel.bitnetFolder))
    }

    @Test("the two names of BitNet 2B-4T's graph compute the same bits")
    func bitnet25() throws {
        let folder = try TemporaryFolder()
        let url = try convert(TinyModel.bitnetFolder, in: folder)
        var model = try EditableGGUF(url)
        #expect(model.architecture == "bitnet-b1.58")
        model.rename(to: "bitnet-25")
        let other = try model.write(to: folder)
        #expect(try TinyModel.haveSameLogits(other, url))
    }

    /// The Llama model as a folder of float weights in two shards with scales of their own.
    private func shardedScales() throws -> EditableFolder {
        let model = try BitNetModel(loading: TinyModel.llamaGGUF)
        var folder = try llamaAsFolder()
        folder.config["quantization_config"] = nil
        folder.tensors.removeAll { $0.name.hasSuffix("_scale") }
        for (index, block) in model.transformer.blocks.enumerated() {
            for (part, linear) in zip(LinearPart.allCases, block.linearLayers) {
                let name = "model.layers.\(index).\(part.rawValue).weight"
                let (rows, columns) = (linear.weight.rows, linear.weight.columns)
                let isColumns = part == .output || part == .down
                let values = (0..<rows).flatMap { row in
                    linear.weight.trits(ofRow: row).enumerated().map { column, trit -> Float in
                        let shard = isColumns ? column * 2 / columns : row * 2 / rows
                        return Float(trit) * (shard == 0 ? 0.0625 : 0.09375)
                    }
                }
                folder[tensor: name] = .init(
                    name: name, dtype: "F32", shape: [rows, columns], bytes: floatBytes(values))
            }
        }
        return folder
    }

    @Test("TriLM's float weights keep the scale of every shard, in a folder and in GGUF files")
    func trilm() throws {
        let (source, folder) = (try TemporaryFolder(), try TemporaryFolder())
        let url = try shardedScales().write(to: source)
        let model = try BitNetModel(loading: url)
        let attention = model.transformer.blocks[0].attention
        let half = attention.query.weight.rows / 2
        let expected = (0..<2 * half).map { $0 < half ? Float(0.0625) : 0.09375 }
        #expect(attention.query.weight.scale == .perRow(expected))
        guard case .perGroup(let size, let scales) = attention.output.weight.scale else {
            Issue.record("\(attention.output.weight)")
            return
        }
        #expect(size == attention.output.weight.columns / 2 && Set(scales) == [0.0625, 0.09375])
        // Queries and keys are interleaved in the file, their scales with them.
        for type in [ElementType.f16, .q8_0, .f32] {
            let gguf = try convert(url, in: folder, to: type)
            #expect(try TinyModel.haveSameLogits(gguf, url), "\(type)")
        }
    }

    @Test("TriLM's weights are not rounded by their mean: a weight between is refused")
    func notQuiteTernary() throws {
        let name = "model.layers.1.mlp.up_proj.weight"
        var model = try shardedScales()
        let bytes = model[tensor: name].bytes
        let index = try #require((0..<bytes.count / 4).first { bytes[4 * $0 + 3] != 0 })
        model[tensor: name].bytes.replaceSubrange(
            4 * index..<4 * index + 4, with: floatBytes([0.03]))
        let folder = try TemporaryFolder()
        let url = try model.write(to: folder)
        let error = failure { () throws(BitNetError) in try TinyModel.logits(url) }
        guard case .notTernary(name, let share)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        // Two magnitudes under one scale, a fifth off at most.
        #expect(share > 0 && share < 0.2)
    }

    @Test("Qwen3 without norms in its linear layers is a graph of its own")
    func plainQwen3() throws {
        let folder = try TemporaryFolder()
        var model = try EditableGGUF(TinyModel.llamaGGUF)
        model.rename(to: "qwen3")
        let size = try BitNetModel(loading: TinyModel.llamaGGUF).configuration.headDimension
        for layer in 0..<2 {
            for name in ["attn_q_norm", "attn_k_norm"] {
                model.tensors.append(
                    .init(
                        name: "blk.\(layer).\(name).weight", type: .f32, shape: [size],
                        bytes: floatBytes(.init(repeating: 1, count: size))))
            }
        }
        let url = try model.write(to: folder)
        let loaded = try BitNetModel(loading: url)
        #expect(!loaded.configuration.hasLinearNorms && loaded.configuration.hasHeadNorms)
        #expect(try TinyModel.logits(url).allSatisfy { $0.allSatisfy(\.isFinite) })
        let other = try convert(url, in: folder, name: "converted.gguf")
        #expect(try TinyModel.haveSameLogits(other, url))
    }
}

import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Shapes that no kernel's blocks divide.
@Suite("Odd shapes")
struct OddShapeTests {
    struct Shape: Sendable, CustomTestStringConvertible {
        var hidden: Int
        var feedForward: Int
        var heads: Int
        var keyValueHeads: Int
        var headDimension: Int

        var testDescription: String {
            "\(hidden), \(feedForward), \(heads)/\(keyValueHeads) heads of \(headDimension)"
        }
    }

    static let shapes = [
        Shape(hidden: 16, feedForward: 1, heads: 1, keyValueHeads: 1, headDimension: 8),
        Shape(hidden: 16, feedForward: 7, heads: 3, keyValueHeads: 1, headDimension: 8),
        Shape(hidden: 48, feedForward: 33, heads: 2, keyValueHeads: 2, headDimension: 24),
        Shape(hidden: 144, feedForward: 161, heads: 5, keyValueHeads: 5, headDimension: 40),
        Shape(hidden: 272, feedForward: 129, heads: 6, keyValueHeads: 3, headDimension: 56),
        Shape(hidden: 32, feedForward: 16, heads: 4, keyValueHeads: 2, headDimension: 2),
        Shape(hidden: 304, feedForward: 64, heads: 3, keyValueHeads: 3, headDimension: 100),
    ]

    /// A BitNet model of one layer with random master weights.
    private func model(_ shape: Shape) throws -> EditableFolder {
        var random = SplitMix64(seed: 5)
        var folder = try EditableFolder(TinyModel.bitnetFolder)
        folder.config["hidden_size"] = shape.hidden
        folder.config["intermediate_size"] = shape.feedForward
        folder.config["num_attention_heads"] = shape.heads
        folder.config["num_key_value_heads"] = shape.keyValueHeads
        folder.config["head_dim"] = shape.headDimension
        folder.config["num_hidden_layers"] = 1
        folder[quantization: "quantization_mode"] = "online"
        let (wide, narrow) = (shape.heads, shape.keyValueHeads)
        let (hidden, inner) = (shape.hidden, shape.feedForward)
        let shapes: [(name: String, shape: [Int])] = [
            ("self_attn.q_proj", [wide * shape.headDimension, hidden]),
            ("self_attn.k_proj", [narrow * shape.headDimension, hidden]),
            ("self_attn.v_proj", [narrow * shape.headDimension, hidden]),
            ("self_attn.o_proj", [hidden, wide * shape.headDimension]),
            ("mlp.gate_proj", [inner, hidden]), ("mlp.up_proj", [inner, hidden]),
            ("mlp.down_proj", [hidden, inner]), ("input_layernorm", [hidden]),
            ("post_attention_layernorm", [hidden]), ("mlp.ffn_sub_norm", [inner]),
            ("self_attn.attn_sub_norm", [wide * shape.headDimension]),
        ]
        var tensors = shapes.map { ("model.layers.0.\($0.name).weight", $0.shape) }
        tensors += [
            ("model.embed_tokens.weight", [320, hidden]), ("lm_head.weight", [320, hidden]),
            ("model.norm.weight", [hidden]),
        ]
        folder.tensors = tensors.map { name, shape in
            let values = (0..<shape.reduce(1, *)).map { _ in random.nextFloat() }
            return .init(name: name, dtype: "F32", shape: shape, bytes: floatBytes(values))
        }
        return folder
    }

    @Test("every instruction set, layout and batch gives the same finite logits", arguments: shapes)
    func sameBits(_ shape: Shape) throws {
        let folder = try TemporaryFolder()
        let url = try model(shape).write(to: folder)
        let tokens = (0..<9).map { $0 * 31 }
        var expected: [[Float]] = []
        for set in KernelSet.available.reversed() {
            for layout in TernaryLayout.allCases {
                let options = LoadOptions(instructionSet: set.name, layout: layout)
                let model = try BitNetModel(loading: url, options: options)
                for batch in [1, 9] {
                    let context = try InferenceContext(
                        model.transformer, contextLength: 9, cache: .f16)
                    var rows: [[Float]] = []
                    for start in stride(from: 0, to: 9, by: batch) {
                        rows += try context.allLogits(Array(tokens[start..<start + batch]))
                    }
                    if expected.isEmpty { expected = rows }
                    #expect(rows == expected, "\(set.name) \(layout.rawValue), \(batch)")
                }
            }
        }
        #expect(expected.allSatisfy { $0.allSatisfy(\.isFinite) } && Set(expected[8]).count > 100)
    }
}

import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Settings are judged by their values")
struct NeutralSettingTests {
    /// Keys of the GGUF specification and llama.cpp, with values that change nothing in a Llama
    /// graph of 3 layers, 4 heads of 32 and a context of 128, and some that do.
    private static func cases(
        _ c: ModelConfiguration
    ) -> [(key: String, neutral: [GGUFValue], other: [GGUFValue])] {
        let layers = c.layerCount
        func each(_ value: Int) -> GGUFValue {
            .array(GGUFArray([Int32](repeating: Int32(value), count: layers)))
        }
        let size = UInt32(c.headDimension)
        let scale = 1 / Float(c.headDimension).squareRoot()
        return [
            ("attention.causal", [.bool(true), .uint8(1)], [.bool(false)]),
            ("expert_count", [.uint32(0), .int32(0), .uint64(0), each(0)], [.uint32(8)]),
            ("expert_used_count", [.uint32(0)], [.uint32(2)]),
            ("rope.scaling.finetuned", [.bool(false), .bool(true)], []),
            ("rope.scale_linear", [.float32(1), .float32(0), .float64(1)], [.float32(4)]),
            ("rope.scaling.factor", [.float32(1), .uint32(1)], [.float32(2)]),
            ("rope.scaling.attn_factor", [.float32(1)], [.float32(1.5)]),
            (
                "rope.scaling.type", [.string("none"), .string("linear")],
                [.string("yarn"), .string("")]
            ),
            ("rope.scaling.yarn_attn_factor", [.float32(1)], [.float32(2), .float32(-1)]),
            ("rope.scaling.yarn_ext_factor", [.float32(0), .float32(-1)], [.float32(0.5)]),
            ("rope.scaling.yarn_beta_fast", [.float32(32), .float32(8)], [.string("x")]),
            ("rope.scaling.yarn_log_multiplier", [.float32(0.1)], []),
            ("quantized_by", [.string("somebody"), .string("none")], [.uint32(3)]),
            ("source.url", [.string("https://example.org/x")], [.bool(true)]),
            ("base_model.0.name", [.string("x")], []),
            ("license", [.string("mit"), .array(GGUFArray(["mit", "x"]))], []),
            ("created_at", [.string("2025")], []),
            ("norm.source", [.string("")], [.string("layer")]),
            (
                "attention.sliding_window", [.uint32(0), .uint32(UInt32(c.contextLength))],
                [.uint32(UInt32(c.contextLength) - 1)]
            ),
            ("attention.clamp_kqv", [.float32(0)], [.float32(8)]),
            ("attention.max_alibi_bias", [.float32(0)], [.float32(8)]),
            ("attention.scale", [.float32(scale), .float32(0)], [.float32(scale * 2)]),
            ("attn_logit_softcapping", [.float32(0)], [.float32(50)]),
            ("final_logit_softcapping", [.float32(0)], [.float32(30)]),
            ("logit_scale", [.float32(1), .float32(0)], [.float32(0.5)]),
            ("residual_scale", [.float32(1)], [.float32(0.22)]),
            ("embedding_scale", [.float32(1)], [.float32(12)]),
            ("use_parallel_residual", [.bool(false)], [.bool(true)]),
            ("leading_dense_block_count", [.uint32(0)], [.uint32(1)]),
            ("ssm.state_size", [.uint32(0)], [.uint32(16)]),
            ("rope.dimension_sections", [each(0)], [each(8)]),
            ("rope.dimension_count", [.uint32(size), each(Int(size))], [.uint32(size / 2)]),
            ("attention.value_length", [.uint32(size), each(Int(size))], [.uint32(size / 2)]),
            ("feed_forward_length", [each(c.feedForwardSize)], []),
            ("attention.head_count", [each(c.headCount)], []),
            (
                "attention.head_count_kv", [each(c.keyValueHeadCount)],
                [.array(GGUFArray((0..<layers).map { Int32($0 + 1) }))]
            ),
            ("hidden_act", [.string("silu")], [.string("gelu")]),
            (
                "unheard_of", [.bool(false), .uint32(0), .string("none")],
                [.uint32(3), .string("x")]
            ),
        ]
    }

    @Test("neutral values of a GGUF key change nothing, others are refused with their value")
    func keys() throws {
        let url = TinyModel.llamaGGUF
        let plain = try TinyModel.logits(url)
        let configuration = try ModelConfiguration(try Checkpoint(opening: url.path))
        #expect(configuration.layerCount > 1)
        for (key, neutral, others) in Self.cases(configuration) {
            let name = "llama.\(key)"
            for value in neutral {
                let folder = try TemporaryFolder()
                var model = try EditableGGUF(url)
                model[name] = value
                let path = try model.write(to: folder)
                let logits = try? TinyModel.logits(path)
                #expect(logits == plain, "\(name) = \(value.shown)")
            }
            for value in others {
                let error = try failure(of: url) { $0[name] = value }
                #expect(error?.isUnsupportedFeature == true, "\(name) = \(value.shown)")
                let words = value.shown
                #expect(error?.description.contains(words) == true, "\(name) = \(words)")
            }
        }
    }

    @Test("what a file without experts says of experts changes nothing")
    func noExperts() throws {
        let plain = try TinyModel.logits(TinyModel.llamaGGUF)
        let said: [(String, GGUFValue)] = [
            ("expert_weights_scale", .float32(2.5)), ("expert_feed_forward_length", .uint32(512)),
            ("expert_group_count", .uint32(4)), ("expert_group_used_count", .uint32(2)),
            ("expert_shared_count", .uint32(1)), ("expert_gating_func", .uint32(2)),
            ("expert_weights_norm", .bool(true)), ("experts_per_group", .uint32(2)),
            ("moe_every_n_layers", .uint32(2)), ("interleave_moe_layer_step", .uint32(1)),
            ("expert_used_count", .uint32(2)),
        ]
        for (key, value) in said {
            let folder = try TemporaryFolder()
            var model = try EditableGGUF(TinyModel.llamaGGUF)
            model["llama.\(key)"] = value
            let error = try failure(of: TinyModel.llamaGGUF) { $0["llama.\(key)"] = value }
            #expect(error?.key == "llama.\(key)")
            model["llama.expert_count"] = .uint32(0)
            #expect(try TinyModel.logits(model.write(to: folder)) == plain, "\(key)")
        }
    }

    @Test("an array must have a number for each layer")
    func arrayLengths() throws {
        let error = try failure(of: TinyModel.llamaGGUF) {
            $0["llama.attention.head_count_kv"] = .array(
                GGUFArray([Int32](repeating: 2, count: 7)))
        }
        #expect(error?.description.contains("7 values for") == true)
    }

    @Test("the activation function that a GGUF file names is the one that is computed")
    func activation() throws {
        // "bitnet" alone means SiLU.
        let url = TinyModel.bitnetGGUF
        for key in ["hidden_act", "hidden_activation", "activation_function"] {
            for (name, expected) in [("silu", Activation.silu), ("relu2", .squaredReLU)] {
                let folder = try TemporaryFolder()
                var model = try EditableGGUF(url)
                model["bitnet.\(key)"] = .string(name)
                let path = try model.write(to: folder)
                let loaded = try ModelConfiguration(try Checkpoint(opening: path.path))
                #expect(loaded.activation == expected)
                let isPlain = try TinyModel.haveSameLogits(url, path)
                #expect(isPlain == (expected == .silu))
            }
            let error = try failure(of: url) { $0["bitnet.\(key)"] = .string("tanh") }
            #expect(error?.description.contains("'tanh'") == true)
        }
    }

    @Test("null in config.json is the same as nothing, NaN in what is unused too")
    func configuration() throws {
        let url = TinyModel.bitnetFolder
        let plain = try TinyModel.logits(url)
        let optional = [
            "quantization_config.modules_to_not_convert", "rope_scaling", "rope_parameters",
            "layer_types", "head_dim", "eos_token_id", "bos_token_id", "attention_bias", "mlp_bias",
            "sliding_window", "pad_token_id", "partial_rotary_factor", "num_experts", "name",
        ]
        let source = try EditableFolder(url)
        let folder = try TemporaryFolder()
        var model = source
        for key in optional where source.config[key] == nil { model.config[key] = NSNull() }
        model[quantization: "modules_to_not_convert"] = NSNull()
        let path = try model.write(to: folder)
        #expect(try TinyModel.logits(path) == plain)

        let file = folder.file("config.json")
        let text = try String(contentsOfFile: file, encoding: .utf8)
        func withMember(_ member: String) throws -> URL {
            try folder.write("config.json", "{\n\(member),\n" + text.dropFirst())
            return path
        }
        for word in ["NaN", "Infinity", "-Infinity", "1e999"] {
            let unused = try withMember("\"unread_number\": \(word)")
            #expect(try TinyModel.logits(unused) == plain)
        }
        var other = source
        other.config["rms_norm_eps"] = nil
        _ = try other.write(to: folder)
        let without = try String(contentsOfFile: file, encoding: .utf8)
        try folder.write("config.json", "{\n\"rms_norm_eps\": NaN,\n" + without.dropFirst())
        let error = failure { () throws(BitNetError) in try TinyModel.logits(path) }
        #expect(error?.key == "rms_norm_eps")
        #expect(error?.description.contains("found NaN (line 2)") == true)
    }
}

import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Scales, and settings that change the graph.
@Suite("Scales and graph settings")
struct ModelSettingsTests {
    @Test(
        "a scale that is not finite or negative is damage; writers store magnitudes",
        arguments: [Float.nan, .infinity, -.infinity, -0.5])
    func scales(_ value: Float) throws {
        let i2s = try failure(of: TinyModel.bitnetGGUF) { model in
            let codes = model[tensor: "blk.0.ffn_down.weight"].bytes.count - 32
            model[tensor: "blk.0.ffn_down.weight"].bytes.replaceSubrange(
                codes..<codes + 4, with: floatBytes([value]))
        }
        #expect(i2s?.isCorruptTensor == true && i2s?.tensor == "blk.0.ffn_down.weight")
        for url in TinyModel.folders {
            let name = "model.layers.0.self_attn.v_proj.weight"
            let folder = try failure(ofFolder: url) { model in
                model[tensor: name + "_scale"].dtype = "F32"
                model[tensor: name + "_scale"].bytes = floatBytes([value])
            }
            #expect(folder?.isCorruptTensor == true && folder?.tensor == name)
        }
        // A float16 scale of one block in a matrix with interleaved rows.
        let half: [Float: [UInt8]] = [
            .infinity: [0, 0x7C], -.infinity: [0, 0xFC], -0.5: [0, 0xB8],
        ]
        for name in ["blk.0.attn_q.weight", "blk.0.ffn_up.weight"] {
            let block = try failure(of: TinyModel.llamaGGUF) { model in
                model[tensor: name].bytes.replaceSubrange(
                    64..<66, with: half[value] ?? [1, 0x7C])
            }
            #expect(block?.isCorruptTensor == true && block?.tensor == name)
        }
    }

    @Test("a divisor of zero is damage")
    func zeroDivisor() throws {
        let error = try failure(ofFolder: TinyModel.llamaFolder) {
            $0[tensor: "model.layers.0.mlp.up_proj.weight_scale"].bytes = [0, 0]
        }
        #expect(error?.isCorruptTensor == true)
    }

    @Test("a block whose scale is zero holds zeros, whatever its codes")
    func zeroBlock() throws {
        // Two rows of two blocks of ones; the scale of the first block is 0, of the others 1.
        let ones = [UInt8](repeating: 0xAA, count: 64)
        let bytes = ones + [0, 0] + Array(repeatElement(ones + [0, 0x3C], count: 3).joined())
        let source = TernarySource(
            tensor: try CheckpointTensor(
                name: "w", type: .tq2_0, shape: [2, 512], region: ByteRegion(bytes)),
            rows: 2, columns: 512, scaleTensor: nil, direction: .multiply,
            masters: .requireTernary, interleavedHeads: 0)
        let matrix = try source.pack(layout: .t2, pool: Compute.standard.pool)
        #expect(matrix.scale == .perTensor(1))
        #expect(matrix.statistics().zeros == 256 && matrix.statistics().positives == 768)
        #expect(matrix[0, 255] == .zero && matrix[0, 256] == .plus && matrix[1, 0] == .plus)
    }

    @Test("a packed matrix without its scale, or without what the scale means, is refused")
    func scaleMeaning() throws {
        let name = "model.layers.1.mlp.down_proj.weight"
        let missing = try failure(ofFolder: TinyModel.bitnetFolder) { model in
            model.tensors.removeAll { $0.name == name + "_scale" }
        }
        #expect(missing?.isMissingTensor == true && missing?.tensor == name + "_scale")
        for url in TinyModel.folders {
            let error = try failure(ofFolder: url) { $0.config["quantization_config"] = nil }
            // Without `use_rms_norm` the Llama fixture has unexpected norms as well.
            #expect(error?.key == "quantization_config" || error?.isUnexpectedTensor == true)
        }
        let several = try failure(ofFolder: TinyModel.bitnetFolder) { model in
            model[tensor: name + "_scale"].shape = [2]
            model[tensor: name + "_scale"].bytes += [0, 0x3F]
        }
        #expect(several?.isShapeMismatch == true && several?.tensor == name + "_scale")
    }

    @Test("a scale beside float weights is refused: what it means is not known")
    func scaleOfFloats() throws {
        let name = "model.layers.0.mlp.up_proj.weight"
        let error = try failure(ofFolder: TinyModel.bitnetFolder) { model in
            model[quantization: "quantization_mode"] = "online"
            model[tensor: name].dtype = "F32"
            model[tensor: name].shape = [160, 128]
            model[tensor: name].bytes = floatBytes(.init(repeating: 0.5, count: 160 * 128))
        }
        #expect(error?.isUnexpectedTensor == true && error?.tensor == name + "_scale")
    }

    @Test("settings of config.json that change the graph are refused by name")
    func configSettings() throws {
        let settings: [(key: String, value: Any, named: String)] = [
            ("attention_bias", true, "attention_bias"), ("mlp_bias", true, "mlp_bias"),
            ("hidden_act", "gelu", "hidden_act"),
            (
                "rope_scaling", ["rope_type": "llama3", "factor": 8.0],
                "rope_scaling.low_freq_factor"
            ),
            ("rope_scaling", ["rope_type": "longrope"], "rope_scaling.rope_type"),
            ("rope_scaling", ["type": "linear", "factor": 2.0], "rope_scaling.rope_type"),
            ("rope_scaling", ["factor": 4], "rope_scaling.rope_type"),
            ("rope_scaling", ["rope_type": 3], "rope_type"),
            ("rope_parameters", ["rope_type": "yarn"], "rope_parameters.rope_type"),
            ("rope_parameters", ["rope_theta": "10000"], "rope_theta"),
            (
                "rope_parameters", ["rope_theta": 1e4, "partial_rotary_factor": 0.5],
                "rope_parameters.partial_rotary_factor"
            ),
            ("partial_rotary_factor", 0.25, "partial_rotary_factor"),
            ("rope_parameters", ["rope_theta": 0], "rope_theta"),
            ("rope_parameters", ["rope_theta": -1e4], "rope_theta"),
            ("rope_parameters", ["rope_theta": 1e39], "rope_theta"),
            ("rms_norm_eps", -1e-5, "rms_norm_eps"),
            ("rms_norm_eps", "tiny", "rms_norm_eps"), ("rms_norm_eps", 1e39, "rms_norm_eps"),
            ("layer_types", ["full_attention", "sliding_attention"], "layer_types"),
            ("use_sliding_window", true, "use_sliding_window"),
            ("num_local_experts", 8, "num_local_experts"),
            ("tie_word_embeddings", "yes", "tie_word_embeddings"),
            ("max_position_embeddings", 0, "max_position_embeddings"),
            ("max_position_embeddings", Int.max, "max_position_embeddings"),
        ]
        for url in TinyModel.folders {
            for setting in settings {
                let error = try failure(ofFolder: url) { $0.config[setting.key] = setting.value }
                #expect(error?.key == setting.named, "\(setting): \(String(describing: error))")
            }
        }
    }

    @Test("settings of quantization_config that are not known are refused by name")
    func quantizationSettings() throws {
        let settings: [(key: String, value: Any)] = [
            ("linear_class", "superlinear"), ("quant_method", "gptq"),
            ("modules_to_not_convert", ["model.layers.0.mlp"]), ("rms_norm_eps", "tiny"),
        ]
        for url in TinyModel.folders {
            for setting in settings {
                let error = try failure(ofFolder: url) {
                    $0[quantization: setting.key] = setting.value
                }
                #expect(error?.key?.hasSuffix(setting.key) == true, "\(setting)")
            }
        }
        let mode = try failure(ofFolder: TinyModel.bitnetFolder) {
            $0[quantization: "quantization_mode"] = "sometimes"
        }
        #expect(mode?.key == "quantization_config.quantization_mode")
        let epsilon = try failure(ofFolder: TinyModel.llamaFolder) {
            $0[quantization: "rms_norm_eps"] = -1
        }
        #expect(epsilon?.key == "quantization_config.rms_norm_eps")
        let norms = try failure(ofFolder: TinyModel.bitnetFolder) {
            $0[quantization: "use_rms_norm"] = true
        }
        #expect(norms?.key == "quantization_config.use_rms_norm")
    }

    @Test("GGUF keys that change the graph, or are not known to leave it, are refused by name")
    func ggufSettings() throws {
        let settings: [(key: String, value: GGUFValue, named: String)] = [
            ("attention.causal", .bool(false), "attention.causal"),
            ("expert_count", .uint32(8), "expert_count"),
            ("attention.value_length", .uint32(64), "attention.value_length"),
            ("rope.scaling.type", .string("yarn"), "rope.scaling.type"),
            ("rope.scaling.factor", .float32(2), "rope.scaling.factor"),
            ("rope.scaling.type", .uint32(1), "rope.scaling.type"),
            (
                "attention.layer_norm_rms_epsilon", .string("tiny"),
                "attention.layer_norm_rms_epsilon"
            ),
        ]
        for url in TinyModel.files {
            for setting in settings {
                let error = try failure(of: url) {
                    $0["\($0.architecture).\(setting.key)"] = setting.value
                }
                #expect(error?.key?.hasSuffix(setting.named) == true, "\(setting)")
            }
            for (key, value) in [
                ("rope.freq_base", Float.nan), ("rope.freq_base", 0), ("rope.freq_base", -1),
                ("attention.layer_norm_rms_epsilon", .infinity),
            ] {
                let error = try failure(of: url) {
                    $0["\($0.architecture).\(key)"] = .float32(value)
                }
                #expect(error?.isInvalidMetadata == true, "\(key) = \(value)")
            }
        }
    }

    @Test("divisors of the rotary frequencies are used, and checked")
    func ropeDivisors() throws {
        let plain = try TinyModel.logits(TinyModel.llamaGGUF)
        for (values, isRight) in [
            ([Float](repeating: 1, count: 64), true), (.init(repeating: 2, count: 64), true),
            (.init(repeating: 0, count: 64), false), (.init(repeating: -1, count: 64), false),
            (.init(repeating: .nan, count: 64), false), (.init(repeating: 1, count: 63), false),
        ] {
            let folder = try TemporaryFolder()
            var model = try EditableGGUF(TinyModel.llamaGGUF)
            model.tensors.append(
                .init(
                    name: "rope_freqs.weight", type: .f32, shape: [values.count],
                    bytes: floatBytes(values)))
            let url = try model.write(to: folder)
            let error = failure { () throws(BitNetError) in try TinyModel.logits(url) }
            #expect(isRight ? error == nil : error?.tensor == "rope_freqs.weight")
            if isRight { #expect(try (TinyModel.logits(url) == plain) == (values[0] == 1)) }
        }
    }

    @Test("float weights of a Llama model that are not ternary are refused with the measured error")
    func notTernary() throws {
        let name = "blk.0.ffn_gate.weight"
        var random = SplitMix64(seed: 3)
        let weights = (0..<256 * 256).map { _ in random.nextFloat() }
        let error = try failure(of: TinyModel.llamaGGUF) { model in
            model[tensor: name].type = .f32
            model[tensor: name].bytes = floatBytes(weights)
        }
        guard case .notTernary(name, let relativeError)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        // What rounding by the absolute mean does to them, in double.
        let mean = weights.reduce(0.0) { $0 + Double(abs($1)) } / Double(weights.count)
        let parts = weights.map { weight in
            let x = Double(weight)
            let rounded = (x / mean).rounded(.toNearestOrEven)
            return (pow(x - min(1, max(-1, rounded)) * mean, 2), x * x)
        }
        let expected = parts.reduce(0) { $0 + $1.0 } / parts.reduce(0) { $0 + $1.1 }
        #expect(abs(relativeError - expected) < 1e-5)
        let ternary = try failure(of: TinyModel.llamaGGUF) { model in
            model[tensor: name].type = .f32
            model[tensor: name].bytes = floatBytes(weights.map { ($0 * 1.5).rounded() * 0.25 })
        }
        #expect(ternary == nil)
    }
}

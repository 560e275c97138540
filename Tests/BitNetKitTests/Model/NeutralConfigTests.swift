import Foundation
import Testing

@testable import BitNetFiles
@testable import BitNetKit
@testable import TernaryCompute

@Suite("Settings of config.json are judged by their values")
struct NeutralConfigTests {
    private struct Setting {
        let key: String
        /// Values that change nothing.
        let neutral: [Any]
        /// Values that are refused, and the words that the error has for them.
        let other: [(value: Any, words: String)]
    }

    private static func settings(_ c: ModelConfiguration) -> [Setting] {
        func each(_ value: Any) -> [Any] { .init(repeating: value, count: c.layerCount) }
        let scale = 1 / Double(c.headDimension).squareRoot()
        let kinds = ["full_attention", "chunked_attention"]
        return [
            Setting(
                key: "attention_bias", neutral: [false, 0, each(false), NSNull()],
                other: [(true, "true"), ([false, true], "[false, true]")]),
            Setting(key: "mlp_bias", neutral: [false, each(false)], other: [(true, "true")]),
            Setting(key: "num_experts", neutral: [0, each(0)], other: [(8, "8")]),
            Setting(key: "num_local_experts", neutral: [0], other: [([0, 4], "[0, 4]")]),
            Setting(
                key: "attn_logit_softcapping", neutral: [NSNull(), 0.0], other: [(50.5, "50.5")]),
            Setting(key: "final_logit_softcapping", neutral: [0], other: [(30.5, "30.5")]),
            Setting(key: "embedding_multiplier", neutral: [1, 1.0], other: [(12.5, "12.5")]),
            Setting(key: "residual_multiplier", neutral: [1.0, each(1)], other: [(0.25, "0.25")]),
            Setting(key: "logits_scaling", neutral: [1.0], other: [(8, "8"), ("x", "'x'")]),
            Setting(key: "logit_scale", neutral: [1], other: [(0.0625, "0.0625")]),
            Setting(key: "attention_multiplier", neutral: [scale], other: [(0.5, "0.5")]),
            Setting(
                key: "layer_types", neutral: [each("full_attention")],
                other: [(kinds, "'chunked_attention'")]),
            Setting(key: "use_sliding_window", neutral: [false], other: [(true, "true")]),
            Setting(
                key: "rope_scaling",
                neutral: [
                    NSNull(), [String: Any](),
                    ["type": "linear", "factor": 1, "rope_theta": Double(c.ropeBase)],
                ],
                other: [(["type": "linear", "factor": 2], "'linear', factor 2")]),
            Setting(
                key: "hidden_size", neutral: [each(c.hiddenSize)],
                other: [([64, 128], "[64, 128]"), ("wide", "'wide'")]),
            Setting(key: "intermediate_size", neutral: [each(c.feedForwardSize)], other: []),
            Setting(key: "num_attention_heads", neutral: [each(c.headCount)], other: []),
            Setting(
                key: "num_key_value_heads", neutral: [each(c.keyValueHeadCount)],
                other: [([1, 2], "[1, 2]"), ([2, 2, 2], "3 values for 2 layers")]),
            Setting(key: "head_dim", neutral: [each(c.headDimension), NSNull()], other: []),
            Setting(key: "rms_norm_eps", neutral: [each(Double(c.normEpsilon))], other: []),
        ]
    }

    @Test("neutral values change nothing, others are refused with their value")
    func keys() throws {
        for url in TinyModel.folders {
            let plain = try TinyModel.logits(url)
            let c = try ModelConfiguration(try Checkpoint(opening: url.path))
            try #require(c.layerCount == 2)
            for setting in Self.settings(c) {
                for value in setting.neutral {
                    // In the Llama fixture the quotient is another size.
                    if value is NSNull, c.headDimension * c.headCount != c.hiddenSize { continue }
                    let folder = try TemporaryFolder()
                    var model = try EditableFolder(url)
                    model.config[setting.key] = value
                    let path = try model.write(to: folder)
                    let result = Result { () throws(BitNetError) in try TinyModel.logits(path) }
                    #expect((try? result.get()) == plain, "\(setting.key) = \(value): \(result)")
                }
                for (value, words) in setting.other {
                    let error = try failure(ofFolder: url) { $0.config[setting.key] = value }
                    #expect(
                        error?.description.contains(words) == true,
                        "\(setting.key) = \(value): \(String(describing: error))")
                    #expect(error?.description.contains(setting.key) == true)
                }
            }
        }
    }

    @Test("windows of Qwen3 that no layer has are none")
    func windows() throws {
        func read(_ settings: String) throws(BitNetError) -> ModelConfiguration {
            let text = #"{"architectures": ["Qwen3ForCausalLM"], \#(settings)}"#
            let config = try JSONValue(parsing: ByteRegion(Array(text.utf8), path: "c"))
            return try ModelConfiguration(huggingFace: config, name: "x", path: "c")
        }
        let neutral = [
            #""use_sliding_window": false, "sliding_window": 16"#,
            #""use_sliding_window": true, "max_window_layers": 32"#,
            #""use_sliding_window": true, "num_hidden_layers": 28"#,
            #""use_sliding_window": true, "sliding_window": null"#,
            #""use_sliding_window": true, "sliding_window": 32768"#,
        ]
        for settings in neutral { #expect(try read(settings).slidingAttention == nil) }
        let others = [
            #""use_sliding_window": true"#,
            #""use_sliding_window": true, "max_window_layers": 31"#,
            #""use_sliding_window": true, "max_window_layers": 0, "sliding_window": 512"#,
        ]
        for settings in others {
            let error = failure { () throws(BitNetError) in try read(settings) }
            #expect(error?.key == "use_sliding_window")
        }
    }
}

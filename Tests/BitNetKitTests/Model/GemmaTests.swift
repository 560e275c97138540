import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// A small random model with four layers, one of which sees everything, the others five tokens.
/// Expected values come from a forward pass of its own in float64.
@Suite("The Gemma3 graph")
struct GemmaTests {
    private static let folder = Fixtures.url("gemma3")

    private struct Expected: Decodable {
        struct Sequence: Decodable {
            let tokens: [Int]
            let last_hidden: [Float]
            let embedding: [Float]
        }
        let sequences: [Sequence]
    }

    private func expected() throws -> [Expected.Sequence] {
        let file = GemmaTests.folder.appendingPathComponent("expected.json")
        return try JSONDecoder().decode(Expected.self, from: Data(contentsOf: file)).sequences
    }

    /// The state of the last token after the final norm.
    private func lastState(_ url: URL, _ tokens: [Int], oneByOne: Bool = false) throws -> [Float] {
        let model = try BitNetModel(loading: url)
        let context = try InferenceContext(model.transformer, contextLength: 64, cache: .f32)
        var state: [Float] = []
        context.probe { step, _, values in
            if step == .finalNorm { state = values.storage.array }
        }
        if oneByOne {
            for token in tokens { try context.forward([token]) }
        } else {
            try context.forward(tokens)
        }
        return state
    }

    private func lastState(
        _ tokens: [Int], _ change: (inout EditableFolder) -> Void
    ) throws -> [Float] {
        let folder = try TemporaryFolder()
        var model = try EditableFolder(GemmaTests.folder)
        change(&model)
        return try lastState(try model.write(to: folder), tokens)
    }

    @Test("states and embeddings are those of an independent forward pass")
    func reference() throws {
        for sequence in try expected() {
            let state = try lastState(GemmaTests.folder, sequence.tokens)
            let largest = sequence.last_hidden.map(abs).max() ?? 0
            let worst = zip(state, sequence.last_hidden).map { abs($0 - $1) }.max() ?? .infinity
            #expect(worst < 1e-3 * largest, "\(sequence.tokens.count) tokens")
            let norm = state.reduce(0) { $0 + $1 * $1 }.squareRoot()
            for (x, y) in zip(state, sequence.embedding) { #expect(abs(x / norm - y) < 1e-4) }
        }
    }

    @Test("tokens one by one give the same bits as a batch")
    func oneByOne() throws {
        for sequence in try expected() {
            let batch = try lastState(GemmaTests.folder, sequence.tokens)
            let single = try lastState(GemmaTests.folder, sequence.tokens, oneByOne: true)
            #expect(batch == single)
        }
    }

    @Test("a GGUF file of it has the same bits", arguments: [ElementType.i2_s, .f32])
    func gguf(_ type: ElementType) throws {
        let folder = try TemporaryFolder()
        let url = try convert(GemmaTests.folder, in: folder, to: type)
        let file = try GGUFFile(opening: url.path)
        #expect(try file.string("general.architecture") == "gemma3")
        #expect(try file.int("gemma3.attention.sliding_window") == 5)
        #expect(try file.int("gemma3.pooling_type") == 3)
        for sequence in try expected() {
            let state = try lastState(url, sequence.tokens)
            #expect(try state == lastState(GemmaTests.folder, sequence.tokens))
        }
    }

    @Test("other spellings of the same settings give the same bits")
    func spellings() throws {
        let tokens = try #require(try expected().last).tokens
        let state = try lastState(GemmaTests.folder, tokens)
        let pattern = try lastState(tokens) { model in
            model.config["layer_types"] = nil
            model.config["sliding_window_pattern"] = 3
        }
        #expect(pattern == state)
        let nested = try lastState(tokens) { model in
            model.config["rope_theta"] = nil
            model.config["rope_local_base_freq"] = nil
            model.config["rope_parameters"] = [
                "full_attention": ["rope_type": "default", "rope_theta": 1e6],
                "sliding_attention": ["rope_type": "default", "rope_theta": 1e4],
            ]
        }
        #expect(nested == state)
    }

    @Test("every setting of the graph matters")
    func settings() throws {
        let sequences = try expected()
        let long = try #require(sequences.last).tokens
        let state = try lastState(GemmaTests.folder, long)
        let changes: [(key: String, value: Any)] = [
            ("sliding_window", 6), ("rope_local_base_freq", 2e4), ("rope_theta", 1e5),
            ("query_pre_attn_scalar", 20), ("hidden_activation", "silu"),
        ]
        for change in changes {
            let other = try lastState(long) { $0.config[change.key] = change.value }
            #expect(other != state, "\(change.key)")
        }
        // Five tokens fit into the window.
        let short = try #require(sequences.first { $0.tokens.count == 4 }).tokens
        let wide = try lastState(short) { $0.config["sliding_window"] = 64 }
        #expect(try wide == lastState(GemmaTests.folder, short))
    }

    @Test("settings that are not implemented, or make no sense, are refused by name")
    func refusals() throws {
        let settings: [(key: String, value: Any?, named: String)] = [
            ("hidden_activation", "gelu", "hidden_activation"),
            ("use_bidirectional_attention", true, "use_bidirectional_attention"),
            ("attn_logit_softcapping", 50.0, "attn_logit_softcapping"),
            ("final_logit_softcapping", 30.0, "final_logit_softcapping"),
            ("sliding_window", NSNull(), "sliding_window"), ("sliding_window", 0, "sliding_window"),
            ("layer_types", ["full_attention"], "layer_types"),
            ("layer_types", Array(repeating: "chunked_attention", count: 4), "layer_types"),
            ("query_pre_attn_scalar", 0, "query_pre_attn_scalar"),
            ("rope_scaling", ["rope_type": "linear", "factor": 8.0], "rope_scaling.rope_type"),
            ("rope_local_base_freq", -1, "rope_local_base_freq"),
        ]
        for setting in settings {
            if setting.key == "layer_types", (setting.value as? [String])?.count == 1 {
                // No sliding layer is left, so that there is nothing to check.
                continue
            }
            let error = try failure(ofFolder: GemmaTests.folder) {
                $0.config[setting.key] = setting.value
            }
            #expect(error?.key == setting.named, "\(setting): \(String(describing: error))")
        }
        let missing = try failure(ofFolder: GemmaTests.folder) { model in
            model.tensors.removeAll { $0.name == "layers.1.post_feedforward_layernorm.weight" }
        }
        #expect(missing?.tensor == "layers.1.post_feedforward_layernorm.weight")
    }

    @Test("what a GGUF file cannot say is not converted")
    func notConverted() throws {
        let changes: [(key: String, value: Any, named: String)] = [
            ("query_pre_attn_scalar", 20, "query_pre_attn_scalar in a GGUF file"),
            ("hidden_activation", "silu", "hidden_act in a GGUF file"),
            (
                "layer_types",
                ["full_attention", "sliding_attention", "full_attention", "full_attention"],
                "layer_types in a GGUF file"
            ),
        ]
        for change in changes {
            let (source, target) = (try TemporaryFolder(), try TemporaryFolder())
            var model = try EditableFolder(GemmaTests.folder)
            model.config[change.key] = change.value
            let url = try model.write(to: source)
            let error = failure { () throws(BitNetError) in try convert(url, in: target) }
            #expect(error?.key == change.named)
        }
    }
}

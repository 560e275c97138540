import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Logits, greedy text and hidden states against transformers in float32 (reference/README.md).
@Suite("Reference checkpoints")
struct ReferenceTests {
    private func context(
        _ checkpoint: ReferenceCheckpoint, length: Int, sparsity: Sparsity = .automatic
    ) throws -> InferenceContext {
        let model = try BitNetModel(
            loading: checkpoint.path, options: LoadOptions(sparsity: sparsity))
        return try InferenceContext(model.transformer, contextLength: length, cache: .f32)
    }

    @Test(
        "logits are within 1e-3 of transformers where no rounding tie flips, and close elsewhere",
        arguments: ReferenceCheckpoint.languageModels)
    func logits(_ checkpoint: ReferenceCheckpoint) throws {
        let model = try BitNetModel(loading: checkpoint.path)
        for sequence in try checkpoint.expected().sequences {
            let comment = Comment("\(sequence.tokens.count) tokens")
            let context = try InferenceContext(
                model.transformer, contextLength: sequence.tokens.count, cache: .f32)
            let rows = try context.allLogits(sequence.tokens)
            let last = try #require(sequence.last_logits)
            try #require(sequence.top.count == rows.count && last.count == rows[0].count)
            if sequence.isStable {
                let ties = RoundingTies(model: model, sequence: sequence)
                #expect(try ties.worstDifference(rows) < 1e-3, comment)
            } else {
                let differences = zip(rows[rows.count - 1], last).map { $0 - $1 }
                let squares = differences.reduce(0) { $0 + $1 * $1 }
                let rms = (squares / Float(differences.count)).squareRoot()
                #expect(rms / (try #require(sequence.logits_std)) < 0.05, comment)
            }
            let agreeing = zip(rows, sequence.top).filter { argmax($0) == Int($1[0][0]) }.count
            #expect(Double(agreeing) >= 0.9 * Double(rows.count), comment)
        }
    }

    @Test(
        "teacher-forced greedy tokens are those of transformers",
        arguments: ReferenceCheckpoint.languageModels)
    func greedy(_ checkpoint: ReferenceCheckpoint) throws {
        let model = try BitNetModel(loading: checkpoint.path)
        for text in try checkpoint.expected().greedy ?? [] {
            let tokens = text.prompt + text.greedy.dropLast()
            let context = try InferenceContext(
                model.transformer, contextLength: tokens.count, cache: .f32)
            let chosen = try context.allLogits(tokens).dropFirst(text.prompt.count - 1).map(argmax)
            let matches = zip(chosen, text.greedy).filter { $0 == $1 }.count
            #expect(matches >= 26)
            let unsure = text.margins.firstIndex { $0 < 1 } ?? text.greedy.count
            #expect(chosen.prefix(unsure) == text.greedy.prefix(unsure))
        }
    }

    @Test(
        "hidden states are those of transformers, layer by layer",
        arguments: ReferenceCheckpoint.all.filter { $0.hiddenPath != nil }, Sparsity.allCases)
    func hiddenStates(_ checkpoint: ReferenceCheckpoint, _ sparsity: Sparsity) throws {
        let expected = try SafetensorsFixture(try #require(checkpoint.hiddenPath))
        let tokens = expected.int32s("tokens").map(Int.init)
        let context = try context(checkpoint, length: tokens.count, sparsity: sparsity)
        var states: [String: [Float]] = [:]
        context.probe { step, layer, values in
            let name = layer.map { "layer_\($0)_\(step.rawValue)" } ?? step.rawValue
            states[name, default: []] += values.storage.array
        }
        states["logits"] = try context.allLogits(tokens).flatMap { $0 }
        // Without a sub-norm the reference calls a linear layer's input so before its own norm.
        if expected.shape("layer_0_attn_before_sub_norm").isEmpty {
            for name in ["o_input", "down_input"] {
                let part = name == "o_input" ? "attn" : "ffn"
                states["layer_0_\(name)"] = states["layer_0_\(part)_before_sub_norm"]
            }
        }
        let names = expected.names.filter { $0 != "tokens" }
        #expect(names.count >= 10)
        // Rows of `up` that zeros leave out are not computed; all that follows must be the same.
        for name in names where sparsity == .off || !name.hasSuffix("_up") {
            let values = expected.floats(name)
            let found = try #require(states[name], "\(name)")
            try #require(found.count == values.count, "\(name)")
            let scale = max(1, values.map(abs).max() ?? 1)
            let worst = zip(found, values).map { abs($0 - $1) }.max() ?? .infinity
            #expect(worst < 1e-3 * scale, "\(name)")
        }
    }

    @Test(
        "the last token's normalised state is the reference embedding",
        arguments: ReferenceCheckpoint.embeddingModels)
    func embeddings(_ checkpoint: ReferenceCheckpoint) throws {
        for sequence in try checkpoint.expected().sequences {
            let context = try context(checkpoint, length: sequence.tokens.count)
            var hidden: [Float] = []
            context.probe { step, _, values in
                if step == .finalNorm { hidden = values.storage.array }
            }
            try context.forward(sequence.tokens)
            let expected = try #require(sequence.embedding)
            let dot = zip(hidden, expected).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
            let norm = hidden.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
            let isExact = (sequence.numpy_f64_max_abs_diff ?? 1) < 1e-4
            #expect(dot / norm > (isExact ? 0.9999 : 0.99), "\(sequence.tokens.count) tokens")
        }
    }
}

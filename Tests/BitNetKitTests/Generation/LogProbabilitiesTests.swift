import BitNetSampleModel
import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Log probabilities")
struct LogProbabilitiesTests {
    @Test("the top tokens are those of a sorted list", arguments: [0, 1, 2, 7, 60, 1024])
    func sorted(count: Int) {
        var generator = SplitMix64(seed: 5)
        // Few different values, so that there are ties.
        let logits = (0..<60).map { _ in (generator.nextFloat() * 10).rounded() }
        let order = logits.indices.sorted {
            logits[$0] > logits[$1] || (logits[$0] == logits[$1] && $0 < $1)
        }
        let found = LogProbabilities(of: 3, top: count, logits.span)
        #expect(found.top.map(\.token) == Array(order.prefix(count)))
        let logSum = log(logits.reduce(0) { $0 + exp(Double($1)) })
        for candidate in found.top {
            let expected = Double(logits[candidate.token]) - logSum
            #expect(abs(Double(candidate.logProbability) - expected) < 1e-5)
        }
        #expect(abs(Double(found.chosen) - (Double(logits[3]) - logSum)) < 1e-5)
    }

    @Test("all probabilities of a vocabulary add up to 1")
    func sum() {
        let logits: [Float] = [0.5, 2, -1, 1.5, 0, -3, 1, 2.5, -60]
        let top = LogProbabilities(of: 0, top: 1024, logits.span).top
        #expect(top.count == logits.count)
        #expect(abs(top.reduce(0) { $0 + exp(Double($1.logProbability)) } - 1) < 1e-6)
    }

    @Test("a response carries them for every token, from the logits before any other step")
    func response() async throws {
        let model = try await BitNetModel.sample()
        let prompt = try [0] + model.tokenizer.encode("Once upon a time")
        var options = GenerationOptions(
            sampling: .random(temperature: 1.5, topK: 20, seed: 3), maximumResponseTokens: 12,
            repetitionPenalty: 1.3, kvCache: .f32)
        let without = try await model.generate(tokens: prompt, options: options)
        #expect(without.logProbabilities.isEmpty)
        options.topLogProbabilities = 3
        let found = try await model.generate(tokens: prompt, options: options)
        #expect(found.tokens == without.tokens)
        #expect(found.logProbabilities.count == found.tokens.count)
        let rows = try await model.logits(
            tokens: prompt + found.tokens, allPositions: true
        ).logits.dropFirst(prompt.count - 1)
        for (index, row) in rows.dropLast().enumerated() {
            let expected = LogProbabilities(of: found.tokens[index], top: 3, row.span)
            #expect(found.logProbabilities[index] == expected)
        }
        // Somewhere the likeliest token was not the chosen one.
        #expect(
            zip(found.tokens, found.logProbabilities).contains { $0 != $1.top.first?.token })
    }
}

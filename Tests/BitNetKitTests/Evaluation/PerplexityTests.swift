import BitNetSampleModel
import Foundation
import TestSupport
import Testing

@testable import BitNetKit
@testable import TernaryCompute

@Suite("Perplexity")
struct PerplexityTests {
    private static let tokens = (0..<40).map { $0 * 37 % 250 }

    private func model() throws -> BitNetModel {
        try BitNetModel(loading: TinyModel.bitnetGGUF, options: LoadOptions(threads: 1))
    }

    /// -log p(tokens[position]) after the tokens of a window before it, in another way.
    private func loss(_ model: BitNetModel, _ window: ArraySlice<Int>) async throws -> Double {
        let logits = try await model.logits(tokens: Array(window.dropLast())).logits[0]
        let largest = Double(logits.max() ?? 0)
        let sum = logits.reduce(0.0) { $0 + Foundation.exp(Double($1) - largest) }
        return largest + Foundation.log(sum) - Double(logits[window.last ?? 0])
    }

    @Test(
        "the mean of -log p of every token that a window counts",
        arguments: [(40, 40), (16, 16), (16, 5)])
    func direct(context: Int, stride: Int) async throws {
        let model = try model()
        let result = try await model.perplexity(
            tokens: Self.tokens,
            options: PerplexityOptions(context: context, stride: stride, cache: .f32))
        var losses: [Double] = []
        var counted = 0
        for begin in Swift.stride(from: 0, to: 40, by: stride) where counted < 40 {
            let end = min(begin + context, 40)
            for position in max(counted, begin + 1)..<end {
                losses.append(try await loss(model, Self.tokens[begin...position]))
            }
            counted = end
        }
        let mean = losses.reduce(0, +) / Double(losses.count)
        let spread = losses.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        #expect(result.tokens == losses.count)
        #expect(abs(result.meanLoss - mean) < 1e-6)
        let error = (spread / Double(losses.count * (losses.count - 1))).squareRoot()
        #expect(abs(result.standardError - error) < 1e-6)
        #expect(abs(result.perplexity - Foundation.exp(mean)) < 1e-3)
    }

    @Test(
        "losses are those of the logits that transformers computes of the same tokens",
        arguments: ReferenceCheckpoint.languageModels.filter { $0.hiddenPath != nil })
    func reference(checkpoint: ReferenceCheckpoint) async throws {
        let expected = try SafetensorsFixture(try #require(checkpoint.hiddenPath))
        let tokens = expected.int32s("tokens").map(Int.init)
        let logits = expected.floats("logits").map { Double($0) }
        let width = logits.count / tokens.count
        var losses: [Double] = []
        for position in 0..<tokens.count - 1 {
            let row = logits[position * width..<(position + 1) * width]
            let largest = row.max() ?? 0
            let sum = row.reduce(0) { $0 + Foundation.exp($1 - largest) }
            losses.append(
                largest + Foundation.log(sum) - row[row.startIndex + tokens[position + 1]])
        }
        let mean = losses.reduce(0, +) / Double(losses.count)
        let model = try BitNetModel(
            loading: checkpoint.path, options: LoadOptions(threads: 1))
        let found = try await model.perplexity(
            tokens: tokens, options: PerplexityOptions(cache: .f32))
        #expect(found.tokens == tokens.count - 1)
        // These sequences are short and have no int8 value between two: the bits of floats decide
        // nothing, and what is left are the seventh digits of logits.
        #expect(abs(found.meanLoss - mean) < 1e-5, "\(found.meanLoss) \(mean)")
    }

    @Test("every token but the first counts once where windows overlap")
    func windows() throws {
        for (count, context, stride) in [(2, 2, 1), (100, 16, 5), (33, 16, 15), (33, 64, 1)] {
            let windows = try TextWindows(
                of: count, PerplexityOptions(context: context, stride: stride), limit: 64)
            let counted = windows.all.flatMap { $0.counted..<$0.tokens.upperBound }
            #expect(counted == Array(1..<count))
            #expect(windows.all.allSatisfy { $0.tokens.count <= context })
        }
    }

    @Test("a trained model predicts its kind of text, and not noise")
    func trained() async throws {
        let sample = try await BitNetModel.load(BitNetSampleModel.url)
        let text = try await sample.perplexity(of: ModelVerification.text)
        #expect(text.meanLoss < 2)
        let noise = try await sample.perplexity(tokens: (0..<100).map { $0 * 7919 % 2048 })
        #expect(noise.meanLoss > 5)
    }

    @Test("a model does not differ from itself")
    func same() async throws {
        let model = try model()
        let result = try await model.comparePredictions(on: ModelVerification.text)
        #expect(result.meanDivergence == 0 && result.largestDivergence == 0)
        #expect(result.topAgreement == 1 && result.base == result.other)
    }

    @Test("another head and another cache differ by what their logits say")
    func different() async throws {
        let options = LoadOptions(threads: 1)
        let sample = try BitNetModel(loading: BitNetSampleModel.url, options: options)
        let text = String(ModelVerification.text.prefix(120))
        let result = try await sample.comparePredictions(
            on: text, options: PerplexityOptions(cache: .f32), lmHead: .q4_0)
        var other = options
        other.lmHead = .q4_0
        let coarse = try BitNetModel(loading: BitNetSampleModel.url, options: other)
        let first = try await sample.logits(text, allPositions: true).logits.dropLast()
        let second = try await coarse.logits(text, allPositions: true).logits.dropLast()
        func logProbabilities(_ logits: [Float]) -> [Double] {
            let sum = logits.reduce(0.0) { $0 + Foundation.exp(Double($1)) }
            return logits.map { Double($0) - Foundation.log(sum) }
        }
        var (mean, agreed) = (0.0, 0)
        for (a, b) in zip(first, second) {
            let (p, q) = (logProbabilities(a), logProbabilities(b))
            mean += zip(p, q).reduce(0) { $0 + Foundation.exp($1.0) * ($1.0 - $1.1) }
            agreed += a.firstIndex(of: a.max() ?? 0) == b.firstIndex(of: b.max() ?? 0) ? 1 : 0
        }
        #expect(result.meanDivergence > 1e-4)
        #expect(abs(result.meanDivergence - mean / Double(first.count)) < 1e-6)
        #expect(result.topAgreement == Double(agreed) / Double(first.count))
        let cache = try await sample.comparePredictions(
            with: coarse, on: text, options: PerplexityOptions(cache: .f32), cache: .int8)
        #expect(cache.meanDivergence != result.meanDivergence)
    }

    @Test("texts, windows and models that cannot be used are refused with the reason")
    func refused() async throws {
        let model = try model()
        await #expect(throws: BitNetError.self) { try await model.perplexity(tokens: [5]) }
        for (context, stride) in [(1, 1), (1 << 20, 1), (16, 17), (16, 0)] {
            await #expect(throws: BitNetError.self) {
                try await model.perplexity(
                    tokens: Self.tokens,
                    options: PerplexityOptions(context: context, stride: stride))
            }
        }
        let other = try BitNetModel(loading: BitNetSampleModel.url)
        let error = await #expect(throws: BitNetError.self) {
            try await model.comparePredictions(with: other, on: "text to compare")
        }
        #expect(error.map { "\($0)".contains("vocabularies") } == true)
    }
}

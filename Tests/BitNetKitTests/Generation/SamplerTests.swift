import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Sampler")
struct SamplerTests {
    private static func options(
        temperature: Float = 1, topK: Int? = nil, topP: Float? = nil, minP: Float? = nil,
        seed: UInt64 = 1, penalty: Float? = nil, window: Int? = nil
    ) -> GenerationOptions {
        var options = GenerationOptions()
        options.sampling = .random(
            temperature: temperature, topK: topK, topP: topP, minP: minP, seed: seed)
        options.repetitionPenalty = penalty
        options.repetitionWindow = window
        return options
    }

    private static func draws(
        _ count: Int, _ logits: [Float], _ options: GenerationOptions
    ) throws -> [Int] {
        var sampler = Sampler(options)
        return try (0..<count).map { _ in try sampler.next(logits.span) }
    }

    private static func frequencies(
        _ logits: [Float], _ options: GenerationOptions
    ) throws -> [Double] {
        let count = 20_000
        var result = [Double](repeating: 0, count: logits.count)
        for id in try draws(count, logits, options) { result[id] += 1 / Double(count) }
        return result
    }

    /// Softmax of `logits` over the ids in `kept`.
    private static func softmax(
        _ logits: [Float], temperature: Double = 1, kept: Set<Int>? = nil
    ) -> [Double] {
        let weights = logits.enumerated().map { id, logit in
            kept?.contains(id) ?? true ? exp(Double(logit) / temperature) : 0
        }
        let total = weights.reduce(0, +)
        return weights.map { $0 / total }
    }

    private static let logits: [Float] = [0.5, 2, -1, 1.5, 0, -3, 1, 2.5]

    @Test("greedy takes the largest logit, the lowest id on ties")
    func greedy() throws {
        var sampler = Sampler(GenerationOptions())
        #expect(try sampler.next([1, 3, 2].span) == 1)
        #expect(try sampler.next([1, 3, 3, 3].span) == 1)
        #expect(try sampler.next([-0.0, 0.0].span) == 0)
        #expect(try sampler.next([-5].span) == 0)
    }

    @Test("temperature 0 is greedy, a tiny temperature nearly so")
    func lowTemperature() throws {
        #expect(try Self.draws(5, [1, 3, 3], Self.options(temperature: 0)) == [1, 1, 1, 1, 1])
        let tiny = Self.options(temperature: .leastNonzeroMagnitude)
        #expect(try Set(Self.draws(50, [1, 3, 2.999_999], tiny)) == [1])
    }

    @Test(
        "draws follow the softmax of the tempered logits", arguments: [Float(0.5), 1, 1.7])
    func distribution(temperature: Float) throws {
        let found = try Self.frequencies(Self.logits, Self.options(temperature: temperature))
        let expected = Self.softmax(Self.logits, temperature: Double(temperature))
        for (found, expected) in zip(found, expected) { #expect(abs(found - expected) < 0.01) }
    }

    @Test("top-k keeps the k likeliest, in their proportions")
    func topK() throws {
        let found = try Self.frequencies(Self.logits, Self.options(topK: 3))
        let expected = Self.softmax(Self.logits, kept: [7, 1, 3])
        for (found, expected) in zip(found, expected) {
            #expect(abs(found - expected) < 0.01)
            #expect((found > 0) == (expected > 0))
        }
        #expect(try Set(Self.draws(50, Self.logits, Self.options(topK: 1))) == [7])
    }

    @Test("top-k has exactly k candidates when logits are equal, the lowest ids")
    func topKTies() throws {
        let logits = [Float](repeating: 1, count: 10)
        #expect(try Set(Self.draws(500, logits, Self.options(topK: 4))) == [0, 1, 2, 3])
    }

    @Test("a top-k beyond the vocabulary, top-p 1 and min-p 0 change nothing")
    func neutral() throws {
        let plain = try Self.draws(100, Self.logits, Self.options())
        let neutral = Self.options(topK: .max, topP: 1, minP: 0)
        #expect(try Self.draws(100, Self.logits, neutral) == plain)
    }

    @Test("top-p keeps the fewest tokens that reach the probability")
    func topP() throws {
        // Probabilities 0.5, 0.25, 0.125, 0.125.
        let logits = [0.125, 0.5, 0.125, 0.25].map { Float(log($0)) }
        func kept(_ topP: Float) throws -> Set<Int> {
            try Set(Self.draws(2000, logits, Self.options(topP: topP)))
        }
        #expect(try kept(.leastNonzeroMagnitude) == [1])
        #expect(try kept(0.49) == [1])
        #expect(try kept(0.51) == [1, 3])
        #expect(try kept(0.74) == [1, 3])
        #expect(try kept(0.76) == [1, 3, 0])
        #expect(try kept(0.88) == [0, 1, 2, 3])
        #expect(try kept(1) == [0, 1, 2, 3])
    }

    @Test("top-p looks at the probabilities that top-k leaves")
    func topPAfterTopK() throws {
        // After top-k 2 the probabilities are 2/3 and 1/3, so that 0.6 is reached by one token.
        let logits = [0.125, 0.5, 0.125, 0.25].map { Float(log($0)) }
        #expect(try Set(Self.draws(500, logits, Self.options(topK: 2, topP: 0.6))) == [1])
        #expect(try Set(Self.draws(500, logits, Self.options(topP: 0.6))) == [1, 3])
    }

    @Test("min-p keeps tokens by their share of the likeliest one's probability")
    func minP() throws {
        let logits = [0.125, 0.5, 0.125, 0.25].map { Float(log($0)) }
        #expect(try Set(Self.draws(500, logits, Self.options(minP: 0.4))) == [1, 3])
        #expect(try Set(Self.draws(500, logits, Self.options(minP: 0.2))) == [0, 1, 2, 3])
        #expect(try Set(Self.draws(500, logits, Self.options(minP: 1))) == [1])
        let both = Self.options(topP: 0.76, minP: 0.4)
        #expect(try Set(Self.draws(500, logits, both)) == [1, 3])
    }

    @Test("a large vocabulary is selected as by sorting")
    func largeVocabulary() throws {
        var generator = SplitMix64(seed: 3)
        let logits = (0..<600).map { _ in generator.nextFloat() * 6 }
        let sorted = logits.indices.sorted { logits[$0] > logits[$1] }
        let probabilities = Self.softmax(logits)
        var mass = 0.0
        let nucleus = sorted.prefix { id in
            defer { mass += probabilities[id] }
            return mass < 0.3
        }
        let found = try Set(Self.draws(1500, logits, Self.options(topP: 0.3)))
        #expect(found == Set(nucleus))
        let top = try Set(Self.draws(1500, logits, Self.options(temperature: 5, topK: 40)))
        #expect(top == Set(sorted.prefix(40)))
    }

    @Test("selection reaches tokens however improbable they are")
    func improbable() throws {
        // Probabilities fall by e^20, then by so much that they are 0.
        let logits: [Float] = [-2000, 0, -20, -40, -60, -1000]
        let topK = Self.options(temperature: 1, topK: 5)
        #expect(try Set(Self.draws(300, logits, topK)) == [1])
        let hot = Self.options(temperature: 1000, topK: 5)
        #expect(try Set(Self.draws(300, logits, hot)) == [1, 2, 3, 4, 5])
        let all = Self.options(temperature: 1000, topP: 0.999_999)
        #expect(try Set(Self.draws(300, logits, all)) == [0, 1, 2, 3, 4, 5])
    }

    @Test("a seed gives the same tokens, on every platform")
    func seeds() throws {
        let logits = (0..<50).map { Float($0 % 7) / 2 }
        let once = try Self.draws(12, logits, Self.options(topP: 0.9, seed: 42))
        #expect(try once == Self.draws(12, logits, Self.options(topP: 0.9, seed: 42)))
        #expect(try once != Self.draws(12, logits, Self.options(topP: 0.9, seed: 43)))
        // From an independent implementation in Python.
        #expect(once == [34, 39, 4, 40, 38, 20, 18, 27, 40, 41, 25, 12])
    }

    @Test("the repetition penalty divides positive and multiplies negative logits")
    func penalty() throws {
        var options = GenerationOptions()
        options.repetitionPenalty = 2
        var sampler = Sampler(options)
        sampler.accept(0)
        sampler.accept(0)
        // Once per token, however often it was seen: 3 becomes 1.5.
        #expect(try sampler.next([3, 1.4].span) == 0)
        #expect(try sampler.next([3, 1.6].span) == 1)
        // -1 becomes -2.
        #expect(try sampler.next([-1, -1.9].span) == 1)
        #expect(try sampler.next([-1, -2.1].span) == 0)
    }

    @Test("the repetition penalty forgets tokens that leave its window")
    func penaltyWindow() throws {
        var options = GenerationOptions()
        options.repetitionPenalty = 10
        options.repetitionWindow = 2
        var sampler = Sampler(options)
        for token in [0, 0, 1] { sampler.accept(token) }
        #expect(try sampler.next([3, 2, 1].span) == 2)
        sampler.accept(2)
        #expect(try sampler.next([3, 2, 1].span) == 0)
    }

    @Test("a penalty of 1 changes nothing, an extreme one stays finite")
    func penaltyExtremes() throws {
        let plain = try Self.draws(50, Self.logits, Self.options())
        #expect(try Self.draws(50, Self.logits, Self.options(penalty: 1)) == plain)
        for factor in [Float.leastNonzeroMagnitude, .greatestFiniteMagnitude] {
            var sampler = Sampler(Self.options(temperature: 1e-30, penalty: factor))
            sampler.accept(1)
            let id = try sampler.next([1, 3e38, -3e38].span)
            #expect(id == (factor < 1 ? 1 : 0))
        }
    }

    @Test("a token of -infinity is never chosen, and there must be another")
    func excluded() throws {
        let least = -Float.infinity
        for options in [GenerationOptions(), Self.options(), Self.options(penalty: 2)] {
            var sampler = Sampler(options)
            sampler.accept(1)
            for _ in 0..<20 { #expect(try sampler.next([-3, least, -2].span) != 1) }
            #expect(throws: BitNetError.self) { try sampler.next([least, least].span) }
        }
    }

    @Test(
        "logits that are not finite are an error",
        arguments: [Float.nan, .infinity])
    func notFinite(value: Float) {
        for options in [GenerationOptions(), Self.options()] {
            var sampler = Sampler(options)
            #expect(throws: BitNetError.self) { try sampler.next([1, value, 2].span) }
            #expect(throws: BitNetError.self) { try sampler.next([Float]().span) }
        }
    }

    @Test("log probabilities are those of the softmax")
    func logProbabilities() {
        for (id, probability) in Self.softmax(Self.logits).enumerated() {
            let found = LogProbabilities(of: id, top: 0, Self.logits.span)
            #expect(abs(Double(found.chosen) - log(probability)) < 1e-6)
            #expect(found.top.isEmpty)
        }
    }

    @Test("the portable exp is accurate and ends in zero")
    func exponential() {
        #expect(portableExp(0) == 1)
        #expect(portableExp(-0.0) == 1)
        #expect(portableExp(-709) == 0)
        #expect(portableExp(-.infinity) == 0)
        #expect(portableExp(-1e300) == 0)
        for step in 0..<70_000 {
            let x = -Double(step) * 0.01
            #expect(abs(portableExp(x) - exp(x)) <= 1e-15 * exp(x))
        }
    }
}

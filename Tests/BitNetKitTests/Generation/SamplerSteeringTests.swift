import Foundation
import Synchronization
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Allows the same tokens always.
struct FixedConstraint: TokenConstraint {
    let tokens: Set<Int>

    mutating func allow(_ mask: inout TokenMask) {
        mask.removeAll()
        for token in tokens { mask.insert(token) }
    }

    mutating func accept(_ token: Int) {}
}

/// Allows one token after the other, then nothing.
struct ScriptConstraint: TokenConstraint {
    var script: [Set<Int>]

    mutating func allow(_ mask: inout TokenMask) {
        mask.removeAll()
        for token in script.first ?? [] { mask.insert(token) }
    }

    mutating func accept(_ token: Int) {
        if !script.isEmpty { script.removeFirst() }
    }
}

@Suite("Sampler, steered")
struct SamplerSteeringTests {
    private static let logits: [Float] = [0.5, 2, -1, 1.5, 0, -3, 1, 2.5]

    private static func draws(
        _ count: Int, _ options: GenerationOptions, _ processors: [LogitProcessor] = [],
        constraint: (any TokenConstraint)? = nil
    ) throws -> [Int] {
        var sampler = Sampler(options, processors: processors)
        sampler.constraint = constraint
        return try (0..<count).map { _ in try sampler.next(logits.span) }
    }

    static let samplings: [GenerationOptions.Sampling] = [
        .greedy, .random(temperature: 0), .random(temperature: 1, seed: 1),
        .random(temperature: 1e-30, seed: 1), .random(temperature: 1e30, seed: 1),
        .random(temperature: 1, topK: 3, seed: 1), .random(temperature: 1, topK: 8, seed: 1),
        .random(temperature: 2, topP: 0.5, seed: 1), .random(temperature: 2, topP: 1, seed: 1),
        .random(temperature: 2, minP: 0.9, seed: 1), .random(temperature: 2, minP: 0, seed: 1),
        .random(temperature: 3, topK: 6, topP: 0.99, minP: 0.001, seed: 1),
    ]

    @Test("a masked token is never drawn, in any mode", arguments: samplings)
    func mask(_ sampling: GenerationOptions.Sampling) throws {
        let options = GenerationOptions(sampling: sampling)
        for allowed in [[0, 2, 5], [5], [4, 6], [0, 1, 2, 3, 4, 5, 6, 7]] as [Set<Int>] {
            let found = try Self.draws(
                300, options, constraint: FixedConstraint(tokens: allowed))
            #expect(allowed.isSuperset(of: found))
        }
        let plain = try Self.draws(300, options)
        let all = FixedConstraint(tokens: Set(0..<8))
        #expect(try Self.draws(300, options, constraint: all) == plain)
    }

    @Test("what a mask leaves is drawn in its proportions")
    func maskedDistribution() throws {
        let options = GenerationOptions(sampling: .random(temperature: 1, seed: 1))
        let found = try Self.draws(20_000, options, constraint: FixedConstraint(tokens: [1, 3]))
        let share = Double(found.count { $0 == 1 }) / 20_000
        #expect(abs(share - 1 / (1 + exp(-0.5))) < 0.01)
    }

    @Test("no allowed token is an error that says after how many", arguments: samplings)
    func nothingAllowed(_ sampling: GenerationOptions.Sampling) throws {
        let options = GenerationOptions(sampling: sampling)
        var sampler = Sampler(options)
        sampler.constraint = ScriptConstraint(script: [[3], [2, 6]])
        #expect(try sampler.next(Self.logits.span) == 3)
        sampler.accept(3)
        let second = try sampler.next(Self.logits.span)
        #expect([2, 6].contains(second))
        sampler.accept(second)
        #expect(throws: BitNetError.noAllowedToken(position: 2)) {
            try sampler.next(Self.logits.span)
        }
        let banned = GenerationOptions(
            sampling: sampling,
            logitBias: Dictionary(uniqueKeysWithValues: (0..<8).map { ($0, -.infinity) }))
        #expect(throws: BitNetError.noAllowedToken(position: 0)) {
            try Self.draws(1, banned)
        }
    }

    @Test("a bias is added to the logits, minus infinity bans")
    func bias() throws {
        #expect(try Self.draws(1, GenerationOptions(logitBias: [5: 5.6])) == [5])
        #expect(try Self.draws(1, GenerationOptions(logitBias: [5: 5.4])) == [7])
        #expect(try Self.draws(1, GenerationOptions(logitBias: [7: -.infinity])) == [1])
        let random = GenerationOptions(
            sampling: .random(temperature: 9, seed: 2), logitBias: [7: -.infinity, 1: -.infinity])
        #expect(try Set(Self.draws(500, random)) == [0, 2, 3, 4, 5, 6])
    }

    @Test("whatever can choose any token makes a sampler steered")
    func isSteered() {
        #expect(!Sampler(GenerationOptions(repetitionPenalty: 2)).isSteered)
        #expect(Sampler(GenerationOptions(logitBias: [0: 1])).isSteered)
        #expect(Sampler(GenerationOptions(presencePenalty: -1)).isSteered)
        #expect(Sampler(GenerationOptions(frequencyPenalty: 1)).isSteered)
        #expect(Sampler(GenerationOptions(), processors: [{ _, _ in }]).isSteered)
        var constrained = Sampler(GenerationOptions())
        constrained.constraint = FixedConstraint(tokens: [1])
        #expect(constrained.isSteered)
    }

    @Test("presence and frequency penalties look at the response only")
    func occurrences() throws {
        let options = GenerationOptions(presencePenalty: 0.3, frequencyPenalty: 0.25)
        var sampler = Sampler(options)
        for _ in 0..<9 { sampler.acceptPrompt(7) }
        #expect(try sampler.next(Self.logits.span) == 7)
        // 2.5 - 0.3 - 0.25 is below 2.
        sampler.accept(7)
        #expect(try sampler.next(Self.logits.span) == 1)
        sampler.accept(1)
        // 1.95 against 1.45 and 1.5.
        #expect(try sampler.next(Self.logits.span) == 7)
        sampler.accept(7)
        sampler.accept(7)
        // 1.45, then 1.45 and 1.5.
        #expect(try sampler.next(Self.logits.span) == 3)
    }

    @Test("the steps run in their order: bias, penalties, processors, mask")
    func order() throws {
        // (1 + 1) / 2 = 1 beats 0.9; the other way round it would be 1.5.
        var sampler = Sampler(GenerationOptions(repetitionPenalty: 2, logitBias: [0: 1]))
        sampler.accept(0)
        #expect(try sampler.next([1, 1.2].span) == 1)
        #expect(try sampler.next([1, 0.9].span) == 0)
        let seen = Mutex<[[Float]]>([])
        let processors: [LogitProcessor] = [
            { _, logits in
                let values = [logits[0], logits[1], logits[2], logits[3]]
                seen.withLock { $0.append(values) }
                logits[2] = 100
            },
            { _, logits in
                logits[1] = logits[2] + 1
                logits[3] = 1000
            },
        ]
        var options = GenerationOptions(
            sampling: .random(temperature: 0.1, seed: 1), repetitionPenalty: 2,
            logitBias: [0: 3], presencePenalty: 0.25)
        for isRandom in [true, false] {
            if !isRandom { options.sampling = .greedy }
            var steered = Sampler(options, processors: processors)
            steered.constraint = FixedConstraint(tokens: [0, 1, 2])
            steered.acceptPrompt(1)
            steered.accept(0)
            // The processors make 3 the likeliest, the mask forbids it.
            #expect(try steered.next([1, -1, 0, 0].span) == 1)
        }
        #expect(seen.withLock { $0 } == [[1.75, -2, 0, 0], [1.75, -2, 0, 0]])
    }

    @Test("processors see the tokens so far")
    func tokens() throws {
        let seen = Mutex<[[Int]]>([])
        var sampler = Sampler(
            GenerationOptions(), processors: [{ tokens, _ in seen.withLock { $0.append(tokens) } }])
        _ = try sampler.next(Self.logits.span, after: [4, 5])
        _ = try sampler.next(Self.logits.span, after: [4, 5, 7])
        #expect(seen.withLock { $0 } == [[4, 5], [4, 5, 7]])
    }

    @Test(
        "a processor that makes a logit NaN or infinite is an error, minus infinity a ban",
        arguments: [Float.nan, .infinity, -.infinity])
    func notFinite(value: Float) throws {
        for sampling in Self.samplings {
            let options = GenerationOptions(sampling: sampling)
            let processors: [LogitProcessor] = [{ _, logits in logits[7] = value }]
            if value == -.infinity {
                #expect(try !Self.draws(200, options, processors).contains(7))
                continue
            }
            let error = #expect(throws: BitNetError.self) {
                try Self.draws(1, options, processors)
            }
            guard case .invalidArgument("processors", _)? = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
    }

    @Test("a processor that changes nothing changes nothing, also after an extreme penalty")
    func idle() throws {
        let idle: [LogitProcessor] = [{ _, _ in }]
        for sampling in Self.samplings {
            let options = GenerationOptions(sampling: sampling)
            #expect(try Self.draws(100, options, idle) == Self.draws(100, options))
        }
        var sampler = Sampler(
            GenerationOptions(repetitionPenalty: .greatestFiniteMagnitude), processors: idle)
        sampler.accept(0)
        sampler.accept(1)
        #expect(try sampler.next([-3e38, -2e38].span) == 0)
        var positive = Sampler(
            GenerationOptions(repetitionPenalty: .leastNonzeroMagnitude), processors: idle)
        positive.accept(1)
        #expect(try positive.next([3e38, 2e38].span) == 1)
    }

    @Test("a response is held to the constraint, and ends with an error where it allows nothing")
    func response() async throws {
        func ids(_ text: String) -> [Int] { text.unicodeScalars.map { Int($0.value) } }
        let yes = ScriptConstraint(script: ids("ok").map { [$0] } + [[FakeBackend.endOfText]])
        let backend = FakeBackend("never mind", constraint: yes)
        let result = try await GenerationStream(
            backend: backend, prompt: .text("Hi"), options: .init()
        ).collect()
        #expect(result.text == "ok" && result.stopReason == .endOfText)
        let stuck = FakeBackend(
            "never mind", constraint: ScriptConstraint(script: ids("ok").map { [$0] }))
        await #expect(throws: BitNetError.noAllowedToken(position: 2)) {
            _ = try await GenerationStream(
                backend: stuck, prompt: .text("Hi"), options: .init()
            ).collect()
        }
        #expect(stuck.log.withLock { $0.liveSources } == 0)
    }

    @Test("a bias on a token that is not in the vocabulary ends the response before it begins")
    func unknownBias() async throws {
        let backend = FakeBackend("a")
        await #expect(throws: BitNetError.self) {
            _ = try await GenerationStream(
                backend: backend, prompt: .text("Hi"), options: .init(logitBias: [128: 1])
            ).collect()
        }
        #expect(backend.log.withLock { $0.passes } == [])
    }
}

import BitNetSampleModel
import Foundation
import Synchronization
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Drafts change how many passes a response takes, and nothing else.
@Suite("Speculation")
struct SpeculationTests {
    private typealias Change = @Sendable (inout GenerationOptions) -> Void

    /// Everything a response gives, but its statistics apart.
    private static func run(
        _ stream: GenerationStream
    ) async throws -> (events: [GenerationEvent], statistics: GenerationStatistics) {
        var events: [GenerationEvent] = []
        for try await event in stream {
            if case .finished(_, let statistics) = event { return (events, statistics) }
            events.append(event)
        }
        throw BitNetError.cancelled
    }

    private static func reason(_ stream: GenerationStream) async throws -> StopReason {
        try await stream.collect().stopReason
    }

    /// Compares a response with and without drafts; returns the statistics with.
    private static func compare(
        _ name: String, _ options: GenerationOptions,
        _ stream: (GenerationOptions) -> GenerationStream
    ) async throws -> GenerationStatistics {
        let (expected, plain) = try await run(stream(options))
        var speculative = options
        var latest = plain
        for (draft, ngram) in [(1, 1), (3, 2), (8, 3), (64, 1)] {
            speculative.speculation = .promptLookup(maximumDraft: draft, ngram: ngram)
            let (events, statistics) = try await run(stream(speculative))
            #expect(events == expected, "\(name), draft \(draft), \(ngram)-gram")
            #expect(statistics.generatedTokens == plain.generatedTokens)
            #expect(statistics.decodedTokens == plain.decodedTokens)
            #expect(
                statistics.decodePasses + statistics.acceptedDraftTokens
                    == statistics.decodedTokens)
            #expect(statistics.acceptedDraftTokens <= statistics.draftedTokens)
            latest = statistics
        }
        #expect(plain.draftedTokens == 0 && plain.decodePasses == plain.decodedTokens)
        return latest
    }

    private static func options(_ change: Change) -> GenerationOptions {
        var options = GenerationOptions(maximumResponseTokens: 60)
        change(&options)
        return options
    }

    private static let variations: [(String, Change)] = [
        ("greedy", { _ in }),
        ("seeded", { $0.sampling = .random(temperature: 0.7, topP: 0.9, seed: 4) }),
        ("top-k", { $0.sampling = .random(temperature: 1.2, topK: 5, minP: 0.05, seed: 8) }),
        (
            "repetition penalty",
            {
                $0.repetitionPenalty = 1.2; $0.repetitionWindow = 9
            }
        ),
        (
            "other penalties",
            {
                $0.presencePenalty = 0.5; $0.frequencyPenalty = 0.2
            }
        ),
        ("bias", { $0.logitBias = [20: 2, 97: 1.5, 46: -.infinity] }),
        ("log probabilities", { $0.topLogProbabilities = 3 }),
        ("one token", { $0.maximumResponseTokens = 1 }),
        ("two tokens", { $0.maximumResponseTokens = 2 }),
        ("short", { $0.maximumResponseTokens = 13 }),
        ("none", { $0.maximumResponseTokens = 0 }),
        ("sparsity", { $0.includesSparsity = true }),
    ]

    @Test("the sample model says the same with drafts, and with fewer passes")
    func sampleModel() async throws {
        let model = try await BitNetModel.sample()
        let sentence = "The cat sat on the mat. The dog saw the cat. "
        let prompt = try [0] + model.tokenizer.encode(String(repeating: sentence, count: 3))
        for (name, change) in Self.variations {
            let statistics = try await Self.compare(name, Self.options(change)) {
                model.stream(tokens: prompt, options: $0)
            }
            if name == "greedy" { #expect(statistics.acceptedDraftTokens > 0) }
        }
        // Any number of tokens may fit behind the prompt.
        for room in 0...9 {
            let options = GenerationOptions(contextLength: prompt.count + room)
            _ = try await Self.compare("room for \(room)", options) {
                model.stream(tokens: prompt, options: $0)
            }
        }
        let reason = try await Self.reason(
            model.stream(
                tokens: prompt,
                options: .init(contextLength: prompt.count + 7, speculation: .promptLookup())))
        #expect(reason == .contextFull)
    }

    @Test("stop strings end a response at the same place, also within a draft")
    func stopStrings() async throws {
        let text = "abcdabcdabcdabcd-STOP-abcdabcd"
        for stop in ["STOP", "dabc", "bcda", "d-S", "a", "never"] {
            let backend = FakeBackend(text)
            _ = try await Self.compare(stop, GenerationOptions(stop: [stop])) {
                GenerationStream(backend: backend, prompt: .text("abcd"), options: $0)
            }
            let result = try await GenerationStream(
                backend: backend, prompt: .text("abcd"),
                options: .init(stop: [stop], speculation: .promptLookup())
            ).collect()
            let end = text.range(of: stop)?.lowerBound ?? text.endIndex
            #expect(result.text == text[..<end])
            #expect(result.stopReason == (stop == "never" ? .endOfText : .stopString(stop)))
        }
    }

    @Test("passes, drafted and accepted tokens are counted right")
    func counts() async throws {
        let backend = FakeBackend("abababab")
        let result = try await GenerationStream(
            backend: backend, prompt: .text("ab"),
            options: .init(speculation: .promptLookup(maximumDraft: 4, ngram: 1))
        ).collect()
        #expect(result.text == "abababab")
        // Begin-of-text, "a" and "b" give "a"; with "baba" behind it come "babab"; behind that
        // "abab", of which "ab" is right, and then comes the end.
        #expect(backend.log.withLock { $0.passes } == [3, 5, 5])
        let statistics = result.statistics
        #expect(statistics.decodePasses == 2)
        #expect(statistics.decodedTokens == 8)
        #expect(statistics.draftedTokens == 8)
        #expect(statistics.acceptedDraftTokens == 6)
        #expect(statistics.generatedTokens == 8)
    }

    @Test("a draft never goes beyond the room that a response has")
    func room() async throws {
        let backend = FakeBackend("abab", endsText: false, contextLimit: 12)
        let result = try await GenerationStream(
            backend: backend, prompt: .text("ab"),
            options: .init(speculation: .promptLookup(maximumDraft: 64, ngram: 1))
        ).collect()
        #expect(result.stopReason == .contextFull && result.tokens.count == 9)
        // The last token needs no pass.
        #expect(backend.log.withLock { $0.passes } == [3, 8])
    }

    @Test("processors and constraints see the same tokens in the same order")
    func processors() async throws {
        let model = try await BitNetModel.sample()
        let prompt = try [0] + model.tokenizer.encode("One day a cat met a cat who met a cat who")
        let seen = Mutex<[[Int]]>([])
        let processor: LogitProcessor = { tokens, logits in
            seen.withLock { $0.append(tokens) }
            // Depends on what came before.
            for token in tokens.suffix(2) { logits[token] -= 1 }
        }
        func tokens(_ speculation: GenerationOptions.Speculation?) async throws -> [Int] {
            let options = GenerationOptions(
                sampling: .random(temperature: 0.3, seed: 1), maximumResponseTokens: 40,
                speculation: speculation)
            return try await model.generate(
                tokens: prompt, options: options, processors: [processor]
            ).tokens
        }
        let expected = try await tokens(nil)
        let calls = seen.withLock { $0 }
        #expect(calls.count == 40)
        for ngram in 1...3 {
            seen.withLock { $0 = [] }
            #expect(try await tokens(.promptLookup(ngram: ngram)) == expected)
            #expect(seen.withLock { $0 } == calls)
        }
        let script = "abcabcabcabc".unicodeScalars.map { Set([Int($0.value), 120]) }
        for speculation in [nil, .promptLookup(ngram: 2)] as [GenerationOptions.Speculation?] {
            let backend = FakeBackend(
                "something else", constraint: ScriptConstraint(script: script + [[0]]))
            let result = try await GenerationStream(
                backend: backend, prompt: .text("abc"), options: .init(speculation: speculation)
            ).collect()
            #expect(result.text == "abcabcabcabc" && result.stopReason == .endOfText)
        }
    }

    @Test("logits of a batch are asked for one by one, as many as are wanted")
    func wantedLogits() async throws {
        let model = try await BitNetModel.sample()
        let tokens = (0..<12).map { $0 * 5 + 7 }
        let expected = try await model.logits(tokens: tokens, allPositions: true).logits
        let context = try InferenceContext(model.transformer, contextLength: 12, cache: .f32)
        var rows: [[Float]] = []
        try context.forward(tokens, isCancelled: { false }) { index, row in
            #expect(index == rows.count)
            rows.append(row.indices.map { row[$0] })
            return rows.count < 5
        }
        #expect(rows == Array(expected.prefix(5)))
        #expect(context.position == 12)
        context.rewind(to: 5)
        rows = []
        try context.forward(Array(tokens[5...]), isCancelled: { false }) { _, row in
            rows.append(row.indices.map { row[$0] })
            return true
        }
        #expect(rows == Array(expected[5...]))
    }
}

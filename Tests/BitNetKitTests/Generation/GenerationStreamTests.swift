import Foundation
import Synchronization
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Generation stream")
struct GenerationStreamTests {
    private static func stream(
        _ backend: FakeBackend, _ prompt: String = "Hi",
        _ change: (inout GenerationOptions) -> Void = { _ in }
    ) -> GenerationStream {
        var options = GenerationOptions()
        change(&options)
        return GenerationStream(backend: backend, prompt: .text(prompt), options: options)
    }

    private static func events(_ stream: GenerationStream) async throws -> [GenerationEvent] {
        var events: [GenerationEvent] = []
        for try await event in stream { events.append(event) }
        return events
    }

    private static func ids(_ text: String) -> [Int] { text.unicodeScalars.map { Int($0.value) } }

    @Test("a response ends at the end token, which is no part of it")
    func endOfText() async throws {
        let backend = FakeBackend("yes")
        let result = try await Self.stream(backend).collect()
        #expect(result.text == "yes")
        #expect(result.tokens == Self.ids("yes"))
        #expect(result.stopReason == .endOfText)
        #expect(result.statistics.promptTokens == 3)
        #expect(result.statistics.cachedPromptTokens == 0)
        #expect(result.statistics.generatedTokens == 3)
        #expect(result.statistics.decodedTokens == 3)
        let log = backend.log.withLock { $0 }
        #expect(log.processed == [FakeBackend.begin] + Self.ids("Hiyes"))
        #expect(log.passes == [3, 1, 1, 1])
        #expect(log.cache == .f16)
    }

    @Test("every token event comes before its text, and the end comes last")
    func order() async throws {
        let events = try await Self.events(Self.stream(FakeBackend("a~b")))
        #expect(events.count == 6)
        let tokens = Self.ids("a~b").map { GenerationEvent.token(id: $0, logProbabilities: nil) }
        // The decoder holds "~" back until "b" completes it.
        #expect(
            events.dropLast() == [tokens[0], .text("a"), tokens[1], tokens[2], .text("~b")])
        guard case .finished(.endOfText, _)? = events.last else {
            Issue.record("\(events) does not end as it should")
            return
        }
    }

    @Test("each next() puts at most one token through the model, and none ahead")
    func pullDriven() async throws {
        let backend = FakeBackend("abc")
        var iterator = Self.stream(backend).makeAsyncIterator()
        #expect(backend.log.withLock { $0.passes } == [])
        #expect(try await iterator.next() == .token(id: 97, logProbabilities: nil))
        #expect(backend.log.withLock { $0.passes } == [3])
        #expect(try await iterator.next() == .text("a"))
        #expect(backend.log.withLock { $0.passes } == [3])
        #expect(try await iterator.next(isolation: nil) == .token(id: 98, logProbabilities: nil))
        #expect(backend.log.withLock { $0.passes } == [3, 1])
    }

    @Test("the cache is freed at the end and when the consumer walks away")
    func freed() async throws {
        let backend = FakeBackend("abc")
        for try await _ in Self.stream(backend) { break }
        #expect(backend.log.withLock { $0.liveSources } == 0)
        var iterator = Self.stream(backend).makeAsyncIterator()
        while let event = try await iterator.next() {
            if case .finished = event { break }
        }
        #expect(backend.log.withLock { $0.liveSources } == 0)
        #expect(try await iterator.next() == nil)
        #expect(try await iterator.next() == nil)
    }

    @Test("a stop string ends the response and is not part of its text", arguments: 0...4)
    func stopString(before: Int) async throws {
        let text = String("abcd".prefix(before))
        let backend = FakeBackend(text + "STOP and more")
        let result = try await Self.stream(backend) { $0.stop = ["STOP", "never"] }.collect()
        #expect(result.text == text)
        #expect(result.stopReason == .stopString("STOP"))
        #expect(result.tokens == Self.ids(text + "STOP"))
    }

    @Test("text held back for a stop string that does not come is given out at the end")
    func heldBack() async throws {
        let result = try await Self.stream(FakeBackend("an ST")) { $0.stop = ["STOP"] }.collect()
        #expect(result.text == "an ST")
        #expect(result.stopReason == .endOfText)
        let unfinished = try await Self.stream(FakeBackend("an S~")) {
            $0.maximumResponseTokens = 5
        }.collect()
        #expect(unfinished.text == "an S~")
        #expect(unfinished.stopReason == .length)
    }

    @Test("the length limit is exact, and needs no pass for a token nobody sees")
    func length() async throws {
        let backend = FakeBackend("abcdef")
        let result = try await Self.stream(backend) { $0.maximumResponseTokens = 4 }.collect()
        #expect(result.text == "abcd")
        #expect(result.stopReason == .length)
        #expect(result.statistics.decodedTokens == 3)
        #expect(backend.log.withLock { $0.passes } == [3, 1, 1, 1])
        #expect(backend.log.withLock { $0.contextLength } == 7)
    }

    @Test("a limit of 0 validates and computes nothing")
    func lengthZero() async throws {
        let backend = FakeBackend("abc")
        let events = try await Self.events(
            Self.stream(backend) { $0.maximumResponseTokens = 0 })
        guard events.count == 1, case .finished(.length, let statistics) = events[0] else {
            Issue.record("\(events)")
            return
        }
        #expect(statistics.promptTokens == 3)
        #expect(backend.log.withLock { $0.passes } == [])
        await #expect(throws: BitNetError.self) {
            _ = try await Self.stream(backend) {
                $0.maximumResponseTokens = 0
                $0.stop = [""]
            }.collect()
        }
    }

    @Test("prompt and response fill the context and no more")
    func contextFull() async throws {
        let backend = FakeBackend("abc", endsText: false, contextLimit: 10)
        let result = try await Self.stream(backend).collect()
        #expect(result.tokens.count == 7)
        #expect(result.stopReason == .contextFull)
        let shorter = try await Self.stream(backend) { $0.contextLength = 5 }.collect()
        #expect(shorter.tokens.count == 2)
        let full = try await Self.stream(backend, "123456789").collect()
        #expect(full.text == "")
        #expect(full.stopReason == .contextFull)
        let both = try await Self.stream(backend) { $0.maximumResponseTokens = 7 }.collect()
        #expect(both.stopReason == .length)
    }

    @Test("a prompt longer than the context is an error that gives both lengths")
    func contextExceeded() async throws {
        let backend = FakeBackend("abc", contextLimit: 10)
        await #expect(throws: BitNetError.contextWindowExceeded(limit: 10, requested: 11)) {
            _ = try await Self.stream(backend, "1234567890").collect()
        }
        await #expect(throws: BitNetError.contextWindowExceeded(limit: 2, requested: 3)) {
            _ = try await Self.stream(backend) { $0.contextLength = 2 }.collect()
        }
        await #expect(throws: BitNetError.self) {
            _ = try await Self.stream(backend) { $0.contextLength = 11 }.collect()
        }
    }

    @Test("an empty prompt starts from the begin or the end token, else it is an error")
    func emptyPrompt() async throws {
        let withBegin = FakeBackend("a")
        _ = try await Self.stream(withBegin, "").collect()
        #expect(withBegin.log.withLock { $0.processed.first } == FakeBackend.begin)
        #expect(withBegin.log.withLock { $0.passes.first } == 1)
        let withEnd = FakeBackend("a", hasBegin: false)
        _ = try await Self.stream(withEnd, "").collect()
        #expect(withEnd.log.withLock { $0.processed.first } == FakeBackend.endOfText)
        let neither = FakeBackend("a", hasBegin: false, endTokens: [])
        await #expect(throws: BitNetError.self) {
            _ = try await Self.stream(neither, "").collect()
        }
    }

    @Test("token ids are taken as they are, and checked")
    func tokenPrompt() async throws {
        let backend = FakeBackend("a")
        func run(_ tokens: [Int]) async throws {
            _ = try await GenerationStream(
                backend: backend, prompt: .tokens(tokens), options: .init()
            ).collect()
        }
        try await run([5, 127])
        #expect(backend.log.withLock { $0.processed.prefix(2) } == [5, 127])
        for unknown in [-1, 128, .max, .min] {
            await #expect(throws: BitNetError.self) { try await run([5, unknown]) }
        }
    }

    @Test("cancelling ends the response within one token, with the text so far")
    func cancelled() async throws {
        let reached = DispatchSemaphore(value: 0)
        let resume = DispatchSemaphore(value: 0)
        let backend = FakeBackend("abcdefgh") { count in
            guard count == 5 else { return }
            reached.signal()
            resume.wait()
        }
        let task = Task { try await Self.stream(backend).collect() }
        await Self.wait(for: reached)
        task.cancel()
        resume.signal()
        let result = try await task.value
        #expect(result.stopReason == .cancelled)
        #expect(result.text == "abc")
        #expect(backend.log.withLock { $0.processed.count } == 5)
        #expect(backend.log.withLock { $0.liveSources } == 0)
    }

    @Test("cancelling ends the prefill too")
    func cancelledPrefill() async throws {
        let reached = DispatchSemaphore(value: 0)
        let resume = DispatchSemaphore(value: 0)
        let backend = FakeBackend("abc") { count in
            guard count == 1 else { return }
            reached.signal()
            resume.wait()
        }
        let task = Task { try await Self.stream(backend, "a long prompt").collect() }
        await Self.wait(for: reached)
        task.cancel()
        resume.signal()
        let result = try await task.value
        #expect(result.stopReason == .cancelled)
        #expect(result.text == "")
        #expect(result.statistics.promptTokens == 14)
        #expect(backend.log.withLock { $0.processed.count } == 1)
    }

    private static func wait(for semaphore: DispatchSemaphore) async {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                semaphore.wait()
                continuation.resume()
            }
        }
    }

    @Test("an error ends the stream and frees the cache")
    func failure() async throws {
        let expected = BitNetError.outOfMemory(bytes: 1, purpose: "the test")
        let backend = FakeBackend("abcdefgh") { count throws(BitNetError) in
            if count == 4 { throw .outOfMemory(bytes: 1, purpose: "the test") }
        }
        var iterator = Self.stream(backend).makeAsyncIterator()
        let error = await #expect(throws: BitNetError.self) {
            while try await iterator.next() != nil {}
        }
        #expect(error == expected)
        #expect(try await iterator.next() == nil)
        #expect(backend.log.withLock { $0.liveSources } == 0)
    }

    @Test("log probabilities come with the tokens when asked for")
    func logProbabilities() async throws {
        let events = try await Self.events(
            Self.stream(FakeBackend("a")) { $0.topLogProbabilities = 0 })
        // One logit is 5, the 127 others are 0.
        guard case .token(97, let found?)? = events.first, found.top.isEmpty else {
            Issue.record("\(events)")
            return
        }
        let expected: Double = 5 - log(exp(5) + 127)
        #expect(abs(Double(found.chosen) - expected) < 1e-6)
    }

    @Test("two iterators of one stream are two responses, equal with a seed")
    func independent() async throws {
        let stream = Self.stream(FakeBackend("abc", endsText: false)) {
            $0.sampling = .random(temperature: 2, seed: 9)
        }
        let first = try await stream.collect()
        let second = try await stream.collect()
        #expect(first.tokens == second.tokens)
        #expect(first.tokens.count == 97 || first.stopReason == .endOfText)
    }

    @Test("times are the model's: passes, and the choices after the first token")
    func times() async throws {
        let backend = FakeBackend("abcdef", whilePreparing: { usleep(150_000) })
        // The choice of the first token takes as long, but comes out of the prompt's pass.
        let slow: LogitProcessor = { tokens, _ in if tokens.count == 3 { usleep(150_000) } }
        let begin = ContinuousClock.now
        let result = try await GenerationStream(
            backend: backend, prompt: .text("xy"),
            options: GenerationOptions(maximumResponseTokens: 4), processors: [slow]
        ).collect()
        let all = ContinuousClock.now - begin
        let statistics = result.statistics
        #expect(statistics.promptTokens == 3 && statistics.generatedTokens == 4)
        #expect(statistics.decodedTokens == 3)
        #expect(statistics.prefill > .zero && statistics.decode > .zero)
        #expect(statistics.prefill + statistics.decode + .milliseconds(300) <= all)
        // Where there is one token, there is nothing after it.
        let single = try await GenerationStream(
            backend: FakeBackend("ab"), prompt: .text("x"),
            options: GenerationOptions(maximumResponseTokens: 1)
        ).collect().statistics
        #expect(single.decode == .zero && single.decodeTokensPerSecond == 0)
        #expect(single.prefill > .zero)
    }

    @Test("what was slow in a pass is in its time")
    func slowPasses() async throws {
        let backend = FakeBackend("abcdef") { count in
            if count == 1 || count == 4 { usleep(50_000) }
        }
        let statistics = try await GenerationStream(
            backend: backend, prompt: .text("xy"),
            options: GenerationOptions(maximumResponseTokens: 4)
        ).collect().statistics
        #expect(statistics.prefill >= .milliseconds(50) && statistics.decode >= .milliseconds(50))
        #expect(
            abs(statistics.decodeTokensPerSecond * (statistics.decode / .seconds(1)) - 3) < 1e-9)
    }

    @Test("statistics in words: counts, seconds and rates that belong together")
    func words() {
        func words(
            _ prompt: Int, cached: Int = 0, _ generated: Int, _ decoded: Int, passes: Int? = nil,
            drafted: Int = 0, _ prefill: Duration, _ decode: Duration
        ) -> String {
            "\(GenerationStatistics(promptTokens: prompt, cachedPromptTokens: cached, generatedTokens: generated, decodedTokens: decoded, decodePasses: passes, draftedTokens: drafted, acceptedDraftTokens: drafted / 2, prefill: prefill, decode: decode))"
        }
        #expect(
            words(12, 5, 4, .milliseconds(500), .seconds(2))
                == "prompt 12 tokens in 0.500 s (24.0 tokens/s), response 5 tokens, "
                + "4 decoded in 2.00 s (2.0 tokens/s)")
        #expect(
            words(12, cached: 10, 1, 0, .microseconds(123), .zero)
                == "prompt 12 tokens, 10 of them cached, 2 in 0.000123 s (16260.2 tokens/s), "
                + "response 1 token")
        #expect(
            words(1, 3, 3, passes: 1, drafted: 4, .seconds(1234), .seconds(30))
                == "prompt 1 token in 1234 s (0.0 tokens/s), response 3 tokens, 3 decoded in "
                + "30.0 s (0.1 tokens/s), 2 of 4 drafted tokens accepted, 1 pass")
        #expect(words(2, 0, 0, .zero, .zero) == "prompt 2 tokens, response 0 tokens")
    }

    @Test("rates are tokens over seconds, 0 where nothing was computed")
    func rates() {
        let statistics = GenerationStatistics(
            promptTokens: 12, cachedPromptTokens: 2, generatedTokens: 5, decodedTokens: 4,
            prefill: .milliseconds(500), decode: .seconds(2))
        #expect(statistics.prefillTokensPerSecond == 20)
        #expect(statistics.decodeTokensPerSecond == 2)
        let nothing = GenerationStatistics(
            promptTokens: 0, cachedPromptTokens: 0, generatedTokens: 0, decodedTokens: 0,
            prefill: .zero, decode: .zero)
        #expect(nothing.prefillTokensPerSecond == 0)
        #expect(nothing.decodeTokensPerSecond == 0)
    }
}

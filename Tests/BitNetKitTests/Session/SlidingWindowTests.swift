import BitNetSampleModel
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Sliding window")
struct SlidingWindowTests {
    @Test("a long answer goes on, and its logits are those of a fresh prompt with what is left")
    func decoding() async throws {
        let model = try await BitNetModel.sample()
        let session = try BitNetSession(
            model: model, context: 40, overflow: .slidingWindow(sinks: 3, keeping: 20))
        let options = GenerationOptions(
            sampling: .random(temperature: 0.9, seed: 4), maximumResponseTokens: 70)
        let prompt = "Once upon a time there was a little"
        let start = try model.tokens(
            of: [ChatMessage(.user, prompt)], addsGenerationPrompt: true)
        let result = try await session.respond(to: prompt, options: options)
        try #require(result.stopReason == .length, "too short to slide twice")
        let memory = session.memory
        #expect(memory.tokens.count <= 40)
        #expect(memory.dropped >= 40)
        // The latest token has not been through the model.
        let all = start + result.tokens.dropLast()
        #expect(memory.tokens == Array(all.prefix(3) + all.dropFirst(3 + memory.dropped)))
        #expect(try memory.logits() == model.freshLogits(memory.tokens, cache: .f16))
    }

    @Test("without sinks only the latest tokens stay")
    func noSinks() async throws {
        let model = try await BitNetModel.sample()
        let session = try BitNetSession(
            model: model, context: 30, overflow: .slidingWindow(sinks: 0, keeping: 10))
        let options = GenerationOptions(
            sampling: .random(temperature: 0.9, seed: 4), maximumResponseTokens: 60)
        let result = try await session.respond(to: "One day a boy", options: options)
        try #require(result.stopReason == .length)
        let held = session.memory.tokens
        #expect(Array(result.tokens.dropLast().suffix(held.count)) == held)
        #expect(try session.memory.logits() == model.freshLogits(held, cache: .f16))
    }

    @Test("a conversation goes on for ever, each turn from the sinks and the latest tokens")
    func turns() async throws {
        let model = try await BitNetModel.sample()
        let session = try BitNetSession(
            model: model, context: 48, overflow: .slidingWindow(sinks: 4))
        var reused = 0
        for turn in 0..<30 {
            let options = GenerationOptions(
                sampling: .random(temperature: 1, seed: UInt64(turn)), maximumResponseTokens: 6)
            let prompt = tenPrompts[turn % 10]
            let conversation = try model.tokens(
                of: await session.messages + [ChatMessage(.user, prompt)],
                addsGenerationPrompt: true)
            let result = try await session.respond(to: prompt, options: options)
            let window = result.statistics.promptTokens
            #expect(window < 48)
            if conversation.count >= 48 {
                let expected = try await model.generate(
                    tokens: Array(conversation.prefix(4) + conversation.suffix(window - 4)),
                    options: options)
                // A window that slid during the answer has other tokens than the prompt alone.
                if window + result.tokens.count <= 48 { #expect(result.tokens == expected.tokens) }
                if result.statistics.cachedPromptTokens > 4 { reused += 1 }
            }
            let memory = session.memory
            #expect(try memory.logits() == model.freshLogits(memory.tokens, cache: .f16))
        }
        #expect(await session.turnCount == 30)
        #expect(reused >= 10, "\(reused) turns found more than the sinks in the cache")
    }

    @Test("a message longer than the context keeps its end")
    func longMessage() async throws {
        let model = try await BitNetModel.sample()
        let session = try BitNetSession(
            model: model, context: 32, overflow: .slidingWindow(sinks: 2, keeping: 16))
        let text = String(repeating: "The cat saw a bird in the tree. ", count: 20)
        let result = try await session.respond(
            to: text, options: GenerationOptions(maximumResponseTokens: 5))
        #expect(result.statistics.promptTokens == 16)
        let tokens = try model.tokens(of: [ChatMessage(.user, text)], addsGenerationPrompt: true)
        let expected = try await model.generate(
            tokens: Array(tokens.prefix(2) + tokens.suffix(14)),
            options: GenerationOptions(maximumResponseTokens: 5))
        #expect(result.tokens == expected.tokens)
    }

    @Test("going back behind what was left out gives what a fresh session gives")
    func rewinding() async throws {
        let model = try await BitNetModel.sample()
        let overflow = ContextOverflow.slidingWindow(sinks: 4, keeping: 24)
        let session = try BitNetSession(model: model, context: 48, overflow: overflow)
        let options = GenerationOptions(maximumResponseTokens: 9)
        for turn in 0..<20 {
            _ = try await session.respond(to: tenPrompts[turn % 10], options: options)
        }
        for turn in [15, 8, 7, 2, 0] {
            try await session.rewind(toTurn: turn)
            let conversation = try model.tokens(
                of: await session.messages + [ChatMessage(.user, " And")],
                addsGenerationPrompt: true)
            let result = try await session.respond(to: " And", options: options)
            let window = result.statistics.promptTokens
            #expect(window == conversation.count || (24..<48).contains(window))
            #expect(
                try session.memory.logits()
                    == model.freshLogits(session.memory.tokens, cache: .f16))
            try await session.rewind(toTurn: turn)
        }
    }

    @Test("an answer without a limit of its own has at most the context's tokens")
    func endless() async throws {
        let model = try await BitNetModel.sample()
        let session = try BitNetSession(
            model: model, context: 24, overflow: .slidingWindow(sinks: 1))
        let result = try await session.respond(
            to: "A", options: GenerationOptions(sampling: .random(temperature: 1.5, seed: 3)))
        #expect(result.tokens.count <= 24)
        #expect([.length, .endOfText].contains(result.stopReason))
    }

    @Test("positions never go backwards by themselves, and going back takes the latest tokens")
    func positions() async throws {
        let model = try await BitNetModel.sample()
        let memory = try SessionMemory(
            model: model, limit: 16, cache: .f16, overflow: .slidingWindow(sinks: 2, keeping: 8))
        memory.beginAnswer()
        let source: any TokenSource = memory
        #expect(source.position == 0)
        try source.forward(Array(5..<20), isCancelled: { false })
        #expect(source.position == 15)
        try source.forward([40], isCancelled: { false })
        #expect(source.position == 16)
        try source.forward([41, 42, 43], isCancelled: { false })
        #expect(source.position == 19)
        #expect(memory.tokens == [5, 6, 15, 16, 17, 18, 19, 40, 41, 42, 43])
        source.rewind(to: 17)
        #expect(memory.tokens.suffix(2) == [40, 41])
        try source.forward([44], isCancelled: { false })
        #expect(try memory.logits() == model.freshLogits(memory.tokens, cache: .f16))
    }
}

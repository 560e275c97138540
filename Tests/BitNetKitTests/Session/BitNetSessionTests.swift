import BitNetSampleModel
import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Session")
struct BitNetSessionTests {
    @Test(
        "ten turns give the tokens of one prompt with the whole history",
        arguments: SessionModel.allCases, KVCachePrecision.allCases)
    func tenTurns(_ kind: SessionModel, _ cache: KVCachePrecision) async throws {
        let model = try await kind.load()
        let session = try BitNetSession(
            model: model, instructions: kind == .chat ? "Be brief." : nil, cache: cache)
        for (turn, prompt) in tenPrompts.enumerated() {
            var options = GenerationOptions(maximumResponseTokens: 8)
            if turn % 2 == 1 {
                options.sampling = .random(temperature: 1, topP: 0.9, seed: UInt64(turn))
            }
            let expected = try await session.fresh(prompt, options)
            let result = try await session.respond(to: prompt, options: options)
            #expect(result.tokens == expected.tokens, "turn \(turn)")
            #expect(result.text == expected.text)
            #expect(result.stopReason == expected.stopReason)
            #expect(result.statistics.promptTokens == expected.statistics.promptTokens)
            let cached = result.statistics.cachedPromptTokens
            #expect(cached < result.statistics.promptTokens)
            if turn > 0 { #expect(cached > 0, "turn \(turn)") }
            let found = try session.memory.logits()
            #expect(
                try found == model.freshLogits(session.memory.tokens, cache: cache),
                "turn \(turn)")
        }
        #expect(await session.turnCount == 10)
    }

    @Test(
        "messages are the instructions, then questions and answers",
        arguments: SessionModel.allCases)
    func messages(_ kind: SessionModel) async throws {
        let session = try BitNetSession(model: try await kind.load(), instructions: "One day,")
        #expect(await session.messages == [ChatMessage(.system, "One day,")])
        let options = GenerationOptions(maximumResponseTokens: 5)
        let first = try await session.respond(to: " a dog", options: options)
        let second = try await session.respond(to: " It", options: options)
        #expect(
            await session.messages == [
                ChatMessage(.system, "One day,"), ChatMessage(.user, " a dog"),
                ChatMessage(.assistant, first.text), ChatMessage(.user, " It"),
                ChatMessage(.assistant, second.text),
            ])
        #expect(await session.turnCount == 2)
    }

    @Test("a model without a chat template continues the joined text")
    func plainText() async throws {
        let model = try await BitNetModel.sample()
        try #require(model.chatTemplate == nil)
        let session = try BitNetSession(model: model, instructions: "Once upon a time")
        let options = GenerationOptions(maximumResponseTokens: 12)
        let first = try await session.respond(to: " there was a cat", options: options)
        let expected = try await model.generate(
            "Once upon a time there was a cat", options: options)
        #expect(first.tokens == expected.tokens)
        let second = try await session.respond(to: "", options: options)
        let text = "Once upon a time there was a cat" + first.text
        #expect(try await model.generate(text, options: options).tokens == second.tokens)
    }

    @Test("the answer of a chat model ends at its end of turn")
    func endOfTurn() async throws {
        let model = try await SessionModel.chat.load()
        try #require(model.chatTemplate != nil)
        let endOfTurn = try #require(try model.tokenizer.id(ofSpecial: "<|eot_id|>"))
        #expect(try model.tokenizer.endTokens.contains(endOfTurn))
    }

    @Test(
        "prewarming computes the instructions before the first question",
        arguments: SessionModel.allCases)
    func prewarm(_ kind: SessionModel) async throws {
        let model = try await kind.load()
        let instructions = String(repeating: "A cat sat on a mat. ", count: 10)
        let options = GenerationOptions(maximumResponseTokens: 6)
        let cold = try BitNetSession(model: model, instructions: instructions)
        let warm = try BitNetSession(model: model, instructions: instructions)
        try await warm.prewarm()
        let expected = try await cold.respond(to: "The dog", options: options)
        let found = try await warm.respond(to: "The dog", options: options)
        #expect(found.tokens == expected.tokens)
        #expect(expected.statistics.cachedPromptTokens == 0)
        #expect(found.statistics.cachedPromptTokens >= 30)
        #expect(await warm.turnCount == 1)
    }

    @Test("an empty session has nothing to prewarm")
    func prewarmNothing() async throws {
        let session = try BitNetSession(model: try await .sample())
        try await session.prewarm()
        #expect(session.memory.tokens.isEmpty)
        #expect(await session.messages.isEmpty)
    }

    @Test("a turn that fails leaves the session as it was")
    func failedTurn() async throws {
        let model = try await BitNetModel.sample()
        let session = try BitNetSession(model: model, context: 40)
        let options = GenerationOptions(maximumResponseTokens: 4)
        _ = try await session.respond(to: "A cat", options: options)
        let before = await session.messages
        let twin = try await session.fork()
        await #expect(throws: BitNetError.self) {
            _ = try await session.respond(
                to: "x", options: GenerationOptions(maximumResponseTokens: -1))
        }
        let error = await #expect(throws: BitNetError.self) {
            _ = try await session.respond(to: String(repeating: " bird", count: 60))
        }
        guard case .contextWindowExceeded(limit: 40, let requested) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(requested > 60)
        #expect(await session.messages == before)
        let expected = try await twin.respond(to: " sat", options: options)
        let found = try await session.respond(to: " sat", options: options)
        #expect(found.tokens == expected.tokens)
        #expect(found.statistics.cachedPromptTokens == expected.statistics.cachedPromptTokens)
    }

    @Test("an answer that fills the context ends there, and the next turn is an error")
    func fullContext() async throws {
        let session = try BitNetSession(model: try await .sample(), context: 12)
        let options = GenerationOptions(sampling: .greedy, stop: [])
        let result = try await session.respond(to: "Once upon a time", options: options)
        #expect(result.stopReason == .contextFull)
        #expect(result.tokens.count + result.statistics.promptTokens == 12)
        await #expect(throws: BitNetError.contextWindowExceeded(limit: 12, requested: 13)) {
            _ = try await session.respond(to: "", options: options)
        }
        try await session.rewind(toTurn: 0)
        let again = try await session.respond(to: "Once upon a time", options: options)
        #expect(again.tokens == result.tokens)
    }

    @Test("a context or a window that is not possible is an error")
    func badArguments() async throws {
        let model = try await BitNetModel.sample()
        for context in [0, 1, -5, 513, .max, .min] {
            #expect(throws: BitNetError.self) { try BitNetSession(model: model, context: context) }
        }
        for (sinks, keeping) in [(-1, 10), (10, 10), (11, 10), (4, 64), (.max, .max), (4, .min)] {
            #expect(throws: BitNetError.self) {
                try BitNetSession(
                    model: model, context: 64,
                    overflow: .slidingWindow(sinks: sinks, keeping: keeping))
            }
        }
        _ = try BitNetSession(
            model: model, context: 64, overflow: .slidingWindow(sinks: 0, keeping: 63))
    }
}

import BitNetSampleModel
import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Editing sessions")
struct SessionEditingTests {
    private let options = GenerationOptions(maximumResponseTokens: 6)

    @Test(
        "a session from messages goes on as the session that held them",
        arguments: SessionModel.allCases)
    func fromMessages(_ kind: SessionModel) async throws {
        let model = try await kind.load()
        let first = try BitNetSession(model: model, instructions: "One day,")
        _ = try await first.respond(to: " a dog", options: options)
        let messages = await first.messages
        let second = try BitNetSession(model: model, messages: messages)
        #expect(await second.messages == messages)
        #expect(await second.turnCount == 1)
        let expected = try await first.respond(to: " It", options: options)
        let found = try await second.respond(to: " It", options: options)
        #expect(found.tokens == expected.tokens && found.text == expected.text)
        // The model says the same to the whole conversation without a session.
        let alone = try await model.generate(
            messages + [ChatMessage(.user, " It")], options: options)
        #expect(alone.tokens == expected.tokens && alone.text == expected.text)
        var text = ""
        for try await piece in model.stream(
            messages + [ChatMessage(.user, " It")], options: options
        )
        .text {
            text += piece
        }
        #expect(text == alone.text)
    }

    @Test("appended messages are answered together", arguments: SessionModel.allCases)
    func append(_ kind: SessionModel) async throws {
        let session = try BitNetSession(model: try await kind.load())
        try await session.append(ChatMessage(.system, "Be kind."))
        try await session.append([
            ChatMessage(.user, " A"), ChatMessage(.assistant, " b"), ChatMessage(.user, " c"),
        ])
        let messages = await session.messages
        #expect(messages.map(\.content) == ["Be kind.", " A", " b", " c"])
        let expected = try await session.model.generate(messages, options: options)
        let found = try await session.respond(options: options)
        #expect(found.tokens == expected.tokens)
        #expect(await session.messages == messages + [ChatMessage(.assistant, found.text)])
        await #expect(throws: BitNetError.self) { _ = try await session.respond() }
    }

    @Test("an answer is generated again in its place", arguments: SessionModel.allCases)
    func regenerate(_ kind: SessionModel) async throws {
        let session = try BitNetSession(model: try await kind.load())
        await #expect(throws: BitNetError.self) { _ = try await session.regenerate() }
        let first = try await session.respond(to: "The cat", options: options)
        let again = try await session.regenerate(options: options)
        #expect(again.tokens == first.tokens)
        #expect(again.statistics.cachedPromptTokens == again.statistics.promptTokens - 1)
        var random = options
        random.sampling = .random(temperature: 2, seed: 5)
        let other = try await session.regenerate(options: random)
        #expect(other.tokens != first.tokens)
        #expect(
            await session.messages == [
                ChatMessage(.user, "The cat"), ChatMessage(.assistant, other.text),
            ])
        // A turn that fails leaves the answer.
        await #expect(throws: BitNetError.self) {
            _ = try await session.regenerate(
                options: GenerationOptions(maximumResponseTokens: -1))
        }
        #expect(await session.messages.last?.content == other.text)
        var text = ""
        for try await piece in session.streamRegeneration(options: options).text { text += piece }
        #expect(text == first.text)
        #expect(await session.messages.last?.content == first.text)
    }

    @Test(
        "the latest prompt and the latest answer can be changed", arguments: SessionModel.allCases)
    func edit(_ kind: SessionModel) async throws {
        let model = try await kind.load()
        let session = try BitNetSession(model: model, instructions: "One day,")
        await #expect(throws: BitNetError.self) { try await session.editLastPrompt("x") }
        await #expect(throws: BitNetError.self) { try await session.editLastAnswer("x") }
        _ = try await session.respond(to: " a dog", options: options)
        _ = try await session.respond(to: " It", options: options)
        try await session.editLastPrompt(" They")
        let messages = await session.messages
        #expect(messages.count == 4 && messages[3] == ChatMessage(.user, " They"))
        let expected = try await model.generate(messages, options: options)
        #expect(try await session.respond(options: options).tokens == expected.tokens)
        try await session.editLastAnswer(" ran home.")
        #expect(await session.messages.last == ChatMessage(.assistant, " ran home."))
        let fresh = try await session.fresh(" Then", options)
        #expect(try await session.respond(to: " Then", options: options).tokens == fresh.tokens)
        #expect(await session.turnCount == 3)
    }

    @Test("processors and grammars steer the answers of a session")
    func steering() async throws {
        let session = try BitNetSession(model: try await .sample())
        let free = try await session.respond(to: "Once", options: options)
        try await session.rewind(toTurn: 0)
        let banned = free.tokens[0]
        let steered = try await session.respond(
            to: "Once", options: options, processors: [{ _, logits in logits[banned] = -.infinity }]
        )
        #expect(!steered.tokens.contains(banned))
        var events = 0
        for try await _ in session.streamResponse(
            to: " x", options: options, processors: [{ _, logits in logits[banned] = -.infinity }])
        { events += 1 }
        #expect(events > 6)
        var held = options
        held.grammar = try Grammar(gbnf: #"root ::= "yes" | "no""#)
        #expect(["yes", "no"].contains(try await session.respond(to: "?", options: held).text))
    }

    @Test("a text stream gives the text of the events, and none of it is empty")
    func text() async throws {
        let model = try await BitNetModel.sample()
        let stream = model.stream("Once upon a time", options: options)
        var pieces: [String] = []
        for try await piece in stream.text { pieces.append(piece) }
        let whole = try await model.generate("Once upon a time", options: options).text
        #expect(pieces.joined() == whole && pieces.count > 1)
        #expect(!pieces.contains(""))
        let failing = model.stream(tokens: [-1]).text
        await #expect(throws: BitNetError.self) { for try await _ in failing {} }
    }
}

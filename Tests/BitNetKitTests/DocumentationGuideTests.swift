import BitNetKit
import BitNetSampleModel
import Foundation
import Testing

private enum Size: String, Decodable, CaseIterable { case small, large }

private struct Pet: Decodable {
    let name: String
    let size: Size
    let age: Int
    let tricks: [String]
    let owner: String?
}

extension Pet: JSONSchemaConvertible {
    static var jsonSchema: JSONSchema {
        get throws(BitNetError) {
            var schema = try JSONSchema(derivedFrom: Pet.self)
            schema["name"].maximumLength = 20
            schema["name"].description = "A short, funny name"
            schema["age"].minimum = 0
            schema["age"].maximum = 30
            schema["tricks"].maximumCount = 3
            schema["tricks"].items.maximumLength = 40
            schema["owner"].maximumLength = 20
            return schema
        }
    }
}

private struct Sum: Decodable {
    let a: Int
    let b: Int
}

/// The code of the articles about typed output, conversations, tools and errors.
@Suite("Documentation of daily use")
struct DocumentationGuideTests {
    @Test("the example of typed output")
    func typedOutput() async throws {
        let model = try await BitNetModel.sample()
        let pet = try await model.generate("Tom has a pet. ", generating: Pet.self)
        #expect(!pet.text.isEmpty && (0...30).contains(pet.value.age))
        #expect(pet.text.contains("\"\(pet.value.size.rawValue)\""))
    }

    @Test("the examples of conversations")
    func conversations() async throws {
        let model = try await BitNetModel.sample()
        var options = GenerationOptions.chat
        options.maximumResponseTokens = 5
        let session = try BitNetSession(model: model, instructions: "Answer in one sentence.")
        _ = try await session.respond(to: "What is a trit?", options: options)
        var text = ""
        for try await piece in session.streamResponse(to: "And a bit?", options: options).text {
            text += piece
        }
        let messages = await session.messages
        #expect(messages.count == 5 && messages[4].content == text)
        let later = try BitNetSession(model: model, messages: messages)
        #expect(await later.turnCount == 2)
        let answer = try await model.generate(
            messages + [ChatMessage(.user, "And a qubit?")], options: options)
        #expect(answer.tokens.count == 5)

        try await session.append(ChatMessage(.user, "One more thing."))
        let result = try await session.respond(options: options)
        let other = try await session.regenerate(options: options)
        #expect(await session.messages.last?.content == other.text)
        #expect(result.statistics.promptTokens == other.statistics.promptTokens)
        try await session.editLastAnswer("Yes.")
        try await session.editLastPrompt("Is a trit more than a bit?")
        _ = try await session.respond(options: options)
        #expect(await session.turnCount == 3)
        try await session.rewind(toTurn: 1)
        #expect(await session.messages.count == 3)
    }

    @Test("the example of tools")
    func tools() async throws {
        let session = try BitNetSession(model: try await .sample())
        let add = try Tool("add", "Adds two numbers.", arguments: Sum.self) { "\($0.a + $0.b)" }
        #expect(try await add(#"{"a": 2, "b": 40}"#) == "42")
        #expect(add.toolDescription.parameters == (try JSONSchema(of: Sum.self).json))
        // The sample model has learnt nothing about tools; it is held to a call all the same.
        do {
            let result = try await session.respond(
                to: "What is 2 + 40?", tools: [add],
                options: GenerationOptions(maximumResponseTokens: 150), choice: .required,
                maximumRounds: 1)
            #expect(result.calls.count == 1)
        } catch .toolRoundsExceeded(let limit) {
            #expect(limit == 1)
        } catch .incompleteResponse(let text, _) {
            #expect(text.hasPrefix("{"))
        } catch {
            throw error
        }
        let stream = session.streamResponse(
            to: "What is 2 + 40?", tools: [add],
            options: GenerationOptions(maximumResponseTokens: 150), choice: .required,
            maximumRounds: 1)
        var (called, returned, finished) = (0, 0, 0)
        do throws(BitNetError) {
            for try await event in stream {
                switch event {
                case .text(let text): #expect(!text.isEmpty)
                case .call(let call):
                    called += 1
                    #expect(call.name == "add")
                case .result: returned += 1
                case .finished(let result):
                    finished += 1
                    #expect(result.calls.count == 1)
                }
            }
            #expect(finished == 1)
        } catch .toolRoundsExceeded(let limit) {
            #expect(limit == 1 && called == 1)
        } catch .incompleteResponse(let text, _) {
            #expect(text.hasPrefix("{"))
        } catch {
            throw error
        }
        #expect(returned == called)
    }

    @Test("a case is caught in a closure by either spelling")
    func closures() async {
        let url = URL(fileURLWithPath: "/no/such/model.gguf")
        let first = Task {
            do throws(BitNetError) {
                return try await BitNetModel.load(url).warnings.joined()
            } catch .fileNotFound(let path) {
                return "there is no \(path)"
            } catch {
                return error.description
            }
        }
        let second = Task {
            do {
                return try await BitNetModel.load(url).warnings.joined()
            } catch BitNetError.fileNotFound(let path) {
                return "there is no \(path)"
            } catch {
                return "\(error)"
            }
        }
        #expect(await first.value == "there is no /no/such/model.gguf")
        #expect(await second.value == first.value)
    }
}

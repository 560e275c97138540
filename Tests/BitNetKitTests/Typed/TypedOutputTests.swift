import BitNetSampleModel
import Foundation
import Testing

@testable import BitNetKit

@Suite("Typed output")
struct TypedOutputTests {
    enum Colour: String, Codable, CaseIterable { case red, green, blue }
    struct Pet: Codable, Equatable, JSONSchemaConvertible {
        var name: String
        var colour: Colour
        var age: Int
        var tricks: [String]
        var friend: Friend?
        struct Friend: Codable, Equatable { var isNice: Bool }

        static var jsonSchema: JSONSchema {
            get throws(BitNetError) {
                var schema = try JSONSchema(derivedFrom: Pet.self)
                schema["name"].maximumLength = 10
                schema["name"].description = "A short name"
                schema["age"].minimum = 1
                schema["age"].maximum = 20
                schema["tricks"].maximumCount = 2
                schema["tricks"].items.maximumLength = 12
                return schema
            }
        }
    }

    @Test("a model that has never seen JSON gives values of a type", arguments: 0..<8)
    func values(_ seed: UInt64) async throws {
        let model = try await BitNetModel.sample()
        let pet = try await model.generate(
            "Tom has a pet. ", generating: Pet.self,
            options: GenerationOptions(sampling: .random(temperature: 1, seed: seed)))
        #expect((1...20).contains(pet.value.age))
        #expect(pet.value.name.unicodeScalars.count <= 10 && pet.value.tricks.count <= 2)
        #expect(try TypedJSON.decode(Pet.self, from: pet.text) == pet.value)
        #expect(pet.text == pet.result.text)
        let data = try JSONEncoder().encode(pet)
        #expect(try JSONDecoder().decode(TypedResult<Pet>.self, from: data) == pet)
    }

    @Test(
        "a session answers with a value, and goes on with its JSON",
        arguments: SessionModel.allCases)
    func sessions(_ kind: SessionModel) async throws {
        let session = try BitNetSession(model: try await kind.load())
        let options = GenerationOptions(sampling: .random(temperature: 1, seed: 3))
        let pet = try await session.respond(to: "A pet:", generating: Pet.self, options: options)
        #expect(
            await session.messages == [
                ChatMessage(.user, "A pet:"), ChatMessage(.assistant, pet.text),
            ])
        let number = try await session.respond(
            to: "A number:", generating: Int8.self, options: options)
        #expect(number.text == "\(number.value)")
        #expect(await session.turnCount == 2)
    }

    @Test("the schema goes behind the prompt where that is wanted")
    func includesSchema() async throws {
        let session = try BitNetSession(model: try await .sample())
        let options = GenerationOptions(sampling: .random(temperature: 1, seed: 3))
        _ = try await session.respond(
            to: "A pet:", generating: Pet.self, options: options, includesSchema: true)
        let prompt = await session.messages[0].content
        #expect(prompt.hasPrefix("A pet:\n\n") && prompt.contains("A short name"))
        #expect(prompt.contains(try JSONSchema(of: Pet.self).json))
        let messages = [ChatMessage(.user, "A pet:")]
        let model = session.model
        let shown = try await model.generate(
            messages, generating: Pet.self, options: options, includesSchema: true)
        let same = try await model.generate(
            [ChatMessage(.user, prompt)], generating: Pet.self, options: options)
        #expect(shown.text == same.text)
    }

    @Test("what is cut off is an error with the text, and leaves the session as it was")
    func cutOff() async throws {
        let session = try BitNetSession(model: try await .sample(), instructions: "Once")
        let before = await session.messages
        let options = GenerationOptions(maximumResponseTokens: 5)
        let error = await #expect(throws: BitNetError.self) {
            _ = try await session.respond(to: " upon", generating: Pet.self, options: options)
        }
        guard case .incompleteResponse(let text, let detail) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(text.hasPrefix("{") && detail.contains("maximumResponseTokens"))
        #expect(await session.messages == before)
        let free = try await session.respond(
            to: " upon", options: GenerationOptions(maximumResponseTokens: 3))
        #expect(free.tokens.count == 3)
    }

    @Test("half of a number is not taken for a whole one")
    func halfNumber() throws {
        let output = try TypedOutput(Int.self, .init())
        #expect(try output.value(of: "123", .endOfText) == 123)
        #expect(throws: BitNetError.self) { try output.value(of: "12", .length) }
        #expect(throws: BitNetError.cancelled) { try output.value(of: "12", .cancelled) }
        let list = try TypedOutput([Int].self, .init())
        #expect(try list.value(of: "[1, 2]", .length) == [1, 2])
        #expect(throws: BitNetError.self) { try list.value(of: "[1, 2", .stopString("]")) }
    }

    @Test("a type that refuses what its schema allows, and a grammar of one's own, are errors")
    func refused() async throws {
        struct Odd: JSONSchemaConvertible {
            init(from decoder: any Decoder) throws {
                let number = try decoder.singleValueContainer().decode(Int.self)
                guard number % 2 == 1 else {
                    throw DecodingError.dataCorrupted(
                        .init(codingPath: decoder.codingPath, debugDescription: "\(number) is even")
                    )
                }
            }
            static var jsonSchema: JSONSchema {
                get throws(BitNetError) { try JSONSchema(json: #"{"enum": [4]}"#) }
            }
        }
        let session = try BitNetSession(model: try await .sample())
        let error = await #expect(throws: BitNetError.self) {
            _ = try await session.respond(to: "One", generating: Odd.self)
        }
        guard case .undecodableResponse("4", let detail) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(detail.contains("4 is even"))
        #expect(await session.messages.isEmpty)
        var options = GenerationOptions()
        options.grammar = try Grammar(gbnf: #"root ::= "a""#)
        await #expect(throws: BitNetError.self) {
            _ = try await session.respond(to: "One", generating: Pet.self, options: options)
        }
    }
}

import BitNetSampleModel
import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Responses in a grammar")
struct GrammarGenerationTests {
    private let schema = #"""
        {"type": "object", "required": ["name", "age"], "additionalProperties": false,
         "properties": {"name": {"enum": ["Tom", "Lily"]}, "age": {"enum": [3, 4, 5]}}}
        """#

    @Test("whatever the seed, a response under a JSON schema parses", arguments: 0..<6)
    func parses(_ seed: UInt64) async throws {
        let model = try await BitNetModel.sample()
        let options = GenerationOptions(
            sampling: .random(temperature: 1.5, topP: 0.95, seed: seed),
            maximumResponseTokens: 200, grammar: try Grammar(jsonSchema: schema))
        let text = try await model.generate("Tom is", options: options).text
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(["Tom", "Lily"].contains(object["name"] as? String ?? ""))
        #expect([3, 4, 5].contains(object["age"] as? Int ?? 0))
    }

    @Test("drafts change nothing, and a session keeps to the grammar too")
    func everywhere() async throws {
        let model = try await BitNetModel.sample()
        var options = GenerationOptions(
            maximumResponseTokens: 60,
            grammar: try Grammar(gbnf: #"root ::= (" " ("ha" | "ho")){12}"#))
        let plain = try await model.generate("ha ha ha", options: options)
        #expect(plain.text.split(separator: " ").count == 12)
        #expect(plain.text.allSatisfy { " hao".contains($0) })
        let session = try BitNetSession(model: model)
        #expect(try await session.respond(to: "ha ha ha", options: options).text == plain.text)
        options.speculation = .promptLookup(maximumDraft: 4)
        #expect(try await model.generate("ha ha ha", options: options).tokens == plain.tokens)
    }

    @Test("without a grammar the same prompt gives other text")
    func control() async throws {
        let model = try await BitNetModel.sample()
        let text = try await model.generate(
            "Tom is", options: GenerationOptions(maximumResponseTokens: 20)
        ).text
        #expect((try? JSONSerialization.jsonObject(with: Data(text.utf8))) == nil)
    }
}

import BitNetKit
import BitNetSampleModel
import Foundation
import Testing

@Suite("Options and results as JSON")
struct GenerationCodableTests {
    private func text(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    private func expectSame<T: Codable & Equatable>(_ value: T) throws {
        #expect(try JSONDecoder().decode(T.self, from: JSONEncoder().encode(value)) == value)
    }

    @Test("options read back as they were, and only what differs is written")
    func options() throws {
        #expect(try text(GenerationOptions()) == "{}")
        #expect(try JSONDecoder().decode(GenerationOptions.self, from: Data("{}".utf8)) == .greedy)
        var options = GenerationOptions(
            sampling: .random(temperature: 0.5, topK: 3, topP: 0.25, minP: 0.125, seed: .max),
            maximumResponseTokens: 7, stop: ["a", "\n"], repetitionPenalty: 1.5,
            repetitionWindow: 9, logitBias: [3: 0.5, 17: -.infinity], presencePenalty: 0.25,
            frequencyPenalty: -0.5, contextLength: 100, kvCache: .int8, topLogProbabilities: 2,
            speculation: .promptLookup(maximumDraft: 3, ngram: 2), includesSparsity: true)
        try expectSame(options)
        #expect(try text(options).contains(#""17":"-infinity""#))
        options.grammar = try Grammar(gbnf: "root ::= x\nx ::= \"a\"+")
        try expectSame(options)
        options.grammar = try Grammar(gbnf: "start ::= \"a\"", root: "start")
        try expectSame(options)
        options.grammar = try Grammar(jsonSchema: #"{"type": "integer"}"#)
        try expectSame(options)
        #expect(try text(options).contains("jsonSchema"))
    }

    @Test("what is no option is an error of the decoder, and a bad grammar one of ours")
    func badOptions() throws {
        func read(_ json: String) throws -> GenerationOptions {
            try JSONDecoder().decode(GenerationOptions.self, from: Data(json.utf8))
        }
        #expect(throws: (any Error).self) { try read(#"{"kvCache": "f64"}"#) }
        #expect(throws: (any Error).self) { try read(#"{"logitBias": {"1": "infinity"}}"#) }
        #expect(throws: BitNetError.self) { try read(#"{"grammar": {"gbnf": "root ::= ("}}"#) }
        #expect(try read(#"{"maximumResponseTokens": 3}"#).maximumResponseTokens == 3)
        // Values are checked where they are used.
        #expect(throws: BitNetError.self) {
            try read(#"{"maximumResponseTokens": -3}"#).validate()
        }
    }

    @Test("the reasons to stop have names")
    func reasons() throws {
        for (reason, name) in [
            (StopReason.endOfText, #""endOfText""#), (.length, #""length""#),
            (.contextFull, #""contextFull""#), (.cancelled, #""cancelled""#),
            (.stopString("."), #"{"stopString":"."}"#),
        ] {
            #expect(try text(reason) == name)
            try expectSame(reason)
        }
        #expect(throws: (any Error).self) {
            try JSONDecoder().decode(StopReason.self, from: Data(#""never""#.utf8))
        }
    }

    @Test("results, events and logits read back as they were")
    func results() async throws {
        let model = try await BitNetModel.sample()
        let options = GenerationOptions(
            maximumResponseTokens: 4, topLogProbabilities: 2, includesSparsity: true)
        let result = try await model.generate("Once", options: options)
        #expect(result.logProbabilities.count == 4 && result.statistics.sparsity != nil)
        try expectSame(result)
        var events: [GenerationEvent] = []
        for try await event in model.stream("Once", options: options) { events.append(event) }
        try expectSame(events)
        #expect(try text(GenerationEvent.text("a")) == #"{"text":"a"}"#)
        let token = GenerationEvent.token(id: 5, logProbabilities: nil)
        #expect(try text(token) == #"{"token":{"id":5}}"#)
        let end = try text(GenerationEvent.finished(.length, result.statistics))
        #expect(end.hasPrefix(#"{"finished":{"statistics":{"#) && !end.contains("_0"))
        try expectSame(try await model.logits(tokens: [3, 4]))
        try expectSame(EmbeddingOptions(prompt: "query: "))
        try expectSame([ContextOverflow.error, .slidingWindow(sinks: 2, keeping: 9)])
    }

    @Test("options of loading, converting and judging read back, and may be left out")
    func otherOptions() throws {
        try expectSame(
            LoadOptions(
                threads: 3, instructionSet: "scalar", layout: .t5, i2sOrder: .a, lmHead: .f16,
                sparsity: .off, keepsFileMapped: true))
        try expectSame(ConversionOptions(ternary: .tq2_0, embedding: .q8_0, allowsLossy: true))
        try expectSame(PerplexityOptions(context: 9, stride: 3, cache: .int8))
        let empty = Data("{}".utf8)
        #expect(try JSONDecoder().decode(LoadOptions.self, from: empty) == LoadOptions())
        #expect(try JSONDecoder().decode(ConversionOptions.self, from: empty) == .init())
        #expect(try JSONDecoder().decode(PerplexityOptions.self, from: empty) == .init())
    }

    @Test("presets are named, and valid")
    func presets() throws {
        #expect(GenerationOptions.greedy == GenerationOptions())
        for preset in [GenerationOptions.greedy, .text, .chat] { try preset.validate() }
        #expect(GenerationOptions.text.sampling == .random(temperature: 0.8, topP: 0.95))
        #expect(GenerationOptions.chat.sampling == GenerationOptions.text.sampling)
        #expect(GenerationOptions.text.maximumResponseTokens == 400)
        #expect(GenerationOptions.chat.maximumResponseTokens == 400)
    }
}

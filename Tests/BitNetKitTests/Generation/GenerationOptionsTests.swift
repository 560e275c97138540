import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Generation options")
struct GenerationOptionsTests {
    private static func random(
        temperature: Float = 1, topK: Int? = nil, topP: Float? = nil, minP: Float? = nil
    ) -> GenerationOptions {
        var options = GenerationOptions()
        options.sampling = .random(
            temperature: temperature, topK: topK, topP: topP, minP: minP, seed: 1)
        return options
    }

    private static func with(_ change: (inout GenerationOptions) -> Void) -> GenerationOptions {
        var options = GenerationOptions()
        change(&options)
        return options
    }

    static let invalid: [(String, GenerationOptions)] = [
        ("temperature", random(temperature: -0.1)),
        ("temperature", random(temperature: .nan)),
        ("temperature", random(temperature: .infinity)),
        ("topK", random(topK: 0)),
        ("topK", random(topK: -3)),
        ("topP", random(topP: 0)),
        ("topP", random(topP: 1.01)),
        ("topP", random(topP: .nan)),
        ("minP", random(minP: -0.01)),
        ("minP", random(minP: 1.01)),
        ("minP", random(minP: .nan)),
        ("maximumResponseTokens", with { $0.maximumResponseTokens = -1 }),
        ("stop", with { $0.stop = ["end", ""] }),
        ("repetitionPenalty", with { $0.repetitionPenalty = 0 }),
        ("repetitionPenalty", with { $0.repetitionPenalty = -1 }),
        ("repetitionPenalty", with { $0.repetitionPenalty = .nan }),
        ("repetitionPenalty", with { $0.repetitionPenalty = .infinity }),
        ("repetitionWindow", with { $0.repetitionWindow = 0 }),
        ("contextLength", with { $0.contextLength = 0 }),
        ("presencePenalty", with { $0.presencePenalty = .nan }),
        ("presencePenalty", with { $0.presencePenalty = -.infinity }),
        ("frequencyPenalty", with { $0.frequencyPenalty = .infinity }),
        ("logitBias", with { $0.logitBias = [3: 1, 4: .nan] }),
        ("logitBias", with { $0.logitBias = [3: .infinity] }),
        ("topLogProbabilities", with { $0.topLogProbabilities = -1 }),
        ("topLogProbabilities", with { $0.topLogProbabilities = 1025 }),
        ("maximumDraft", with { $0.speculation = .promptLookup(maximumDraft: 0) }),
        ("maximumDraft", with { $0.speculation = .promptLookup(maximumDraft: 65) }),
        ("ngram", with { $0.speculation = .promptLookup(ngram: 0) }),
    ]

    @Test("a value out of range is an error named after the option", arguments: invalid)
    func outOfRange(name: String, options: GenerationOptions) {
        let error = #expect(throws: BitNetError.self) { try options.validate() }
        guard case .invalidArgument(let found, _)? = error else {
            Issue.record("\(String(describing: error)) instead of an invalid argument")
            return
        }
        #expect(found == name)
    }

    @Test("a bias on a token that the model does not have is an error that names it")
    func unknownBias() throws {
        for token in [-1, 128, Int.max, Int.min] {
            let options = Self.with { $0.logitBias = [5: 1, token: 1] }
            let error = #expect(throws: BitNetError.self) {
                try options.validate(vocabularySize: 128)
            }
            guard case .invalidArgument("logitBias", let detail)? = error else {
                Issue.record("\(String(describing: error)) instead of an invalid argument")
                continue
            }
            #expect(detail.contains("\(token)"))
        }
        try Self.with { $0.logitBias = [0: 1, 127: 1] }.validate(vocabularySize: 128)
    }

    @Test("the ends of the ranges are valid")
    func endsOfRanges() throws {
        try GenerationOptions().validate()
        try Self.random(temperature: 0, topK: 1, topP: 1, minP: 0).validate()
        try Self.random(topK: .max, topP: .leastNonzeroMagnitude, minP: 1).validate()
        try Self.with {
            $0.maximumResponseTokens = 0
            $0.repetitionPenalty = .leastNonzeroMagnitude
            $0.repetitionWindow = 1
            $0.contextLength = 1
            $0.presencePenalty = -.greatestFiniteMagnitude
            $0.frequencyPenalty = .greatestFiniteMagnitude
            $0.logitBias = [0: -.infinity, 1: .greatestFiniteMagnitude]
            $0.topLogProbabilities = 1024
            $0.speculation = .promptLookup(maximumDraft: 64, ngram: .max)
        }.validate()
    }
}

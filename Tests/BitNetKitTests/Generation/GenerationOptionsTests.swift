import BitNetKit
import Testing

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
        }.validate()
    }
}

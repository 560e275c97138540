import ArgumentParser
import BitNetKit

/// How the answers of a conversation are chosen.
struct SamplingArguments: ParsableArguments {
    @Option(help: .init("The most tokens of an answer.", valueName: "n"))
    var maxTokens = 400

    @Option(
        help: .init("Randomness of the choice; 0 always takes the likeliest token.", valueName: "t")
    )
    var temperature: Float = 0.8

    @Option(help: .init("Choose among the K likeliest tokens only.", valueName: "k"))
    var topK: Int?

    @Option(
        help: .init(
            "Choose among the likeliest tokens that together reach this probability.",
            valueName: "p"))
    var topP: Float = 0.95

    @Option(
        help: .init(
            "Choose among tokens at least this probable relative to the likeliest.",
            valueName: "p"))
    var minP: Float?

    @Option(help: .init("Makes tokens seen before less likely; 1 changes nothing.", valueName: "r"))
    var repetitionPenalty: Float?

    @Option(
        help: .init(
            "The same seed gives the same answers (default: a new one each time).", valueName: "s"))
    var seed: UInt64?

    @Option(help: .init("End an answer before this string; may be repeated.", valueName: "text"))
    var stop: [String] = []

    func validate() throws {
        do {
            try options.validate()
        } catch {
            guard case .invalidArgument(let name, let detail) = error else { throw error }
            let flags = [
                "maximumResponseTokens": "max-tokens", "topK": "top-k", "topP": "top-p",
                "minP": "min-p", "repetitionPenalty": "repetition-penalty",
            ]
            throw ValidationError("--\(flags[name] ?? name): \(detail)")
        }
    }

    var options: GenerationOptions {
        GenerationOptions(
            sampling: .random(
                temperature: temperature, topK: topK, topP: topP, minP: minP, seed: seed),
            maximumResponseTokens: maxTokens, stop: stop, repetitionPenalty: repetitionPenalty)
    }
}

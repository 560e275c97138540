import ArgumentParser
import BitNetKit

/// How tokens are chosen, and what ends a text.
struct SamplingArguments: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: .init("Randomness of the choice; 0 always takes the likeliest token.", valueName: "t")
    )
    var temperature: Float = SamplingArguments.preset.temperature

    @Option(
        parsing: .unconditional,
        help: .init("Choose among the K likeliest tokens only.", valueName: "k"))
    var topK: Int?

    @Option(
        parsing: .unconditional,
        help: .init(
            "Choose among the likeliest tokens that together reach this probability.",
            valueName: "p"))
    var topP: Float = SamplingArguments.preset.topP

    @Option(
        parsing: .unconditional,
        help: .init(
            "Choose among tokens at least this probable relative to the likeliest.",
            valueName: "p"))
    var minP: Float?

    @Option(
        parsing: .unconditional,
        help: .init("Makes tokens seen before less likely; 1 changes nothing.", valueName: "r"))
    var repetitionPenalty: Float?

    @Option(
        parsing: .unconditional,
        help: .init("Makes tokens that the text has less likely, once per token.", valueName: "x"))
    var presencePenalty: Float = 0

    @Option(
        parsing: .unconditional,
        help: .init("Makes tokens that the text has less likely, each time.", valueName: "x"))
    var frequencyPenalty: Float = 0

    @Option(
        parsing: .unconditionalSingleValue,
        help: .init(
            "Adds to the logit of a token, before all else; may be repeated.",
            valueName: "id=x"))
    var logitBias: [LogitBiasArgument] = []

    @Option(
        parsing: .unconditional,
        help: .init(
            "The same seed gives the same text (default: a new one each time).", valueName: "s"))
    var seed: UInt64?

    @Option(
        parsing: .unconditionalSingleValue,
        help: .init("End the text before this string; may be repeated.", valueName: "text"))
    var stop: [String] = []

    @Flag(
        help: "Look up what followed the last words before, and try it in one pass; same text.")
    var speculate = false

    @Option(
        parsing: .unconditional,
        help: .init("The most tokens to try at once with --speculate.", valueName: "n"))
    var draft: Int?

    func validate() throws {
        if draft != nil && !speculate {
            throw ValidationError("--draft goes with --speculate.")
        }
    }

    /// What the library's presets draw tokens with.
    private static var preset: (temperature: Float, topP: Float) {
        guard case .random(let temperature, _, let topP, _, _) = GenerationOptions.text.sampling
        else { return (0, 1) }
        return (temperature, topP ?? 1)
    }

    func sampling(seed: UInt64?) -> GenerationOptions.Sampling {
        .random(temperature: temperature, topK: topK, topP: topP, minP: minP, seed: seed)
    }

    var options: GenerationOptions {
        var options = GenerationOptions()
        options.sampling = sampling(seed: seed)
        options.repetitionPenalty = repetitionPenalty
        options.presencePenalty = presencePenalty
        options.frequencyPenalty = frequencyPenalty
        options.logitBias = Dictionary(
            logitBias.map { ($0.token, $0.bias) }, uniquingKeysWith: +)
        options.stop = stop
        if speculate { options.speculation = .promptLookup(maximumDraft: draft ?? 7) }
        return options
    }

    /// Throws what is wrong with `options`, in terms of the command line.
    static func check(_ options: GenerationOptions) throws {
        do {
            try options.validate()
        } catch {
            guard case .invalidArgument(let name, let detail) = error else { throw error }
            let flags = [
                "maximumResponseTokens": "max-tokens", "topK": "top-k", "topP": "top-p",
                "minP": "min-p", "repetitionPenalty": "repetition-penalty",
                "presencePenalty": "presence-penalty", "frequencyPenalty": "frequency-penalty",
                "logitBias": "logit-bias", "topLogProbabilities": "logprobs",
                "maximumDraft": "draft",
            ]
            throw ValidationError("--\(flags[name] ?? name): \(detail)")
        }
    }
}

/// A token and what is added to its logit, `id=x`.
struct LogitBiasArgument: ExpressibleByArgument {
    let token: Int
    let bias: Float

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1)
        guard parts.count == 2, let token = Int(parts[0]), let bias = Float(parts[1]) else {
            return nil
        }
        self.token = token
        self.bias = bias
    }
}

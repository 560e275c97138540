import ArgumentParser
import BitNetKit

/// How tokens are chosen, and what ends a text.
struct SamplingArguments: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: .init("Randomness; 0 takes the likeliest.", valueName: "t"))
    var temperature: Float = SamplingArguments.preset.temperature

    @Option(
        parsing: .unconditional,
        help: .init("Keep the likeliest up to this sum.", valueName: "p"))
    var topP: Float = SamplingArguments.preset.topP

    @Option(
        parsing: .unconditional,
        help: .init("The same seed gives the same text.", valueName: "s"))
    var seed: UInt64?

    @Option(
        parsing: .unconditionalSingleValue,
        help: .init("End the text before this string; may be repeated.", valueName: "text"))
    var stop: [String] = []

    @OptionGroup(title: "Sampling options", visibility: .hidden)
    var more: MoreSamplingArguments

    /// What the library's presets draw tokens with.
    private static var preset: (temperature: Float, topP: Float) {
        guard case .random(let temperature, _, let topP, _, _) = GenerationOptions.text.sampling
        else { return (0, 1) }
        return (temperature, topP ?? 1)
    }

    func sampling(seed: UInt64?) -> GenerationOptions.Sampling {
        .random(
            temperature: temperature, topK: more.topK, topP: topP, minP: more.minP, seed: seed)
    }

    var options: GenerationOptions {
        var options = GenerationOptions()
        options.sampling = sampling(seed: seed)
        options.stop = stop
        options.repetitionPenalty = more.repetitionPenalty
        options.presencePenalty = more.presencePenalty
        options.frequencyPenalty = more.frequencyPenalty
        options.logitBias = Dictionary(
            more.logitBias.map { ($0.token, $0.bias) }, uniquingKeysWith: +)
        if more.speculate { options.speculation = .promptLookup(maximumDraft: more.draft ?? 7) }
        return options
    }

    /// Throws what is wrong with `options`, in terms of the command line.
    static func check(_ options: GenerationOptions) throws {
        do {
            try options.validate()
        } catch {
            guard case .invalidArgument(let name, let detail) = error else { throw error }
            throw ValidationError("\(CommandSyntax.options(for: name)[0]): \(detail)")
        }
    }
}

/// What few ask for.
struct MoreSamplingArguments: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: .init("Choose among the K likeliest tokens only.", valueName: "k"))
    var topK: Int?

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

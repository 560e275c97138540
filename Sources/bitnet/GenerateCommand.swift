import ArgumentParser
import BitNetKit
import BitNetSampleModel
import Foundation

struct GenerateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Continue a text.",
        discussion: """
            Writes the prompt and its continuation as it is computed; statistics go to standard \
            error. Without --model the sample model tells a short story. Ctrl-C ends the text.
            """)

    @Argument(help: "The text to continue (with --model, default: standard input).")
    var prompt: String?

    @Option(
        help: .init(
            "A GGUF file or a Hugging Face folder (default: the sample model).", valueName: "path"))
    var model: String?

    @Option(help: .init("The most tokens to generate.", valueName: "n"))
    var maxTokens = 200

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
        help: .init("Makes tokens that the text has less likely, once per token.", valueName: "x"))
    var presencePenalty: Float = 0

    @Option(
        help: .init("Makes tokens that the text has less likely, each time.", valueName: "x"))
    var frequencyPenalty: Float = 0

    @Option(
        help: .init(
            "Adds to the logit of a token, before all else; may be repeated.",
            valueName: "id=x"))
    var logitBias: [LogitBiasArgument] = []

    @Option(
        help: .init(
            "The same seed gives the same text (default: a new one each time).", valueName: "s"))
    var seed: UInt64?

    @Option(help: .init("End the text before this string; may be repeated.", valueName: "text"))
    var stop: [String] = []

    @Flag(
        help: "Look up what followed the last words before, and try it in one pass; same text.")
    var speculate = false

    @Option(help: .init("The most tokens to try at once with --speculate.", valueName: "n"))
    var draft: Int?

    @Option(help: .init("Only what this GBNF grammar in a file allows.", valueName: "file"))
    var grammar: String?

    @Option(help: .init("Only JSON that fits this JSON schema in a file.", valueName: "file"))
    var jsonSchema: String?

    @Option(help: KVCachePrecision.help, transform: KVCachePrecision.parse)
    var kvCache = KVCachePrecision.f16

    @OptionGroup
    var conversation: ChatPromptArguments

    @OptionGroup
    var compute: ComputeArguments

    @Flag(help: "Write one JSON object at the end instead of streaming text.")
    var json = false

    @Option(
        help: .init(
            "With --json: log probabilities of each token and of the n likeliest ones.",
            valueName: "n"))
    var logprobs: Int?

    @Flag(help: "Also tell how much of each layer's feed-forward work met zeros.")
    var statistics = false

    func validate() throws {
        if draft != nil && !speculate {
            throw ValidationError("--draft goes with --speculate.")
        }
        if grammar != nil && jsonSchema != nil {
            throw ValidationError("Give either --grammar or --json-schema.")
        }
        if logprobs != nil && !json { throw ValidationError("--logprobs goes with --json.") }
        do {
            try options(seed: 0).validate()
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

    func run() async throws {
        let prompt = try readPrompt()
        let grammar = try readGrammar()
        let start = ContinuousClock.now
        let model = try await compute.load(try model ?? BitNetSampleModel.url.path)
        let loading = ContinuousClock.now - start
        let seed = seed ?? .random(in: .min ... .max)
        var options = options(seed: seed)
        options.grammar = grammar
        let response = Response(
            prompt: conversation.chat ? "" : prompt, stream: try stream(prompt, model, options),
            isText: !json)

        let task = Task { try await response.run() }
        let interrupt = Interrupt { task.cancel() }
        defer { interrupt.end() }
        let result = try await task.value
        if json { try Terminal.write(result.json() + "\n") }
        let seconds = Outcome.seconds(loading)
        Terminal.report(
            "loaded in \(seconds) (\(model.kernels.name), \(model.threads) threads)")
        Terminal.report(result.summary + (temperature != 0 ? ", seed \(seed)" : ""))
        if statistics, let table = result.zeroTable { Terminal.report(table) }
        if result.stopReason == .cancelled { throw ExitCode(130) }
    }

    private func stream(
        _ prompt: String, _ model: BitNetModel, _ options: GenerationOptions
    ) throws(BitNetError) -> GenerationStream {
        guard conversation.chat else { return model.stream(prompt, options: options) }
        let tokens = try conversation.tokens(of: prompt, model.tokenizer, model.chatTemplate)
        return model.stream(tokens: tokens, options: options)
    }

    private func readGrammar() throws -> Grammar? {
        if let grammar { return try Grammar(gbnf: try Terminal.readText(grammar)) }
        return try jsonSchema.map { try Grammar(jsonSchema: try Terminal.readText($0)) }
    }

    private func options(seed: UInt64) -> GenerationOptions {
        var options = GenerationOptions()
        options.sampling = .random(
            temperature: temperature, topK: topK, topP: topP, minP: minP, seed: seed)
        options.maximumResponseTokens = maxTokens
        options.repetitionPenalty = repetitionPenalty
        options.presencePenalty = presencePenalty
        options.frequencyPenalty = frequencyPenalty
        options.logitBias = Dictionary(
            logitBias.map { ($0.token, $0.bias) }, uniquingKeysWith: +)
        options.stop = stop
        options.topLogProbabilities = logprobs
        if speculate { options.speculation = .promptLookup(maximumDraft: draft ?? 8) }
        options.includesSparsity = json || statistics
        options.kvCache = kvCache
        return options
    }

    private func readPrompt() throws -> String {
        if let prompt { return prompt }
        if model == nil {
            let prompt = "Once upon a time"
            Terminal.report("no prompt given, using \"\(prompt)\"")
            return prompt
        }
        if Terminal.isInputTerminal {
            throw ValidationError("Missing a prompt: give it as an argument or on standard input.")
        }
        // A text file's last newline ends its line and is not meant as text to continue.
        let text = try Terminal.readText("-")
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
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

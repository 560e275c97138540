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
            error. Without --model the sample model tells a short story. Ctrl-C ends the text. A \
            prompt that begins with a dash goes behind --.
            """)

    @Argument(help: "The text to continue (with --model, default: standard input).")
    var prompt: String?

    @Option(
        parsing: .unconditional,
        help: .init(
            "A GGUF file or a Hugging Face folder (default: the sample model).", valueName: "path"))
    var model: String?

    @Option(parsing: .unconditional, help: .init("The most tokens to generate.", valueName: "n"))
    var maxTokens = GenerationOptions.text.maximumResponseTokens ?? 200

    @OptionGroup
    var sampling: SamplingArguments

    @Option(
        parsing: .unconditional,
        help: .init("Only what this GBNF grammar in a file allows.", valueName: "file"))
    var grammar: String?

    @Option(
        parsing: .unconditional,
        help: .init("Only JSON that fits this JSON schema in a file.", valueName: "file"))
    var jsonSchema: String?

    @Option(parsing: .unconditional, help: KVCachePrecision.help, transform: KVCachePrecision.parse)
    var kvCache = KVCachePrecision.f16

    @OptionGroup
    var conversation: ChatPromptArguments

    @OptionGroup
    var compute: ComputeArguments

    @Flag(help: "Write one JSON object at the end instead of streaming text.")
    var json = false

    @Option(
        parsing: .unconditional,
        help: .init(
            "With --json: log probabilities of each token and of the n likeliest ones.",
            valueName: "n"))
    var logprobs: Int?

    @Flag(
        help: """
            Also tell how much of each layer's feed-forward work met zeros, and what was left out \
            for them after the prompt; with --json under "sparsity", which is null otherwise.
            """)
    var statistics = false

    func validate() throws {
        if grammar != nil && jsonSchema != nil {
            throw ValidationError("Give either --grammar or --json-schema.")
        }
        let files = [grammar, jsonSchema]
        if prompt == nil && model != nil && (files.contains("-") || files.contains("/dev/stdin")) {
            throw ValidationError(
                "Standard input cannot be prompt and grammar at once: give the prompt as an "
                    + "argument."
            )
        }
        if logprobs != nil && !json { throw ValidationError("--logprobs goes with --json.") }
        try SamplingArguments.check(options)
    }

    func run() async throws {
        let prompt = try readPrompt()
        let grammar = try readGrammar()
        let start = ContinuousClock.now
        let model = try await compute.load(
            try model ?? BitNetSampleModel.url.path, usesTemplate: conversation.chat)
        let loading = ContinuousClock.now - start
        let seed = sampling.seed ?? .random(in: .min ... .max)
        var options = options
        options.sampling = sampling.sampling(seed: seed)
        options.grammar = grammar
        let response = Response(
            prompt: conversation.chat ? "" : prompt, stream: try stream(prompt, model, options),
            isText: !json)

        let task = Task { try await response.run() }
        let interrupt = Interrupt { _ in task.cancel() }
        defer { interrupt.end() }
        var result = try await task.value
        result.seed = sampling.temperature != 0 ? seed : nil
        if json { try Terminal.write(result.json() + "\n") }
        let seconds = Outcome.seconds(loading)
        Terminal.report(
            "loaded in \(seconds) (\(model.kernels.name), \(model.threads) threads)")
        Terminal.report(result.summary + (sampling.temperature != 0 ? ", seed \(seed)" : ""))
        if statistics, let table = result.statistics.sparsity?.table { Terminal.report(table) }
        if result.stopReason == .cancelled { throw ExitCode(130) }
    }

    private func stream(
        _ prompt: String, _ model: BitNetModel, _ options: GenerationOptions
    ) throws(BitNetError) -> GenerationStream {
        guard conversation.chat else { return model.stream(prompt, options: options) }
        let tokens = try conversation.tokens(of: prompt, try model.tokenizer, model.chatTemplate)
        return model.stream(tokens: tokens, options: options)
    }

    private func readGrammar() throws -> Grammar? {
        let most = Grammar.longestSource
        if let grammar { return try Grammar(gbnf: try Terminal.readText(grammar, limit: most)) }
        return try jsonSchema.map {
            try Grammar(jsonSchema: try Terminal.readText($0, limit: most))
        }
    }

    /// All but the grammar, which is in a file.
    private var options: GenerationOptions {
        var options = sampling.options
        options.maximumResponseTokens = maxTokens
        options.topLogProbabilities = logprobs
        options.includesSparsity = statistics
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
        return TextInput.withoutLastEnd(try Terminal.readText("-"))
    }
}

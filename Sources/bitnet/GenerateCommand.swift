import ArgumentParser
import BitNetKit
import Foundation

struct GenerateCommand: AsyncParsableCommand, QuietableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Continue a text.",
        usage: "bitnet generate [PROMPT] [-m PATH] [OPTION ...]",
        discussion: """
            Writes the prompt and what follows as it is computed, statistics to standard error. \
            Tokens are drawn as GenerationOptions.text of the library says; --temperature 0 is its \
            GenerationOptions(). Ctrl-C ends the text. A prompt that begins with a dash goes \
            behind --. More options, for sampling and the engine: bitnet generate --help-hidden
            """)

    @Argument(help: "The text to continue (default: standard input).")
    var text: String?

    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: .init("The text, as an option.", valueName: "text", visibility: .hidden))
    var prompt: String?

    @OptionGroup
    var model: ModelArgument

    @OptionGroup
    var length: LengthArguments

    @OptionGroup
    var sampling: SamplingArguments

    @Option(
        parsing: .unconditional,
        help: .init("Only what this GBNF grammar in a file allows.", valueName: "file"),
        completion: .file())
    var grammar: String?

    @Option(
        parsing: .unconditional,
        help: .init("Only JSON that fits this JSON schema in a file.", valueName: "file"),
        completion: .file())
    var jsonSchema: String?

    @OptionGroup
    var conversation: ChatPromptArguments

    @OptionGroup
    var compute: ComputeArguments

    @OptionGroup(title: "Engine options", visibility: .hidden)
    var cache: KVCacheArgument

    @Flag(help: "Write one JSON object at the end, no stream.")
    var json = false

    @Option(
        parsing: .unconditional,
        help: .init(
            "With --json: log probabilities of each token and of the n likeliest ones.",
            valueName: "n", visibility: .hidden))
    var logprobs: Int?

    @Flag(
        help: .init(
            """
            Also tell how much of each layer's feed-forward work met zeros, and what was left out \
            for them after the prompt; with --json under "sparsity", which is null otherwise.
            """, visibility: .hidden))
    var statistics = false

    @OptionGroup
    var output: OutputArguments

    func validate() throws {
        if grammar != nil && jsonSchema != nil {
            throw ValidationError("Give either --grammar or --json-schema.")
        }
        if text != nil && prompt != nil {
            throw ValidationError("Give the prompt once: as an argument or with --prompt.")
        }
        if givenPrompt == nil && model.model != nil && readsGrammarFromInput {
            throw ValidationError(
                "Standard input cannot be prompt and grammar at once: give the prompt as an "
                    + "argument.")
        }
        if logprobs != nil && !json { throw ValidationError("--logprobs goes with --json.") }
        try SamplingArguments.check(options)
    }

    func run() async throws {
        let prompt = try readPrompt()
        let grammar = try readGrammar()
        let start = ContinuousClock.now
        let model = try await compute.load(
            try model.path, usesTemplate: conversation.chat)
        let loading = ContinuousClock.now - start
        let seed = sampling.seed ?? .random(in: .min ... .max)
        var options = options
        options.sampling = sampling.sampling(seed: seed)
        options.grammar = grammar
        let response = Response(
            prompt: conversation.chat ? "" : prompt, stream: try stream(prompt, model, options),
            isText: !json)

        let task = Task { try await showingPrefill { try await response.run($0) } }
        let interrupt = Interrupt { _ in task.cancel() }
        defer { interrupt.end() }
        var result = try await result(of: task, model)
        result.seed = sampling.temperature != 0 ? seed : nil
        if json { try Terminal.write(result.json() + "\n") }
        Terminal.note(
            "loaded in \(loading.asSeconds) (\(model.kernels.name), \(threadCount(model.threads)))")
        Terminal.note(result.summary + (sampling.temperature != 0 ? ", seed \(seed)" : ""))
        if statistics, let table = result.statistics.sparsity?.table { Terminal.report(table) }
        if result.stopReason == .cancelled { throw ExitCode(130) }
    }

    /// Waits for a response; names the option where that has made the context too small.
    private func result(
        of task: Task<Outcome, any Error>, _ model: BitNetModel
    ) async throws -> Outcome {
        do { return try await task.value } catch BitNetError.contextWindowExceeded(
            let limit, let requested) where limit < model.configuration.contextLength
        {
            throw BitNetError.invalidArgument(
                name: "contextLength",
                detail:
                    "the prompt has \(requested) tokens or more, and \(limit) are too few; give a "
                    + "larger one, or a shorter prompt")
        }
    }

    private func stream(
        _ prompt: String, _ model: BitNetModel, _ options: GenerationOptions
    ) throws(BitNetError) -> GenerationStream {
        guard conversation.chat else { return model.stream(prompt, options: options) }
        let tokens = try conversation.tokens(of: prompt, try model.tokenizer, model.chatTemplate)
        return model.stream(tokens: tokens, options: options)
    }

    private func readGrammar() throws -> Grammar? {
        func read(_ path: String, _ parse: (String) throws(BitNetError) -> Grammar) throws
            -> Grammar
        {
            do throws(BitNetError) {
                return try parse(try Terminal.readText(path, limit: Grammar.longestSource))
            } catch {
                throw FileError(path: path, error: error)
            }
        }
        if let grammar {
            return try read(grammar) { text throws(BitNetError) in try Grammar(gbnf: text) }
        }
        return try jsonSchema.map {
            try read($0) { text throws(BitNetError) in try Grammar(jsonSchema: text) }
        }
    }

    /// All but the grammar, which is in a file.
    private var options: GenerationOptions {
        var options = sampling.options
        options.maximumResponseTokens = length.maxTokens
        options.contextLength = length.context
        options.topLogProbabilities = logprobs
        options.includesSparsity = statistics
        options.kvCache = cache.kvCache
        return options
    }

    // MARK: - The prompt

    private var givenPrompt: String? { text ?? prompt }

    private var readsGrammarFromInput: Bool {
        let files = [grammar, jsonSchema]
        return files.contains("-") || files.contains("/dev/stdin")
    }

    /// The prompt that is given, or standard input, or the beginning of a story for the sample model.
    private func readPrompt() throws -> String {
        if let givenPrompt { return givenPrompt }
        let isSample = model.model == nil
        let isClosed = Terminal.closedStreams.contains(STDIN_FILENO)
        if isSample, Terminal.isInputTerminal || isClosed || readsGrammarFromInput {
            return defaultPrompt()
        }
        if Terminal.isInputTerminal {
            throw ValidationError("Missing a prompt: give it as an argument or on standard input.")
        }
        // A text file's last newline ends its line and is not meant as text to continue.
        let text = TextInput.withoutLastEnd(
            try Terminal.readInput("waiting for a prompt on standard input"))
        return isSample && text.isEmpty ? defaultPrompt() : text
    }

    private func defaultPrompt() -> String {
        let prompt = "Once upon a time"
        Terminal.note("no prompt given, using \"\(prompt)\"")
        return prompt
    }
}

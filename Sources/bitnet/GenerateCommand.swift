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
        help: .init(
            "The same seed gives the same text (default: a new one each time).", valueName: "s"))
    var seed: UInt64?

    @Option(help: .init("End the text before this string; may be repeated.", valueName: "text"))
    var stop: [String] = []

    @OptionGroup
    var conversation: ChatPromptArguments

    @OptionGroup
    var compute: ComputeArguments

    @Flag(help: "Write one JSON object at the end instead of streaming text.")
    var json = false

    func validate() throws {
        do {
            try options(seed: 0).validate()
        } catch {
            guard case .invalidArgument(let name, let detail) = error else { throw error }
            let flags = [
                "maximumResponseTokens": "max-tokens", "topK": "top-k", "topP": "top-p",
                "minP": "min-p", "repetitionPenalty": "repetition-penalty",
            ]
            throw ValidationError("--\(flags[name] ?? name): \(detail)")
        }
    }

    func run() async throws {
        let prompt = try readPrompt()
        let start = ContinuousClock.now
        let model = try await compute.load(try model ?? BitNetSampleModel.url.path)
        let loading = ContinuousClock.now - start
        let seed = seed ?? .random(in: .min ... .max)
        let response = Response(
            prompt: conversation.chat ? "" : prompt, stream: try stream(prompt, model, seed: seed),
            isText: !json)

        let task = Task { try await response.run() }
        let interrupt = Interrupt { task.cancel() }
        defer { interrupt.end() }
        let result = try await task.value
        if json { try Terminal.write(result.json() + "\n") }
        let seconds = Self.seconds(loading)
        Terminal.report(
            "loaded in \(seconds) (\(model.kernels.name), \(model.threads) threads)")
        report(result, seed: seed)
        if result.stopReason == .cancelled { throw ExitCode(130) }
    }

    private func stream(
        _ prompt: String, _ model: BitNetModel, seed: UInt64
    ) throws(BitNetError) -> GenerationStream {
        guard conversation.chat else { return model.stream(prompt, options: options(seed: seed)) }
        let tokens = try conversation.tokens(of: prompt, model.tokenizer, model.chatTemplate)
        return model.stream(tokens: tokens, options: options(seed: seed))
    }

    private func options(seed: UInt64) -> GenerationOptions {
        var options = GenerationOptions()
        options.sampling = .random(
            temperature: temperature, topK: topK, topP: topP, minP: minP, seed: seed)
        options.maximumResponseTokens = maxTokens
        options.repetitionPenalty = repetitionPenalty
        options.stop = stop
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

    private func report(_ result: Outcome, seed: UInt64) {
        let statistics = result.statistics
        func part(_ name: String, _ tokens: Int, _ time: Duration, _ rate: Double) -> String {
            let count = tokens == 1 ? "1 token" : "\(tokens) tokens"
            // The first token of a response comes out of the prompt: alone it has no rate.
            return "\(name) \(count) in \(Self.seconds(time))"
                + (rate > 0 ? String(format: " (%.1f tokens/s)", rate) : "")
        }
        var parts = [
            part(
                "prompt", statistics.promptTokens, statistics.prefill,
                statistics.prefillTokensPerSecond),
            part(
                "response", statistics.generatedTokens, statistics.decode,
                statistics.decodeTokensPerSecond),
            "ended by \(result.stopReason.words)",
        ]
        if temperature != 0 { parts.append("seed \(seed)") }
        Terminal.report(parts.joined(separator: ", "))
    }

    private static func seconds(_ time: Duration) -> String {
        String(format: "%.3g s", time / .seconds(1))
    }
}

/// A finished response.
private struct Outcome: Sendable {
    let text: String
    let tokens: [Int]
    let stopReason: StopReason
    let statistics: GenerationStatistics

    /// What `--json` prints: keys in the order they are documented in.
    func json() throws(BitNetError) -> String {
        let (prefill, decode) = (statistics.prefill / .seconds(1), statistics.decode / .seconds(1))
        let members = [
            ("text", try Terminal.json(text)), ("tokens", try Terminal.json(tokens)),
            ("stopReason", try Terminal.json(stopReason.name)),
            ("promptTokens", "\(statistics.promptTokens)"),
            ("generatedTokens", "\(statistics.generatedTokens)"),
            ("prefillSeconds", "\(prefill)"), ("decodeSeconds", "\(decode)"),
        ]
        return "{" + members.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}"
    }
}

/// A response on its way to standard output.
private struct Response: Sendable {
    let prompt: String
    let stream: GenerationStream
    /// Whether prompt and text are written as they come.
    let isText: Bool

    func run() async throws(BitNetError) -> Outcome {
        var text = ""
        var tokens: [Int] = []
        var iterator = stream.makeAsyncIterator()
        var isStarted = false
        while let event = try await iterator.next() {
            // The prompt appears with the first event: after an error nothing has been written.
            if isText && !isStarted { try Terminal.write(prompt) }
            isStarted = true
            switch event {
            case .text(let piece):
                text += piece
                if isText { try Terminal.write(piece) }
            case .token(let id, _):
                tokens.append(id)
            case .finished(let reason, let statistics):
                if isText { try Terminal.write("\n") }
                return Outcome(
                    text: text, tokens: tokens, stopReason: reason, statistics: statistics)
            }
        }
        throw .cancelled
    }
}

extension StopReason {
    /// The reason as JSON names it.
    fileprivate var name: String {
        switch self {
        case .endOfText: "endOfText"
        case .stopString: "stopString"
        case .length: "length"
        case .contextFull: "contextFull"
        case .cancelled: "cancelled"
        }
    }

    /// The reason in words, after "ended by".
    fileprivate var words: String {
        switch self {
        case .endOfText: "the model"
        case .stopString(let text): "the stop string \(text.debugDescription)"
        case .length: "--max-tokens"
        case .contextFull: "the context's length"
        case .cancelled: "Ctrl-C"
        }
    }
}

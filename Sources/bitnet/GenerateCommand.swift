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

    @Option(help: "A GGUF file or a Hugging Face folder (default: the sample model).")
    var model: String?

    @Option(help: "The most tokens to generate.")
    var maxTokens = 200

    @Option(help: "Randomness of the choice; 0 always takes the likeliest token.")
    var temperature: Float = 0.8

    @Option(help: "Choose among the K likeliest tokens only.")
    var topK: Int?

    @Option(help: "Choose among the likeliest tokens that together reach this probability.")
    var topP: Float = 0.95

    @Option(help: "Choose among tokens at least this probable relative to the likeliest.")
    var minP: Float?

    @Option(help: "Makes tokens seen before less likely; 1 changes nothing.")
    var repetitionPenalty: Float?

    @Option(help: "The same seed gives the same text (default: a new one each time).")
    var seed: UInt64?

    @Option(help: "End the text before this string; may be repeated.")
    var stop: [String] = []

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
        let url = try model.map { URL(fileURLWithPath: $0) } ?? BitNetSampleModel.url
        let model = try await compute.load(url)
        let seed = seed ?? .random(in: .min ... .max)
        let response = Response(
            prompt: prompt, stream: model.stream(prompt, options: options(seed: seed)),
            isText: !json)

        let task = Task { try await response.run() }
        let interrupt = Interrupt { task.cancel() }
        defer { interrupt.end() }
        let result = try await task.value
        if json { try Terminal.write(Terminal.json(ResponseReport(result)) + "\n") }
        report(result, seed: seed)
        if result.stopReason == .cancelled { throw ExitCode(130) }
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
            let seconds = String(format: "%.2f s", time / .seconds(1))
            return "\(name) \(tokens) tokens in \(seconds)"
                + String(format: " (%.1f tokens/s)", rate)
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
}

/// A finished response.
private struct Outcome: Sendable {
    let text: String
    let tokens: [Int]
    let stopReason: StopReason
    let statistics: GenerationStatistics
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

/// What `--json` prints.
private struct ResponseReport: Encodable {
    let text: String
    let tokens: [Int]
    let stopReason: String
    let promptTokens: Int
    let generatedTokens: Int
    let prefillSeconds: Double
    let decodeSeconds: Double

    init(_ result: Outcome) {
        text = result.text
        tokens = result.tokens
        stopReason = result.stopReason.name
        promptTokens = result.statistics.promptTokens
        generatedTokens = result.statistics.generatedTokens
        prefillSeconds = result.statistics.prefill / .seconds(1)
        decodeSeconds = result.statistics.decode / .seconds(1)
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

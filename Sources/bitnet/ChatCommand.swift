import ArgumentParser
import BitNetKit
import BitNetSampleModel
import Foundation

struct ChatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat",
        abstract: "Talk with a model.",
        discussion: """
            Reads messages from standard input, one a line, and writes the answers. A line that \
            ends in \\ goes on in the next one; lines between two lines of \"\"\" are one message. \
            Ctrl-C stops an answer and keeps the conversation; while nothing is being answered it \
            ends the program. Lines that begin with / are commands: /help lists them.

            A model without a chat template, such as the sample model, which is the default, \
            continues the text instead of answering.
            """)

    @Option(
        parsing: .unconditional,
        help: .init(
            "A GGUF file or a Hugging Face folder (default: the sample model).", valueName: "path"))
    var model: String?

    @Option(
        parsing: .unconditional,
        help: .init("Instructions for the whole conversation (system prompt).", valueName: "text"))
    var system: String?

    @Option(
        parsing: .unconditional,
        help: .init("The most tokens to keep (default: the model's own limit).", valueName: "n"))
    var context: Int?

    @Option(parsing: .unconditional, help: KVCachePrecision.help, transform: KVCachePrecision.parse)
    var kvCache = KVCachePrecision.f16

    @Option(
        parsing: .unconditional,
        help: .init(
            "When the context is full, go on with its first N tokens and the latest ones.",
            valueName: "n"))
    var slidingWindow: Int?

    @Option(
        parsing: .unconditional,
        help: .init("Go on with a conversation that /save has written.", valueName: "file"))
    var restore: String?

    @Flag(help: "After each answer, write what it cost to standard error.")
    var statistics = false

    @Option(parsing: .unconditional, help: .init("The most tokens of an answer.", valueName: "n"))
    var maxTokens = GenerationOptions.chat.maximumResponseTokens ?? 400

    @OptionGroup
    var sampling: SamplingArguments

    @OptionGroup
    var compute: ComputeArguments

    private var options: GenerationOptions {
        var options = sampling.options
        options.maximumResponseTokens = maxTokens
        return options
    }

    func validate() throws {
        try SamplingArguments.check(options)
        if restore != nil, system != nil || context != nil || slidingWindow != nil {
            throw ValidationError(
                "--restore brings its own --system, --context and --sliding-window.")
        }
    }

    func run() async throws {
        let model = try await compute.load(try model ?? BitNetSampleModel.url.path)
        let session: BitNetSession
        if let restore {
            session = try await BitNetSession.restore(from: Terminal.url(restore), model: model)
        } else {
            session = try BitNetSession(
                model: model, instructions: system, context: context, cache: kvCache,
                overflow: slidingWindow.map { .slidingWindow(sinks: $0) } ?? .error)
        }
        var chat = Chat(session: session, options: options, showsStatistics: statistics)
        if Terminal.isInputTerminal {
            Terminal.reportLine("\(model.configuration.name); /help lists the commands")
        }
        try await session.prewarm()
        let hasFailed = try await chat.run()
        // A script should notice; somebody at a terminal has read it.
        if hasFailed, !Terminal.isInputTerminal { throw ExitCode.failure }
    }
}

import ArgumentParser
import BitNetKit
import Foundation

struct ChatCommand: AsyncParsableCommand, QuietableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat",
        abstract: "Talk with a model.",
        usage: "bitnet chat [-m PATH] [OPTION ...]",
        discussion: """
            Reads messages from standard input, one a line, and writes the answers. A line that \
            ends in \\ goes on in the next one; lines between two lines of \"\"\" are one message. \
            Ctrl-C stops an answer, and between answers the program. Lines that begin with / are \
            commands: /help lists them, /exit or Ctrl-D leaves. A model without a chat template, such as the sample model, \
            continues the text instead of answering. Tokens are drawn as GenerationOptions.chat of \
            the library says. More options, for sampling and the engine: bitnet chat --help-hidden
            """)

    @OptionGroup
    var model: ModelArgument

    @Option(
        parsing: .unconditional,
        help: .init("Instructions for the whole conversation.", valueName: "text"))
    var system: String?

    @OptionGroup
    var length: LengthArguments

    @Option(
        parsing: .unconditional,
        help: .init(
            "When full, go on with the first N tokens and the last.",
            valueName: "n"))
    var slidingWindow: Int?

    @Option(
        parsing: .unconditional,
        help: .init("Go on with a conversation that /save has written.", valueName: "file"),
        completion: .file())
    var restore: String?

    @Flag(help: "Say what each answer cost, on standard error.")
    var statistics = false

    @OptionGroup
    var sampling: SamplingArguments

    @OptionGroup
    var compute: ComputeArguments

    @OptionGroup(title: "Engine options", visibility: .hidden)
    var cache: KVCacheArgument

    @OptionGroup
    var output: OutputArguments

    private var options: GenerationOptions {
        var options = sampling.options
        options.maximumResponseTokens = length.maxTokens
        return options
    }

    func validate() throws {
        try SamplingArguments.check(options)
        if let restore, ["-", "/dev/stdin"].contains(restore) {
            throw ValidationError("--restore reads a file; standard input is the conversation.")
        }
        if restore != nil, system != nil || length.context != nil || slidingWindow != nil {
            throw ValidationError(
                "--restore brings its own --system, --context and --sliding-window.")
        }
    }

    /// Reads what comes before the first message, so that its answer does not wait for that.
    private func readInstructions(_ session: BitNetSession) async throws {
        do {
            try await showingPrefill { _ in try await session.prewarm() }
        } catch BitNetError.contextWindowExceeded(let limit, let requested) {
            throw BitNetError.invalidArgument(
                name: "system",
                detail: "it has \(requested) tokens or more, the context holds \(limit)")
        }
    }

    func run() async throws {
        let model = try await compute.load(try model.path)
        let session: BitNetSession
        if let restore {
            session = try await BitNetSession.restore(from: Terminal.url(restore), model: model)
        } else {
            session = try BitNetSession(
                model: model, instructions: system, context: length.context, cache: cache.kvCache,
                overflow: slidingWindow.map { .slidingWindow(sinks: $0) } ?? .error)
        }
        var chat = Chat(session: session, options: options, showsStatistics: statistics)
        if Terminal.isInputTerminal {
            Terminal.noteLine(
                "\(model.configuration.name); /help lists the commands, /exit or Ctrl-D leaves")
        }
        // One that is restored brings its cache, and may be full.
        if restore == nil { try await readInstructions(session) }
        let hasFailed = try await chat.run()
        // A script should notice; somebody at a terminal has read it.
        if hasFailed, !Terminal.isInputTerminal { throw ExitCode.failure }
    }
}

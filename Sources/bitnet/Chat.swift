import ArgumentParser
import BitNetKit
import Foundation

/// A conversation at the terminal, and its branches.
struct Chat {
    var branches: [BitNetSession]
    var current = 0
    let options: GenerationOptions
    private let showsStatistics: Bool
    private var hasFailed = false
    /// Answers that were asked for again.
    var regenerations: UInt64 = 0

    init(session: BitNetSession, options: GenerationOptions, showsStatistics: Bool) {
        branches = [session]
        self.options = options
        self.showsStatistics = showsStatistics
    }

    var session: BitNetSession { branches[current] }

    /// Runs until the input ends or somebody quits; returns whether anything has failed.
    mutating func run() async throws -> Bool {
        var lines = try TextInput("-")
        var editor = LineReader.isPossible ? LineReader() : nil
        let input = ChatInput { (isContinuation) throws(BitNetError) in
            let prompt = isContinuation ? "... " : "> "
            if editor != nil {
                return try editor?.readText(prompt: prompt, continuation: "... ")
            }
            if Terminal.isInputTerminal { Terminal.prompt(prompt) }
            return try lines.readLine()
        }
        while true {
            do {
                switch try input.next() {
                case nil:
                    if editor == nil, Terminal.isInputTerminal { Terminal.prompt("\n") }
                    return hasFailed
                case .message(let text): try await answer(text)
                case .command("exit", ""), .command("quit", ""): return hasFailed
                case .command(let name, let argument):
                    try await execute(name, argument)
                }
            } catch let error as BitNetError {
                switch error {
                case .unwritable("standard output", _), .unreadable("standard input", _):
                    throw error
                case .contextWindowExceeded(let limit, let requested):
                    fail(await overflow(limit: limit, requested: requested))
                default: fail(Self.syntax.message(of: error))
                }
            }
        }
    }

    private static let syntax = CommandSyntax(ChatCommand.self)

    /// What to do about a conversation that its context does not hold.
    private func overflow(limit: Int, requested: Int) async -> String {
        let session = session
        let count = requested / 4 > limit ? "at least \(requested)" : "\(requested)"
        let start =
            "with this message the conversation has \(count) tokens, the context holds \(limit); "
        let hasTurns = await session.turnCount > 0
        var ways = hasTurns ? ["/rewind", "/reset"] : ["a shorter message"]
        if limit < session.model.configuration.contextLength { ways.append("a larger --context") }
        if hasTurns, session.overflow == .error { ways.append("--sliding-window") }
        let last = ways.removeLast()
        return start + (ways.isEmpty ? "" : ways.joined(separator: ", ") + " or ") + "\(last) helps"
    }

    mutating func fail(_ message: String) {
        Terminal.fail(message)
        hasFailed = true
    }

    // MARK: - Answers

    func answer(_ text: String) async throws {
        try await show(session.streamResponse(to: text, options: options))
    }

    /// Writes an answer, and what is to be said about it.
    func show(_ stream: BitNetSession.ResponseStream) async throws {
        let task = Task {
            try await showingPrefill { line in try await Self.write(stream, line) }
        }
        let interrupt = Interrupt { _ in task.cancel() }
        defer { interrupt.end() }
        guard let (reason, statistics) = try await task.value else { return }
        switch reason {
        case .cancelled: Terminal.note("(stopped)")
        case .length: Terminal.note("(stopped after --max-tokens)")
        case .contextFull:
            Terminal.report("(the context is full: /rewind, /reset or --sliding-window help)")
        case .endOfText, .stopString: break
        }
        if showsStatistics { Terminal.report("\(statistics)") }
    }

    /// Writes an answer as it is computed.
    private static func write(
        _ stream: BitNetSession.ResponseStream, _ line: ProgressLine
    ) async throws(BitNetError) -> (StopReason, GenerationStatistics)? {
        var iterator = stream.makeAsyncIterator()
        while let event = try await iterator.next() {
            line.clear()
            switch event {
            case .text(let piece): try Terminal.write(piece)
            case .token: break
            case .finished(let reason, let statistics):
                try Terminal.write("\n")
                return (reason, statistics)
            }
        }
        return nil
    }
}

import ArgumentParser
import BitNetKit
import Foundation

/// A conversation at the terminal, and its branches.
struct Chat {
    private var branches: [BitNetSession]
    private var current = 0
    private let options: GenerationOptions
    private let showsStatistics: Bool
    private var hasFailed = false

    private static let help = """
        /rewind [N]    take back the latest N turns (1)
        /fork          go on in a copy of the conversation
        /branch [N]    list the copies, or go on in copy N
        /save FILE     save the conversation; the file holds it as readable text
        /restore FILE  go on with a saved conversation
        /reset         begin anew, with the same instructions
        /help          this list
        /quit          leave (also Ctrl-D)
        A line that ends in \\ goes on in the next one; lines between two lines of \"\"\" are one \
        message. A message that begins with / needs a space before it. Ctrl-C stops an answer.
        """

    init(session: BitNetSession, options: GenerationOptions, showsStatistics: Bool) {
        branches = [session]
        self.options = options
        self.showsStatistics = showsStatistics
    }

    private var session: BitNetSession { branches[current] }

    /// Runs until the input ends or somebody quits; returns whether anything has failed.
    mutating func run() async throws -> Bool {
        var lines = try TextInput("-")
        let input = ChatInput { (isContinuation) throws(BitNetError) in
            if Terminal.isInputTerminal { try? Terminal.write(isContinuation ? "... " : "> ") }
            return try lines.readLine()
        }
        while true {
            do {
                switch try input.next() {
                case nil:
                    if Terminal.isInputTerminal { try Terminal.write("\n") }
                    return hasFailed
                case .message(let text): try await answer(text)
                case .command("quit", _): return hasFailed
                case .command(let name, let argument):
                    try await execute(name, argument)
                }
            } catch let error as BitNetError {
                switch error {
                case .unwritable("standard output", _), .unreadable("standard input", _):
                    throw error
                default: fail("\(error)")
                }
            }
        }
    }

    private mutating func fail(_ message: String) {
        Terminal.fail(message)
        hasFailed = true
    }

    // MARK: - Answers

    private func answer(_ text: String) async throws {
        let stream = session.streamResponse(to: text, options: options)
        let task = Task { try await Self.write(stream) }
        let interrupt = Interrupt { _ in task.cancel() }
        defer { interrupt.end() }
        guard let (reason, statistics) = try await task.value else { return }
        switch reason {
        case .cancelled: Terminal.report("(stopped)")
        case .length: Terminal.report("(stopped after --max-tokens)")
        case .contextFull:
            Terminal.report("(the context is full: /rewind, /reset or --sliding-window help)")
        case .endOfText, .stopString: break
        }
        if showsStatistics { Terminal.report(Self.line(statistics)) }
    }

    /// Writes an answer as it is computed.
    private static func write(
        _ stream: BitNetSession.ResponseStream
    ) async throws(BitNetError) -> (StopReason, GenerationStatistics)? {
        var iterator = stream.makeAsyncIterator()
        while let event = try await iterator.next() {
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

    private static func line(_ statistics: GenerationStatistics) -> String {
        let computed = statistics.promptTokens - statistics.cachedPromptTokens
        return String(
            format: "prompt %d tokens, %d of them cached, %d in %.3g s; "
                + "answer %d tokens in %.3g s (%.1f tokens/s)",
            statistics.promptTokens, statistics.cachedPromptTokens, computed,
            statistics.prefill / .seconds(1), statistics.generatedTokens,
            statistics.decode / .seconds(1), statistics.decodeTokensPerSecond)
    }

    // MARK: - Commands

    private mutating func execute(_ name: String, _ argument: String) async throws {
        switch name {
        case "help": Terminal.report(Self.help)
        case "rewind": try await rewind(argument)
        case "reset":
            try await session.rewind(toTurn: 0)
            Terminal.report("(a new conversation)")
        case "fork":
            branches.append(try await session.fork())
            current = branches.count - 1
            await reportBranch()
        case "branch": await branch(argument)
        case "save":
            guard try file(argument, "/save") != nil else { return }
            try await save(to: try Terminal.newFile(argument))
        case "restore":
            guard let url = try file(argument, "/restore") else { return }
            branches[current] = try await BitNetSession.restore(from: url, model: session.model)
            await reportTurns()
        default:
            fail(
                "there is no command /\(name); /help lists the commands, and a message that "
                    + "begins with / needs a space before it")
        }
    }

    /// Saves the conversation; a signal ends the program only after that.
    private func save(to url: URL) async throws {
        let interrupt = Interrupt(Interrupt.everySignal) { _ in }
        defer { interrupt.end() }
        try await session.save(to: url)
        Terminal.report("(saved)")
        if let code = interrupt.exitCode { throw ExitCode(code) }
    }

    private mutating func rewind(_ argument: String) async throws {
        let turns = await session.turnCount
        guard let count = argument.isEmpty ? 1 : Int(argument), (0...turns).contains(count) else {
            return fail("/rewind takes a number of turns up to \(turns)")
        }
        try await session.rewind(toTurn: turns - count)
        await reportTurns()
    }

    private mutating func branch(_ argument: String) async {
        guard !argument.isEmpty else { return await reportBranch() }
        guard let number = Int(argument), branches.indices.contains(number - 1) else {
            return fail("/branch takes a number from 1 to \(branches.count)")
        }
        current = number - 1
        await reportBranch()
    }

    private mutating func file(_ argument: String, _ command: String) throws -> URL? {
        if argument.isEmpty {
            fail("\(command) needs the name of a file")
            return nil
        }
        return try Terminal.url(argument)
    }

    private func reportBranch() async {
        Terminal.report(
            "(copy \(current + 1) of \(branches.count), \(Self.turns(await session.turnCount)))")
    }

    private func reportTurns() async {
        Terminal.report("(\(Self.turns(await session.turnCount)))")
    }

    private static func turns(_ count: Int) -> String { count == 1 ? "1 turn" : "\(count) turns" }
}

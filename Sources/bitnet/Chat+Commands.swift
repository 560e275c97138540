import ArgumentParser
import BitNetKit
import BitNetTerminal
import Foundation

// What lines that begin with a slash do.
extension Chat {
    /// Every command with what it takes and does.
    static let commands: [(name: String, argument: String, help: String)] = [
        ("regenerate", "", "answer the latest message again"),
        ("rewind", "[N]", "take back the latest N turns (1)"),
        ("fork", "", "go on in a copy of the conversation"),
        ("branch", "[N]", "list the copies, or go on in copy N"),
        ("load", "FILE", "send a text file as a message"),
        ("system", "[TEXT]", "begin anew with TEXT as instructions, or show those that hold"),
        ("tokens", "", "how much of the context is used"),
        ("save", "FILE", "save the conversation; anybody who can read FILE can read it"),
        ("restore", "FILE", "go on with a saved conversation"),
        ("reset", "", "begin anew, with the same instructions (also /clear)"),
        ("help", "", "this list"),
        ("exit", "", "leave (also /quit, Ctrl-D)"),
    ]

    /// Other names of commands.
    static let aliases = ["clear": "reset", "quit": "exit"]

    private static let help =
        commands.map { name, argument, help in
            "/\(name) \(argument)".padding(toLength: 16, withPad: " ", startingAt: 0) + help
        }.joined(separator: "\n") + "\n" + """
            A line that ends in \\ goes on in the next one, as with Alt-Enter; lines between
            two lines of \"\"\" are one message, as is a paste. A message that begins with /
            needs a space before it. Ctrl-C stops an answer.
            """

    mutating func execute(_ name: String, _ argument: String) async throws {
        let command = Self.commands.first { $0.name == Self.aliases[name] ?? name }
        if let command, command.argument.isEmpty, !argument.isEmpty {
            return fail(
                "/\(name) stands alone, without '\(argument)'; a message that begins with / needs a "
                    + "space before it")
        }
        switch name {
        case "help": Terminal.report(Self.help)
        case "rewind": try await rewind(argument)
        case "reset", "clear":
            try await session.rewind(toTurn: 0)
            Terminal.report("(a new conversation)")
        case "system": try await instruct(argument)
        case "regenerate": try await regenerate()
        case "tokens": try await reportTokens()
        case "load":
            guard let url = try inputFile(argument, "/load") else { return }
            guard !BitNetSession.isSaved(url) else {
                return fail(
                    "/load sends a text, and \(url.path) is a saved conversation; /restore "
                        + "\(argument) goes on with it")
            }
            try await answer(TextInput.withoutLastEnd(try Terminal.readText(argument)))
        case "fork":
            branches.append(try await session.fork())
            current = branches.count - 1
            await reportBranch()
        case "branch": await branch(argument)
        case "save":
            guard try file(argument, "/save") != nil else { return }
            let target = try OutputFile(argument)
            guard !target.isStandardOutput else {
                return fail("/save writes a file; standard output is this conversation")
            }
            try await save(to: target.url)
        case "restore":
            guard let url = try inputFile(argument, "/restore") else { return }
            branches[current] = try await BitNetSession.restore(from: url, model: session.model)
            await reportTurns()
        default:
            let names = Self.commands.map(\.name) + Self.aliases.keys.sorted()
            let meant = nearestName(to: name, among: names)
            fail(
                "there is no command /\(name)" + (meant.map { "; did you mean /\($0)?" } ?? ";")
                    + " /help lists the commands, and a message that begins with / needs a space "
                    + "before it")
        }
    }

    /// Saves the conversation; a signal ends the program only after that.
    private func save(to url: URL) async throws {
        let interrupt = Interrupt(Interrupt.everySignal) { _ in }
        defer { interrupt.end() }
        try await session.save(to: url)
        Terminal.reportLine("(saved to \(url.path))")
        if let code = interrupt.exitCode { throw ExitCode(code) }
    }

    private mutating func rewind(_ argument: String) async throws {
        let turns = await session.turnCount
        guard turns > 0 else {
            return fail("/rewind has nothing to take back: the conversation has no turns")
        }
        guard let count = argument.isEmpty ? 1 : Int(argument), (0...turns).contains(count) else {
            return fail("/rewind takes a number of turns up to \(turns), not '\(argument)'")
        }
        try await session.rewind(toTurn: turns - count)
        await reportTurns()
    }

    private mutating func branch(_ argument: String) async {
        guard !argument.isEmpty else { return await reportBranch() }
        guard let number = Int(argument), branches.indices.contains(number - 1) else {
            return fail("/branch takes a number from 1 to \(branches.count), not '\(argument)'")
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

    /// As `file`, to be read.
    private mutating func inputFile(_ argument: String, _ command: String) throws -> URL? {
        guard !["-", "/dev/stdin"].contains(argument) else {
            fail("\(command) reads a file; standard input is this conversation")
            return nil
        }
        return try file(argument, command)
    }

    private func reportBranch() async {
        Terminal.report(
            "(copy \(current + 1) of \(branches.count), \(Self.turns(await session.turnCount)))")
    }

    private func reportTurns() async {
        Terminal.report("(\(Self.turns(await session.turnCount)))")
    }

    private static func turns(_ count: Int) -> String { counted(count, "turn") }

    /// Begins anew with other instructions, or shows those that hold.
    private mutating func instruct(_ text: String) async throws {
        guard !text.isEmpty else {
            let instructions = await session.messages.first { $0.role == .system }?.content
            return Terminal.report(instructions ?? "(no instructions)")
        }
        let old = session
        branches[current] = try BitNetSession(
            model: old.model, instructions: text, context: old.context, cache: old.cache,
            overflow: old.overflow)
        Terminal.report("(a new conversation with these instructions)")
        try await showingPrefill { [session] _ in try await session.prewarm() }
    }

    /// Answers the latest message again.
    private mutating func regenerate() async throws {
        guard await session.messages.last?.role == .assistant else {
            return fail("/regenerate needs a message that has been answered")
        }
        regenerations += 1
        var options = options
        // The same seed would give the same answer.
        if case .random(let temperature, let topK, let topP, let minP, let seed?) = options.sampling
        {
            options.sampling = .random(
                temperature: temperature, topK: topK, topP: topP, minP: minP,
                seed: seed &+ regenerations)
        }
        try await show(session.streamRegeneration(options: options))
    }

    private func reportTokens() async throws {
        let (counts, turns) = (try await session.tokenCounts(), await session.turnCount)
        let left = max(0, session.context - counts.window)
        let gone = counts.all - counts.window
        Terminal.report(
            "(\(counts.window) of \(session.context) tokens, \(left) left, in "
                + "\(Self.turns(turns))\(gone > 0 ? "; \(gone) left out of the window" : ""))")
    }
}

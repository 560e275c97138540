import ArgumentParser
import BitNetKit
import BitNetTerminal
import Foundation

// Names of commands, before the parser sees them: it shows its own help for a name it does not know.
extension BitNetCommand {
    /// Ends the program where the words that `arguments` begin with name no command.
    static func checkNames(_ arguments: [String]) {
        guard let message = unknownName(arguments) else { return }
        Terminal.fail(message)
        Foundation.exit(ExitCode.validationFailure.rawValue)
    }

    /// What is wrong with the names of commands; nil where nothing is.
    private static func unknownName(_ arguments: [String]) -> String? {
        var words = arguments[...]
        if words.first == "help" { words = words.dropFirst() }
        let isHelp = words.startIndex > 0
        var (command, path): (any ParsableCommand.Type, String) = (BitNetCommand.self, "bitnet")
        while let word = words.popFirst(), word.utf8.first != UInt8(ascii: "-") {
            let commands = command.configuration.subcommands
            // What follows is a text or a file, but behind `help`.
            guard isHelp || !commands.isEmpty else { return nil }
            if isHelp && word == "help" { return nil }
            guard let next = commands.first(where: { name(of: $0) == word }) else {
                let names = commands.filter { $0.configuration.shouldDisplay }
                    .map { name(of: $0) }
                let meant = nearestName(to: word, among: names)
                if command == BitNetCommand.self, !isHelp,
                    let line = commandLine(for: word, isNear: meant != nil)
                {
                    return "'bitnet' has no command \(word.quoted); a text or a model goes behind "
                        + "one: \(line)"
                }
                let help = path == "bitnet" ? "bitnet help" : "\(path) --help"
                return "'\(path)' has no command '\(word)'; "
                    + (meant.map { "did you mean '\($0)'? " } ?? "") + "'\(help)' lists them"
            }
            (command, path) = (next, "\(path) \(word)")
        }
        return nil
    }

    /// What a text or the file of a model was meant for, where the name of a command should be; nil
    /// for a word that is neither, or `isNear` to one.
    private static func commandLine(for word: String, isNear: Bool) -> String? {
        if !isNear, FileManager.default.fileExists(atPath: word) {
            return "bitnet generate -m \(word.shellWord)"
        }
        guard word.contains(where: \.isWhitespace) else { return nil }
        // An error is one line.
        let isShort = word.utf8.count <= 100 && !word.utf8.contains { $0 < 0x20 }
        return "bitnet generate " + (isShort ? word.shellWord : "TEXT")
    }

    static func name(of command: any ParsableCommand.Type) -> String {
        command.configuration.commandName ?? ""
    }

    /// How `command` is called, with the names of those that it is part of.
    static func path(to command: any ParsableCommand.Type) -> String {
        func find(_ other: any ParsableCommand.Type, _ path: String) -> String? {
            if other == command { return path }
            for next in other.configuration.subcommands {
                if let found = find(next, "\(path) \(name(of: next))") { return found }
            }
            return nil
        }
        return find(BitNetCommand.self, "bitnet") ?? "bitnet"
    }

    /// Some of the commands that have an option called `name`, in words; nil where there are none.
    static func commands(with name: String) -> String? {
        var found: [String] = []
        func look(_ command: any ParsableCommand.Type) {
            let parts = command.configuration.subcommands
            if parts.isEmpty, CommandSyntax(command)[name] != nil {
                found.append(path(to: command))
            }
            parts.forEach(look)
        }
        look(BitNetCommand.self)
        let named = found.prefix(found.count > 3 ? 2 : 3).joined(separator: ", ")
        return found.isEmpty ? nil : named + (found.count > 3 ? " and other commands" : "")
    }

    /// What is wrong with the arguments of `command`, and how it is used.
    static func usageMessage(
        _ error: ValidationError, of command: any ParsableCommand.Type
    ) -> String {
        "\(_errorPrefix)\(error.message)\nUsage: \(usageString(for: command))\n"
            + "  See '\(path(to: command)) --help' for more information."
    }

    /// `arguments` with texts of nothing but minus signs behind `--`, where the parser takes them as
    /// texts; other texts go with them, so that their order stays.
    static func movingDashes(_ arguments: [String], _ syntax: CommandSyntax) -> [String] {
        let end = arguments.firstIndex(of: "--") ?? arguments.endIndex
        func isDashes(_ word: String) -> Bool {
            word.utf8.count > 2 && word.utf8.allSatisfy { $0 == UInt8(ascii: "-") }
        }
        guard let first = arguments[..<end].firstIndex(where: isDashes) else { return arguments }
        var (options, texts) = (Array(arguments[..<first]), [String]())
        var words = arguments[first..<end]
        while let word = words.popFirst() {
            guard word.utf8.first == UInt8(ascii: "-"), !isDashes(word) else {
                texts.append(word)
                continue
            }
            options.append(word)
            if syntax[word]?.valueName != nil, let value = words.popFirst() {
                options.append(value)
            }
        }
        return options + ["--"] + texts + arguments[end...].dropFirst()
    }
}

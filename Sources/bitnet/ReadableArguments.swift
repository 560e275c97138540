import ArgumentParser
import BitNetKit
import BitNetTerminal
import Foundation

/// The arguments in a form that the parser understands, and the command that they name.
///
/// To the parser, an argument with a dash in front is options, whatever stands before it: it takes
/// the h of `-path.gguf` for `-h`, and the value of `--plot --json` for a flag that is missing.
/// Here an option's value is joined to it where it begins with a dash, and what is neither value nor
/// option is refused.
struct ReadableArguments {
    private(set) var arguments: [String] = []
    private(set) var command: any ParsableCommand.Type = BitNetCommand.self
    private(set) lazy var syntax = CommandSyntax(command)
    /// What to say of the first option that the command does not have, if that is all that is wrong.
    private(set) var unknownOption: UsageError?
    /// The command as it is called.
    private var path = "bitnet"
    private var rest: ArraySlice<String>

    /// - Throws: `UsageError` for an argument that cannot be meant.
    init(_ given: ArraySlice<String>) throws(UsageError) {
        rest = given
        while let argument = rest.popFirst() {
            if Self.isTerminator(argument) {
                arguments.append(argument)
                break
            }
            if Self.beginsWithDash(argument), argument.utf8.count > 1 {
                try readOption(argument)
                continue
            }
            arguments.append(argument)
            let commands = command.configuration.subcommands
            guard !commands.isEmpty else { continue }
            // `help`, and commands that there are not, are the parser's.
            guard let next = commands.first(where: { $0._commandName == argument }) else { break }
            command = next
            path += " " + argument
            syntax = CommandSyntax(next)
        }
        arguments += rest
        rest = []
    }

    private mutating func readOption(_ argument: String) throws(UsageError) {
        let isShort = !argument.utf8.starts(with: "--".utf8)
        let name = String(CommandSyntax.name(of: argument))
        let isJoined = name.utf8.count < argument.utf8.count
        guard let item = syntax[name], item.valueName != nil || !isJoined else {
            guard isShort else { return readUnknown(argument, name) }
            throw UsageError(
                "Unknown option '\(argument)'", command, path, hint: UsageError.terminatorHint)
        }
        guard item.valueName != nil else { return arguments.append(argument) }
        if isJoined {
            append(name, Self.value(of: argument, name))
        } else if let value = rest.popFirst() {
            guard item.isText || !isOption(value) else {
                throw UsageError(
                    "Missing value for '\(name) <\(item.valueName ?? "")>': '\(value)' is an option",
                    command, path, hint: "If '\(value)' is the value, write \(name)=\(value)")
            }
            append(name, value)
        } else {
            arguments.append(argument)
        }
        while item.isList, let value = rest.first, !isOption(value),
            !value.utf8.starts(with: "--".utf8)
        {
            append(name, value)
            rest.removeFirst()
        }
    }

    /// Leaves a long option that the command does not have to the parser, and notes what it may mean.
    private mutating func readUnknown(_ argument: String, _ name: String) {
        arguments.append(argument)
        let own = [
            "--help", "--help-hidden", "--version", "--generate-completion-script",
            "--experimental-dump-help",
        ]
        let isText = argument.utf8.allSatisfy { $0 == UInt8(ascii: "-") }
        guard unknownOption == nil, syntax[name] == nil, !own.contains(name), !isText
        else { return }
        let others = BitNetCommand.commands(with: name)
        let meant = nearestName(to: name, among: syntax.items.flatMap(\.names) + own.prefix(3))
        var message = "Unknown option '\(name)'"
        if let meant {
            message += ". Did you mean '\(meant)'?"
        } else if let others {
            message += ": it is one of \(others)"
        }
        unknownOption = UsageError(message, command, path, hint: UsageError.terminatorHint)
    }

    /// Whether an argument is one of the command's options, so that nobody means it as a value.
    private mutating func isOption(_ argument: String) -> Bool {
        guard Self.beginsWithDash(argument) else { return false }
        let name = CommandSyntax.name(of: argument)
        guard let item = syntax[name] else { return Self.isTerminator(argument) }
        return item.valueName != nil || name.utf8.count == argument.utf8.count
    }

    /// Appends an option and its value, as one argument where the parser would take the value for
    /// an option. An empty one stays apart: joined, it would count as missing.
    private mutating func append(_ name: String, _ value: String) {
        arguments += Self.beginsWithDash(value) ? ["\(name)=\(value)"] : [name, value]
    }

    /// What stands behind the `=` of `--name=value`.
    private static func value(of argument: String, _ name: String) -> String {
        String(decoding: argument.utf8.dropFirst(name.utf8.count + 1), as: UTF8.self)
    }

    private static func beginsWithDash(_ argument: String) -> Bool {
        argument.utf8.first == UInt8(ascii: "-")
    }

    /// What follows is texts and files.
    private static func isTerminator(_ argument: String) -> Bool {
        argument.utf8.elementsEqual("--".utf8)
    }
}

/// Wrong usage that is found before the parser sees it, in the parser's form.
struct UsageError: Error, CustomStringConvertible {
    static let terminatorHint =
        "Texts and files that begin with a dash go behind --, after all options."

    let description: String

    init(_ message: String, _ command: any ParsableCommand.Type, _ path: String, hint: String) {
        let usage = BitNetCommand.usageString(for: command)
        description =
            "\(BitNetCommand._errorPrefix)\(message)\nUsage: \(usage)\n  See '\(path) --help' for more information.\n  "
            + hint
    }
}

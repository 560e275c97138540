import ArgumentParser
import BitNetKit
import Foundation

struct ManualCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manual",
        abstract: "Print the manual page, for man.",
        discussion: """
            Every command with all of its options. To install it:

            bitnet manual > /usr/local/share/man/man1/bitnet.1
            """)

    func run() throws {
        // What the parser knows of its commands, as its own tools read it.
        let dump = Data(BitNetCommand._dumpHelp().utf8)
        let page: ManualPage
        do {
            page = ManualPage(try JSONDecoder().decode(ManualPage.Dump.self, from: dump).command)
        } catch {
            throw BitNetError.malformedFile(path: "--experimental-dump-help", detail: "\(error)")
        }
        try Terminal.write(page.text)
    }
}

/// The manual page in the macros of man(7).
struct ManualPage {
    struct Dump: Decodable {
        let command: Command
    }

    /// A command as the parser describes it.
    struct Command: Decodable {
        let commandName: String
        let abstract: String?
        let discussion: String?
        let subcommands: [Command]?
        let arguments: [Argument]?
    }

    struct Argument: Decodable {
        enum Kind: String, Decodable { case positional, option, flag }

        struct Name: Decodable {
            let kind: String
            let name: String

            var spelled: String { (kind == "long" ? "--" : "-") + name }
        }

        let kind: Kind
        let sectionTitle: String?
        let isOptional: Bool
        let isRepeating: Bool
        let names: [Name]?
        let valueName: String?
        let defaultValue: String?
        let abstract: String?
    }

    /// When commands last changed: a page has a date, and the same program always the same page.
    private static let date = "2026-11-29"

    let text: String

    init(_ program: Command) {
        let commands = Self.leaves(program, [])
        var lines = [
            ".TH BITNET 1 \(Self.date) \"BitNetKit \(Self.plain(BitNetKit.version))\" \"User Commands\"",
            ".SH NAME", "bitnet \\- \(Self.plain(program.abstract ?? ""))",
            ".SH SYNOPSIS", ".B bitnet", ".I command", ".RI [ options ] ...",
            ".SH DESCRIPTION",
        ]
        lines += Self.paragraphs(program.discussion ?? "")
        lines.append(".SH COMMANDS")
        for (path, command) in commands {
            lines += Self.section(path, command)
        }
        lines += [".SH OPTIONS OF EVERY COMMAND"]
        lines += Self.item("\\fB\\-h\\fR, \\fB\\-\\-help\\fR", "Show help information.")
        lines += Self.item(
            "\\fB\\-\\-help\\-hidden\\fR", "Show help information, with options that few ask for.")
        lines += Self.item("\\fB\\-\\-version\\fR", "Show the version.")
        lines += Self.ending
        text = lines.joined(separator: "\n") + "\n"
    }

    /// Commands that do something, with their names from the program's on.
    private static func leaves(
        _ command: Command, _ path: [String]
    ) -> [(path: [String], command: Command)] {
        let path = path + [command.commandName]
        let parts = command.subcommands?.filter { $0.commandName != "help" } ?? []
        if parts.isEmpty { return [(path, command)] }
        return parts.flatMap { leaves($0, path) }
    }

    private static func section(_ path: [String], _ command: Command) -> [String] {
        let own = command.arguments?.filter { argument in
            !["help", "version"].contains(argument.names?.last?.name)
        }
        let arguments = own ?? []
        var lines = [".SS \(plain(path.joined(separator: " ")))"]
        lines += paragraphs(command.abstract ?? "")
        lines += arguments.filter { $0.kind == .positional }.flatMap(item)
        let options = arguments.filter { $0.kind != .positional }
        // Those without a title are the ones that help shows first.
        lines += options.filter { $0.sectionTitle == nil }.flatMap(item)
        var titles: [String] = []
        for case let title? in options.map(\.sectionTitle) where !titles.contains(title) {
            titles.append(title)
        }
        for title in titles {
            lines += [".PP", "\(plain(title)):"]
            lines += options.filter { $0.sectionTitle == title }.flatMap(item)
        }
        if let discussion = command.discussion {
            lines.append(".PP")
            lines += paragraphs(discussion)
        }
        return lines
    }

    private static func item(_ argument: Argument) -> [String] {
        let value = "\\fI\(plain(argument.valueName ?? "value"))\\fR"
        // Short names first, as help shows them.
        let names = (argument.names ?? []).map(\.spelled).sorted { $0.count < $1.count }
        var label = names.map { "\\fB\(plain($0))\\fR" }.joined(separator: ", ")
        switch argument.kind {
        case .positional: label = value
        case .option: label += " " + value
        case .flag: break
        }
        if argument.isRepeating { label += " ..." }
        var words = argument.abstract ?? ""
        if let value = argument.defaultValue, !words.contains("(default:") {
            words += " (default: \(value))"
        }
        return item(label, words)
    }

    private static func item(_ label: String, _ words: String) -> [String] {
        [".TP", label, plain(words)]
    }

    private static let ending = [
        ".SH EXIT STATUS", ".TP", "0", "All went well.", ".TP", "1", "An error, in one line.",
        ".TP", "64", "Wrong usage.", ".TP", "130", "Ctrl\\-C.",
        ".TP", "141", "Nobody reads standard output any more.",
        ".SH ENVIRONMENT", ".TP", "\\fBNO_COLOR\\fR", "If set, nothing is coloured.",
        ".SH EXAMPLES", ".nf", "bitnet generate \"Once upon a time\"",
        "echo \"The cat\" | bitnet generate \\-m model.gguf \\-n 100",
        "bitnet chat \\-m model.gguf",
        "bitnet inspect model.gguf", ".fi",
    ]

    // MARK: - roff

    /// The paragraphs of `text`, which are parted by empty lines.
    private static func paragraphs(_ text: String) -> [String] {
        var lines: [String] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.isEmpty {
                if lines.last != ".PP" { lines.append(".PP") }
            } else {
                lines.append(plain(String(line)))
            }
        }
        return lines
    }

    /// `text` with nothing that steers roff: backslashes, minus signs, and what begins a line.
    static func plain(_ text: String) -> String {
        let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
        var escaped = ""
        for character in line {
            switch character {
            case "\\": escaped += "\\e"
            case "-": escaped += "\\-"
            case "'": escaped += "\\(aq"
            case "\"" where escaped.isEmpty: escaped += "\\(dq"
            case "`": escaped += "\\(ga"
            case "^": escaped += "\\(ha"
            case "~": escaped += "\\(ti"
            default: escaped.append(character)
            }
        }
        return escaped.hasPrefix(".") ? "\\&" + escaped : escaped
    }
}

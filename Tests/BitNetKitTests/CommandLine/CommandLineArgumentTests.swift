import Foundation
import TestSupport
import Testing

/// What the program takes for an option, for the value of one, and for a wish for help.
@Suite(
    "Command line: arguments",
    .enabled(if: bitnetExecutable != nil && FileManager.default.fileExists(atPath: "/bin/bash")))
struct CommandLineArgumentTests {
    private static let sample = ReferenceData.packageRoot.appendingPathComponent(
        "Sources/BitNetSampleModel/Resources/stories.gguf"
    ).path

    /// An option of a command, as the program describes itself to other programs.
    private struct Item {
        let command: [String]
        let name: String
        let valueName: String
        let isList: Bool
    }

    private struct Dump: Decodable {
        struct Name: Decodable {
            let kind: String
            let name: String
        }

        struct Argument: Decodable {
            let kind: String
            let preferredName: Name?
            let valueName: String?
            let parsingStrategy: String
        }

        struct Command: Decodable {
            let commandName: String
            let subcommands: [Command]?
            let arguments: [Argument]?
        }

        let command: Command
    }

    private static func options() throws -> [Item] {
        let run = try CommandLineTests.bitnet(["--experimental-dump-help"])
        let dump = try JSONDecoder().decode(Dump.self, from: Data(run.output.utf8))
        func items(_ command: Dump.Command, _ path: [String]) -> [Item] {
            let own = (command.arguments ?? []).filter { $0.kind == "option" }.compactMap {
                argument in
                argument.preferredName.map { name in
                    Item(
                        command: path, name: (name.kind == "long" ? "--" : "-") + name.name,
                        valueName: argument.valueName ?? "",
                        isList: argument.parsingStrategy == "upToNextOption")
                }
            }
            return own
                + (command.subcommands ?? []).flatMap { items($0, path + [$0.commandName]) }
        }
        return items(dump.command, [])
    }

    @Test(
        "a text or path that begins with a dash is refused with the way out, and is never help",
        arguments: [
            ["convert", sample, "-dash.gguf"], ["generate", "-hello"], ["hex", sample, "-h.x"],
            ["plan", "-shape"], ["inspect", "-h.gguf"], ["verify", "-sh"], ["embed", "-oh"],
            ["perplexity", "-hm", "--file", "x"], ["tokenize", "--model", sample, "-hi"],
            ["generate", "-5"], ["generate", "-h=x"], ["generate", "-é"], ["train", "-h1"],
            ["bench", "model", "-hx"], ["bench", "-hello"], ["-hello"],
            ["generate", "--seed", "1", "-hello", "--json"],
        ])
    func dashes(_ arguments: [String]) throws {
        let run = try CommandLineTests.bitnet(arguments)
        #expect(run.code == 64 && run.output.isEmpty)
        let odd = try #require(
            arguments.dropFirst().first { $0.hasPrefix("-") && !$0.hasPrefix("--") }
                ?? arguments.first)
        #expect(run.error.hasPrefix("error: Unknown option '\(odd)'\nUsage: bitnet"))
        #expect(run.error.contains("go behind --"))
    }

    @Test("help is what -h and --help ask for, and nothing else")
    func help() throws {
        for arguments in [
            ["-h"], ["--help"], ["help", "convert"], ["convert", "--help"], ["generate", "-h"],
            ["generate", "Hi", "-h"], ["generate", "--seed", "3", "--help"],
            ["bench", "model", "-h"],
        ] {
            let run = try CommandLineTests.bitnet(arguments)
            #expect(run.code == 0 && run.error.isEmpty && run.output.contains("USAGE:"))
        }
        for value in ["-h", "--help"] {
            let logits = try CommandLineTests.bitnet(["logits", "--prompt", value])
            #expect(logits.code == 0 && logits.output.contains("\"logits\""), "\(logits.error)")
        }
        let text = try CommandLineTests.bitnet(["generate", "--max-tokens", "0", "--", "-h"])
        #expect(text.code == 0 && text.output == "-h\n")
    }

    @Test(
        "the help of commands with texts or paths names --",
        arguments: [
            "generate", "embed", "tokenize", "convert", "inspect", "hex", "plan", "verify",
            "perplexity",
        ])
    func helpText(_ command: String) throws {
        let help = try CommandLineTests.bitnet([command, "--help"]).output
        let words = help.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        #expect(words.contains("behind --."))
    }

    @Test("an option's name is not the value of another, unless that takes any text")
    func names() throws {
        let options = try Self.options()
        #expect(options.count > 80)
        for item in options {
            let isText = ["text", "options"].contains(item.valueName)
            for value in ["\(item.name)=1", "--"] {
                // The last one keeps a command from running.
                let run = try CommandLineTests.bitnet(
                    item.command + [item.name, value, "--no-such-option"])
                let words = "\(item.command) \(item.name) \(value): \(run.error)"
                #expect(run.code == 64 && run.output.isEmpty, "\(words)")
                let isRefused = run.error.contains("'\(value)' is an option")
                #expect(isRefused != isText, "\(words)")
                guard isRefused else { continue }
                #expect(run.error.contains("write \(item.name)=\(value)"), "\(words)")
            }
        }
        let folder = try TemporaryFolder()
        let run = try shell(
            "cd \"$2\" && \"$0\" inspect \"$1\" --plot --json; \"$0\" inspect \"$1\" --plot=--json",
            Self.sample, folder.path)
        #expect(run.error.contains("--plot=--json") && run.output.contains("graph "))
        #expect(try folder.names == ["--json"])
    }

    @Test("every message about a value says what is allowed")
    func reasons() throws {
        var checked = 0
        for item in try Self.options() {
            for value in ["?", ""] {
                let run = try CommandLineTests.bitnet(
                    item.command + ["\(item.name)=\(value)", "--no-such-option"])
                #expect(run.code == 64 && run.output.isEmpty)
                guard run.error.contains("is invalid for '") else { continue }
                checked += 1
                let words = "\(item.command) \(item.name)=\(value): \(run.error)"
                let message = run.error.prefix { $0 != "\n" }
                let hasList =
                    message.contains("Please provide one of") && run.error.contains("Give ")
                let hasReason = message.contains(#/is invalid for '[^']*': ./#)
                #expect(hasReason || hasList, "\(words)")
            }
        }
        #expect(checked > 60)
        let large = try CommandLineTests.bitnet(["plan", "x", "--context", "99999999999999999999"])
        #expect(large.error.contains(": give a whole number up to \(Int.max)\n"))
        let seed = try CommandLineTests.bitnet(["generate", "Hi", "--seed", "-1"])
        #expect(seed.error.contains("'--seed <s>': give a whole number in 0...\(UInt64.max)"))
    }

    @Test("an output without a name is a sentence")
    func noName() throws {
        let convert = try CommandLineTests.bitnet(["convert", Self.sample, ""])
        #expect(convert.code == 1 && convert.errorLines.count == 1)
        #expect(convert.error.contains("give the name of a file"))
        let train = try CommandLineTests.bitnet(["train", "--data", "x", "--out", ""])
        #expect(train.code == 64 && train.error.contains("the name of a folder"))
    }

    @Test("every LM head that a message lists can be compared with, and no other is listed")
    func heads() throws {
        let folder = try TemporaryFolder()
        let text = try folder.write("text", "Once upon a time there was a cat.")
        func compare(_ head: String) throws -> CommandLineTests.Run {
            try CommandLineTests.bitnet(
                ["perplexity", Self.sample, "--file", text, "--against-head", head])
        }
        for head in ["none", "exact", "fast"] {
            let refused = try compare(head)
            #expect(refused.code == 64)
            let names = try #require(refused.error.split(separator: "\n").first)
                .split(separator: "is not one of ").last
            #expect(names == "as-stored, f16, q8_0, q6_k, q4_0")
        }
        for head in ["as-stored", "q4_0"] { #expect(try compare(head).code == 0) }
        let types = try CommandLineTests.bitnet(["bench", "head", "--types", "i2_s"])
        #expect(types.code == 64)
        #expect(types.error.contains("'i2_s' is none of f16, bf16, f32, q8_0, q6_k, q4_0"))
        let synthetic = ["bench", "model", "--synthetic", "falcon3-7b", "--head"]
        for head in ["i2_s", "none"] {
            let run = try CommandLineTests.bitnet(synthetic + [head])
            #expect(run.code == 64 && run.error.contains("exact, fast, f32, bf16"), "\(run.error)")
        }
    }
}

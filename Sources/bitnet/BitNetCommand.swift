import ArgumentParser
import BitNetKit
import Foundation

@main
struct BitNetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bitnet",
        abstract: "Run 1.58-bit (ternary) language models on this machine's CPU.",
        usage: "bitnet COMMAND ...",
        discussion: """
            To begin with: bitnet generate "Once upon a time"

            That runs the small model which is part of the program. Other models are GGUF files \
            or Hugging Face folders, named with -m. Results go to standard output, everything \
            else to standard error. Exit codes: 0, 1 for an error, 64 for wrong usage, 130 after \
            Ctrl-C.
            """,
        version: versionLine,
        subcommands: [
            GenerateCommand.self, ChatCommand.self, EmbedCommand.self, LogitsCommand.self,
            TokenizeCommand.self, ConvertCommand.self, InspectCommand.self, HexCommand.self,
            PlanCommand.self, VerifyCommand.self, PerplexityCommand.self, TrainCommand.self,
            BenchCommand.self, DemoCommand.self, DoctorCommand.self, ManualCommand.self,
        ])

    /// The version, and what this machine's CPU makes of the program. No commit is known: SwiftPM
    /// keeps what a manifest has said about one, also after the next.
    private static var versionLine: String {
        "bitnet \(BitNetKit.version) (kernels: \(KernelSet.best.name))"
    }

    static var _errorPrefix: String { "error: " }

    /// The library's errors become one line and exit code 1; the parser words its own.
    static func main() async {
        // Before any file takes the number of a closed stream.
        Terminal.prepare()
        checkArguments()
        var syntax: CommandSyntax?
        var unknownOption: UsageError?
        do {
            var readable = try ReadableArguments(CommandLine.arguments.dropFirst())
            (syntax, unknownOption) = (readable.syntax, readable.unknownOption)
            checkNames(readable.arguments)
            let arguments = movingDashes(readable.arguments, readable.syntax)
            try await run(try parseAsRoot(arguments))
        } catch let error as BitNetError {
            Terminal.endIfReaderIsGone(error)
            fail((syntax ?? CommandSyntax(BitNetCommand.self)).message(of: error))
        } catch let error as FileError {
            Terminal.endIfReaderIsGone(error.error)
            fail(error.message(syntax ?? CommandSyntax(BitNetCommand.self)))
        } catch let error as UsageError {
            fail(error)
        } catch {
            if let unknownOption, message(for: error).hasPrefix("Unknown option '--") {
                fail(unknownOption)
            }
            end(with: error, syntax)
        }
    }

    private static func run(_ command: any ParsableCommand) async throws {
        var command = command
        if let command = command as? any QuietableCommand {
            Terminal.isQuiet = command.output.quiet
        }
        do {
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let error as ValidationError {
            // The parser knows only what it has found itself, and would show the program's usage.
            Terminal.report(usageMessage(error, of: type(of: command)))
            Foundation.exit(ExitCode.validationFailure.rawValue)
        }
    }

    /// Ends the program with the parser's words for `error`, which may be a wish for help.
    private static func end(with error: any Error, _ syntax: CommandSyntax?) -> Never {
        let code = exitCode(for: error)
        let message = fullMessage(for: error, syntax) + hint(for: error)
        if code.isSuccess {
            if !message.isEmpty { Terminal.writeOrExit(message + "\n") }
        } else if !message.isEmpty {
            Terminal.report(message)
        }
        Foundation.exit(code.rawValue)
    }

    /// The parser's words for `error`, and what an option takes where they do not say it.
    private static func fullMessage(for error: any Error, _ syntax: CommandSyntax?) -> String {
        let (full, message) = (fullMessage(for: error), message(for: error))
        guard let allowed = syntax?.allowed(by: message) else { return full }
        let start = "\(_errorPrefix)\(message)"
        guard full.utf8.starts(with: start.utf8) else { return full }
        // The names that the parser lists stand on lines of their own.
        let sentence = message.contains("\n") ? "\nGive \(allowed)." : ": give \(allowed)"
        return start + sentence
            + String(decoding: full.utf8.dropFirst(start.utf8.count), as: UTF8.self)
    }

    /// What to do about an argument that the parser has taken for an option.
    private static func hint(for error: any Error) -> String {
        let words = ["Unknown option", "Invalid option", "Missing expected argument"]
        let message = message(for: error)
        if message.contains("nexpected argument") {
            return "\n  A text or a name with spaces goes in quotation marks: \"Once upon a time\""
        }
        guard words.contains(where: message.hasPrefix),
            CommandLine.arguments.dropFirst().contains(where: { $0.utf8.first == dash })
        else { return "" }
        return "\n  " + UsageError.terminatorHint
    }

    private static let dash = UInt8(ascii: "-")

    private static func fail(_ error: UsageError) -> Never {
        Terminal.report("\(error)")
        Foundation.exit(ExitCode.validationFailure.rawValue)
    }

    private static func fail(_ message: String) -> Never {
        Terminal.fail(message)
        Foundation.exit(EXIT_FAILURE)
    }
}

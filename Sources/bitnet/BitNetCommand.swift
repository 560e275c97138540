import ArgumentParser
import BitNetKit
import Foundation

@main
struct BitNetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bitnet",
        abstract: "Run 1.58-bit (ternary) language models on this machine's CPU.",
        usage: """
            bitnet generate [PROMPT] [--model PATH] ...
            bitnet chat [--model PATH] ...
            bitnet embed [TEXT ...] [--model PATH] ...
            bitnet logits --model PATH (--tokens 1,2,3 | --prompt TEXT) ...
            bitnet tokenize --model PATH [TEXT] ...
            bitnet convert INPUT OUTPUT.gguf ...
            """,
        discussion: """
            To begin with: bitnet generate "Once upon a time"

            That runs the small model which is part of the program. Other models are GGUF files \
            or Hugging Face folders. Results go to standard output, everything else to standard \
            error. Exit codes: 0, 1 for an error, 64 for wrong usage, 130 after Ctrl-C.
            """,
        subcommands: [
            GenerateCommand.self, ChatCommand.self, EmbedCommand.self, LogitsCommand.self,
            TokenizeCommand.self, ConvertCommand.self,
            BenchCommand.self, DoctorCommand.self,
        ])

    /// The library's errors become one line and exit code 1; the parser words its own.
    static func main() async {
        // Before any file takes the number of a closed stream.
        Terminal.prepare()
        checkArguments()
        do {
            var command = try parseAsRoot(joinedArguments)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let error as BitNetError {
            fail("\(error)")
        } catch let error as FileError {
            fail("\(error)")
        } catch {
            end(with: error)
        }
    }

    /// Ends the program with the parser's words for `error`, which may be a wish for help.
    private static func end(with error: any Error) -> Never {
        let code = exitCode(for: error)
        let message = fullMessage(for: error)
        if code.isSuccess {
            if !message.isEmpty { Terminal.writeOrExit(message + "\n") }
        } else if !message.isEmpty {
            Terminal.report(message)
        }
        Foundation.exit(code.rawValue)
    }

    /// The arguments, with a value that begins with `---` or `-=` joined to its option: alone, the
    /// parser refuses it before it knows that a value is due.
    private static var joinedArguments: [String] {
        var joined: [String] = []
        var isText = false
        for argument in CommandLine.arguments.dropFirst() {
            let bytes = argument.utf8
            let looksOdd = bytes.starts(with: "---".utf8) || bytes.starts(with: "-=".utf8)
            if !isText, looksOdd, let option = joined.last,
                option.utf8.starts(with: "--".utf8), !option.utf8.contains(UInt8(ascii: "="))
            {
                joined[joined.count - 1] = "\(option)=\(argument)"
            } else {
                joined.append(argument)
            }
            isText = isText || argument == "--"
        }
        return joined
    }

    /// Swift's own list of arguments has U+FFFD for what is not UTF-8: other text, other files.
    private static func checkArguments() {
        for (index, argument) in CommandLine.unsafeArguments.enumerated().dropFirst()
        where String(validatingCString: argument) == nil {
            let shown = String(cString: argument)
            Terminal.fail("argument \(index), '\(shown)', is not UTF-8 text")
            Foundation.exit(ExitCode.validationFailure.rawValue)
        }
    }

    private static func fail(_ message: String) -> Never {
        Terminal.fail(message)
        Foundation.exit(EXIT_FAILURE)
    }
}

extension CommandLine {
    /// The arguments as the system gives them, the program's name first.
    fileprivate static var unsafeArguments: [UnsafeMutablePointer<CChar>] {
        UnsafeBufferPointer(start: unsafeArgv, count: Int(argc)).compactMap(\.self)
    }
}

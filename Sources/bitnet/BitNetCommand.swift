import ArgumentParser
import BitNetKit

@main
struct BitNetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bitnet",
        abstract: "Run 1.58-bit language models on this machine's CPU.",
        subcommands: [
            GenerateCommand.self, LogitsCommand.self, TokenizeCommand.self, ConvertCommand.self,
            BenchCommand.self, DoctorCommand.self,
        ])

    /// The library's errors become one line and exit code 1; the parser deals with its own.
    static func main() async {
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let error as BitNetError {
            let line = "\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")
            Terminal.report("error: \(line)")
            exit(withError: ExitCode.failure)
        } catch {
            exit(withError: error)
        }
    }
}

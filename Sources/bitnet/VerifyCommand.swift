import ArgumentParser
import BitNetKit
import Foundation

struct VerifyCommand: AsyncParsableCommand, QuietableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check that a model file is whole, and that it is computed as it is meant.",
        usage: "bitnet verify MODEL [--record FILE | --against FILE] [--json]",
        discussion: """
            Reads all of the file, then runs the model: is every code a trit and every number \
            finite, does the activation function predict text, do scales go the right way, does \
            text come back from its tokens, does every kernel compute the same bits? --record \
            writes what the model computes for fixed tokens, --against compares with such a \
            record; it is the same on every machine. Exit code 1 if a check fails: one that is \
            undecided, or could not be made, is no failure. A path that begins with a dash goes \
            behind --.
            """)

    @Argument(help: "A GGUF file or a Hugging Face folder.", completion: .file())
    var model: String

    @Option(
        parsing: .unconditional,
        help: .init(
            "Write what the model computes as JSON, if nothing is wrong; - is standard output.",
            valueName: "file"),
        completion: .file())
    var record: String?

    @Option(
        parsing: .unconditional,
        help: .init(
            "Compare with a file that --record wrote; - is standard input.", valueName: "file"),
        completion: .file())
    var against: String?

    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: .init("Number of threads (default: one per core).", valueName: "n"))
    var threads: Int?

    @OptionGroup
    var i2s: I2SArguments

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup
    var output: OutputArguments

    func validate() throws {
        guard record == nil || against == nil else {
            throw ValidationError("Give either --record or --against.")
        }
        try checkThreads(threads)
    }

    func run() async throws {
        let target = try record.map { try OutputFile($0) }
        try target?.takeOutput(for: "--record", isJSON: json)
        if let target, !target.isStandardOutput { try ModelRecord.checkTarget(target.url) }
        let expected = try against.map { try ModelRecord.read(from: try Terminal.textFile($0)) }
        let options = LoadOptions(threads: threads, i2sOrder: i2s.order ?? .a)
        let line = StatusLine()
        defer { line.clear() }
        let result = try await naming(model) { () async throws(BitNetError) in
            try await ModelVerification.verify(
                Terminal.url(model), options: options, against: expected
            ) { line.update($0) }
        }
        line.clear()
        try json
            ? Terminal.write(try Terminal.json(result) + "\n") : Terminal.write(result.shown)
        guard result.hasPassed else { throw ExitCode(EXIT_FAILURE) }
        guard let target, let record = result.fingerprint else { return }
        if target.isStandardOutput {
            try Terminal.writeOutput(try record.json())
        } else {
            try record.write(to: target.url)
        }
    }
}

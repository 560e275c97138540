import ArgumentParser
import BitNetKit
import Foundation

struct InspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Say what a model file holds, without loading the model.",
        discussion: """
            Reads the file once: graph and sizes, shares of -1, 0 and +1, bits per weight, rows \
            and columns that are all zero, and what is odd. A file whose graph is not known is \
            described as far as it can be.
            """)

    @Argument(help: "A GGUF file or a Hugging Face folder.")
    var model: String

    @Flag(help: "Print a line for every tensor.")
    var tensors = false

    @Option(
        name: .customLong("i2s-order"), parsing: .unconditional,
        help: "Byte order of I2_S tensors, a, b or c; no file says which (default: a).",
        transform: { try ComputeArguments.i2sOrder($0) })
    var order: I2SOrder?

    @Flag(help: "Print one JSON object: everything that is known of every tensor.")
    var json = false

    func run() async throws {
        let url = try Terminal.url(model)
        let line = ProgressLine()
        let order = order ?? .a
        let task = Task.detached {
            Result { () throws(BitNetError) in
                try ModelInspection.inspect(url, i2sOrder: order) { line.update("reading:", $0) }
            }
        }
        let interrupt = Interrupt { task.cancel() }
        defer { interrupt.end() }
        let result = await task.value
        line.clear()
        switch result {
        case .success(let inspection):
            if json { return try Terminal.write(try Terminal.json(inspection) + "\n") }
            try Terminal.write("\(inspection)\n")
            if tensors { try Terminal.write("\n\(inspection.table)\n") }
        case .failure(.cancelled): throw ExitCode(interrupt.exitCode ?? 130)
        case .failure(let error): throw FileError(path: model, error: error)
        }
    }
}

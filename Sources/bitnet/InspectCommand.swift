import ArgumentParser
import BitNetKit
import BitNetPlots

struct InspectCommand: ParsableCommand, QuietableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Say what a model file holds, without loading the model.",
        usage: "bitnet inspect MODEL [--tensors] [--plot FILE] [--json]",
        discussion: """
            Reads the file once: graph and sizes, shares of -1, 0 and +1, bits per weight, rows \
            and columns that are all zero, and what is odd. A file whose graph is not known is \
            described as far as it can be. Exit code 1 if a matrix cannot be read: then not all is \
            described. Whether the model is right is another question, which bitnet verify answers; \
            what is wrong with it, such as a norm that is not finite, is a warning here. A path that \
            begins with a dash goes behind --.
            """)

    @Argument(help: "A GGUF file or a Hugging Face folder.", completion: .file())
    var model: String

    @Flag(help: "Print a line for every tensor.")
    var tensors = false

    @OptionGroup
    var i2s: I2SArguments

    @Option(
        parsing: .unconditional,
        help: .init(
            "Draw the shares of -1, 0 and +1 of every matrix, as SVG; - is standard output.",
            valueName: "file"),
        completion: .file())
    var plot: String?

    @Flag(help: "Print one JSON object: everything that is known of every tensor.")
    var json = false

    @OptionGroup
    var output: OutputArguments

    func run() throws {
        let drawing = try plot.map { try PlotFile($0, isJSON: json) }
        let line = ProgressLine()
        let inspection: ModelInspection
        do {
            inspection = try ModelInspection.inspect(
                try Terminal.url(model), i2sOrder: i2s.order ?? .a
            ) { line.update("reading:", $0) }
            line.clear()
        } catch {
            line.clear()
            throw FileError(path: model, error: error)
        }
        try drawing?.write(inspection.plot.svg)
        if json {
            try Terminal.write(try Terminal.json(inspection) + "\n")
        } else {
            try Terminal.write("\(inspection)\n")
            if tensors { try Terminal.write("\n\(inspection.table)\n") }
        }
        guard inspection.tensors.allSatisfy({ $0.problem == nil }) else { throw ExitCode.failure }
    }
}

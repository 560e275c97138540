import ArgumentParser
import BitNetKit
import Foundation

struct EmbedCommand: AsyncParsableCommand, QuietableCommand {
    static let configuration = CommandConfiguration(
        commandName: "embed",
        abstract: "Turn texts into vectors, as JSON.",
        usage: "bitnet embed [TEXT ...] [-m PATH] [OPTION ...]",
        discussion: """
            Prints {"text": "...", "embedding": [...]} on a line of its own for each TEXT, or for \
            each line of standard input. Vectors have length 1: the dot product of two is their \
            cosine. Without --model the sample model is used, which was not trained for it. \
            Texts that begin with a dash go behind --.

            More options, for the engine: bitnet embed --help-hidden
            """)

    @Argument(help: "The texts (default: the lines of standard input).")
    var texts: [String] = []

    @OptionGroup
    var model: ModelArgument

    @Option(
        parsing: .unconditional,
        help: .init(
            "What is put before every text, such as the instruction a model wants for queries.",
            valueName: "text"))
    var prompt = ""

    @OptionGroup
    var compute: ComputeArguments

    @OptionGroup
    var output: OutputArguments

    @Flag(help: "Changes nothing: this command always prints JSON.")
    var json = false

    func run() async throws {
        let model = try await compute.load(try model.path)
        if texts.isEmpty {
            for line in TextInput.lines(
                of: try Terminal.readInput(
                    "waiting for texts on standard input, one a line",
                    limit: TextInput.longestFile))
            {
                try await embed(line, model)
            }
        } else {
            for text in texts { try await embed(text, model) }
        }
    }

    private func embed(_ text: String, _ model: BitNetModel) async throws(BitNetError) {
        let vectors: [[Float]]
        do throws(BitNetError) {
            vectors = try await model.embed([text], options: EmbeddingOptions(prompt: prompt))
        } catch .contextWindowExceeded(let limit, let requested) {
            throw .invalidArgument(
                name: "text \(text.cut(to: 40).quoted)",
                detail: "it has \(requested) tokens or more, the model takes \(limit); cut it into "
                    + "parts")
        }
        // Swift prints the shortest decimal that reads back as the same float.
        let numbers = vectors[0].map(\.description).joined(separator: ",")
        try Terminal.write(
            "{\"text\":\(try Terminal.json(text)),\"embedding\":[\(numbers)]}\n")
    }
}

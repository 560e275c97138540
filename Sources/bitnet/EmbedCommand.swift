import ArgumentParser
import BitNetKit
import BitNetSampleModel
import Foundation

struct EmbedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "embed",
        abstract: "Turn texts into vectors, as JSON.",
        discussion: """
            Prints {"text": "...", "embedding": [...]} on a line of its own for each TEXT, or for \
            each line of standard input. Vectors have length 1: the dot product of two is their \
            cosine. Without --model the sample model is used, which was not trained for it. \
            Texts that begin with a dash go behind --.
            """)

    @Argument(help: "The texts (default: the lines of standard input).")
    var texts: [String] = []

    @Option(
        parsing: .unconditional,
        help: .init(
            "A GGUF file or a Hugging Face folder (default: the sample model).", valueName: "path"))
    var model: String?

    @Option(
        parsing: .unconditional,
        help: .init(
            "What is put before every text, such as the instruction a model wants for queries.",
            valueName: "text"))
    var prompt = ""

    @OptionGroup
    var compute: ComputeArguments

    func run() async throws {
        let model = try await compute.load(try model ?? BitNetSampleModel.url.path)
        if texts.isEmpty {
            for line in TextInput.lines(
                of: try Terminal.readText("-", limit: TextInput.longestFile))
            {
                try await embed(line, model)
            }
        } else {
            for text in texts { try await embed(text, model) }
        }
    }

    private func embed(_ text: String, _ model: BitNetModel) async throws(BitNetError) {
        let vectors = try await model.embed([text], options: EmbeddingOptions(prompt: prompt))
        // Swift prints the shortest decimal that reads back as the same float.
        let numbers = vectors[0].map(\.description).joined(separator: ",")
        try Terminal.write(
            "{\"text\":\(try Terminal.json(text)),\"embedding\":[\(numbers)]}\n")
    }
}

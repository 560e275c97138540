import ArgumentParser
import BitNetKit
import BitNetSampleModel
import Foundation

/// The model to run: everywhere the sample model, if nobody names another one.
struct ModelArgument: ParsableArguments {
    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: .init(
            "A GGUF file or a Hugging Face folder (default: the sample model).", valueName: "path"),
        completion: .file())
    var model: String?

    /// Where the model is.
    var path: String {
        get throws(BitNetError) {
            if let model { return model }
            return try BitNetSampleModel.url.path
        }
    }
}

/// How long a text may get.
struct LengthArguments: ParsableArguments {
    @Option(
        name: [.customShort("n"), .long], parsing: .unconditional,
        help: .init("The most tokens to write.", valueName: "n"))
    var maxTokens = GenerationOptions.text.maximumResponseTokens ?? 400

    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: .init(
            "The most tokens of prompt and text (default: the model's own limit).", valueName: "n"))
    var context: Int?
}

import ArgumentParser
import BitNetKit
import BitNetSampleModel
import Foundation

/// The model to run: everywhere the sample model, if nobody names another one.
struct ModelArgument: ParsableArguments {
    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: .init(
            "GGUF file or model folder (default: the sample model).", valueName: "path"),
        completion: .file())
    var model: String?

    /// Where the model is.
    var path: String {
        get throws(BitNetError) {
            if let model { return model }
            return try Self.sample
        }
    }

    /// Where the sample model is.
    static var sample: String {
        get throws(BitNetError) {
            do { return try BitNetSampleModel.url.path } catch .unreadable(let path, let reason) {
                throw .unreadable(path: path, reason: "\(reason), or name another model with -m")
            }
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
            "Most tokens of prompt and text (default: the model's).", valueName: "n"))
    var context: Int?
}

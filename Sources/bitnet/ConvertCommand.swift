import ArgumentParser
import BitNetKit
import Foundation

struct ConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Write a model as a GGUF file.",
        discussion: "If something goes wrong, no output file is left behind.")

    @Argument(help: "A GGUF file or a Hugging Face folder.")
    var input: String

    @Argument(help: "The GGUF file to write.")
    var output: String

    @Option(
        help: "Format of the ternary matrices: i2_s, tq1_0 or tq2_0.",
        transform: { try elementType($0, of: [.i2_s, .tq1_0, .tq2_0]) })
    var type: ElementType?

    @Option(
        help: "Format of the embedding and the head: f32, f16, bf16, q8_0, q6_k or q4_0.",
        transform: { try elementType($0, of: [.f32, .f16, .bf16, .q8_0, .q6_K, .q4_0]) })
    var embedding: ElementType?

    func run() throws {
        var options = ConversionOptions()
        if let type { options.ternary = type }
        if let embedding { options.embedding = embedding }
        let report = try BitNetConverter.convert(
            from: URL(fileURLWithPath: input), to: URL(fileURLWithPath: output),
            options: options, progress: nil)
        Terminal.report("\(report)")
    }

    private static func elementType(
        _ name: String, of types: [ElementType]
    ) throws -> ElementType {
        guard let type = types.first(where: { $0.rawValue.lowercased() == name.lowercased() })
        else {
            let known = types.map { $0.rawValue.lowercased() }.joined(separator: ", ")
            throw ValidationError("'\(name)' is none of \(known)")
        }
        return type
    }
}

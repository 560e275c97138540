import ArgumentParser
import BitNetKit
import Foundation
import Synchronization

struct ConvertCommand: AsyncParsableCommand, QuietableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Write a model as a GGUF file.",
        usage: "bitnet convert INPUT OUTPUT.gguf [--type TYPE] [OPTION ...]",
        discussion: """
            Reads a Hugging Face folder or another GGUF file. The output appears under its name \
            when it is complete; after an error or Ctrl-C there is none. Trits are kept exactly, \
            and scales as far as the type holds them: I2_S and F32 hold float32, BF16 bfloat16, \
            the others float16. --report shows what was rounded. The input may be the output, if \
            nothing of it is lost or with --replace-input. Paths that begin with a dash go \
            behind --.
            """)

    @Argument(
        help: "A GGUF file or a Hugging Face folder; - is a GGUF file from standard input.",
        completion: .file())
    var input: String

    @Argument(
        help: .init(
            "The GGUF file to write; replaced if it exists. - is standard output.",
            valueName: "output"),
        completion: .file())
    var target: String

    @Option(
        parsing: .unconditional,
        help: """
            Format of the ternary matrices: i2_s, tq1_0 or tq2_0, or decoded as f32, f16, bf16, \
            q8_0 or q6_k (default: i2_s).
            """,
        transform: {
            try elementType($0, of: [.i2_s, .tq1_0, .tq2_0, .f32, .f16, .bf16, .q8_0, .q6_K])
        })
    var type: ElementType?

    @Option(
        parsing: .unconditional,
        help: """
            Format of the embedding and the head: f32, f16, bf16, q8_0, q6_k or q4_0 (default: \
            that of the input).
            """,
        transform: { try elementType($0, of: [.f32, .f16, .bf16, .q8_0, .q6_K, .q4_0]) })
    var embedding: ElementType?

    @OptionGroup
    var i2s: I2SArguments

    @Flag(help: "Round weights that are not ternary, instead of refusing them.")
    var allowLossy = false

    @Flag(help: "Let the output take the input's place though something of it is lost.")
    var replaceInput = false

    @Flag(help: "Print a line for every tensor: types, scale, share of zeros, error.")
    var report = false

    @Flag(
        help: """
            Print the report as one JSON object: path, byteCount, warnings, and tensors with name, \
            sourceType, type, shape, scale, scaleCount, zeroShare and relativeError; what there is \
            not is left out.
            """)
    var json = false

    @OptionGroup
    var output: OutputArguments

    func validate() throws {
        let ending = (target as NSString).pathExtension.lowercased()
        guard !["safetensors", "pt", "pth", "onnx", "json"].contains(ending) else {
            throw ValidationError(
                "convert writes GGUF: give a name that ends in .gguf, not .\(ending)")
        }
    }

    func run() async throws {
        var options = ConversionOptions()
        if let type { options.ternary = type }
        options.embedding = embedding
        if let order = i2s.order { options.i2sOrder = order }
        options.allowsLossy = allowLossy
        options.replacesSource = replaceInput
        let (source, file) = (try Terminal.textFile(input), try OutputFile(target))
        try file.takeOutput(for: "The output", isJSON: json)
        let line = ProgressLine()
        let hasBegun = Atomic(false)
        let task = Task.detached { [options] in
            Result { () throws(BitNetError) in
                try BitNetConverter.convert(from: source, to: file.url, options: options) {
                    hasBegun.store(true, ordering: .relaxed)
                    line.update("converting:", $0)
                }
            }
        }
        let interrupt = Interrupt(Interrupt.everySignal) { number in
            // Before that there is nothing to remove.
            guard hasBegun.load(ordering: .relaxed) else { _exit(128 + number) }
            task.cancel()
        }
        defer { interrupt.end() }
        let result = await task.value
        line.clear()
        switch result {
        case .success(let result):
            for warning in result.warnings { Terminal.warn(warning) }
            let text =
                json
                ? try Terminal.json(result) : (report ? "\(result.table)\n" : "") + "\(result)"
            try Terminal.write(text + "\n")
        case .failure(.cancelled): throw ExitCode(interrupt.exitCode ?? 130)
        case .failure(let error): throw FileError(path: input, error: error)
        }
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

import ArgumentParser
import BitNetKit
import Foundation

struct PerplexityCommand: AsyncParsableCommand, QuietableCommand {
    static let configuration = CommandConfiguration(
        commandName: "perplexity",
        abstract: "Measure how well a model predicts a text, or how two models differ on it.",
        usage: "bitnet perplexity MODEL --file FILE [--against MODEL] [OPTION ...]",
        discussion: """
            Reads the text in windows of --context tokens (at most 2048 unless it is given), each \
            --stride tokens after the one before, as transformers' guide to perplexity does. With \
            --against, --against-head or --against-cache the predictions of another model, or of \
            this one with another LM head or KV cache, are compared with the model's own: \
            Kullback-Leibler divergence, and how often the likeliest token is the same. A path that \
            begins with a dash goes behind --.

            More options, for the engine: bitnet perplexity --help-hidden
            """)

    @Argument(help: "A GGUF file or a Hugging Face folder.", completion: .file())
    var model: String

    @Option(
        parsing: .unconditional,
        help: .init("A file with the text, or - for standard input.", valueName: "file"),
        completion: .file())
    var file: String

    @OptionGroup
    var context: ContextArguments

    @Option(
        parsing: .unconditional,
        help: .init("Tokens from window to window (default: the context).", valueName: "n"))
    var stride: Int?

    @Option(
        parsing: .unconditional,
        help: .init("Compare with this model, of the same vocabulary.", valueName: "path"),
        completion: .file())
    var against: String?

    @Option(
        parsing: .unconditional,
        help: .init(
            "Compare with this LM head: as-stored, f16, q8_0, q6_k or q4_0.", valueName: "name"),
        transform: PerplexityCommand.comparedHead)
    var againstHead: LMHeadStorage?

    @Option(
        parsing: .unconditional,
        help: .init("Compare with this KV cache: f32, f16 or int8.", valueName: "type"),
        transform: KVCachePrecision.parse)
    var againstCache: KVCachePrecision?

    @OptionGroup
    var compute: ComputeArguments

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup
    var output: OutputArguments

    /// A head that computes all logits: the others find the likeliest tokens alone.
    private static func comparedHead(_ name: String) throws -> LMHeadStorage {
        let known = LMHeadStorage.allCases.filter { $0 == .asStored || $0.elementType != nil }
        guard let storage = known.first(where: { $0.rawValue == name.lowercased() }) else {
            let names = known.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("'\(name)' is not one of \(names)")
        }
        return storage
    }

    func validate() throws {
        if let stride, !(1...1 << 24).contains(stride) {
            throw ValidationError("--stride: \(stride) is not in 1...\(1 << 24)")
        }
    }

    func run() async throws {
        let text = try Terminal.readText(file)
        let base = try await compute.load(model)
        let options = PerplexityOptions(
            context: context.context, stride: stride, cache: context.cache)
        guard against != nil || againstHead != nil || againstCache != nil else {
            let result = try await measured { progress throws(BitNetError) in
                try await base.perplexity(of: text, options: options, progress: progress)
            }
            return try Terminal.write(try json ? Terminal.json(result) + "\n" : result.text)
        }
        var other: BitNetModel?
        if let against { other = try await compute.load(against) }
        let result = try await measured { [other] progress throws(BitNetError) in
            try await base.comparePredictions(
                with: other, on: text, options: options, lmHead: againstHead, cache: againstCache,
                progress: progress)
        }
        try Terminal.write(try json ? Terminal.json(result) + "\n" : result.text)
    }

    /// Runs `body` with a line that says how far it is.
    private func measured<Value: Sendable>(
        _ body: @Sendable (@escaping @Sendable (Double) -> Void) async throws(BitNetError) -> Value
    ) async throws -> Value {
        let line = ProgressLine()
        defer { line.clear() }
        return try await naming(model) { () async throws(BitNetError) in
            try await body { line.update("predicting:", $0) }
        }
    }
}

extension Perplexity {
    fileprivate var text: String {
        numbers
            + "over       \(counted(tokens, "token")), in windows of \(context), \(stride) apart\n"
    }

    fileprivate var numbers: String {
        String(
            format: "perplexity %.4f +- %.4f\nloss       %.6f +- %.6f nats a token\n",
            perplexity, perplexity * standardError, meanLoss, standardError)
    }
}

extension PredictionComparison {
    fileprivate var text: String {
        "base\n" + base.text + "other\n" + other.numbers
            + String(
                format: "difference\nKL         %.3g +- %.2g nats a token, at most %.3g\n",
                meanDivergence, standardError, largestDivergence)
            + String(
                format: "top token  the same in %.2f%% of %d predictions\n", topAgreement * 100,
                base.tokens)
    }
}

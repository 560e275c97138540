import ArgumentParser
import BitNetBench
import BitNetKit
import BitNetTerminal
import Foundation

/// What to measure of a whole model, and how it is loaded.
struct BenchModelArguments: ParsableArguments {
    @OptionGroup
    var model: ModelArgument

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Random weights in a shape: bitnet-2b-4t, falcon3-7b, llama3-8b, llama-70b ... or "
                + "hidden,ffn,layers,heads,kvheads,vocab. Speed is right, text is noise.",
            valueName: "shape"),
        completion: .list(ShapeArgument.names), transform: ShapeArgument.init)
    var synthetic: ShapeArgument?

    @Option(
        name: [.customShort("p")], parsing: .unconditional,
        help: "Lengths of prompts, separated by commas.")
    var prompts = NumberList([512])

    @Option(name: [.customShort("n")], parsing: .unconditional, help: "Numbers of tokens to write.")
    var tokens = NumberList([64])

    @Option(
        parsing: .unconditional,
        help: "Numbers of tokens before those to write, separated by commas.")
    var depth = NumberList([0])

    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: .init(
            "Numbers of threads, separated by commas (default: all cores).", valueName: "list"))
    var threads: NumberList?

    @OptionGroup(title: "Engine options", visibility: .hidden)
    var engine: BenchEngineArguments

    func validate() throws {
        guard model.model == nil || synthetic == nil else {
            throw ValidationError("Give either --model or --synthetic.")
        }
        if let zeroShare = engine.zeroShare {
            guard synthetic != nil, zeroShare.shares.count == 2 else {
                throw ValidationError("--zero-share takes two shares and goes with --synthetic.")
            }
        }
        guard !tests.isEmpty else {
            throw ValidationError("There is nothing to measure: -p and -n are 0.")
        }
        try threads?.checkThreads()
        try EngineArguments.checkKernels(engine.isa)
        _ = synthetic == nil ? nil : try syntheticHead()
        _ = synthetic == nil ? try storage() : nil
        _ = try parsedLayout()
    }

    /// The numbers of threads to measure with.
    var threadCounts: [Int] { threads?.numbers ?? [MachineReport.cores] }

    var tests: [ModelBenchmark.Test] {
        prompts.numbers.filter { $0 > 0 }.map { .prefill($0) }
            + tokens.numbers.filter { $0 > 0 }.flatMap { (count) -> [ModelBenchmark.Test] in
                depth.numbers.map { .decode(count, depth: $0) }
            }
    }

    /// The model, to compute with so many threads.
    func load(threads: Int) async throws -> BitNetModel {
        var options = LoadOptions(
            threads: threads, instructionSet: engine.isa, layout: try parsedLayout())
        options.sparsity = engine.sparsity
        guard let synthetic else {
            options.lmHead = try storage()
            let path = try model.path
            let model = try await naming(path) { [options] () async throws(BitNetError) in
                try await BitNetModel.load(Terminal.url(path), options: options)
            }
            warn(trainedContext: model.configuration.contextLength, threads: threads)
            return model
        }
        warn(trainedContext: synthetic.shape.contextLength, threads: threads)
        Terminal.note("synthetic model \(synthetic.name): random weights, speed only")
        if let shares = engine.zeroShare?.shares {
            Terminal.note("zeros imposed: \(shares[0]) of gates, \(shares[1]) of down's inputs")
        }
        let (type, storage) = try syntheticHead()
        options.lmHead = storage
        return try BitNetModel.synthetic(
            synthetic.shape, lmHead: type, options: options,
            zeroShares: engine.zeroShare.map { ZeroShares(gate: $0.shares[0], down: $0.shares[1]) })
    }

    /// Says once which tests are longer than any text of the model, where that is known.
    private func warn(trainedContext: Int?, threads: Int) {
        guard let trainedContext, threads == threadCounts.first,
            let warning = ModelBenchmark.Test.warning(about: tests, trainedContext: trainedContext)
        else { return }
        Terminal.warn(warning)
    }

    private func storage() throws -> LMHeadStorage {
        try engine.head.map(EngineArguments.head) ?? .asStored
    }

    /// The type that a synthetic head is made in, and how it is held then.
    private func syntheticHead() throws -> (ElementType?, LMHeadStorage) {
        guard let head = engine.head else { return (nil, .asStored) }
        let types = BenchHeadCommand.knownTypes
        if let type = types.first(where: { $0.rawValue.lowercased() == head.lowercased() }) {
            return (type, .asStored)
        }
        let storage = try EngineArguments.head(head, others: ", f32, bf16")
        return (storage == .asStored ? nil : .f16, storage)
    }

    private func parsedLayout() throws -> TernaryLayout? {
        guard let layout = engine.layout else { return nil }
        guard let value = TernaryLayout(rawValue: layout.uppercased()) else {
            throw ValidationError("'\(layout)' is not a layout: t2, t5 or l2")
        }
        return value
    }
}

/// How a measured model is loaded.
struct BenchEngineArguments: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: """
            How the LM head is held: as-stored, f16, q8_0, q6_k, q4_0, exact or fast. Of a synthetic \
            model (default: q6_k where it fits) its type, also f32 or bf16; exact and fast scan one in f16.
            """)
    var head: String?

    @Option(parsing: .unconditional, help: "Packed layout of the ternary matrices: t2, t5 or l2.")
    var layout: String?

    @Option(
        parsing: .unconditional, help: "Kernel set: avx2, neon, scalar ... (default: the fastest).")
    var isa: String?

    @Option(
        parsing: .unconditional,
        help: "Whether feed-forward layers leave out zeros: automatic, off or always.",
        transform: Sparsity.argument)
    var sparsity = Sparsity.automatic

    @Option(
        parsing: .unconditional,
        help: .init(
            "Impose zeros on a synthetic model's gates and inputs of `down`, by a bias on the gate: "
                + "0.73,0.88.", valueName: "gate,down"))
    var zeroShare: ShareList?
}

/// The shape of a synthetic model on the command line.
struct ShapeArgument {
    let name: String
    let shape: ModelShape

    /// - Throws: `ValidationError` for anything but a shape.
    init(_ text: String) throws {
        guard let found = try Self(ifShape: text) else {
            throw ValidationError("'\(text)' is no shape\(Self.advice(for: text))")
        }
        self = found
    }

    /// The shape that `text` names or spells in numbers; nil for other texts.
    ///
    /// - Throws: `ValidationError` for numbers that make no shape, with what is wrong with which.
    init?(ifShape text: String) throws {
        name = text
        if let known = ModelShape.named[text.lowercased()] {
            shape = known
            return
        }
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
            .map { $0.trimmingCharacters(in: .whitespaces) }
        guard parts.count > 1, parts.contains(where: { Double($0) != nil }) else { return nil }
        guard parts.count == Self.sizes.count else {
            throw ValidationError(
                "the shape \(text) has \(parts.count) numbers, not six: \(Self.sizeNames)")
        }
        var numbers: [Int] = []
        for (part, size) in zip(parts, Self.sizes) {
            guard let number = Int(part), number > 0 else {
                // Only the length is wrong with one that is all digits.
                let isLong =
                    Int(part) == nil && !part.isEmpty
                    && part.utf8.allSatisfy { (0x30...0x39).contains($0) }
                throw ValidationError(
                    "the shape \(text): \(size.name) is "
                        + (isLong
                            ? "\(part), more than any model has"
                            : "'\(part)', not a whole number above 0"))
            }
            numbers.append(number)
        }
        shape = ModelShape(
            hiddenSize: numbers[0], feedForwardSize: numbers[1], layerCount: numbers[2],
            headCount: numbers[3], keyValueHeadCount: numbers[4], vocabularySize: numbers[5])
        do { try shape.validate() } catch {
            guard case .invalidArgument(let member, let detail) = error,
                let size = Self.sizes.first(where: { $0.member == member })
            else { throw ValidationError("the shape \(text): \(error)") }
            throw ValidationError("the shape \(text): \(size.name): \(detail)")
        }
    }

    /// The numbers in their order, and what the library calls them.
    private static let sizes: [(name: String, member: String)] = [
        ("hidden", "hiddenSize"), ("ffn", "feedForwardSize"), ("layers", "layerCount"),
        ("heads", "headCount"), ("kvheads", "keyValueHeadCount"), ("vocab", "vocabularySize"),
    ]
    private static let sizeNames = sizes.map(\.name).joined(separator: ",")

    /// What to give instead of `text`, which is no shape.
    static func advice(for text: String) -> String {
        let meant = nearestName(to: text, among: names)
        return (meant.map { "; did you mean \($0)? There are " } ?? ": give ") + forms
    }

    static var names: [String] { ModelShape.named.keys.sorted() }

    /// What a shape can be given as, in words.
    static var forms: String {
        names.joined(separator: ", ") + ", or six numbers: \(sizeNames)"
    }
}

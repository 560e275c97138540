import ArgumentParser
import BitNetBench
import BitNetKit
import BitNetSampleModel
import Foundation

struct BenchModelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model",
        abstract: "Measure how fast a model reads and writes.",
        discussion: """
            Rows are pp512 (a prompt of 512 tokens), tg128 (128 tokens, one by one) and tg64@2048 \
            (behind 2048 others). All tests take turns, round by round, and the machine's limits are \
            measured in between: what else the machine does weighs on all rows. 'mem' is the share \
            of the memory's bandwidth, 'int8' that of the int8 products on registers. Zero gates \
            and zero inputs of down, and what was left out for them, are shares of what the \
            feed-forward networks compute for the test's tokens, by layer in JSON, counted while \
            warming up. Energy is that of the processor's own counters, above the machine at rest; \
            without counters there is none.

            With --json: {"machine": {cpu, cores, optimized, bytesPerSecond by threads}, "rows": \
            [{test, threads, isa, layout, head, tokensPerSecond {median, min, max}, bytesPerToken, \
            bandwidthShare, int8PeakShare, energyPerToken, peakBytes, loadSeconds, sparsity}]}.
            """)

    @Option(
        parsing: .unconditional,
        help: "A GGUF file or a Hugging Face folder (default: the sample model).")
    var model: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Random weights in a shape: bitnet-2b-4t, falcon3-7b, llama3-8b, llama-70b ... or "
                + "hidden,ffn,layers,heads,kvheads,vocab. Speed is right, text is noise.",
            valueName: "shape"))
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
        parsing: .unconditional,
        help: "Numbers of threads, separated by commas (default: all cores).")
    var threads: NumberList?

    @Option(parsing: .unconditional, help: "Times each test is repeated.")
    var repetitions = 5

    @Option(
        parsing: .unconditional,
        help: """
            How the LM head is held: as-stored, f16, q8_0, q6_k, q4_0, exact or fast. Of a synthetic \
            model (default: q6_k) its type, also f32 or bf16; exact and fast scan one in f16.
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

    @Flag(help: "Print one JSON object instead of a table.")
    var json = false

    func validate() throws {
        guard model == nil || synthetic == nil else {
            throw ValidationError("Give either --model or --synthetic.")
        }
        if let zeroShare {
            guard synthetic != nil, zeroShare.shares.count == 2 else {
                throw ValidationError("--zero-share takes two shares and goes with --synthetic.")
            }
        }
        _ = synthetic == nil ? nil : try syntheticHead()
        _ = synthetic == nil ? try storage() : nil
        _ = try parsedLayout()
    }

    func run() async throws {
        warnAboutDebugBuild()
        let counts = threads?.numbers ?? [MachineReport.cores]
        var rows: [ModelBenchmark.Row] = []
        var bandwidths: [String: Double] = [:]
        for count in counts {
            let start = ContinuousClock.now
            let model = try await load(threads: count)
            let load = ContinuousClock.now - start
            let benchmark = ModelBenchmark(model, loadSeconds: load / .seconds(1))
            let report = try benchmark.run(
                tests, repetitions: repetitions, progress: Terminal.report)
            bandwidths["\(count)"] = report.limits.bytesPerSecond
            rows += report.rows
            if !json {
                try Terminal.write(heading(report) + report.rows.map(line).joined())
            }
        }
        if !json { try Terminal.write(energyNote(rows)) }
        if json {
            let machine = MachineJSON(
                cpu: MachineReport.processor, cores: MachineReport.cores,
                optimized: MachineReport.isOptimized, bytesPerSecond: bandwidths)
            try Terminal.write(try Terminal.json(ReportJSON(machine: machine, rows: rows)) + "\n")
        }
    }

    private var tests: [ModelBenchmark.Test] {
        prompts.numbers.filter { $0 > 0 }.map { .prefill($0) }
            + tokens.numbers.filter { $0 > 0 }.flatMap { (count) -> [ModelBenchmark.Test] in
                depth.numbers.map { .decode(count, depth: $0) }
            }
    }

    private func load(threads: Int) async throws -> BitNetModel {
        var options = LoadOptions(
            threads: threads, instructionSet: isa, layout: try parsedLayout())
        options.sparsity = sparsity
        guard let synthetic else {
            options.lmHead = try storage()
            let path = try model ?? BitNetSampleModel.url.path
            return try await naming(path) { [options] () async throws(BitNetError) in
                try await BitNetModel.load(Terminal.url(path), options: options)
            }
        }
        Terminal.report("synthetic model \(synthetic.name): random weights, speed only")
        if let shares = zeroShare?.shares {
            Terminal.report("zeros imposed: \(shares[0]) of gates, \(shares[1]) of down's inputs")
        }
        let (type, storage) = try syntheticHead()
        options.lmHead = storage
        return try BitNetModel.synthetic(
            synthetic.shape, lmHead: type, options: options,
            zeroShares: zeroShare.map { ZeroShares(gate: $0.shares[0], down: $0.shares[1]) })
    }

    private func storage() throws -> LMHeadStorage {
        try head.map(ComputeArguments.head) ?? .asStored
    }

    /// The type that a synthetic head is made in, and how it is held then.
    private func syntheticHead() throws -> (ElementType, LMHeadStorage) {
        guard let head else { return (.q6_K, .asStored) }
        let types = ElementType.allCases
        if let type = types.first(where: { $0.rawValue.lowercased() == head.lowercased() }) {
            return (type, .asStored)
        }
        let storage = try storage()
        return (storage == .asStored ? .q6_K : .f16, storage)
    }

    private func parsedLayout() throws -> TernaryLayout? {
        guard let layout else { return nil }
        guard let value = TernaryLayout(rawValue: layout.uppercased()) else {
            throw ValidationError("'\(layout)' is not a layout: t2, t5 or l2")
        }
        return value
    }
}

// MARK: - Output

extension BenchModelCommand {
    private func heading(_ report: ModelBenchmark.Report) -> String {
        let limits = report.limits
        var lines: [String] = []
        if let row = report.rows.first {
            let loaded = row.loadSeconds.map { String(format: ", loaded in %.2f s", $0) } ?? ""
            lines.append(
                "\(row.isa) \(row.layout), LM head \(row.head), \(threadCount(limits.threads))"
                    + loaded + String(format: ", %.0f MB at most", Double(row.peakBytes) / 1e6))
        }
        lines.append(
            "memory gives \(tenths(limits.bytesPerSecond / 1e9)) GB/s, registers "
                + "\(tenths(limits.int8PerSecond / 1e9)) G int8 products/s")
        lines.append(
            "test          tokens/s  min - max            MB/token   mem  int8 gate=0 down=0")
        return lines.joined(separator: "\n") + "\n"
    }

    private func line(_ row: ModelBenchmark.Row) -> String {
        func pad(_ text: String, _ width: Int) -> String {
            text.padding(toLength: width, withPad: " ", startingAt: 0)
        }
        let speed = row.tokensPerSecond
        return pad(row.test, 13) + String(format: "%9.1f  ", speed.median)
            + pad(String(format: "%.1f - %.1f", speed.min, speed.max), 19)
            + String(
                format: "%10.1f %4.0f%% %4.0f%%", Double(row.bytesPerToken) / 1e6,
                row.bandwidthShare * 100, row.int8PeakShare * 100)
            + (row.sparsity.map {
                String(format: " %5.1f%% %5.1f%%", $0.gateZeroShare * 100, $0.downZeroShare * 100)
            } ?? "") + "\n" + skipped(row) + energy(row)
    }

    /// Energy of a token; nothing where there is no figure, which the end of the table explains.
    private func energy(_ row: ModelBenchmark.Row) -> String {
        row.energyPerToken.joules.map { String(format: "              %.3g J/token\n", $0) } ?? ""
    }

    /// Where energy is from, or why it is not known.
    private func energyNote(_ rows: [ModelBenchmark.Row]) -> String {
        let notes = Set(
            rows.map { row in
                switch row.energyPerToken {
                case .joules(_, let source): "energy: \(source)"
                case .unavailable(let reason): "energy: unavailable: \(reason)"
                }
            })
        return notes.sorted().flatMap { MatmulTable.wrapped($0) }.map { $0 + "\n" }.joined()
    }

    /// What was left out for zeros; nothing on rows where nothing was.
    private func skipped(_ row: ModelBenchmark.Row) -> String {
        guard let found = row.sparsity, found.upSkippedShare + found.downSkippedShare > 0 else {
            return ""
        }
        return String(
            format: "              left out: %.0f%% of up's rows, %.0f%% of down's columns\n",
            found.upSkippedShare * 100, found.downSkippedShare * 100)
    }
}

private struct MachineJSON: Encodable {
    let cpu: String
    let cores: Int
    let optimized: Bool
    /// By number of threads.
    let bytesPerSecond: [String: Double]
}

private struct ReportJSON: Encodable {
    let machine: MachineJSON
    let rows: [ModelBenchmark.Row]
}

/// The shape of a synthetic model on the command line.
struct ShapeArgument: ExpressibleByArgument {
    let name: String
    let shape: ModelShape

    init?(argument: String) {
        name = argument
        if let known = ModelShape.named[argument] {
            shape = known
            return
        }
        guard let list = NumberList(argument: argument)?.numbers, list.count == 6,
            list.allSatisfy({ $0 > 0 })
        else { return nil }
        shape = ModelShape(
            hiddenSize: list[0], feedForwardSize: list[1], layerCount: list[2], headCount: list[3],
            keyValueHeadCount: list[4], vocabularySize: list[5])
    }

    static var allValueStrings: [String] { ModelShape.named.keys.sorted() }
}

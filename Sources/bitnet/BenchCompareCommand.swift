import ArgumentParser
import BitNetBench
import BitNetKit
import Foundation

struct BenchCompareCommand: AsyncParsableCommand, QuietableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Measure a model in turn with another engine.",
        usage: "bitnet bench compare --with PROGRAM --with-model FILE [OPTION ...]",
        discussion: """
            The other engine is a program with the options and the JSON of llama.cpp's llama-bench, \
            as ik_llama.cpp and bitnet.cpp have one too. Round by round the machine's limits are \
            measured, then our tests, then the other's: what else the machine does weighs on both. \
            Ratios are ours to theirs of the same round. The share is of memory bandwidth for text, \
            and of the int8 products a second for prompts.

            bitnet bench compare --with ik/llama-bench --with-model iq2_bn_r4.gguf --model i2_s.gguf

            More options, for the engine: bitnet bench compare --help-hidden
            """)

    @Option(
        name: .customLong("with"), parsing: .unconditional,
        help: .init("The other engine's llama-bench.", valueName: "program"),
        completion: .file())
    var program: String

    @Option(
        parsing: .unconditional, help: .init("The file for it.", valueName: "file"),
        completion: .file())
    var withModel: String

    @Option(
        parsing: .unconditional,
        help: .init("More options for it, in one argument: '-fa 1'.", valueName: "options"))
    var withOptions = ""

    @OptionGroup
    var arguments: BenchModelArguments

    @Option(parsing: .unconditional, help: "Times each test is run by both.")
    var rounds = 3

    @Flag(help: "Print one JSON object instead of a table.")
    var json = false

    @OptionGroup
    var output: OutputArguments

    func validate() throws {
        guard rounds >= 1 else { throw ValidationError("--rounds is at least 1.") }
    }

    func run() async throws {
        let other = LlamaBench(
            program: try Terminal.url(program), model: try Terminal.url(withModel),
            options: withOptions.split(separator: " ").map(String.init))
        try other.check()
        var comparisons: [EngineComparison] = []
        for (index, threads) in arguments.threadCounts.enumerated() {
            Terminal.note("\(threadCount(threads)): loading")
            let model = try await arguments.load(threads: threads)
            if index == 0 { warnAboutDebugBuild() }
            let comparison = try ModelBenchmark(model).compare(
                arguments.tests, rounds: rounds, progress: Terminal.note
            ) { (tests) throws(BitNetError) in try other.speeds(tests, threads: threads) }
            comparisons.append(comparison)
            if !json { try Terminal.write(Self.table(comparison)) }
        }
        if json {
            let report = ReportJSON(
                cpu: MachineReport.processor, cores: MachineReport.cores,
                optimized: MachineReport.isOptimized, comparisons: comparisons)
            try Terminal.write(try Terminal.json(report) + "\n")
        }
    }
}

private struct ReportJSON: Encodable {
    let cpu: String
    let cores: Int
    let optimized: Bool
    /// One for each number of threads.
    let comparisons: [EngineComparison]
}

// MARK: - Output

extension BenchCompareCommand {
    static func table(_ comparison: EngineComparison) -> String {
        let limits = comparison.limits
        return
            "\(threadCount(limits.threads)): memory gives \(tenths(limits.bytesPerSecond / 1e9)) GB/s, "
            + "\(tenths(limits.int8PerSecond / 1e9)) G int8 products/s\n"
            + "test".padded(to: 13) + "ours, tokens/s".padded(to: 22)
            + "the other's".padded(to: 22) + "ratio".padded(to: 16) + "share\n"
            + comparison.rows.map(line).joined()
    }

    private static func line(_ row: EngineComparison.Row) -> String {
        let share =
            row.ours.test.hasPrefix("pp")
            ? String(format: "%3.0f%%", row.ours.int8PeakShare * 100)
            : row.ours.bandwidthShare.asBandwidth(width: 4)
        return row.ours.test.padded(to: 13) + text(row.ours.tokensPerSecond).padded(to: 22)
            + text(row.theirs).padded(to: 22) + text(row.ratio).padded(to: 17)
            + share + "\n"
    }

    /// The median and the ends, with three or four digits.
    private static func text(_ values: Spread) -> String {
        let digits = values.median < 10 ? 2 : values.median < 1000 ? 1 : 0
        return String(
            format: "%.*f (%.*f-%.*f)", digits, values.median, digits, values.min, digits,
            values.max)
    }
}

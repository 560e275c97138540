import ArgumentParser
import BitNetBench
import BitNetKit
import BitNetPlots
import Foundation

struct BenchSparsityCommand: ParsableCommand, QuietableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sparsity",
        abstract: "Compare the automatic choice of leaving out zeros with the better one.",
        usage: "bitnet bench sparsity [--zero-share LIST] [--plot FILE] [OPTION ...]",
        discussion: """
            Writes text with random weights on which more and more zeros are imposed: with nothing \
            left out (off), with all that can be (always), and with the choice that a model makes \
            when it is loaded (automatic), in turn. 'of the better' is what automatic reaches of the \
            faster of the other two.

            With --json: {"rows": [{zeroShare, gateZeroShare, downZeroShare, threads, off {median, \
            min, max}, always, automatic, alwaysRatio, automaticRatio}]}, in tokens a second.
            """)

    @Option(
        parsing: .unconditional,
        help: .init(
            "Shares of zeros, separated by commas (default: 0,0.05 and so on to 0.95).",
            valueName: "list"))
    var zeroShare: ShareList?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Sizes of the model: a name, or hidden,ffn,layers,heads,kvheads,vocab (default: eight "
                + "layers of bitnet-2b-4t).", valueName: "shape"),
        completion: .list(ShapeArgument.names), transform: ShapeArgument.init)
    var synthetic: ShapeArgument?

    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: .init("Numbers of threads, separated by commas.", valueName: "list"))
    var threads = NumberList([1])

    @Option(name: .shortAndLong, parsing: .unconditional, help: "Turns of the three.")
    var repetitions = 9

    @Option(
        parsing: .unconditional, help: "Kernel set: avx2, neon, scalar ... (default: the fastest).")
    var isa: String?

    @Option(
        parsing: .unconditional,
        help: .init("Also draw the speeds, as SVG; - is standard output.", valueName: "file"),
        completion: .file())
    var plot: String?

    @Flag(help: "Print one JSON object instead of a table.")
    var json = false

    @OptionGroup
    var output: OutputArguments

    func validate() throws {
        try threads.checkThreads()
        try EngineArguments.checkKernels(isa)
        guard (1...10_000).contains(repetitions) else {
            throw ValidationError("--repetitions: \(repetitions) is not in 1...10000")
        }
    }

    func run() throws {
        let drawing = try plot.map { try PlotFile($0, isJSON: json) }
        warnAboutDebugBuild()
        let shares = zeroShare?.shares ?? (0..<20).map { Double($0) / 20 }
        let line = ProgressLine(after: .zero)
        defer { line.clear() }
        var all: [SparsityBenchmark.Row] = []
        for count in threads.numbers {
            let options = LoadOptions(threads: count, instructionSet: isa)
            let benchmark = SparsityBenchmark(
                synthetic?.shape ?? SparsityBenchmark.usualShape, options: options)
            if !json {
                try Terminal.write("\(threadCount(count))\n\(Self.header)")
            }
            line.update("measuring zeros:", 0)
            var done = 0
            all += try benchmark.run(zeroShares: shares, repetitions: repetitions) { row in
                line.clear()
                if !json { Terminal.writeOrExit(Self.line(row)) }
                done += 1
                line.update("measuring zeros:", Double(done) / Double(shares.count))
            }
            line.clear()
        }
        try drawing?.write(chart(all).svg)
        if json { try Terminal.write(try Terminal.json(["rows": all]) + "\n") }
    }

    private static let header =
        " zeros   gates    down     off t/s   always  automatic  of the better\n"

    private static func line(_ row: SparsityBenchmark.Row) -> String {
        String(
            format: "%5.0f%% %6.1f%% %6.1f%% %11.1f %7.2fx %9.2fx %13.1f%%\n",
            row.zeroShare * 100, row.gateZeroShare * 100, row.downZeroShare * 100,
            row.off.median, row.alwaysRatio, row.automaticRatio, row.choice * 100)
    }

    /// Speeds as multiples of that with nothing left out, one pair of lines for each number of threads.
    private func chart(_ rows: [SparsityBenchmark.Row]) -> LineChart {
        var chart = LineChart(
            title: "Writing text with zeros left out",
            x: PlotAxis("zeros imposed on gates and inputs of down, %"),
            y: PlotAxis("speed, 1 with nothing left out", including: [1]))
        chart.subtitle = "\(isa ?? KernelSet.best.name), random weights"
        for count in Set(rows.map(\.threads)).sorted() {
            let measured = rows.filter { $0.threads == count }
                .sorted { $0.zeroShare < $1.zeroShare }
            chart.series.append(
                .init(
                    "always, \(threadCount(count))",
                    measured.map { ($0.zeroShare * 100, $0.alwaysRatio) }, isDashed: true))
            chart.series.append(
                .init(
                    "automatic, \(threadCount(count))",
                    measured.map { ($0.zeroShare * 100, $0.automaticRatio) }, hasDots: true))
        }
        return chart
    }
}

import ArgumentParser
import BitNetBench
import BitNetKit
import Foundation

struct BenchModelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model",
        abstract: "Measure how fast a model reads and writes.",
        discussion: """
            Rows are pp512 (a prompt of 512 tokens), tg128 (128 tokens, one by one) and tg64@2048 \
            (behind 2048 others). All tests take turns, round by round, and the machine's limits are \
            measured in between: what else the machine does weighs on all rows. Zero gates \
            and zero inputs of down, and what was left out for them, are shares of what the \
            feed-forward networks compute for the test's tokens, by layer in JSON, counted while \
            warming up.
            """)

    @OptionGroup
    var arguments: BenchModelArguments

    @Option(parsing: .unconditional, help: "Times each test is repeated.")
    var repetitions = 5

    @Flag(help: "Print one JSON object instead of a table.")
    var json = false

    func run() async throws {
        warnAboutDebugBuild()
        var rows: [ModelBenchmark.Row] = []
        var bandwidths: [String: Double] = [:]
        for count in arguments.threadCounts {
            let start = ContinuousClock.now
            let model = try await arguments.load(threads: count)
            let load = ContinuousClock.now - start
            let benchmark = ModelBenchmark(model, loadSeconds: load / .seconds(1))
            let report = try benchmark.run(
                arguments.tests, repetitions: repetitions, progress: Terminal.report)
            bandwidths["\(count)"] = report.limits.bytesPerSecond
            rows += report.rows
            if !json {
                try Terminal.write(heading(report.limits) + report.rows.map(line).joined())
            }
        }
        if json {
            let machine = MachineJSON(
                cpu: MachineReport.processor, cores: MachineReport.cores,
                optimized: MachineReport.isOptimized, bytesPerSecond: bandwidths)
            try Terminal.write(try Terminal.json(ReportJSON(machine: machine, rows: rows)) + "\n")
        }
    }
}

// MARK: - Output

extension BenchModelCommand {
    private func heading(_ limits: MachineLimits) -> String {
        "\(limits.threads) threads: memory gives \(tenths(limits.bytesPerSecond / 1e9)) GB/s, "
            + "\(tenths(limits.int8PerSecond / 1e9)) G int8 products/s\n"
            + "test          isa     layout head       tokens/s [min - max]            MB/token"
            + "  of memory  of int8 peak  peak MB  load s"
            + "  zero gates  zero down\n"
    }

    private func line(_ row: ModelBenchmark.Row) -> String {
        func pad(_ text: String, _ width: Int) -> String {
            text.padding(toLength: width, withPad: " ", startingAt: 0)
        }
        let speed = row.tokensPerSecond
        return pad(row.test, 13) + " " + pad(row.isa, 7) + " " + pad(row.layout, 6) + " "
            + pad(row.head, 10) + " "
            + pad(String(format: "%.1f [%.1f - %.1f]", speed.median, speed.min, speed.max), 30)
            + String(
                format: "%9.1f %9.0f%% %12.0f%% %8.0f %7.2f", Double(row.bytesPerToken) / 1e6,
                row.bandwidthShare * 100, row.int8PeakShare * 100, Double(row.peakBytes) / 1e6,
                row.loadSeconds ?? .nan)
            + (row.sparsity.map {
                String(
                    format: " %10.1f%% %9.1f%%", $0.gateZeroShare * 100, $0.downZeroShare * 100)
            } ?? "") + "\n" + skipped(row)
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

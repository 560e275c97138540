import ArgumentParser
import BitNetBench
import BitNetKit
import Foundation

struct BenchModelCommand: AsyncParsableCommand, QuietableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model",
        abstract: "Measure how fast a model reads and writes.",
        usage: "bitnet bench model [-m PATH | --synthetic SHAPE] [OPTION ...]",
        discussion: """
            Rows are pp512 (a prompt of 512 tokens), tg128 (128 tokens, one by one) and tg64@2048 \
            (behind 2048 others). All tests take turns, round by round, and the machine's limits are \
            measured in between: what else the machine does weighs on all rows. 'mem' is the share \
            of the memory's bandwidth, a dash where a cache gives more, 'int8' that of the int8 products on registers. Zero gates \
            and zero inputs of down, and what was left out for them, are shares of what the \
            feed-forward networks compute for the test's tokens, by layer in JSON, counted while \
            warming up. Energy is that of the processor's own counters, above the machine at rest; \
            without counters there is none.

            More options, for the engine: bitnet bench model --help-hidden

            With --json: {"machine": {cpu, cores, optimized, bytesPerSecond by threads}, "rows": \
            [{test, threads, isa, layout, head, tokensPerSecond {median, min, max}, bytesPerToken, \
            bandwidthShare, int8PeakShare, energyPerToken, peakBytes, loadSeconds, sparsity}]}.
            """)

    @OptionGroup
    var arguments: BenchModelArguments

    @Option(parsing: .unconditional, help: "Times each test is repeated.")
    var repetitions = 5

    @Flag(help: "Print one JSON object instead of a table.")
    var json = false

    @OptionGroup
    var output: OutputArguments

    func validate() throws {
        guard repetitions >= 1 else { throw ValidationError("--repetitions is at least 1.") }
    }

    func run() async throws {
        var rows: [ModelBenchmark.Row] = []
        var bandwidths: [String: Double] = [:]
        for (index, count) in arguments.threadCounts.enumerated() {
            let start = ContinuousClock.now
            let model = try await arguments.load(threads: count)
            let load = ContinuousClock.now - start
            if index == 0 { warnAboutDebugBuild() }
            let benchmark = ModelBenchmark(model, loadSeconds: load / .seconds(1))
            let report = try benchmark.run(
                arguments.tests, repetitions: repetitions, progress: Terminal.note)
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
        let speed = row.tokensPerSecond
        return row.test.padded(to: 13) + String(format: "%9.1f  ", speed.median)
            + String(format: "%.1f - %.1f", speed.min, speed.max).padded(to: 19)
            + String(format: "%10.1f", Double(row.bytesPerToken) / 1e6)
            + row.bandwidthShare.asBandwidth(width: 6)
            + String(format: " %4.0f%%", row.int8PeakShare * 100)
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
        return notes.sorted().flatMap { $0.wrapped(to: 80, indent: 2) }.map { $0 + "\n" }.joined()
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

import BitNetBench
import BitNetKit
import Foundation

extension BenchMatmulCommand {
    /// Products that leave out zeros, next to dense ones.
    func runSkipping(_ shares: [Double]) throws {
        let sizes = rows.isEmpty ? [(6912, 2560), (2560, 6912)] : Array(zip(rows, columns))
        var all: [SkippingBenchmark.Row] = []
        let line = ProgressLine(after: .zero)
        defer { line.clear() }
        for count in threads.numbers {
            let benchmark = try SkippingBenchmark(threads: count)
            for (rows, columns) in sizes {
                let shape = MatmulBenchmark.Shape(rows: rows, columns: columns)
                if !json {
                    try Terminal.write("\(rows)x\(columns), \(threadCount(count))\n")
                    try Terminal.write(Self.skippingHeader)
                }
                line.update("\(rows)x\(columns):", 0)
                all += try benchmark.run(shape, zeroShares: shares) { row in
                    line.clear()
                    if !json { Terminal.writeOrExit(Self.line(row)) }
                }
            }
        }
        if json { try Terminal.write(try Terminal.json(["rows": all]) + "\n") }
    }

    private static let skippingHeader =
        "kernel                    where   zeros        us   Gw/s  MB read  x dense time\n"

    private static func line(_ row: SkippingBenchmark.Row) -> String {
        row.kernel.padded(to: 26) + row.placement.rawValue.padded(to: 6)
            + String(
                format: "%6.0f%% %9.1f %6.1f %8.2f %13.2f\n", row.zeroShare * 100,
                row.seconds * 1e6, row.weightsPerSecond / 1e9, Double(row.bytesRead) / 1e6,
                row.timeRatio)
    }
}

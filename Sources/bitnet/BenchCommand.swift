import ArgumentParser
import BitNetBench
import BitNetKit
import Foundation

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure speed next to what this machine could do at best.",
        subcommands: [
            BenchMatmulCommand.self, BenchModelCommand.self, BenchCompareCommand.self,
            BenchHeadCommand.self,
        ])
}

/// Numbers separated by commas: "1,2".
struct NumberList: ExpressibleByArgument {
    let numbers: [Int]

    init(_ numbers: [Int]) { self.numbers = numbers }

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        numbers = parts.compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
        if numbers.count != parts.count || numbers.contains(where: { $0 < 0 }) { return nil }
    }

    var defaultValueDescription: String { numbers.map(String.init).joined(separator: ",") }
}

/// Shares in 0...1 separated by commas: "0,0.5,0.9".
struct ShareList: ExpressibleByArgument {
    let shares: [Double]

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        shares = parts.compactMap { Double($0.trimmingCharacters(in: .whitespaces)) }
        guard shares.count == parts.count, shares.allSatisfy((0...1).contains) else { return nil }
    }
}

/// A number with one digit behind the point.
func tenths(_ value: Double) -> String { String(format: "%.1f", value) }

/// A number with two digits behind the point.
func hundredths(_ value: Double) -> String { String(format: "%.2f", value) }

/// Times of an unoptimised build mislead; say so where nobody overlooks it.
func warnAboutDebugBuild() {
    guard !MachineReport.isOptimized else { return }
    Terminal.report("*** DEBUG BUILD: THESE TIMES MEAN NOTHING. Use swift build -c release. ***")
}

struct BenchMatmulCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "matmul",
        abstract: "Compare every ternary kernel with float products of the same shape.",
        discussion: """
            Each kernel's sums are compared with the scalar ones before it is timed. 'cache' uses \
            one matrix again and again, 'stream' one of many copies that no cache holds. 'x float' \
            is how much faster than the fastest float row of the same shape. Every row computes \
            with the same number of threads. Float rows name the kernels that computed them; those \
            of OpenBLAS are there where its library is.
            """)

    @Option(
        name: .long, parsing: .unconditionalSingleValue,
        help: "Rows of a matrix; as often as --columns.")
    var rows: [Int] = []

    @Option(name: .long, parsing: .unconditionalSingleValue, help: "Columns of a matrix.")
    var columns: [Int] = []

    @Option(parsing: .unconditional, help: "Inputs of one product: 1 is a GEMV.")
    var batch = 1

    @Option(parsing: .unconditional, help: "Numbers of threads, separated by commas.")
    var threads = NumberList([1])

    @Option(
        parsing: .unconditional,
        help: .init(
            "Measure products that leave out these shares of rows or columns instead: 0,0.5,0.9.",
            valueName: "shares"))
    var zeroShare: ShareList?

    @Flag(help: "Print one JSON object instead of a table.")
    var json = false

    func validate() throws {
        guard rows.count == columns.count else {
            throw ValidationError("--rows and --columns come in pairs")
        }
        guard (rows + columns + [batch] + threads.numbers).allSatisfy({ $0 > 0 }) else {
            throw ValidationError("sizes and threads are positive")
        }
        guard columns.allSatisfy({ $0 % 16 == 0 }) else {
            throw ValidationError("--columns are multiples of 16")
        }
    }

    func run() throws {
        warnAboutDebugBuild()
        if let zeroShare { return try runSkipping(zeroShare.shares) }
        if case .failure(let error) = FloatBaseline.openBLAS {
            Terminal.warn("\(error); rows of it are left out")
        }
        let sizes = rows.isEmpty ? [(2560, 2560), (6912, 2560), (2560, 6912)] : zipped
        var all: [MatmulBenchmark.Row] = []
        for count in threads.numbers {
            let benchmark = try MatmulBenchmark(threads: count)
            if !json {
                let bandwidth = tenths(benchmark.limits.bytesPerSecond / 1e9)
                try Terminal.write("\(count) threads, memory gives \(bandwidth) GB/s\n")
                try Terminal.write(Self.header)
            }
            for (rows, columns) in sizes {
                let shape = MatmulBenchmark.Shape(rows: rows, columns: columns, batch: batch)
                all += try benchmark.run(shape) { row in
                    if !json { Terminal.writeOrExit(Self.line(row)) }
                }
            }
        }
        if json { try Terminal.write(try Terminal.json(["rows": all]) + "\n") }
    }

    private var zipped: [(Int, Int)] { Array(zip(rows, columns)) }

    private static let header =
        "kernel                 shape        batch  where        us   Gw/s   GB/s  of memory  x float\n"

    private static func line(_ row: MatmulBenchmark.Row) -> String {
        let shape = "\(row.rows)x\(row.columns)"
        let speedup =
            row.speedup.map { String(format: "%8.1f", $0) }
            ?? "       -  \(row.core)" + (row.remark.map { " (\($0))" } ?? "")
        return row.kernel.padding(toLength: 22, withPad: " ", startingAt: 0) + " "
            + shape.padding(toLength: 12, withPad: " ", startingAt: 0)
            + String(format: " %5d  ", row.batch)
            + row.placement.rawValue.padding(toLength: 6, withPad: " ", startingAt: 0)
            + String(
                format: "%9.1f %6.1f %6.1f %9.0f%% ", row.seconds * 1e6, row.weightsPerSecond / 1e9,
                row.bytesPerSecond / 1e9, row.bandwidthShare * 100)
            + speedup + "\n"
    }
}

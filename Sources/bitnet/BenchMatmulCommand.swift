import ArgumentParser
import BitNetBench
import BitNetKit
import Foundation

struct BenchMatmulCommand: ParsableCommand, QuietableCommand {
    static let configuration = CommandConfiguration(
        commandName: "matmul",
        abstract: "Compare every ternary kernel with float products of the same matrix.",
        usage: "bitnet bench matmul [--rows N --columns N] [-t LIST] [OPTION ...]",
        discussion: """
            All rows multiply the same weights with the same inputs, and each kernel's sums are \
            compared with the scalar ones before it is timed. 'in cache' uses one matrix again and \
            again, 'from memory' one of many copies that no cache holds. '±%' is half of what lies \
            between the fastest and the slowest repetition, 'mem' the share of the memory's \
            bandwidth, a dash where a cache gives more, 'x float' how much faster than the fastest float row, 'error' the largest \
            difference from the product in float64 as a share of its largest element, and 'uJ' the \
            energy of a product where the machine has counters that may be read. Below the table is \
            what each kernel does for a weight. OpenBLAS is there where its library is.

            With --json: {"rows": [{kernel, layout, rows, columns, batch, threads, placement, \
            seconds, time {median, min, max}, weightsPerSecond, bytesPerSecond, bandwidthShare, \
            speedup, largestError, energy {joules, source} or {unavailable}, operation, core, \
            remark}], \
            "limits": [{threads, bytesPerSecond, int8PerSecond}]}; what there is not is left out.
            """)

    @Option(
        name: .long, parsing: .unconditionalSingleValue,
        help: "Rows of a matrix; as often as --columns.")
    var rows: [Int] = []

    @Option(name: .long, parsing: .unconditionalSingleValue, help: "Columns of a matrix.")
    var columns: [Int] = []

    @Option(parsing: .unconditional, help: "Inputs of one product: 1 is a GEMV.")
    var batch = 1

    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: .init("Numbers of threads, separated by commas.", valueName: "list"))
    var threads = NumberList([1])

    @Option(
        parsing: .unconditional,
        help: .init(
            "Only rows with one of these in their names, separated by commas: 'avx2 t2,fp32'.",
            valueName: "names"))
    var kernels: String?

    @Option(
        parsing: .unconditional,
        help: .init(
            "Kernel sets of the ternary rows, separated by commas (default: all of this CPU).",
            valueName: "names"))
    var isa: String?

    @Option(
        parsing: .unconditional,
        help: .init(
            "Packed layouts of the ternary rows: t2, t5 or l2 (default: all).", valueName: "names"))
    var layout: String?

    @Option(
        parsing: .unconditional,
        help: .init(
            "Where weights are: cache or stream (default: one after the other).",
            valueName: "place"),
        transform: { name in
            guard let placement = MatmulBenchmark.Placement(rawValue: name.lowercased()) else {
                throw ValidationError("'\(name)' is not cache or stream")
            }
            return placement
        })
    var placement: MatmulBenchmark.Placement?

    @Option(
        parsing: .unconditional,
        help: .init(
            "Measure products that leave out these shares of rows or columns instead: 0,0.5,0.9.",
            valueName: "shares"))
    var zeroShare: ShareList?

    @Option(
        parsing: .unconditional,
        help: .init(
            "Also draw weights a second as bars, as SVG; - is standard output.", valueName: "file"),
        completion: .file())
    var plot: String?

    @Flag(help: "Print one JSON object instead of a table.")
    var json = false

    @OptionGroup
    var output: OutputArguments

    func validate() throws {
        guard rows.count == columns.count else {
            throw ValidationError("--rows and --columns come in pairs")
        }
        guard (rows + columns + [batch]).allSatisfy({ $0 > 0 }) else {
            throw ValidationError("sizes are positive")
        }
        try threads.checkThreads()
        guard columns.allSatisfy({ $0 % 16 == 0 }) else {
            throw ValidationError("--columns are multiples of 16")
        }
        let filters = [kernels, isa, layout, placement?.rawValue, plot]
        if zeroShare != nil, filters.contains(where: { $0 != nil }) {
            throw ValidationError(
                "--zero-share measures every kernel and draws nothing: leave out --kernels, --isa, "
                    + "--layout, --placement and --plot")
        }
        if zeroShare == nil { try checkSelection() }
    }

    func run() throws {
        let drawing = try plot.map { try PlotFile($0, isJSON: json) }
        warnAboutDebugBuild()
        if let zeroShare { return try runSkipping(zeroShare.shares) }
        if case .failure(let error) = FloatBaseline.openBLAS {
            Terminal.warn("\(error); rows of it are left out")
        }
        let shapes = rows.isEmpty ? [(2560, 2560), (6912, 2560), (2560, 6912)] : zipped
        let line = ProgressLine(after: .zero)
        defer { line.clear() }
        var all: [MatmulComparison] = []
        var table = MatmulTable()
        for count in threads.numbers {
            line.update("measuring the machine's limits", 0)
            let benchmark = try MatmulBenchmark(threads: count)
            for (rows, columns) in shapes {
                let shape = MatmulBenchmark.Shape(rows: rows, columns: columns, batch: batch)
                all.append(
                    try benchmark.compare(
                        shape, placements: placement.map { [$0] } ?? [.cache, .stream],
                        selecting: try selection()
                    ) { name, share in
                        line.update("\(rows)x\(columns), \(name):", share)
                    } report: { row in
                        guard !json else { return }
                        line.clear()
                        Terminal.writeOrExit(table.lines(for: row, benchmark.limits))
                    })
            }
        }
        line.clear()
        try drawing?.write(MatmulComparison.svg(all))
        guard json else { return try Terminal.write(table.notes) }
        let report = ReportJSON(rows: all.flatMap(\.rows), limits: limits(all))
        try Terminal.write(try Terminal.json(report) + "\n")
    }

    private var zipped: [(Int, Int)] { Array(zip(rows, columns)) }

    /// Those of each number of threads, once.
    private func limits(_ comparisons: [MatmulComparison]) -> [MachineLimits] {
        var limits: [MachineLimits] = []
        for comparison in comparisons where limits.last != comparison.limits {
            limits.append(comparison.limits)
        }
        return limits
    }
}

private struct ReportJSON: Encodable {
    let rows: [MatmulBenchmark.Row]
    let limits: [MachineLimits]
}

// MARK: - Filters

extension BenchMatmulCommand {
    private func selection() throws -> MatmulBenchmark.Selection {
        var selection = MatmulBenchmark.Selection()
        if let isa {
            selection.kernels = try Self.names(isa, "--isa").map { (name) throws(BitNetError) in
                try KernelSet.named(name)
            }
        }
        if let layout {
            selection.layouts = try Self.names(layout, "--layout").map {
                try EngineArguments.layout($0)
            }
        }
        selection.names = try kernels.map { try Self.names($0, "--kernels") } ?? []
        return selection
    }

    /// Finds what nothing could be measured of before anything is.
    private func checkSelection() throws {
        let selection: MatmulBenchmark.Selection
        do { selection = try self.selection() } catch let error as BitNetError {
            throw ValidationError("--isa: \(error)")
        }
        guard let kernels, selection.rowNames.isEmpty else { return }
        var all = selection
        all.names = []
        throw ValidationError(
            "--kernels: nothing is called '\(kernels)'; there are "
                + all.rowNames.joined(separator: ", "))
    }

    /// Names in a list, which cannot be empty.
    private static func names(_ list: String, _ option: String) throws -> [String] {
        let names = parts(list)
        guard !names.isEmpty else { throw ValidationError("\(option): '\(list)' names nothing") }
        return names
    }

    private static func parts(_ list: String) -> [String] {
        list.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    }
}

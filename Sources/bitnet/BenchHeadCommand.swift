import ArgumentParser
import BitNetBench
import BitNetKit
import Foundation

struct BenchHeadCommand: ParsableCommand, QuietableCommand {
    static let configuration = CommandConfiguration(
        commandName: "head",
        abstract: "Compare the two-stage LM head with the full one.",
        usage: "bitnet bench head [--rows N] [--columns N] [--types LIST] [OPTION ...]",
        discussion: """
            For every type a head can be stored in: 'full' computes all logits, 'exact' scans an \
            int8 copy (of q8_0, q6_k and q4_0 the head itself) and computes the rows that can be \
            among the largest, 'fast' scans a 4.5-bit copy with a statistical margin (of q4_0 it \
            is 'exact'). Every result is compared with the full head's; 'different' counts the \
            states whose largest logits are not the same, bit for bit.

            With --json: {"rows": [{type, method, threads, top, seconds, bytesPerSecond, \
            medianCandidates, largestCandidates, fallbacks, states, differences, speedup}]}.
            """)

    @Option(parsing: .unconditional, help: "Tokens of the vocabulary.")
    var rows = 128_256

    @Option(parsing: .unconditional, help: "Hidden size.")
    var columns = 2560

    @Option(parsing: .unconditional, help: "Logits asked for: 1 for greedy, up to 64 for top-k.")
    var top = 1

    @Option(parsing: .unconditional, help: "Random hidden states.")
    var states = 64

    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: .init("Numbers of threads, separated by commas.", valueName: "list"))
    var threads = NumberList([1])

    @Option(parsing: .unconditional, help: "Types of the stored head, separated by commas.")
    var types = "f16,bf16,f32,q8_0,q6_k,q4_0"

    @Option(
        parsing: .unconditional, help: "Kernel set: avx2, neon, scalar ... (default: the fastest).")
    var isa: String?

    @Flag(help: "Print one JSON object instead of a table.")
    var json = false

    @OptionGroup
    var output: OutputArguments

    func validate() throws {
        guard [rows, columns, states].allSatisfy({ $0 > 0 }) else {
            throw ValidationError("sizes are positive")
        }
        try threads.checkThreads()
        try EngineArguments.checkKernels(isa)
        guard columns % 16 == 0 else { throw ValidationError("--columns is a multiple of 16") }
        guard (1...64).contains(top), top <= rows else {
            throw ValidationError("--top is in 1...64 and at most --rows")
        }
        guard try !parsedTypes().isEmpty else {
            throw ValidationError("--types: '\(types)' names nothing")
        }
    }

    /// Types that a head can be stored in.
    static let knownTypes: [ElementType] = [.f16, .bf16, .f32, .q8_0, .q6_K, .q4_0]

    private func parsedTypes() throws -> [ElementType] {
        try types.split(separator: ",").map { name in
            guard
                let type = Self.knownTypes.first(where: {
                    $0.rawValue.lowercased() == name.lowercased()
                })
            else {
                let known = Self.knownTypes.map { $0.rawValue.lowercased() }
                throw ValidationError(
                    "--types: '\(name)' is none of \(known.joined(separator: ", "))")
            }
            return type
        }
    }

    func run() throws {
        warnAboutDebugBuild()
        let kernels = try isa.map { (name) throws(BitNetError) in try KernelSet.named(name) }
        let benchmark = LMHeadBenchmark(rows: rows, columns: columns, states: states)
        var all: [LMHeadBenchmark.Row] = []
        let line = ProgressLine(after: .zero)
        defer { line.clear() }
        for count in threads.numbers {
            if !json {
                let asked = top == 1 ? "the largest logit" : "the \(top) largest logits"
                try Terminal.write(
                    "\(rows)x\(columns), \(asked), \(threadCount(count))\n\(Self.header)")
            }
            for type in try parsedTypes() {
                line.update("\(type.rawValue):", 0)
                all += try benchmark.run(
                    type, threads: count, top: top, kernels: kernels ?? .best
                ) { row in
                    line.clear()
                    if !json { Terminal.writeOrExit(Self.line(row)) }
                }
            }
        }
        if json { try Terminal.write(try Terminal.json(["rows": all]) + "\n") }
    }

    private static let header =
        "head  method         us   GB/s  x full  rows kept    (most)  all rows  different\n"

    private static func line(_ row: LMHeadBenchmark.Row) -> String {
        row.type.padded(to: 6) + row.method.rawValue.padded(to: 7)
            + String(
                format: "%10.0f %6.1f %7.2f %10d %9d", row.seconds * 1e6,
                row.bytesPerSecond / 1e9, row.speedup, row.medianCandidates,
                row.largestCandidates)
            + "\(row.fallbacks)/\(row.states)".leftPadded(to: 10)
            + "\(row.differences)".leftPadded(to: 11) + "\n"
    }
}

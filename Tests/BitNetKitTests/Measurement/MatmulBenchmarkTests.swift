import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Matmul benchmark")
struct MatmulBenchmarkTests {
    @Test("float rows come first and name who multiplied; all rows have the same threads")
    func rows() throws {
        var reported: [MatmulBenchmark.Row] = []
        let benchmark = try MatmulBenchmark(threads: 2, repetitions: 1)
        let rows = try benchmark.run(
            MatmulBenchmark.Shape(rows: 32, columns: 256), placements: [.cache]
        ) { reported.append($0) }
        #expect(rows == reported)
        let kinds = FloatBaseline.Kind.allCases.filter(\.isAvailable)
        let ternary = KernelSet.available.count * TernaryLayout.allCases.count
        try #require(rows.count == kinds.count + ternary)
        let blas = try? FloatBaseline.openBLAS.get()
        for (kind, row) in zip(kinds, rows) {
            #expect(row.core == (kind == .ownF16 ? KernelSet.best.name : blas?.core))
            #expect(row.remark == (kind == .ownF16 ? nil : blas?.remark))
            #expect(row.speedup == nil)
        }
        for row in rows.dropFirst(kinds.count) {
            #expect(row.kernel.hasPrefix(row.core + " "))
            #expect(row.speedup != nil)
        }
        #expect(rows.allSatisfy { $0.threads == 2 && $0.seconds > 0 })
        if let blas { #expect(blas.threads == 1) }
    }
}

import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Benchmark of products that leave out zeros")
struct SkippingBenchmarkTests {
    private let shape = MatmulBenchmark.Shape(rows: 300, columns: 400, batch: 1)

    @Test("every layout that can leave out rows or columns is measured, at every share")
    func coversAllKernels() throws {
        var reported: [SkippingBenchmark.Row] = []
        let rows = try SkippingBenchmark(threads: 2, repetitions: 1, streamBytes: 1 << 17)
            .run(shape, zeroShares: [0, 0.75, 1]) { reported.append($0) }
        #expect(rows == reported)
        let kernels = KernelSet.available.flatMap { set in
            ["T2 by rows", "T2 by columns", "T5 by rows", "T5 by columns"].map {
                "\(set.name) \($0)"
            }
        }
        #expect(Set(rows.map(\.kernel)) == Set(kernels))
        #expect(rows.count == kernels.count * 3 * MatmulBenchmark.Placement.allCases.count)
        for row in rows {
            // Blocks of 128 or 160 trits in 32 bytes: 4 or 3 of them for 400 columns, 3 or 2 for
            // 300 rows.
            let isByRows = row.kernel.hasSuffix("rows")
            let blocks = (isByRows ? 4 : 3) - (row.kernel.contains("T5") ? 1 : 0)
            let strands = Double((isByRows ? 300 : 400) * 32 * blocks)
            #expect(abs(Double(row.bytesRead) - strands * (1 - row.zeroShare)) <= strands * 0.01)
            #expect(row.seconds > 0 && row.timeRatio > 0)
        }
    }

    @Test("a share that is none is refused")
    func refusesOddShares() {
        #expect(throws: BitNetError.self) {
            try SkippingBenchmark(threads: 1).run(shape, zeroShares: [1.5])
        }
    }
}

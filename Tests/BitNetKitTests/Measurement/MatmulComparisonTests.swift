import BitNetPlots
import BitNetSampleModel
import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Comparisons of one's own matrices, and what they look like.
@Suite("Comparisons of matrix products")
struct MatmulComparisonTests {
    private static let all = KernelSet.available.count * TernaryLayout.allCases.count
    private static let floats = FloatBaseline.Kind.allCases.filter(\.isAvailable)

    @Test("a matrix of one's own is measured as it is, whatever its scales and its size")
    func ownMatrices() throws {
        let benchmark = try MatmulBenchmark(threads: 2, repetitions: 1)
        for (rows, columns) in [(1, 1), (5, 9), (37, 321)] {
            var scales: [TernaryScale] = [.perTensor(0.3), .perRow(randomFloats(rows, seed: 1))]
            if columns % 3 == 0 {
                scales.append(.perGroup(size: columns / 3, randomFloats(rows * 3, seed: 2)))
            }
            for scale in scales {
                let plain = PlainTernary(rows: rows, columns: columns, scale: scale, seed: 7)
                let matrix = try plain.matrix(.t5)
                let comparison = try benchmark.compare(matrix, batch: 3, placements: [.cache])
                #expect(comparison.rows.count == Self.floats.count + Self.all)
                for row in comparison.rows {
                    #expect(row.rows == rows && row.columns == columns && row.batch == 3)
                    #expect(row.time.min <= row.seconds && row.seconds <= row.time.max)
                }
            }
        }
    }

    @Test("errors against float64 are those of each way to compute, and the same in all layouts")
    func errors() throws {
        let benchmark = try MatmulBenchmark(threads: 1, repetitions: 1)
        let comparison = try benchmark.compare(
            .init(rows: 64, columns: 1024, batch: 9), placements: [.cache])
        let ternary = comparison.rows.filter { $0.layout != nil }.map(\.largestError)
        #expect(Set(ternary).count == 1)
        // 1 / 254 of the largest of about 1000 inputs for each, which mostly cancels.
        let error = try #require(ternary.first ?? nil)
        #expect(error > 1e-4 && error < 2e-2)
        for (kind, row) in zip(Self.floats, comparison.rows) {
            let error = try #require(row.largestError)
            #expect(kind == .openBLASF32 ? error < 1e-5 : error > 1e-6 && error < 1e-3)
            #expect(row.layout == nil)
        }
    }

    @Test("an error is what a loop in double finds, for a matrix that int8 holds exactly")
    func exactness() throws {
        // Inputs in an int8 grid lose nothing; one large input makes the others coarse.
        let benchmark = try MatmulBenchmark(threads: 1, repetitions: 1)
        let zeros = try TernaryMatrix(rows: 3, columns: 32, scale: .perTensor(1)) { _, _ in .zero }
        for row in try benchmark.compare(zeros, placements: [.cache]).rows {
            #expect(row.largestError == 0)
        }
        let huge = try TernaryMatrix(rows: 3, columns: 32, scale: .perTensor(1e6)) { _, _ in .plus }
        for row in try benchmark.compare(huge, placements: [.cache]).rows {
            // FP16 ends at 65504.
            let isInfinite = row.kernel.contains("FP16")
            #expect((row.largestError == nil) == isInfinite, "\(row.kernel)")
        }
    }

    @Test("a loaded model's matrix is compared, also one that is held by rows or columns")
    func modelMatrices() async throws {
        let options = LoadOptions(threads: 1, sparsity: .always)
        let model = try await BitNetModel.load(BitNetSampleModel.url, options: options)
        let network = model.layers[2].feedForward
        let benchmark = try MatmulBenchmark(threads: 1, repetitions: 1)
        for matrix in [network.gate.weight, network.up.weight, network.down.weight] {
            let comparison = try benchmark.compare(
                matrix, placements: [.cache],
                selecting: .init(kernels: [.best], layouts: [.t2], floats: [.ownF16]))
            #expect(comparison.rows.map(\.kernel) == ["own FP16", "\(KernelSet.best) T2"])
            #expect(comparison.rows[0].columns == matrix.columns)
            #expect(comparison.rows.allSatisfy { ($0.largestError ?? 1) < 0.02 })
        }
    }

    @Test("only what is selected is measured, in the order that the selection tells")
    func selections() throws {
        let benchmark = try MatmulBenchmark(threads: 1, repetitions: 1, streamBytes: 1 << 16)
        let scalar = try KernelSet.named("scalar")
        var selection = MatmulBenchmark.Selection(
            kernels: [scalar], layouts: [.t5, .t2], floats: [])
        #expect(selection.rowNames == ["scalar T5", "scalar T2"])
        let shape = MatmulBenchmark.Shape(rows: 16, columns: 64)
        var steps: [String] = []
        var shares: [Double] = []
        let rows = try benchmark.compare(
            shape, placements: [.cache, .stream], selecting: selection
        ) {
            steps.append($0)
            shares.append($1)
        }.rows
        #expect(rows.map(\.kernel) == selection.rowNames + selection.rowNames)
        #expect(rows.map(\.placement) == [.cache, .cache, .stream, .stream])
        #expect(steps == rows.map(\.kernel) && shares == [0, 0.25, 0.5, 0.75])
        // Nothing to be faster than.
        #expect(rows.allSatisfy { $0.speedup == nil })

        selection = MatmulBenchmark.Selection()
        selection.names = ["SCALAR t", "own"]
        #expect(selection.rowNames == ["own FP16", "scalar T2", "scalar T5"])
        selection.names = ["nothing"]
        #expect(try benchmark.compare(shape, selecting: selection).rows.isEmpty)
    }

    @Test("the table has a line for each row, and fits 80 columns")
    func table() throws {
        let rows = [
            Self.row("own FP16", .cache, microseconds: 1.5, speedup: nil),
            Self.row("avx512-vnni T2", .cache, microseconds: 123_456_789, speedup: 12.5),
            Self.row("OpenBLAS FP16 tiles", .stream, microseconds: 77_000, speedup: nil),
            Self.row("scalar L2", .stream, microseconds: 0.01, speedup: 1000),
        ]
        let comparison = MatmulComparison(rows: rows, limits: Self.limits)
        let text = "\(comparison)"
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[0] == "6912x2560, 4 inputs, 2 threads; memory gives 20.0 GB/s")
        #expect(lines.allSatisfy { $0.count <= 80 }, "\(text)")
        for row in rows { #expect(lines.count { $0.hasPrefix(row.kernel + " ") } == 1) }
        #expect(lines.count { $0.hasPrefix("in cache") || $0.hasPrefix("from memory") } == 2)
        #expect(text.hasSuffix("energy: unavailable: none\n"))
        #expect(try throughJSON(comparison) == comparison)
    }

    @Test("the picture has a bar for each kernel and placement")
    func picture() {
        let rows = [
            Self.row("own FP16", .cache, microseconds: 20, speedup: nil),
            Self.row("avx2 T2", .cache, microseconds: 10, speedup: 2),
            Self.row("avx2 T2", .stream, microseconds: 40, speedup: nil),
        ]
        let comparison = MatmulComparison(rows: rows, limits: Self.limits)
        let svg = comparison.svg
        #expect(svg.hasPrefix("<svg ") && svg.contains("6912x2560, 4 inputs, 2 threads"))
        // One bar of each colour is in the legend.
        #expect(svg.components(separatedBy: "class=\"f-s0\"").count == 1 + 3)
        #expect(svg.components(separatedBy: "class=\"f-s1\"").count == 1 + 2)
        #expect(MatmulComparison.svg([]).hasPrefix("<svg "))
    }

    private static let limits = MachineLimits(
        threads: 2, bytesPerSecond: 20e9, int8PerSecond: 1e12)

    private static func row(
        _ kernel: String, _ placement: MatmulBenchmark.Placement, microseconds: Double,
        speedup: Double?
    ) -> MatmulBenchmark.Row {
        let seconds = microseconds * 1e-6
        let weights = Double(6912 * 2560 * 4)
        return MatmulBenchmark.Row(
            kernel: kernel, rows: 6912, columns: 2560, batch: 4, threads: 2, placement: placement,
            layout: kernel.hasSuffix("2") ? .t2 : nil, seconds: seconds,
            time: Spread([seconds, seconds * 9]), weightsPerSecond: weights / seconds,
            bytesPerSecond: weights / 4 / seconds, bandwidthShare: weights / 4 / seconds / 20e9,
            speedup: speedup, largestError: 0.0123, energy: .unavailable(reason: "none"),
            operation: kernel.hasPrefix("own") ? .floatProducts : .int8Products,
            core: "avx2", remark: kernel.hasPrefix("OpenBLAS") ? longRemark : nil)
    }

    private static let longRemark = "its own choice was Prescott, which is below what this CPU has"

    private func throughJSON<Value: Codable>(_ value: Value) throws -> Value {
        try JSONDecoder().decode(Value.self, from: JSONEncoder().encode(value))
    }
}

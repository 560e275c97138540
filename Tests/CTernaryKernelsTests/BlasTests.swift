import CTernaryKernels
import TestSupport
import Testing

@Suite("OpenBLAS baseline")
struct BlasTests {
    static let isAvailable = tk_blas_version() != nil
    private let rows = 37
    private let columns = 160
    private let batch = 5
    private let kernels = FloatKernelSet.supported[0].kernels

    /// float16 weights, the same widened, and `batch` rows of x.
    private func operands() -> (narrow: [UInt16], wide: [Float], x: [Float]) {
        let w = randomFloats(rows * columns, seed: 21)
        var narrow = [UInt16](repeating: 0, count: w.count)
        var wide = w
        tk_f32_to_f16(kernels, w, w.count, &narrow)
        tk_f16_to_f32(kernels, narrow, narrow.count, &wide)
        return (narrow, wide, randomFloats(batch * columns, seed: 22))
    }

    private func ours(_ wide: [Float], _ x: [Float]) -> [Float] {
        var y = [Float](repeating: 0, count: batch * rows)
        for b in 0..<batch {
            var row = [Float](repeating: 0, count: rows)
            let input = Array(x[(b * columns)..<((b + 1) * columns)])
            wide.withUnsafeBytes {
                tk_dense_gemv(
                    kernels, TK_F32, $0.baseAddress!, columns, input, 0, rows, &row)
            }
            y.replaceSubrange((b * rows)..<((b + 1) * rows), with: row)
        }
        return y
    }

    private func expectClose(_ a: [Float], _ b: [Float]) {
        #expect(a.count == b.count)
        #expect(zip(a, b).allSatisfy { abs($0 - $1) < 1e-4 })
    }

    @Test("OpenBLAS names itself", .enabled(if: isAvailable))
    func version() throws {
        #expect(String(cString: try #require(tk_blas_version())).contains("OpenBLAS"))
    }

    @Test("OpenBLAS rows equal our own", .enabled(if: isAvailable), arguments: [1, 8, 37, 100])
    func gemv(tileRows: Int) {
        let (narrow, wide, x) = operands()
        tk_blas_set_threads(1)
        let expected = Array(ours(wide, x)[..<rows])
        var tile = [Float](repeating: 0, count: tileRows * columns)
        var half = [Float](repeating: .nan, count: rows)
        var full = half
        #expect(
            tk_blas_gemv_f16(kernels, narrow, rows, columns, x, &tile, tileRows, &half))
        #expect(tk_blas_gemv_f32(wide, rows, columns, x, &full))
        expectClose(half, expected)
        expectClose(full, expected)
    }

    @Test("OpenBLAS batches equal our own", .enabled(if: isAvailable), arguments: [1, 8, 37, 100])
    func gemm(tileRows: Int) {
        let (narrow, wide, x) = operands()
        tk_blas_set_threads(1)
        let expected = ours(wide, x)
        var tile = [Float](repeating: 0, count: tileRows * columns)
        var half = [Float](repeating: .nan, count: batch * rows)
        var full = half
        #expect(
            tk_blas_gemm_f16(kernels, narrow, rows, columns, x, batch, &tile, tileRows, &half))
        #expect(tk_blas_gemm_f32(wide, rows, columns, x, batch, &full))
        expectClose(half, expected)
        expectClose(full, expected)
    }

    @Test("a tile of no rows is refused")
    func emptyTile() {
        var y: [Float] = [3]
        var tile: [Float] = [0]
        #expect(!tk_blas_gemv_f16(kernels, [0], 1, 1, [1], &tile, 0, &y))
        #expect(y == [3])
    }

    @Test("without OpenBLAS every baseline says so", .enabled(if: !isAvailable))
    func unavailable() {
        let (narrow, wide, x) = operands()
        var y = [Float](repeating: 3, count: batch * rows)
        var tile = [Float](repeating: 0, count: columns)
        tk_blas_set_threads(2)
        #expect(!tk_blas_gemv_f32(wide, rows, columns, x, &y))
        #expect(!tk_blas_gemm_f32(wide, rows, columns, x, batch, &y))
        #expect(!tk_blas_gemv_f16(kernels, narrow, rows, columns, x, &tile, 1, &y))
        #expect(!tk_blas_gemm_f16(kernels, narrow, rows, columns, x, batch, &tile, 1, &y))
        #expect(y.allSatisfy { $0 == 3 })
    }
}

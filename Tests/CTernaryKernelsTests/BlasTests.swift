import CTernaryKernels
import Synchronization
import TestSupport
import Testing

/// A plain loop as a BLAS: the C side calls whatever functions it is given.
private let plainBlas = tk_blas(
    sgemv: { order, transpose, m, n, alpha, a, lda, x, xStep, beta, y, yStep in
        precondition(order == 101 && transpose == 111 && alpha == 1 && beta == 0)
        for i in 0..<Int(m) {
            var sum = 0.0
            for j in 0..<Int(n) { sum += Double(a[i * Int(lda) + j]) * Double(x[j * Int(xStep)]) }
            y[i * Int(yStep)] = Float(sum)
        }
    },
    sgemm: { order, transposeA, transposeB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc in
        precondition(order == 101 && transposeA == 111 && transposeB == 112)
        precondition(alpha == 1 && beta == 0)
        for i in 0..<Int(m) {
            for j in 0..<Int(n) {
                var sum = 0.0
                for l in 0..<Int(k) {
                    sum += Double(a[i * Int(lda) + l]) * Double(b[j * Int(ldb) + l])
                }
                c[i * Int(ldc) + j] = Float(sum)
            }
        }
    },
    omp_set_num_threads: { askedThreads.withLock { [threads = $0] in $0.append(threads) } })

private let askedThreads = Mutex<[CInt]>([])

@Suite("OpenBLAS baseline")
struct BlasTests {
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

    @Test("rows by way of a BLAS equal our own", arguments: [1, 8, 37, 100])
    func gemv(tileRows: Int) {
        let (narrow, wide, x) = operands()
        let expected = Array(ours(wide, x)[..<rows])
        var blas = plainBlas
        var tile = [Float](repeating: 0, count: tileRows * columns)
        var half = [Float](repeating: .nan, count: rows)
        var full = half
        #expect(
            tk_blas_gemv_f16(&blas, kernels, narrow, rows, columns, x, &tile, tileRows, &half))
        #expect(tk_blas_gemv_f32(&blas, wide, rows, columns, x, &full))
        expectClose(half, expected)
        expectClose(full, expected)
    }

    @Test("batches by way of a BLAS equal our own", arguments: [1, 8, 37, 100])
    func gemm(tileRows: Int) {
        let (narrow, wide, x) = operands()
        let expected = ours(wide, x)
        var blas = plainBlas
        var tile = [Float](repeating: 0, count: tileRows * columns)
        var half = [Float](repeating: .nan, count: batch * rows)
        var full = half
        #expect(
            tk_blas_gemm_f16(
                &blas, kernels, narrow, rows, columns, x, batch, &tile, tileRows, &half))
        #expect(tk_blas_gemm_f32(&blas, wide, rows, columns, x, batch, &full))
        expectClose(half, expected)
        expectClose(full, expected)
    }

    @Test("OpenMP is told to use one thread, where there is OpenMP")
    func openMP() {
        var blas = plainBlas
        var y: [Float] = [0]
        let before = askedThreads.withLock { $0.count }
        #expect(tk_blas_gemv_f32(&blas, [2], 1, 1, [3], &y))
        #expect(tk_blas_gemm_f32(&blas, [2], 1, 1, [3], 1, &y))
        #expect(askedThreads.withLock { $0.count } >= before + 2)
        #expect(askedThreads.withLock { $0.allSatisfy { $0 == 1 } })
        blas.omp_set_num_threads = nil
        #expect(tk_blas_gemv_f32(&blas, [2], 1, 1, [3], &y))
        #expect(y == [6])
    }

    @Test("a tile of no rows and sizes beyond int are refused, and nothing is written")
    func refused() {
        var blas = plainBlas
        var y: [Float] = [3]
        var tile: [Float] = [0]
        let large = Int(CInt.max) + 1
        #expect(!tk_blas_gemv_f16(&blas, kernels, [0], 1, 1, [1], &tile, 0, &y))
        #expect(!tk_blas_gemm_f16(&blas, kernels, [0], 1, 1, [1], 1, &tile, 0, &y))
        #expect(!tk_blas_gemv_f32(&blas, [0], large, 1, [1], &y))
        #expect(!tk_blas_gemv_f16(&blas, kernels, [0], 1, large, [1], &tile, 1, &y))
        #expect(!tk_blas_gemm_f32(&blas, [0], 1, 1, [1], large, &y))
        #expect(y == [3])
    }

    @Test("products over no columns are zeros")
    func noColumns() {
        var blas = plainBlas
        var y: [Float] = [3, 4]
        #expect(tk_blas_gemv_f32(&blas, [0], 2, 0, [1], &y))
        #expect(y == [0, 0])
    }
}

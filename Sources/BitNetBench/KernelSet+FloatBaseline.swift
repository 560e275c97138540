internal import CTernaryKernels

// The float products that ternary ones are compared with.

extension KernelSet {
    /// Name and version of OpenBLAS, or nil in a build without it.
    static var blasVersion: String? {
        tk_blas_version().map { String(cString: $0) }
    }

    /// Makes OpenBLAS compute each product on the thread that asks for it. Its threads are a setting
    /// of the whole process; several callers at a time are safe only without them.
    static let useOneBlasThread: Void = tk_blas_set_threads(1)

    /// `y[batch, rows.count] = x[batch, columns] * W^T` by OpenBLAS for `rows` of an F32 or F16
    /// matrix; F16 is widened to float32 in `tile`, which holds at least one row of it.
    ///
    /// Returns false in a build without OpenBLAS, and for sizes that it cannot take.
    func blasProduct(
        _ matrix: DenseMatrix, rows: Range<Int>, x: BufferView<Float>, batch: Int,
        tile: BufferView<Float>, into y: BufferView<Float>
    ) -> Bool {
        let columns = matrix.columns
        precondition(
            rows.lowerBound >= 0 && rows.upperBound <= matrix.rows
                && x.count == batch * columns && y.count == batch * rows.count)
        return matrix.withBytes { start in
            let bytes = start + rows.lowerBound * matrix.rowBytes
            switch matrix.type {
            case .f32:
                let w = bytes.assumingMemoryBound(to: Float.self)
                return batch == 1
                    ? tk_blas_gemv_f32(w, rows.count, columns, x.base, y.base)
                    : tk_blas_gemm_f32(w, rows.count, columns, x.base, batch, y.base)
            case .f16:
                let w = bytes.assumingMemoryBound(to: UInt16.self)
                let tileRows = tile.count / columns
                return batch == 1
                    ? tk_blas_gemv_f16(
                        kernels, w, rows.count, columns, x.base, tile.base, tileRows, y.base)
                    : tk_blas_gemm_f16(
                        kernels, w, rows.count, columns, x.base, batch, tile.base, tileRows,
                        y.base)
            default:
                return false
            }
        }
    }
}

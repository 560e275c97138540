internal import CTernaryKernels

// The float products that ternary ones are compared with.

extension KernelSet {
    /// `y[batch, rows.count] = x[batch, columns] * W^T` by OpenBLAS for `rows` of an F32 or F16
    /// matrix; F16 is widened to float32 in `tile`, which holds at least one row of it.
    ///
    /// Returns false for sizes that it cannot take.
    func blasProduct(
        _ blas: OpenBLAS, _ matrix: DenseMatrix, rows: Range<Int>, x: BufferView<Float>, batch: Int,
        tile: BufferView<Float>, into y: BufferView<Float>
    ) -> Bool {
        let columns = matrix.columns
        precondition(
            rows.lowerBound >= 0 && rows.upperBound <= matrix.rows
                && x.count == batch * columns && y.count == batch * rows.count)
        return matrix.withBytes { start in
            let bytes = start + rows.lowerBound * matrix.rowBytes
            return withUnsafePointer(to: blas.functions) { blas in
                switch matrix.type {
                case .f32:
                    let w = bytes.assumingMemoryBound(to: Float.self)
                    return batch == 1
                        ? tk_blas_gemv_f32(blas, w, rows.count, columns, x.base, y.base)
                        : tk_blas_gemm_f32(blas, w, rows.count, columns, x.base, batch, y.base)
                case .f16:
                    let w = bytes.assumingMemoryBound(to: UInt16.self)
                    let tileRows = tile.count / columns
                    return batch == 1
                        ? tk_blas_gemv_f16(
                            blas, kernels, w, rows.count, columns, x.base, tile.base, tileRows,
                            y.base)
                        : tk_blas_gemm_f16(
                            blas, kernels, w, rows.count, columns, x.base, batch, tile.base,
                            tileRows, y.base)
                default:
                    return false
                }
            }
        }
    }
}

internal import CTernaryKernels

extension TernaryMatrix {
    /// For each row, whether all its trits are 0; nil for matrices that are not in tiles with one
    /// scale in a row.
    package var zeroRows: [Bool]? {
        guard trits.arrangement == .tiles, trits.groupCount == 1 else { return nil }
        var w = trits.kernelMatrix
        var isZero = [Bool](repeating: false, count: rows)
        tk_zero_rows(&w, &isZero)
        return isZero
    }

    /// The matrix of some rows, at least one, each with its scale. Only for matrices with `zeroRows`.
    package func keeping(rows kept: Runs, pool: WorkerPool) throws(BitNetError) -> TernaryMatrix {
        precondition(trits.arrangement == .tiles && trits.groupCount == 1 && kept.total == rows)
        let packed = try PackedTrits(rows: kept.count, columns: columns, layout: layout)
        let list = kept.ranges.flatMap { $0.map(Int32.init) }
        let (source, target) = (trits.storage, packed.storage)
        let (rows, columns, layout) = (rows, columns, layout.kernelLayout)
        // Whole tiles of every layout.
        pool.parallel(list.count, granule: 32, work: list.count * columns) { _, range in
            var w = tk_matrix(
                data: source.view.base, rows: rows, columns: columns, layout: layout)
            list.withUnsafeBufferPointer { list in
                guard let list = list.baseAddress else { return }
                tk_keep_rows(
                    &w, list, kept.count, range.lowerBound, range.upperBound, target.view.base)
            }
        }
        return try TernaryMatrix(packed, scale: scale.keeping(rows: kept))
    }
}

extension TernaryScale {
    /// The scales of some rows of a matrix with one scale in a row.
    fileprivate func keeping(rows kept: Runs) -> TernaryScale {
        guard case .perRow(let values) = self else { return self }
        return .perRow(kept.ranges.flatMap { values[$0] })
    }
}

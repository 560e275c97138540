internal import CTernaryKernels

/// Which weights of a matrix lie together in memory.
package enum Arrangement: Sendable {
    /// Four rows at a time: what dense products read fastest.
    case tiles
    /// Row by row, so that single rows can be left out.
    case rows
    /// Column by column, so that single columns can be left out.
    case columns
}

// MARK: - Packing

extension PackedTrits {
    /// The trits of `other` in another arrangement, moved by all threads.
    init(
        _ other: PackedTrits, arrangement: Arrangement, pool: WorkerPool
    ) throws(BitNetError) {
        precondition(arrangement != .tiles && other.groupCount == 1 && other.layout.canSkip)
        let isByRows = arrangement == .rows
        rows = other.rows
        columns = other.columns
        groupColumns = columns
        layout = other.layout
        self.arrangement = arrangement
        let (count, length) = isByRows ? (rows, columns) : (columns, rows)
        storage = try AlignedBuffer(
            count: tk_strands_size(layout.kernelLayout, count, length), purpose: "packed weights")
        let chunk = layout.blockColumns
        let scratch = try AlignedBuffer<Int8>(
            count: pool.threads * chunk * columns, purpose: "packing a ternary matrix")
        let (rows, columns, layout, packed) = (
            rows, columns, layout.kernelLayout, storage.view.base
        )
        pool.parallel(rows, granule: chunk, work: rows * columns * elementWork) { thread, range in
            let trits = scratch.view[thread * chunk * columns..<(thread + 1) * chunk * columns]
            for begin in stride(from: range.lowerBound, to: range.upperBound, by: chunk) {
                let end = min(begin + chunk, range.upperBound)
                other.unpack(rows: begin..<end, into: trits)
                if isByRows {
                    tk_pack_rows(layout, trits.base, columns, begin, end, packed)
                } else {
                    tk_pack_columns(layout, trits.base, rows, columns, begin, end, packed)
                }
            }
        }
        withExtendedLifetime((storage, scratch)) {}
    }

    /// The strands of a matrix that is not in tiles.
    fileprivate var strands: tk_strands {
        precondition(arrangement != .tiles)
        return tk_strands(
            data: storage.view.base, count: arrangement == .rows ? rows : columns,
            length: arrangement == .rows ? columns : rows, layout: layout.kernelLayout)
    }

    /// Bytes of one row, or one column, of a matrix that is not in tiles.
    package var strandBytes: Int { storage.count / (arrangement == .rows ? rows : columns) }

    func unpackStrands(rows range: Range<Int>, into trits: BufferView<Int8>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= rows)
        precondition(trits.count >= range.count * columns)
        var w = strands
        if arrangement == .rows {
            tk_unpack_rows(&w, range.lowerBound, range.upperBound, trits.base)
        } else {
            tk_unpack_columns(&w, range.lowerBound, range.upperBound, trits.base)
        }
    }
}

// MARK: - Lists

extension KernelSet {
    /// Columns that a product by columns takes together (TK_COLUMN_GROUP in sparse.h).
    package static let columnGroup = 32

    /// Elements that a list of `count` indices needs.
    package static func listSize(_ count: Int) -> Int { tk_list_size(count) }

    /// Lists those of `x` that are positive or NaN; returns how many.
    package func active(_ x: BufferView<Float>, into list: BufferView<Int32>) -> Int {
        precondition(list.count >= KernelSet.listSize(x.count))
        return tk_active(kernels, x.base, x.count, list.base)
    }

    /// Lists those of the first `count` elements of `q`, behind which there is padding, that are not
    /// 0; returns how many.
    package func nonzero(_ q: BufferView<Int8>, count: Int, into list: BufferView<Int32>) -> Int {
        precondition(
            list.count >= KernelSet.listSize(count)
                && q.count >= count + KernelSet.activationPadding)
        return tk_nonzero(kernels, q.base, count, list.base)
    }
}

// MARK: - Products

extension KernelSet {
    /// Sums of some rows of a matrix held by rows, each to its place in `y`, which is as long as the
    /// matrix has rows. Without a list, of the rows `range` themselves.
    func gemvRows(
        _ matrix: PackedTrits, list: BufferView<Int32>?, range: Range<Int>, q: BufferView<Int8>,
        sum: Int32, into y: BufferView<Int32>
    ) {
        precondition(
            matrix.arrangement == .rows && range.lowerBound >= 0
                && range.upperBound <= (list?.count ?? matrix.rows) && y.count == matrix.rows
                && q.count >= matrix.columns + KernelSet.activationPadding)
        var w = matrix.strands
        tk_gemv_rows(
            kernels, &w, q.base, sum, list?.base, range.lowerBound, range.upperBound, y.base)
    }

    /// Sums of `rows` over the listed columns of a matrix held by columns; without a list, over all.
    func gemvColumns(
        _ matrix: PackedTrits, list: BufferView<Int32>?, rows: Range<Int>, q: BufferView<Int8>,
        sum: Int32, into y: BufferView<Int32>
    ) {
        precondition(
            matrix.arrangement == .columns && rows.lowerBound >= 0
                && rows.upperBound <= matrix.rows && y.count == rows.count
                && q.count >= matrix.columns + KernelSet.activationPadding)
        var w = matrix.strands
        tk_gemv_columns(
            kernels, &w, q.base, sum, list?.base, list?.count ?? matrix.columns, rows.lowerBound,
            rows.upperBound, y.base)
    }

    /// Adds `x` to `y`.
    package func addSums(_ x: BufferView<Int32>, to y: BufferView<Int32>) {
        precondition(x.count == y.count)
        let (x, y, count) = (x.base, y.base, y.count)
        for index in 0..<count { y[index] &+= x[index] }
    }

    /// Like `gemm` with scales, for a matrix that is not in tiles: some rows at a time are put in
    /// tiles.
    func gemmStrands(
        _ matrix: PackedTrits, rows: Range<Int>, q: BufferView<Int8>, qStride: Int,
        sums: BufferView<Int32>, scales: BufferView<Float>, beta: BufferView<Float>,
        into y: BufferView<Float>, yStride: Int, scratch: BufferView<UInt8>
    ) {
        let batch = sums.count
        checkScaled(
            matrix, rows: rows, q: q, qStride: qStride, batch: batch, scales: scales, beta: beta,
            y: y, yStride: yStride, scratch: scratch)
        var strands = matrix.strands
        let height = tiledRows(matrix)
        let tileBytes = matrix.tileBytes(rows: height)
        let tiles = scratch[0..<tileBytes]
        let rest = scratch.from(tileBytes)
        for begin in stride(from: rows.lowerBound, to: rows.upperBound, by: height) {
            let end = min(begin + height, rows.upperBound)
            if matrix.arrangement == .rows {
                tk_tile_rows(&strands, begin, end, tiles.base)
            } else {
                tk_tile_columns(kernels, &strands, begin, end, tiles.base)
            }
            var w = matrix.tiled(rows: end - begin, at: tiles.base)
            let first = begin - rows.lowerBound
            var scaling = tk_scaling(
                scales: scales.base, beta: beta.count == 1 ? beta.base : beta.from(first).base,
                beta_stride: beta.count == 1 ? 0 : 1)
            tk_gemm_scaled(
                kernels, &w, q.base, qStride, sums.base, &scaling, batch, 0, end - begin,
                y.from(first).base, yStride, rest.base)
        }
    }

    /// Bytes of scratch that `gemmStrands` needs for each thread.
    func gemmStrandsScratchSize(_ matrix: PackedTrits) -> Int {
        let height = tiledRows(matrix)
        var w = matrix.tiled(rows: height)
        return matrix.tileBytes(rows: height) + tk_gemm_scratch_size(kernels, &w)
    }

    /// Rows put in tiles at a time: 256 rows of a 2B model are 160 to 430 KB, which stay in a level
    /// 2 cache, and enough that the activations are not read again too often. More where a set takes
    /// more at a time.
    func tiledRows(_ matrix: PackedTrits) -> Int {
        var w = matrix.tiled(rows: matrix.rows)
        let unit = matrix.arrangement == .rows ? TK_TILE_ROWS : matrix.layout.blockColumns
        let wanted = min(tk_gemm_panel_rows(kernels, &w, .max, 1), matrix.rows) / unit * unit
        return max(wanted, matrix.arrangement == .rows ? 256 : 2 * unit)
    }
}

extension PackedTrits {
    /// So many rows in tiles at `data`.
    fileprivate func tiled(rows: Int, at data: UnsafeMutablePointer<UInt8>? = nil) -> tk_matrix {
        tk_matrix(
            data: data ?? storage.view.base, rows: rows, columns: columns, layout: tiledLayout)
    }

    fileprivate var tiledLayout: tk_layout {
        arrangement == .rows ? layout.kernelLayout : TK_LAYOUT_T2
    }

    fileprivate func tileBytes(rows: Int) -> Int {
        (tk_packed_size(tiledLayout, rows, columns) + 63) / 64 * 64
    }
}

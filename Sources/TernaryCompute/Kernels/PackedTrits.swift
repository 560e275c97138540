internal import CTernaryKernels

/// Trits in a kernel's layout, without scales: `W[rows, columns]`, immutable once packed.
///
/// Groups of columns that have scales of their own are packed as matrices of their own, one after
/// the other, each padded to whole blocks.
package struct PackedTrits: Sendable {
    let rows: Int
    let columns: Int
    /// Columns that share a scale: all of them, or an equal part.
    package let groupColumns: Int
    let layout: TernaryLayout
    let storage: AlignedBuffer<UInt8>
    package let arrangement: Arrangement

    /// An all-zero matrix to pack into, in `memory` or in some of its own; `groupColumns` divides the
    /// columns.
    package init(
        rows: Int, columns: Int, groupColumns: Int? = nil, layout: TernaryLayout,
        in memory: AlignedBuffer<UInt8>? = nil
    ) throws(BitNetError) {
        guard rows > 0, columns > 0, columns <= Int(TK_MAX_COLUMNS) else {
            throw .invalidArgument(name: "shape", detail: "[\(rows), \(columns)] cannot be packed")
        }
        let group = groupColumns ?? columns
        guard group > 0, columns % group == 0 else {
            throw .invalidArgument(
                name: "scale", detail: "groups of \(group) do not divide \(columns) columns")
        }
        // A group of one column takes 32 bytes a row: past this the sizes below could overflow.
        guard let count = elementCount(of: [rows, columns]), count <= 1 << 48 else {
            throw .outOfMemory(bytes: .max, purpose: "packed weights")
        }
        self.rows = rows
        self.columns = columns
        self.groupColumns = group
        self.layout = layout
        arrangement = .tiles
        let size = layout.byteCount(rows: rows, columns: columns, groupColumns: group)
        storage = try Self.memory(size, given: memory)
    }

    /// The same in `memory`, or in some of its own, copied by the threads of `pool`.
    package init(
        copying other: PackedTrits, to memory: AlignedBuffer<UInt8>? = nil, pool: WorkerPool
    ) throws(BitNetError) {
        rows = other.rows
        columns = other.columns
        groupColumns = other.groupColumns
        layout = other.layout
        arrangement = other.arrangement
        storage = try Self.memory(other.storage.count, given: memory)
        let (target, source) = (storage.view, other.storage.view)
        pool.parallel(target.count, granule: 4096, work: target.count) {
            target[$1].copy(from: source[$1])
        }
    }

    private static func memory(
        _ size: Int, given: AlignedBuffer<UInt8>?
    ) throws(BitNetError) -> AlignedBuffer<UInt8> {
        guard let given else { return try AlignedBuffer(count: size, purpose: "packed weights") }
        precondition(given.count == size)
        return given
    }

    /// Groups of columns, 1 where all columns share a scale.
    package var groupCount: Int { columns / groupColumns }

    /// Blocks of a row, of each group where there are several.
    var blockCount: Int { (groupColumns + layout.blockColumns - 1) / layout.blockColumns }

    /// The matrix, in tiles, as kernels take it; of several groups the first.
    var kernelMatrix: tk_matrix { kernelMatrix(group: 0) }

    func kernelMatrix(group: Int) -> tk_matrix {
        let bytes = storage.count / groupCount
        return tk_matrix(
            data: storage.view[group * bytes..<(group + 1) * bytes].base, rows: rows,
            columns: groupColumns, layout: layout.kernelLayout)
    }

    /// Packs `trits`, row-major, as rows `range`, which starts at a multiple of the tile height.
    package func pack(_ trits: BufferView<Int8>, rows range: Range<Int>) {
        precondition(range.upperBound <= rows && trits.count >= range.count * columns)
        guard groupCount > 1 else {
            tk_pack(
                layout.kernelLayout, trits.base, rows, columns, range.lowerBound, range.upperBound,
                storage.view.base)
            return
        }
        withUnsafeTemporaryAllocation(of: Int8.self, capacity: range.count * groupColumns) { part in
            guard let base = part.baseAddress else { return }
            let group = BufferView(base: base, count: part.count)
            for index in 0..<groupCount {
                for row in 0..<range.count {
                    let start = row * columns + index * groupColumns
                    group[row * groupColumns..<(row + 1) * groupColumns].copy(
                        from: trits[start..<start + groupColumns])
                }
                tk_pack(
                    layout.kernelLayout, base, rows, groupColumns, range.lowerBound,
                    range.upperBound,
                    UnsafeMutablePointer(mutating: kernelMatrix(group: index).data))
            }
        }
    }

    /// Writes rows `range` as trits, row-major.
    package func unpack(rows range: Range<Int>, into trits: BufferView<Int8>) {
        precondition(range.upperBound <= rows && trits.count >= range.count * columns)
        guard arrangement == .tiles else { return unpackStrands(rows: range, into: trits) }
        var start = 0
        for row in range where groupCount > 1 {
            for index in 0..<groupCount {
                var w = kernelMatrix(group: index)
                tk_unpack(&w, row, row + 1, trits[start..<start + groupColumns].base)
                start += groupColumns
            }
        }
        guard groupCount == 1 else { return }
        var w = kernelMatrix
        tk_unpack(&w, range.lowerBound, range.upperBound, trits.base)
    }
}

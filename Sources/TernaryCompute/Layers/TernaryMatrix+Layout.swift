extension TernaryMatrix {
    /// The same matrix packed in `layout`, all its rows together; itself if it is already.
    ///
    /// - Throws: `BitNetError.outOfMemory`.
    public func packed(as layout: TernaryLayout) throws(BitNetError) -> TernaryMatrix {
        guard layout != self.layout || trits.arrangement != .tiles else { return self }
        let packed = try PackedTrits(
            rows: rows, columns: columns, groupColumns: trits.groupColumns, layout: layout)
        let pool = Compute.standard.pool
        // A multiple of the rows that any layout keeps together.
        let chunk = 64
        let scratch = try AlignedBuffer<Int8>(
            count: pool.threads * chunk * columns, purpose: "packing a ternary matrix")
        pool.parallel(rows, granule: chunk, work: rows * columns * elementWork) { thread, range in
            let part = scratch.view[thread * chunk * columns..<(thread + 1) * chunk * columns]
            for begin in stride(from: range.lowerBound, to: range.upperBound, by: chunk) {
                let end = min(begin + chunk, range.upperBound)
                trits.unpack(rows: begin..<end, into: part)
                packed.pack(part, rows: begin..<end)
            }
        }
        return try TernaryMatrix(packed, scale: scale)
    }
}

extension Transformer {
    /// Holds the head as `storage` says: encodes it anew, or makes the copy that is scanned first.
    ///
    /// - Throws: `BitNetError.invalidArgument` when rows are not whole blocks of the type,
    ///   `.outOfMemory`.
    package mutating func hold(lmHead storage: LMHeadStorage) throws(BitNetError) {
        if let type = storage.elementType {
            lmHead = try lmHead.encoded(as: type, pool: compute.pool)
        }
        // Not that of the head before, if there was one.
        lmHeadScan = try storage.scanType(for: lmHead.type).map { (type) throws(BitNetError) in
            try LMHeadScan(lmHead, type: type, pool: compute.pool)
        }
    }
}

extension DenseMatrix {
    /// The same matrix encoded as `type`, all threads at once.
    func encoded(as type: ElementType, pool: WorkerPool) throws(BitNetError) -> DenseMatrix {
        if type == self.type { return self }
        guard columns % type.block.elements == 0 else {
            throw .invalidArgument(
                name: "head",
                detail: "\(type.rawValue) cannot hold rows of \(columns) weights, "
                    + "which is not a multiple of \(type.block.elements)")
        }
        let (matrix, columns) = (self, self.columns)
        let rowBytes = columns / type.block.elements * type.block.bytes
        let bytes = try AlignedBuffer<UInt8>(count: rows * rowBytes, purpose: "the LM head")
        let scratch = try AlignedBuffer<Float>(
            count: pool.threads * columns, purpose: "the LM head")
        pool.parallel(rows, work: rows * columns * elementWork) { thread, range in
            let values = scratch.view[thread * columns..<(thread + 1) * columns]
            for row in range {
                matrix.decodeRow(row, into: values)
                Codec.encode(
                    type, values, into: bytes.view[row * rowBytes..<(row + 1) * rowBytes])
            }
        }
        return DenseMatrix(rows: rows, columns: columns, type: type, bytes: bytes)
    }
}

/// An embedding or an LM head in a file.
struct DenseSource {
    private let tensor: CheckpointTensor
    private let rows: Int
    private let columns: Int
    /// How the elements are held in memory. Types without a kernel of their own are decoded to
    /// float32 (exactly) when the matrix is to be multiplied, not only looked up.
    private let type: ElementType

    /// - Throws: `BitNetError.shapeMismatch`, `.unsupportedFormat`.
    init(_ tensor: CheckpointTensor, rows: Int, columns: Int, isMultiplied: Bool)
        throws(BitNetError)
    {
        guard tensor.shape == [rows, columns] else {
            throw .shapeMismatch(
                tensor: tensor.name, expected: [rows, columns], found: tensor.shape)
        }
        guard tensor.type.isFloatLike else { throw tensor.notDense }
        guard columns % 16 == 0, columns % tensor.type.block.elements == 0 else {
            throw .shapeMismatch(
                tensor: tensor.name, expected: [rows, (columns + 15) / 16 * 16],
                found: tensor.shape)
        }
        self.tensor = tensor
        self.rows = rows
        self.columns = columns
        type = isMultiplied && !tensor.type.hasDenseKernel ? .f32 : tensor.type
    }

    /// The matrix where the file has it; nil where it has to be decoded or is not aligned.
    ///
    /// - Throws: `BitNetError.unreadable`.
    func mapped() throws(BitNetError) -> DenseMatrix? {
        guard type == tensor.type, let bytes = try tensor.region.mapped(),
            bytes.isAligned(to: type == .f32 ? 4 : 2)
        else { return nil }
        return DenseMatrix(rows: rows, columns: columns, type: type, borrowing: bytes)
    }

    /// Bytes of the file that are read before `progress` is called again.
    private static let pieceBytes = 64 << 20

    /// The matrix in memory of its own, read by all threads at once; `progress` is called with the
    /// number of rows read since it was last.
    ///
    /// - Throws: `BitNetError.unreadable`, `.outOfMemory`.
    func read(
        _ pool: WorkerPool, progress: (_ rows: Int) -> Void
    ) throws(BitNetError) -> DenseMatrix {
        let fileBytes = columns / tensor.type.block.elements * tensor.type.block.bytes
        let rowBytes = columns / type.block.elements * type.block.bytes
        let buffer = try AlignedBuffer<UInt8>(count: rows * rowBytes, purpose: tensor.name)
        let step = max(1, DenseSource.pieceBytes / fileBytes)
        for begin in stride(from: 0, to: rows, by: step) {
            let part = begin..<min(begin + step, rows)
            let region = try tensor.region.slice(
                part.lowerBound * fileBytes..<part.upperBound * fileBytes)
            let target = buffer.view[part.lowerBound * rowBytes..<part.upperBound * rowBytes]
            if type == tensor.type {
                try region.read(into: target, pool: pool)
            } else {
                try decode(region, rows: part.count, into: target, pool)
            }
            progress(part.count)
        }
        return DenseMatrix(rows: rows, columns: columns, type: type, bytes: buffer)
    }

    private func decode(
        _ region: FileRegion, rows: Int, into target: BufferView<UInt8>, _ pool: WorkerPool
    ) throws(BitNetError) {
        let (rowBytes, width) = (region.count / rows, columns * MemoryLayout<Float>.stride)
        try pool.tryParallel(rows, work: rows * columns * elementWork) {
            (_, range) throws(BitNetError) in
            let bytes = try AlignedBuffer<UInt8>(count: rowBytes, purpose: tensor.name)
            for row in range {
                try region.read(row * rowBytes..<(row + 1) * rowBytes, into: bytes.view)
                let values = target[row * width..<(row + 1) * width].rebound(to: Float.self)
                bytes.view.withBytes { Codec.decode(tensor.type, $0, into: values) }
            }
        }
    }
}

extension CheckpointTensor {
    /// The error for an embedding or an LM head that does not decode to floats.
    var notDense: BitNetError {
        .unsupportedFormat(
            path: region.path, detail: "tensor \(name.quoted) is \(type.rawValue)",
            remedy: "embeddings and LM heads are dense, for example F16 or Q6_K")
    }
}

extension DenseMatrix {
    /// The matrix in `tensor`. Types without a kernel of their own are decoded to float32 (exactly)
    /// when the matrix is to be multiplied, not only looked up.
    ///
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
        if isMultiplied && !tensor.type.hasDenseKernel {
            self.init(
                rows: rows, columns: columns, type: .f32,
                bytes: try DenseMatrix.decoded(tensor, count: rows * columns))
        } else if let bytes = tensor.region.borrowed,
            bytes.isAligned(to: tensor.type == .f32 ? 4 : 2)
        {
            self.init(rows: rows, columns: columns, type: tensor.type, borrowing: bytes)
        } else {
            self.init(
                rows: rows, columns: columns, type: tensor.type,
                bytes: try DenseMatrix.copied(tensor))
        }
    }

    private static func decoded(
        _ tensor: CheckpointTensor, count: Int
    ) throws(BitNetError) -> AlignedBuffer<UInt8> {
        let buffer = try AlignedBuffer<UInt8>(count: count * 4, purpose: tensor.name)
        tensor.region.withUnsafeBytes {
            Codec.decode(tensor.type, $0, into: buffer.view.rebound(to: Float.self))
        }
        return buffer
    }

    private static func copied(
        _ tensor: CheckpointTensor
    ) throws(BitNetError) -> AlignedBuffer<UInt8> {
        let buffer = try AlignedBuffer<UInt8>(count: tensor.region.count, purpose: tensor.name)
        tensor.region.withUnsafeBytes { buffer.view.copy(from: $0) }
        return buffer
    }
}

extension CheckpointTensor {
    /// The error for an embedding or an LM head that does not decode to floats.
    var notDense: BitNetError {
        .unsupportedFormat(
            path: region.path, detail: "tensor '\(name)' is \(type.rawValue)",
            remedy: "embeddings and LM heads are dense, for example F16 or Q6_K")
    }
}

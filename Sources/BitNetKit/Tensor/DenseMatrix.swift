/// A dense matrix as stored in a file, `[rows, columns]`: an embedding table or an LM head.
///
/// The bytes stay in the mapped file where they can; kernels decode them to float32 as they go.
public struct DenseMatrix: Sendable {
    /// Number of rows: the vocabulary of an embedding or a head.
    public let rows: Int
    /// Number of columns: the hidden size.
    public let columns: Int
    /// How elements are stored.
    public let type: ElementType
    private let storage: Storage

    private enum Storage: Sendable {
        case file(ByteRegion)
        case memory(AlignedBuffer<UInt8>)
    }

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
        self.rows = rows
        self.columns = columns
        if isMultiplied && !tensor.type.hasDenseKernel {
            type = .f32
            storage = .memory(try DenseMatrix.decoded(tensor, count: rows * columns))
        } else {
            type = tensor.type
            storage = try DenseMatrix.aligned(tensor)
        }
    }

    /// A matrix of float32 values, row by row.
    ///
    /// - Throws: `BitNetError.shapeMismatch` unless there are `rows * columns` values and columns is
    ///   a multiple of 16.
    public init(rows: Int, columns: Int, values: [Float]) throws(BitNetError) {
        guard rows > 0, columns > 0, columns % 16 == 0,
            elementCount(of: [rows, columns]) == values.count
        else {
            throw .shapeMismatch(
                tensor: "values", expected: [rows, columns], found: [values.count])
        }
        self.rows = rows
        self.columns = columns
        type = .f32
        let buffer = try AlignedBuffer<UInt8>(count: values.count * 4, purpose: "a dense matrix")
        buffer.view.rebound(to: Float.self).copy(from: try AlignedBuffer(values, purpose: "").view)
        storage = .memory(buffer)
    }

    /// Bytes of the matrix as stored.
    public var byteCount: Int { rows * rowBytes }

    var rowBytes: Int { columns / type.block.elements * type.block.bytes }

    func withBytes<R>(_ body: (UnsafeRawPointer) -> R) -> R {
        switch storage {
        case .file(let region):
            return region.withUnsafeBytes { body($0.baseAddress!) }
        case .memory(let buffer):
            return body(UnsafeRawPointer(buffer.view.base))
        }
    }

    /// Decodes one row to float32.
    func decodeRow(_ row: Int, into values: BufferView<Float>) {
        precondition(row >= 0 && row < rows && values.count == columns)
        withBytes { start in
            let bytes = UnsafeRawBufferPointer(start: start + row * rowBytes, count: rowBytes)
            Codec.decode(type, bytes, into: values)
        }
    }

    /// One row, decoded to float32. An index out of range traps.
    public func row(_ index: Int) -> [Float] {
        var values = [Float](repeating: 0, count: columns)
        values.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            decodeRow(index, into: BufferView(base: base, count: columns))
        }
        return values
    }

    /// `W x`, decoded to float32 and added up in the library's fixed order.
    ///
    /// - Parameter x: `[columns]`.
    /// - Returns: `[rows]`.
    /// - Throws: `BitNetError.shapeMismatch`.
    public func multiply(_ x: [Float], kernels: KernelSet = .best) throws(BitNetError) -> [Float] {
        guard x.count == columns else {
            throw .shapeMismatch(tensor: "x", expected: [columns], found: [x.count])
        }
        let input = try AlignedBuffer(x, purpose: "the input of a product")
        let output = try AlignedBuffer<Float>(count: rows, purpose: "a product")
        kernels.denseProduct(self, rows: 0..<rows, x: input.view, into: output.view)
        return output.array
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

    /// The file's own bytes if elements are aligned there, else a copy.
    private static func aligned(_ tensor: CheckpointTensor) throws(BitNetError) -> Storage {
        let alignment = tensor.type == .f32 ? 4 : 2
        let isAligned = tensor.region.withUnsafeBytes {
            Int(bitPattern: $0.baseAddress) % alignment == 0
        }
        if isAligned { return .file(tensor.region) }
        let buffer = try AlignedBuffer<UInt8>(count: tensor.region.count, purpose: tensor.name)
        tensor.region.withUnsafeBytes { buffer.view.copy(from: $0) }
        return .memory(buffer)
    }
}

extension CheckpointTensor {
    /// The error for an embedding or a head that does not decode to floats.
    var notDense: BitNetError {
        .unsupportedFormat(
            path: region.path, detail: "tensor '\(name)' is \(type.rawValue)",
            remedy: "embeddings and LM heads are dense, for example F16 or Q6_K")
    }
}

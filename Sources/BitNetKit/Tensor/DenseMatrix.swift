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

    /// A matrix that stores `values`, row by row, as `type`: the nearest values the type has.
    ///
    /// - Parameters:
    ///   - rows: at least 1.
    ///   - columns: a multiple of 16 and of the type's block (32 for Q8_0 and Q4_0, 256 for Q6_K).
    ///   - values: `[rows, columns]`, row by row.
    ///   - type: F32, F16, BF16, Q8_0, Q6_K or Q4_0.
    /// - Throws: `BitNetError.shapeMismatch` unless there are `rows * columns` values and `columns`
    ///   fits the type, `.invalidArgument` for another type, `.outOfMemory`.
    public init(
        rows: Int, columns: Int, values: [Float], type: ElementType = .f32
    ) throws(BitNetError) {
        guard type.hasDenseKernel, type.canEncode else {
            throw .invalidArgument(
                name: "type", detail: "a dense matrix cannot be stored as \(type.rawValue)")
        }
        guard rows > 0, columns > 0, columns % 16 == 0, columns % type.block.elements == 0,
            elementCount(of: [rows, columns]) == values.count
        else {
            throw .shapeMismatch(
                tensor: "values", expected: [rows, columns], found: [values.count])
        }
        self.rows = rows
        self.columns = columns
        self.type = type
        let input = try AlignedBuffer(values, purpose: "a dense matrix")
        defer { withExtendedLifetime(input) {} }
        let buffer = try AlignedBuffer<UInt8>(
            count: values.count / type.block.elements * type.block.bytes,
            purpose: "a dense matrix")
        Codec.encode(type, input.view, into: buffer.view)
        storage = .memory(buffer)
    }

    /// A matrix whose rows are encoded in `bytes`.
    init(rows: Int, columns: Int, type: ElementType, bytes: AlignedBuffer<UInt8>) {
        self.rows = rows
        self.columns = columns
        self.type = type
        storage = .memory(bytes)
    }

    /// Bytes of the matrix as stored.
    public var byteCount: Int { rows * rowBytes }

    /// Bytes of one row.
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
    /// - Parameters:
    ///   - x: `[columns]`.
    ///   - kernels: the kernel set to use; every one gives the same bits.
    /// - Returns: `[rows]`.
    /// - Throws: `BitNetError.shapeMismatch` when x does not have `columns` elements, `.outOfMemory`.
    public func multiply(_ x: [Float], kernels: KernelSet = .best) throws(BitNetError) -> [Float] {
        guard x.count == columns else {
            throw .shapeMismatch(tensor: "x", expected: [columns], found: [x.count])
        }
        let input = try AlignedBuffer(x, purpose: "the input of a product")
        defer { withExtendedLifetime(input) {} }
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

extension DenseMatrix: CustomStringConvertible {
    /// Shape and type, not the values.
    public var description: String { "DenseMatrix [\(rows), \(columns)], \(type.rawValue)" }
}

extension CheckpointTensor {
    /// The error for an embedding or a head that does not decode to floats.
    var notDense: BitNetError {
        .unsupportedFormat(
            path: region.path, detail: "tensor '\(name)' is \(type.rawValue)",
            remedy: "embeddings and LM heads are dense, for example F16 or Q6_K")
    }
}

/// A dense matrix as stored in a file, `[rows, columns]`: an embedding table or an LM head.
///
/// Kernels decode the bytes to float32 as they go. They can stay in memory that somebody else owns,
/// for example in a mapped file.
public struct DenseMatrix: Sendable {
    /// Number of rows: the vocabulary of an embedding or an LM head.
    public let rows: Int
    /// Number of columns: the hidden size.
    public let columns: Int
    /// How elements are stored.
    public let type: ElementType
    private let storage: Storage

    private enum Storage: Sendable {
        case owned(AlignedBuffer<UInt8>)
        case borrowed(BorrowedBytes)
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
        storage = .owned(buffer)
    }

    /// A matrix whose rows are encoded in `bytes`.
    package init(rows: Int, columns: Int, type: ElementType, bytes: AlignedBuffer<UInt8>) {
        self.rows = rows
        self.columns = columns
        self.type = type
        storage = .owned(bytes)
    }

    /// A matrix whose rows are encoded in `bytes`, which stay where they are. They must be aligned for
    /// the type's elements (4 bytes for F32, 2 for the others).
    package init(rows: Int, columns: Int, type: ElementType, borrowing bytes: BorrowedBytes) {
        precondition(bytes.count >= rows * (columns / type.block.elements * type.block.bytes))
        self.rows = rows
        self.columns = columns
        self.type = type
        storage = .borrowed(bytes)
    }

    /// The same matrix in memory of its own, for measuring what comes from memory.
    package init(copying other: DenseMatrix) throws(BitNetError) {
        let count = other.byteCount
        let bytes = try AlignedBuffer<UInt8>(count: count, purpose: "a dense matrix")
        other.withBytes { bytes.view.copy(from: UnsafeRawBufferPointer(start: $0, count: count)) }
        self.init(rows: other.rows, columns: other.columns, type: other.type, bytes: bytes)
    }

    /// Bytes of the matrix as stored.
    public var byteCount: Int { rows * rowBytes }

    /// Bytes of one row.
    package var rowBytes: Int { columns / type.block.elements * type.block.bytes }

    package func withBytes<R>(_ body: (UnsafeRawPointer) -> R) -> R {
        switch storage {
        case .owned(let buffer): body(UnsafeRawPointer(buffer.view.base))
        case .borrowed(let bytes): body(bytes.start)
        }
    }

    /// Decodes one row to float32.
    package func decodeRow(_ row: Int, into values: BufferView<Float>) {
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

    /// The elements `range` of `W x`.
    func multiply(
        rows range: Range<Int>, _ x: BufferView<Float>, into y: BufferView<Float>,
        kernels: KernelSet
    ) {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= rows && y.count == range.count
                && x.count == columns)
        withBytes { kernels.denseGEMV(type, $0, columns: columns, rows: range, x, into: y) }
    }
}

extension DenseMatrix: CustomStringConvertible {
    /// Shape and type, not the values.
    public var description: String { "DenseMatrix [\(rows), \(columns)], \(type.rawValue)" }
}

/// A matrix of trits, `W[rows, columns]`, packed for this machine's kernels; immutable.
///
/// A row is a neuron: one trit for each of its inputs.
///
/// ```swift
/// let w = try TernaryMatrix(rows: 1, columns: 3, scale: .perTensor(1)) { _, column in
///     [.plus, .minus, .zero][column]
/// }
/// try w.multiply([0.5, 0.8, 0.2])  // about -0.3: int8 activations round
/// ```
public struct TernaryMatrix: Sendable {
    package let trits: PackedTrits
    /// The scales: for the tensor, for each row, or for each group of a row.
    public let scale: TernaryScale
    /// Scales where kernels read them: 1, `rows`, or `[groups, rows]` values.
    private let betas: AlignedBuffer<Float>
    var scales: BufferView<Float> { betas.view }

    /// Number of outputs.
    public var rows: Int { trits.rows }
    /// Number of inputs.
    public var columns: Int { trits.columns }
    /// How the trits are packed.
    public var layout: TernaryLayout { trits.layout }
    /// Bytes of the packed trits, padding included.
    public var byteCount: Int { trits.storage.count }

    package init(_ trits: PackedTrits, scale: TernaryScale) throws(BitNetError) {
        if let odd = scale.values.first(where: { !$0.isFinite }) {
            throw .invalidArgument(name: "scale", detail: "\(odd) is not a finite number")
        }
        let expected = try scale.shape(rows: trits.rows, columns: trits.columns)
        guard scale.values.count == elementCount(of: expected) else {
            throw .shapeMismatch(
                tensor: "scale", expected: expected, found: [scale.values.count])
        }
        guard trits.groupColumns == scale.groupColumns(of: trits.columns) else {
            throw .invalidArgument(
                name: "scale", detail: "trits were packed for groups of \(trits.groupColumns)")
        }
        self.trits = trits
        self.scale = scale
        betas = try AlignedBuffer(scale.values, purpose: "weight scales")
        // Kernels read the scales of a group's rows one after the other.
        if case .perGroup(_, let values) = scale {
            let groups = trits.groupCount
            for row in 0..<trits.rows {
                for g in 0..<groups { betas.view[g * trits.rows + row] = values[row * groups + g] }
            }
        }
    }

    /// The same matrix with packed trits in `memory`, or in some of their own: what is measured as
    /// coming from memory must not be in a cache.
    package init(
        copying other: TernaryMatrix, to memory: AlignedBuffer<UInt8>? = nil, pool: WorkerPool
    ) throws(BitNetError) {
        trits = try PackedTrits(copying: other.trits, to: memory, pool: pool)
        scale = other.scale
        betas = other.betas
    }

    /// A matrix from a function of row and column.
    ///
    /// - Parameters:
    ///   - rows: number of outputs, at least 1.
    ///   - columns: number of inputs, 1 to 2^23.
    ///   - scale: finite factors of the trits.
    ///   - layout: how the trits are packed; results do not depend on it.
    ///   - trit: called once for each place, row by row.
    /// - Throws: `BitNetError.invalidArgument` for a shape out of range, groups that do not fit it,
    ///   or a scale that is not finite; `.shapeMismatch` for another number of scales than needed;
    ///   `.outOfMemory`.
    public init(
        rows: Int, columns: Int, scale: TernaryScale, layout: TernaryLayout = .t2,
        trit: (_ row: Int, _ column: Int) -> Trit
    ) throws(BitNetError) {
        let packed = try PackedTrits(
            rows: rows, columns: columns, groupColumns: scale.groupColumns(of: columns),
            layout: layout)
        let tile = try AlignedBuffer<Int8>(
            count: KernelSet.tileRows * columns, purpose: "packing a ternary matrix")
        for begin in stride(from: 0, to: rows, by: KernelSet.tileRows) {
            let end = min(begin + KernelSet.tileRows, rows)
            for row in begin..<end {
                for column in 0..<columns {
                    tile.view[(row - begin) * columns + column] = trit(row, column).rawValue
                }
            }
            packed.pack(tile.view, rows: begin..<end)
        }
        try self.init(packed, scale: scale)
    }

    /// The trit at a row and column. Indices out of range trap.
    public subscript(row: Int, column: Int) -> Trit {
        precondition(column >= 0 && column < columns, "column out of range")
        return Trit(rawValue: trits(ofRow: row)[column]) ?? .zero
    }

    /// The trits of one row as -1, 0, +1. An index out of range traps.
    public func trits(ofRow row: Int) -> [Int8] {
        precondition(row >= 0 && row < rows, "row out of range")
        var values = [Int8](repeating: 0, count: columns)
        values.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            trits.unpack(rows: row..<row + 1, into: BufferView(base: base, count: columns))
        }
        return values
    }
}

extension TernaryMatrix: CustomStringConvertible {
    /// Shape, layout and kind of scale, not the weights.
    public var description: String {
        let scale =
            switch scale {
            case .perTensor(let beta): "scale \(beta)"
            case .perRow: "a scale for each row"
            case .perGroup(let size, _): "a scale for every \(size) columns"
            }
        return "TernaryMatrix [\(rows), \(columns)], \(layout.rawValue), \(scale)"
    }
}

/// One ternary weight: -1, 0 or +1.
public enum Trit: Int8, Sendable, CaseIterable {
    /// The input is subtracted.
    case minus = -1
    /// The input is left out.
    case zero = 0
    /// The input is added.
    case plus = 1
}

/// What a matrix of trits is multiplied by to give the weights.
public enum TernaryScale: Sendable, Hashable {
    /// One scale for the whole matrix.
    case perTensor(Float)
    /// One scale for each row.
    case perRow([Float])
    /// One scale for every `size` consecutive columns of a row: `[rows, columns / size]`, row by
    /// row. `size` divides the number of columns. A group takes whole blocks of memory, 128 columns
    /// in `t2` and 160 in `t5`, so that groups much smaller than that waste some.
    case perGroup(size: Int, [Float])
}

extension TernaryScale {
    /// Columns of a matrix that share a scale in a row.
    func groupColumns(of columns: Int) -> Int {
        if case .perGroup(let size, _) = self { size } else { columns }
    }

    /// The scales a matrix needs; `.invalidArgument` where groups do not fit it.
    func shape(rows: Int, columns: Int) throws(BitNetError) -> [Int] {
        switch self {
        case .perTensor: return [1]
        case .perRow: return [rows]
        case .perGroup(let size, _):
            guard size > 0, columns % size == 0 else {
                throw .invalidArgument(
                    name: "scale", detail: "groups of \(size) do not divide \(columns) columns")
            }
            return [rows, columns / size]
        }
    }

    /// All factors, in the order of the case.
    var values: [Float] {
        switch self {
        case .perTensor(let beta): [beta]
        case .perRow(let betas), .perGroup(_, let betas): betas
        }
    }
}

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
    let trits: PackedTrits
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

    init(_ trits: PackedTrits, scale: TernaryScale) throws(BitNetError) {
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

// MARK: - Products

extension TernaryMatrix {
    /// `W x` for one or more inputs, as a `BitLinear` computes it: x is rounded to int8 with one
    /// absmax scale per input, sums are exact integers.
    ///
    /// For each input, with `s = 127 / max(max|x|, 1e-5)` and `q = round(x * s)`, half to even:
    /// `y = (sum of trit * q) / s * scale`. Against exact arithmetic every |x| is off by at most
    /// half of `1 / s`; nothing else is lost but the rounding of y to float32.
    ///
    /// - Parameters:
    ///   - x: `[columns]`, or several inputs one after the other; finite.
    ///   - kernels: the kernel set to use; every one gives the same bits.
    /// - Returns: `[rows]` for each input, one after the other.
    /// - Throws: `BitNetError.shapeMismatch` when x is not a whole number of inputs, `.outOfMemory`.
    public func multiply(
        _ x: [Float], kernels: KernelSet = .best
    ) throws(BitNetError) -> [Float] {
        guard !x.isEmpty, x.count % columns == 0 else {
            throw .shapeMismatch(tensor: "x", expected: [columns], found: [x.count])
        }
        let batch = x.count / columns
        let compute = Compute(kernels: kernels, pool: Compute.standard.pool)
        let input = try AlignedBuffer(x, purpose: "the input of a product")
        defer { withExtendedLifetime(input) {} }
        let output = try AlignedBuffer<Float>(count: batch * rows, purpose: "a product")
        let quantized = try QuantizedActivations(
            rows: batch, columns: columns, threads: compute.pool.threads,
            gemmScratch: KernelSet.gemmScratchSize(trits))
        compute.quantize(
            Activations(input.view, rows: batch, columns: columns), norm: nil, into: quantized)
        let result = Activations(output.view, rows: batch, columns: rows)
        compute.multiply(quantized, TernaryProduct(matrix: self, output: result))
        return output.array
    }

    /// The rows that are shares `part` of `count` equal ones, in whole tiles or blocks; `threads` have
    /// them all between them.
    func rows(ofShares part: Range<Int>, of count: Int, threads: Int) -> Range<Int> {
        let granule = trits.rowGranule(threads: threads)
        let tiles = (rows + granule - 1) / granule
        let begin = min(tiles * part.lowerBound / count * granule, rows)
        let end = min(tiles * part.upperBound / count * granule, rows)
        return begin..<end
    }

    /// Rows `range` of the product with every token of `input`. Sums are written where the results
    /// go and scaled in place.
    func multiply(
        _ input: QuantizedActivations, rows range: Range<Int>, into output: Activations,
        thread: Int, kernels: KernelSet
    ) {
        precondition(input.columns == columns && output.rows == input.rows)
        if trits.arrangement != .tiles {
            return multiplyStrands(
                input, rows: range, into: output, thread: thread, kernels: kernels)
        }
        if trits.groupCount > 1 {
            return multiplyGroups(
                input, rows: range, into: output, thread: thread, kernels: kernels)
        }
        let target = output.storage.from(range.lowerBound).reinterpreted(as: Int32.self)
        if input.rows == 1 {
            kernels.gemv(
                trits, rows: range, blocks: 0..<trits.blockCount, q: input[0], sum: input.sums[0],
                into: target[0..<range.count])
        } else {
            kernels.gemm(
                trits, rows: range, q: input.all, qStride: input.stride, sums: input.sums,
                batch: input.rows, into: target, yStride: output.columns,
                scratch: input.gemmScratch(thread: thread))
        }
        let beta = betas.count == 1 ? betas.view : betas.view[range]
        for token in 0..<input.rows {
            let y = output[token][range]
            kernels.dequantize(
                y.reinterpreted(as: Int32.self), scale: input.scales[token], beta: beta, into: y)
        }
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

extension TernaryMatrix {
    /// A matrix of the trits in an array.
    ///
    /// ```swift
    /// let w = try TernaryMatrix(
    ///     rows: 1, columns: 3, trits: [.plus, .minus, .zero], scale: .perTensor(1))
    /// ```
    ///
    /// - Parameters:
    ///   - rows: number of outputs, at least 1.
    ///   - columns: number of inputs, 1 to 2^23.
    ///   - trits: `[rows, columns]`, row by row.
    ///   - scale: finite factors of the trits.
    ///   - layout: how the trits are packed; results do not depend on it.
    /// - Throws: `BitNetError.shapeMismatch` unless there are `rows * columns` trits; otherwise what
    ///   ``init(rows:columns:scale:layout:trit:)`` throws.
    public init(
        rows: Int, columns: Int, trits: [Trit], scale: TernaryScale, layout: TernaryLayout = .t2
    ) throws(BitNetError) {
        guard rows >= 0, columns >= 0, elementCount(of: [rows, columns]) == trits.count else {
            throw .shapeMismatch(tensor: "trits", expected: [rows, columns], found: [trits.count])
        }
        try self.init(rows: rows, columns: columns, scale: scale, layout: layout) {
            trits[$0 * columns + $1]
        }
    }

    /// A matrix of numbers that are -1, 0 or +1.
    ///
    /// - Parameters:
    ///   - trits: `[rows, columns]`.
    ///   - scale: finite factors of the trits.
    ///   - layout: how the trits are packed; results do not depend on it.
    /// - Throws: `BitNetError.shapeMismatch` for a tensor that is no matrix, `.invalidArgument` for
    ///   the first number that is no trit; otherwise what
    ///   ``init(rows:columns:scale:layout:trit:)`` throws.
    public init(
        _ trits: Tensor<Int8>, scale: TernaryScale, layout: TernaryLayout = .t2
    ) throws(BitNetError) {
        guard trits.shape.count == 2 else {
            throw .shapeMismatch(tensor: "trits", expected: [1, trits.count], found: trits.shape)
        }
        let columns = trits.shape[1]
        let values = trits.values
        if let odd = values.firstIndex(where: { Trit(rawValue: $0) == nil }) {
            throw .invalidArgument(
                name: "trits",
                detail: "\(values[odd]) in row \(odd / columns), column \(odd % columns) is not "
                    + "-1, 0 or +1")
        }
        try self.init(rows: trits.shape[0], columns: columns, scale: scale, layout: layout) {
            Trit(rawValue: values[$0 * columns + $1]) ?? .zero
        }
    }

    /// The weights that trits and scales stand for, `[rows, columns]`.
    ///
    /// - Throws: `BitNetError.outOfMemory`: they take four bytes each.
    public func weights() throws(BitNetError) -> Tensor<Float> {
        let values = try AlignedBuffer<Float>(count: rows * columns, purpose: "weights")
        let width = scale.groupColumns(of: columns)
        let groups = columns / width
        for row in 0..<rows {
            let trits = trits(ofRow: row)
            for group in 0..<groups {
                let beta =
                    switch scale {
                    case .perTensor(let beta): beta
                    case .perRow(let betas): betas[row]
                    case .perGroup(_, let betas): betas[row * groups + group]
                    }
                for column in group * width..<(group + 1) * width {
                    values.view[row * columns + column] = Float(trits[column]) * beta
                }
            }
        }
        return Tensor(shape: [rows, columns], storage: values)
    }
}

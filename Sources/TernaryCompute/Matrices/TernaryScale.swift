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
    package func groupColumns(of columns: Int) -> Int {
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

    /// The largest factor.
    package var largest: Float { values.max() ?? 0 }

    /// All factors, in the order of the case.
    package var values: [Float] {
        switch self {
        case .perTensor(let beta): [beta]
        case .perRow(let betas), .perGroup(_, let betas): betas
        }
    }
}

/// Float weights rounded to trits as BitNet b1.58 does it, and what that loses (arXiv:2402.17764).
///
/// The scale is the mean magnitude of all weights, at least 1e-5; a trit is `weight / scale`, rounded
/// half to even and cut off at -1 and +1. Loading rounds master weights in the same way.
///
/// ```swift
/// let weights = try Tensor<Float>([0.9, -0.1, 0.4, -0.6], shape: [2, 2])
/// let rounding = try AbsmeanRounding(weights)
/// rounding.scale  // 0.5
/// rounding.matrix.trits(ofRow: 0)  // [1, 0]
/// rounding.relativeError  // 0.142
/// ```
///
/// Only weights that were trained for it stay useful: of ordinary ones about a quarter of the squared
/// weight is lost.
public struct AbsmeanRounding: Sendable {
    /// The rounded weights.
    public let matrix: TernaryMatrix
    /// The mean magnitude of the weights, at least 1e-5: the scale of `matrix`.
    public let scale: Float
    /// Squared difference between the weights and what `matrix` holds, relative to the squared
    /// weights: 0 for weights that are ternary already, 1 where all are lost.
    public let relativeError: Double

    /// Rounds a matrix of weights.
    ///
    /// - Parameters:
    ///   - weights: `[rows, columns]`, finite; up to 2^23 columns.
    ///   - layout: how the trits are packed; results do not depend on it.
    /// - Throws: `BitNetError.shapeMismatch` for a tensor that is no matrix, `.invalidArgument` for
    ///   one without elements or with a weight that is not finite, `.outOfMemory`.
    public init(_ weights: Tensor<Float>, layout: TernaryLayout = .t2) throws(BitNetError) {
        guard weights.shape.count == 2 else {
            throw .shapeMismatch(
                tensor: "weights", expected: [1, weights.count], found: weights.shape)
        }
        let (rows, columns) = (weights.shape[0], weights.shape[1])
        let trits = try PackedTrits(rows: rows, columns: columns, layout: layout)
        let g = 1 / max(try AbsmeanRounding.meanMagnitude(weights), 1e-5)
        let height = KernelSet.tileRows
        let tile = try AlignedBuffer<Int8>(count: height * columns, purpose: "rounding weights")
        let rounded = try AlignedBuffer<Float>(count: columns, purpose: "rounding weights")
        var error = StorageError()
        for begin in stride(from: 0, to: rows, by: height) {
            let end = min(begin + height, rows)
            for row in begin..<end {
                let source = weights.storage.view[row * columns..<(row + 1) * columns]
                let target = tile.view[(row - begin) * columns..<(row - begin + 1) * columns]
                Codec.ternarize(source, g: g, into: target)
                Codec.scale(target, by: 1 / g, into: rounded.view)
                error.add(source, storedAs: rounded.view)
            }
            trits.pack(tile.view, rows: begin..<end)
        }
        scale = 1 / g
        matrix = try TernaryMatrix(trits, scale: .perTensor(1 / g))
        relativeError = error.relative
    }

    private static func meanMagnitude(_ weights: Tensor<Float>) throws(BitNetError) -> Float {
        let columns = weights.shape[1]
        var sum = 0.0
        for row in 0..<weights.shape[0] {
            let values = weights.storage.view[row * columns..<(row + 1) * columns]
            let part = Codec.absoluteSum(values)
            // A sum is finite in double only if no weight is infinite or NaN.
            guard part.isFinite else {
                let column = (0..<columns).first { !values[$0].isFinite } ?? 0
                throw .invalidArgument(
                    name: "weights",
                    detail: "\(values[column]) in row \(row), column \(column) is not a number "
                        + "that can be rounded")
            }
            sum += part
        }
        return Float(sum / Double(weights.count))
    }
}

extension AbsmeanRounding: CustomStringConvertible {
    /// The matrix and the error, on one line.
    public var description: String { "\(matrix), relative squared error \(relativeError)" }
}

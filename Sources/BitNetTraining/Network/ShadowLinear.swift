internal import BitNetKit

/// A linear layer with float32 shadow weights, which are rounded to trits for every product: one
/// matrix, or several that share their input, one below the other.
///
/// Rounding is absmean, matrix by matrix, as a loader rounds master weights; products are those of
/// inference, bit for bit. Gradients pass both roundings unchanged (straight-through estimator,
/// Bengio et al. 2013, arXiv:1308.3432).
final class ShadowLinear: @unchecked Sendable {
    let weights: MatrixView
    let gradient: MatrixView
    /// Where the weights begin among all parameters.
    let offset: Int
    /// Rows of each matrix.
    let parts: [Range<Int>]
    /// The trits of the weights; nil where nothing is rounded.
    let trits: PackedTrits?
    /// For each row what a weight is multiplied by before it is rounded, and a trit after it.
    let factors, scales: AlignedBuffer<Float>
    private let rowSums: AlignedBuffer<Double>

    var rows: Int { weights.rows }
    var columns: Int { weights.columns }

    /// - Parameters:
    ///   - parts: the matrices, which lie one after the other in `parameters` and in `gradients`.
    init(
        _ parts: [ParameterLayout.Entry], parameters: BufferView<Float>,
        gradients: BufferView<Float>, isRounded: Bool
    ) throws(BitNetError) {
        let rows = parts.reduce(0) { $0 + $1.shape[0] }
        let columns = parts[0].shape[1]
        let range = parts[0].offset..<parts[0].offset + rows * columns
        offset = range.lowerBound
        weights = MatrixView(parameters[range], rows: rows, columns: columns)
        gradient = MatrixView(gradients[range], rows: rows, columns: columns)
        self.parts = parts.map {
            let begin = ($0.offset - range.lowerBound) / columns
            return begin..<begin + $0.shape[0]
        }
        trits = isRounded ? try PackedTrits(rows: rows, columns: columns, layout: .t2) : nil
        factors = try AlignedBuffer(count: rows, purpose: "weight scales")
        scales = try AlignedBuffer(count: rows, purpose: "weight scales")
        rowSums = try AlignedBuffer(count: rows, purpose: "weight scales")
    }

    /// Rounds the weights as they are now.
    ///
    /// - Parameter scratch: for each thread at least `ShadowLinear.packedRows` times the columns.
    func snap(_ compute: Compute, scratch: (_ thread: Int) -> BufferView<Int8>) {
        guard let trits else { return }
        let work = rows * columns * elementWork
        compute.pool.parallel(rows, work: work) { _, range in
            for row in range { rowSums.view[row] = Codec.absoluteSum(weights[row]) }
        }
        for part in parts {
            // The steps of `TernarySource.floatPlan`.
            let sum = rowSums.view[part].array.reduce(0, +)
            let g = 1 / max(Float(sum / Double(part.count * columns)), 1e-5)
            factors.view[part].fill(g)
            scales.view[part].fill(1 / g)
        }
        compute.pool.parallel(rows, granule: KernelSet.tileRows, work: work) { thread, range in
            let buffer = scratch(thread)
            for begin in stride(
                from: range.lowerBound, to: range.upperBound, by: ShadowLinear.packedRows)
            {
                let part = begin..<min(begin + ShadowLinear.packedRows, range.upperBound)
                for row in part {
                    let start = (row - begin) * columns
                    Codec.ternarize(
                        weights[row], g: factors.view[row],
                        into: buffer[start..<start + columns])
                }
                trits.pack(buffer[0..<part.count * columns], rows: part)
            }
        }
    }

    /// Rows that are rounded before they are packed.
    static let packedRows = 32

    /// `y[t] = W x[t]` for `tokens`.
    func multiply(
        _ input: LinearInput, tokens: Int, into y: MatrixView, compute: Compute,
        gemmScratch: (_ thread: Int) -> BufferView<UInt8>, products: ProductScratch
    ) {
        precondition(y.rows >= tokens && y.columns == rows && y.stride == rows)
        guard let trits else {
            let x = MatrixView(input.floats.view, rows: tokens, columns: columns)
            return compute.product(x, .transposed(weights), into: y, scratch: products)
        }
        compute.pool.parallelInPieces(tokens, granule: 64, work: tokens * rows * columns) {
            thread, range in
            let begin = range.lowerBound
            compute.kernels.gemm(
                trits, rows: 0..<rows, q: input.values.view.from(begin * input.stride),
                qStride: input.stride, sums: input.sums.view[range], batch: range.count,
                into: y.storage.from(begin * rows).reinterpreted(as: Int32.self), yStride: rows,
                scratch: gemmScratch(thread))
            for token in range {
                compute.kernels.dequantize(
                    y[token].reinterpreted(as: Int32.self), scale: input.scales.view[token],
                    beta: scales.view, into: y[token])
            }
        }
    }

    /// Adds the gradient of the weights, and computes that of the inputs.
    ///
    /// - Parameter dy: `[tokens, rows]`.
    func backward(
        _ dy: MatrixView, input: LinearInput, into dx: MatrixView, compute: Compute,
        products: ProductScratch
    ) {
        compute.product(
            dy, isTransposed: true, input.factor(tokens: dy.rows), into: gradient,
            accumulates: true, scratch: products)
        let factor: RightFactor =
            trits == nil
            ? .matrix(weights)
            : .ternary(weights, factors: factors.view, scales: scales.view)
        compute.product(dy, factor, into: dx, scratch: products)
    }
}

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
    /// Where the trits of the weights are while they are multiplied; nil where nothing is rounded.
    private let slot: TritSlot?
    /// For each row what a weight is multiplied by before it is rounded, and a trit after it.
    let factors, scales: AlignedBuffer<Float>
    private let rowSums: AlignedBuffer<Double>

    var rows: Int { weights.rows }
    var columns: Int { weights.columns }

    /// - Parameters:
    ///   - parts: the matrices, which lie one after the other in `parameters` and in `gradients`.
    ///   - slot: for trits of as many rows and columns; nil where nothing is rounded.
    init(
        _ parts: [ParameterLayout.Entry], parameters: BufferView<Float>,
        gradients: BufferView<Float>, slot: TritSlot?
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
        self.slot = slot
        factors = try AlignedBuffer(count: rows, purpose: "weight scales")
        scales = try AlignedBuffer(count: rows, purpose: "weight scales")
        rowSums = try AlignedBuffer(count: rows, purpose: "weight scales")
    }

    /// Rounds the weights as they are now.
    func snap(_ compute: Compute) {
        guard let slot else { return }
        slot.forget(self)
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
    }

    /// The trits of the weights as they were rounded, until another layer asks for its own; nil where
    /// nothing is rounded.
    ///
    /// - Parameter scratch: for each thread at least `ShadowLinear.packedRows` times the columns.
    func trits(
        _ compute: Compute, scratch: (_ thread: Int) -> BufferView<Int8>
    ) -> PackedTrits? {
        guard let slot, slot.take(self) else { return self.slot?.trits }
        let trits = slot.trits
        let work = rows * columns * elementWork
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
        return trits
    }

    /// Rows that are rounded before they are packed.
    static let packedRows = 32

    /// `y[t] = W x[t]` for `tokens`.
    func multiply(
        _ input: LinearInput, tokens: Int, into y: MatrixView, compute: Compute,
        threads: ThreadScratch, products: ProductScratch
    ) {
        precondition(y.rows >= tokens && y.columns == rows && y.stride == rows)
        guard let trits = self.trits(compute, scratch: threads.trits) else {
            let x = MatrixView(input.floats.view, rows: tokens, columns: columns)
            return compute.product(x, .transposed(weights), into: y, scratch: products)
        }
        compute.pool.parallelInPieces(tokens, granule: 64, work: tokens * rows * columns) {
            thread, range in
            let begin = range.lowerBound
            compute.kernels.gemmScaled(
                trits, rows: 0..<rows, q: input.values.view.from(begin * input.stride),
                qStride: input.stride, sums: input.sums.view[range],
                scales: input.scales.view[range], beta: scales.view,
                into: y.storage.from(begin * rows), yStride: rows, scratch: threads.gemm(thread))
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
            slot == nil
            ? .matrix(weights)
            : .ternary(weights, factors: factors.view, scales: scales.view)
        compute.product(dy, factor, into: dx, scratch: products)
    }
}

/// Room for the trits of one linear layer at a time. Layers of all blocks share it: packing anew for
/// each pass takes 0.8% of a step's time (measured with AVX-512 at width 256, six blocks, 1024 tokens a
/// pass), and trits of all layers would take a quarter of a byte for each parameter.
final class TritSlot: @unchecked Sendable {
    let trits: PackedTrits
    private var owner: ObjectIdentifier?

    init(rows: Int, columns: Int) throws(BitNetError) {
        trits = try PackedTrits(rows: rows, columns: columns, layout: .t2)
    }

    /// Makes the room `linear`'s; whether its trits have to be packed for that.
    fileprivate func take(_ linear: ShadowLinear) -> Bool {
        defer { owner = ObjectIdentifier(linear) }
        return owner != ObjectIdentifier(linear)
    }

    /// The weights of `linear` have changed.
    fileprivate func forget(_ linear: ShadowLinear) {
        if owner == ObjectIdentifier(linear) { owner = nil }
    }
}

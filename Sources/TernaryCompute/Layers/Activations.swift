internal import Synchronization

/// Float activations of several tokens: `[rows, columns]`, a window on scratch memory.
package struct Activations: Sendable {
    package let storage: BufferView<Float>
    package let rows: Int
    package let columns: Int

    package init(_ storage: BufferView<Float>, rows: Int, columns: Int) {
        self.storage = storage[0..<rows * columns]
        self.rows = rows
        self.columns = columns
    }

    package subscript(row: Int) -> BufferView<Float> {
        storage[row * columns..<(row + 1) * columns]
    }

    /// Everything from element `column` of a row on.
    func from(_ row: Int, column: Int) -> BufferView<Float> {
        storage.from(row * columns + column)
    }

    /// Some of the rows.
    package subscript(rows: Range<Int>) -> Activations {
        Activations(
            storage[rows.lowerBound * columns..<rows.upperBound * columns], rows: rows.count,
            columns: columns)
    }
}

/// Int8 activations of several tokens with one absmax scale each, the input of ternary products.
///
/// Has one owner at a time; threads write disjoint rows.
package final class QuantizedActivations: @unchecked Sendable {
    /// Tokens this can hold, and the widest row.
    let capacity: (rows: Int, columns: Int)
    /// Tokens and columns it holds now. Not stored under names that other modules see: each read
    /// would then be checked for exclusive access at run time.
    package var rows: Int { shape.rows }
    package var columns: Int { shape.columns }
    private var shape = (rows: 0, columns: 0)
    /// Elements from one row to the next.
    let stride: Int
    private let values: AlignedBuffer<Int8>
    private let scaleStorage: AlignedBuffer<Float>
    private let sumStorage: AlignedBuffer<Int32>
    private let normedStorage: AlignedBuffer<Float>
    private let gemmStorage: AlignedBuffer<UInt8>
    private let gemmBytes: Int
    private let damage = Atomic(false)

    /// - Parameter gemmScratch: bytes of scratch for each of `threads`.
    package init(
        rows: Int, columns: Int, threads: Int, gemmScratch: Int
    ) throws(BitNetError) {
        capacity = (rows, columns)
        stride = (columns + KernelSet.activationPadding + 63) / 64 * 64
        gemmBytes = (gemmScratch + 63) / 64 * 64
        let purpose = "quantised activations"
        values = try AlignedBuffer(count: rows * stride, purpose: purpose)
        scaleStorage = try AlignedBuffer(count: rows, purpose: purpose)
        sumStorage = try AlignedBuffer(count: rows, purpose: purpose)
        normedStorage = try AlignedBuffer(count: rows * columns, purpose: purpose)
        gemmStorage = try AlignedBuffer(count: threads * gemmBytes, purpose: purpose)
    }

    /// Bytes of all its memory.
    package var byteCount: Int {
        values.count + (scaleStorage.count + sumStorage.count + normedStorage.count) * 4
            + gemmStorage.count
    }

    func reshape(rows: Int, columns: Int) {
        precondition(rows <= capacity.rows && columns <= capacity.columns)
        shape = (rows, columns)
    }

    /// Leaves only some columns of every row, moved together; zeros follow them. `widen` makes rows as
    /// wide as they were, with more zeros at the end.
    package func gather(_ columns: Runs, pool: WorkerPool) {
        precondition(columns.total == self.columns)
        pool.parallel(rows, work: rows * columns.total * elementWork / 4) { _, rows in
            for row in rows {
                let q = self[row]
                columns.gather(from: q[0..<columns.total], into: q[0..<columns.count])
                q[columns.count..<columns.total].fill(0)
            }
        }
        shape.columns = columns.count
    }

    /// Undoes what `gather` did to the width.
    package func widen(to columns: Int) {
        precondition(columns >= self.columns && columns <= capacity.columns)
        shape.columns = columns
    }

    /// Int8 values of one token and the zeros behind them.
    package subscript(row: Int) -> BufferView<Int8> {
        values.view[row * stride..<(row + 1) * stride]
    }

    /// Whether a row could not be rounded since `clearDamage`, because it was not finite, or
    /// the sum of its squares was not, of which a norm makes zeros.
    package var isDamaged: Bool { damage.load(ordering: .relaxed) }

    package func clearDamage() { damage.store(false, ordering: .relaxed) }

    func noteDamage() { damage.store(true, ordering: .relaxed) }

    /// Int8 values from this token on, `stride` apart.
    func from(_ row: Int) -> BufferView<Int8> { values.view.from(row * stride) }
    package var scales: BufferView<Float> { scaleStorage.view }
    /// Sum of each token's int8 values.
    var sums: BufferView<Int32> { sumStorage.view }
    /// The float rows after the norm, before rounding; meaningful when there was a norm.
    package var normed: Activations {
        Activations(normedStorage.view, rows: rows, columns: columns)
    }

    func gemmScratch(thread: Int) -> BufferView<UInt8> {
        gemmStorage.view[thread * gemmBytes..<(thread + 1) * gemmBytes]
    }
}

extension BufferView<Float> {
    /// Multiplies every element; by 1 it does nothing.
    package func scale(by factor: Float) {
        guard factor != 1 else { return }
        for index in 0..<count { self[index] *= factor }
    }

    /// Whether no element is infinite or NaN.
    package var isFinite: Bool { largestMagnitude < .infinity }

    /// Whether the sum of the squares is finite too, as a norm needs it: else it gives zeros.
    package var canBeNormalized: Bool {
        let largest = largestMagnitude
        return largest * largest * Float(count) < .infinity
    }

    /// The largest magnitude; NaN or infinity where there is one.
    private var largestMagnitude: Float { Codec.largestMagnitude(self) }
}

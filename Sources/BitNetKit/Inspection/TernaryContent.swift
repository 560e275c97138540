internal import Foundation
internal import Synchronization

/// What the weights of one ternary matrix are.
public struct TernaryContent: Sendable, Hashable, Codable {
    /// How often each trit occurs.
    public let trits: TernaryStatistics
    /// The smallest and the largest scale, as factors of the trits.
    public let smallestScale, largestScale: Float
    /// Number of scales: one, one a row, or one for each group of columns of a row.
    public let scaleCount: Int
    /// Columns of a row that share a scale.
    public let groupColumns: Int
    /// The rows that are all zero, in the order of the model.
    public let zeroRows: [Int]
    /// The columns that are all zero.
    public let zeroColumns: [Int]
    /// Bits that a coder which knows the shares of the stored byte values needs for a byte, in
    /// [0, 8]; what is below 8 could be saved in the file. Of a matrix that is stored as floats, as in
    /// folders of master weights, these are the bytes of the floats, and say nothing of trits:
    /// `bitsPerWeight` does.
    public let bitsPerByte: Double
    /// Squared error of rounding to trits what the file holds, relative to the squared weights; 0 for
    /// weights that are ternary in the file.
    public let roundingError: Double
    /// Bits that a coder which knows the shares of -1, 0 and +1 needs for a weight, at most
    /// log2(3) = 1.585.
    public let bitsPerWeight: Double

    /// Share of the file's bytes that is more than such a coder would need, in [0, 1].
    public var compressibility: Double { 1 - bitsPerByte / 8 }
}

/// Shannon's entropy of what was counted, in bits.
func entropy(_ counts: [Int]) -> Double {
    let total = Double(counts.reduce(0, +))
    return counts.reduce(0) { sum, count in
        guard count > 0 else { return sum }
        let share = Double(count) / total
        return sum - share * log2(share)
    }
}

// MARK: - Counting

extension TernarySource {
    /// Reads the whole matrix and counts.
    func content(_ pool: WorkerPool) throws(BitNetError) -> TernaryContent {
        try content(try plan(pool), pool)
    }

    /// Reads the whole matrix, as `plan` says, and counts.
    func content(_ plan: TernaryPlan, _ pool: WorkerPool) throws(BitNetError) -> TernaryContent {
        let found = Mutex(TritCount(columns: columns))
        try forEachChunk(pool) { (chunk) throws(BitNetError) in
            try decode(chunk, plan)
            var count = TritCount(columns: columns)
            for (place, row) in chunk.rows.enumerated() {
                count.add(chunk.trits[place * columns..<(place + 1) * columns], row: row)
            }
            found.withLock { $0.add(count) }
        }
        let histogram =
            if let codes = plan.codes { codes.histogram() } else { try tensor.region.histogram() }
        let scales = plan.scale.values
        // Of weights that are meant to be rounded a plan does not measure it.
        var error = plan.roundingError
        if let g = plan.g, error == 0 { error = try roundingError(g: g, pool) }
        return found.withLock { count in
            let trits = count.statistics(of: rows)
            return TernaryContent(
                trits: trits, smallestScale: scales.min() ?? 0,
                largestScale: scales.max() ?? 0, scaleCount: scales.count,
                groupColumns: plan.scale.groupColumns(of: columns),
                zeroRows: count.zeroRows.sorted(),
                zeroColumns: count.seen.indices.filter { count.seen[$0] == 0 },
                bitsPerByte: entropy(histogram), roundingError: error,
                bitsPerWeight: entropy([trits.negatives, trits.zeros, trits.positives]))
        }
    }
}

/// What is counted of some rows.
private struct TritCount {
    var zeros = 0
    /// The number of +1 less that of -1.
    var sum = 0
    var zeroRows: [Int] = []
    /// Not 0 for columns with a weight that is not 0.
    var seen: [Int8]

    init(columns: Int) { seen = [Int8](repeating: 0, count: columns) }

    mutating func add(_ trits: BufferView<Int8>, row: Int) {
        let empty = Codec.zeros(trits)
        zeros += empty
        guard empty < trits.count else { return zeroRows.append(row) }
        sum += Int(Codec.sum(trits))
        for column in 0..<trits.count { seen[column] |= trits[column] }
    }

    mutating func add(_ other: TritCount) {
        zeros += other.zeros
        sum += other.sum
        zeroRows += other.zeroRows
        for column in seen.indices { seen[column] |= other.seen[column] }
    }

    func statistics(of rows: Int) -> TernaryStatistics {
        let others = rows * seen.count - zeros
        return TernaryStatistics(
            negatives: (others - sum) / 2, zeros: zeros, positives: (others + sum) / 2)
    }
}

extension FileRegion {
    /// How often each byte value occurs.
    fileprivate func histogram() throws(BitNetError) -> [Int] {
        var counts = [Int](repeating: 0, count: 256)
        try forEachPiece { piece in
            for (byte, count) in piece.histogram().enumerated() { counts[byte] += count }
        }
        return counts
    }
}

extension ByteRegion {
    fileprivate func histogram() -> [Int] {
        var counts = [Int](repeating: 0, count: 256)
        withUnsafeBytes { for byte in $0 { counts[Int(byte)] += 1 } }
        return counts
    }
}

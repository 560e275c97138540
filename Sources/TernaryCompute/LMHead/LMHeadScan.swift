/// How an LM head, `[vocabulary, hidden]`, is scanned to find the rows that can be among the largest
/// logits: a small copy of it, or the stored bytes themselves where integers can be multiplied with
/// them.
package struct LMHeadScan: Sendable {
    package let type: LMHeadScanType
    /// The stored head.
    let matrix: DenseMatrix
    /// What is read in its place.
    let copy: Copy?
    /// For each row a bound of its norm.
    let norms: AlignedBuffer<Float>
    /// Each column's share of the squared errors, summing up to 1; empty but for int4.
    private(set) var shares: [Float] = []
    /// The largest of `norms`.
    private(set) var largestNorm: Float = 0

    /// Rows in a small format.
    struct Copy: Sendable {
        let codes: AlignedBuffer<UInt8>
        /// For each row: the scale of its codes, and a bound of the norm of its error.
        let scales, errors: AlignedBuffer<Float>
    }

    /// Standard deviations that the `int4` scan allows a score to be off, each way. A row is lost only
    /// if its error and that of the row it competes with differ by twice that: for independent
    /// normal errors 5.7 of their own deviations, 1e-8.
    static let deviations: Float = 4
    /// The most tokens that can be asked for.
    package static let largestTop = 64

    /// The type whose bounds are strict, for a head stored as `type`.
    package static func exactType(for type: ElementType) -> LMHeadScanType {
        LMHeadScanType(inPlace: type) ?? .int8
    }

    /// The type that reads the fewest bytes: Q4_0 has as few as its copy would.
    package static func fastType(for type: ElementType) -> LMHeadScanType {
        type == .q4_0 ? .q4_0 : .int4
    }

    /// Reads every row of `matrix`, all threads at once.
    package init(_ matrix: DenseMatrix, type: LMHeadScanType, pool: WorkerPool) throws(BitNetError)
    {
        self.type = type
        self.matrix = matrix
        let (rows, columns, purpose) = (matrix.rows, matrix.columns, "the scan of the LM head")
        norms = try AlignedBuffer(count: rows, purpose: purpose)
        switch type {
        case .q8_0, .q6_K, .q4_0:
            copy = nil
            let scan = self
            pool.parallel(rows, work: rows * columns * elementWork) { scan.measureNorms(rows: $1) }
        case .int8, .int4:
            let copy = Copy(
                codes: try AlignedBuffer(
                    count: LMHeadScan.codeBytes(type, rows: rows, columns: columns),
                    purpose: purpose),
                scales: try AlignedBuffer(count: rows, purpose: purpose),
                errors: try AlignedBuffer(count: rows, purpose: purpose))
            self.copy = copy
            let scratch = try AlignedBuffer<Float>(
                count: pool.threads * LMHeadScan.tileRows * columns, purpose: purpose)
            fill(copy, scratch: scratch, pool: pool)
            if type == .int4 { shares = errorShares(of: copy, scratch: scratch) }
        }
        largestNorm = norms.array.reduce(0, max)
    }

    private func fill(_ copy: Copy, scratch: AlignedBuffer<Float>, pool: WorkerPool) {
        let tile = LMHeadScan.tileRows
        pool.parallel(rows, granule: tile, work: rows * columns * elementWork) { thread, range in
            let values = scratch.view[thread * tile * columns..<(thread + 1) * tile * columns]
            for begin in stride(from: range.lowerBound, to: range.upperBound, by: tile) {
                let part = begin..<min(begin + tile, range.upperBound)
                for row in part {
                    let offset = (row - begin) * columns
                    matrix.decodeRow(row, into: values[offset..<offset + columns])
                }
                pack(values, rows: part, into: copy)
            }
        }
    }

    var rows: Int { matrix.rows }
    var columns: Int { matrix.columns }

    /// Bytes that one scan reads.
    package var byteCount: Int { copy == nil ? matrix.byteCount + rows * 4 : addedBytes }

    /// Bytes held besides the stored head.
    package var addedBytes: Int { (copy.map { $0.codes.count + rows * 2 * 4 } ?? 0) + rows * 4 }

    /// How the squared errors of up to 1024 rows, spread evenly, are split over the columns.
    private func errorShares(of copy: Copy, scratch: AlignedBuffer<Float>) -> [Float] {
        defer { withExtendedLifetime(scratch) {} }
        let stored = scratch.view[0..<columns]
        let coded = scratch.view[columns..<2 * columns]
        var sums = [Double](repeating: 0, count: columns)
        let samples = min(rows, 1024)
        for sample in 0..<samples {
            let row = sample * rows / samples
            let norm = Double(copy.errors.view[row])
            guard norm > 0, norm.isFinite else { continue }
            matrix.decodeRow(row, into: stored)
            decodeRow(row, into: coded)
            for column in 0..<columns {
                let error = (Double(stored[column]) - Double(coded[column])) / norm
                sums[column] += error * error
            }
        }
        let total = sums.reduce(0, +)
        guard total > 0 else { return [Float](repeating: 1 / Float(columns), count: columns) }
        return sums.map { Float($0 / total) }
    }

    /// How far logits can be from scores for this state.
    func margin(_ x: BufferView<Float>, _ input: LMHeadInput) -> LMHeadMargin {
        guard type == .int4 else { return strictMargin(input) }
        var weighted = 0.0
        for column in 0..<columns {
            weighted += Double(shares[column]) * Double(x[column]) * Double(x[column])
        }
        let even = input.norm / Float(columns).squareRoot()
        return likelyMargin(
            input, spread: max(Float(weighted.squareRoot()), even),
            deviations: LMHeadScan.deviations)
    }
}

/// Scratch memory of the two-stage head of one running sequence.
///
/// Has one owner at a time; within a job threads write disjoint parts.
package final class LMHeadScratch: @unchecked Sendable {
    let input: AlignedBuffer<UInt8>
    let ids: AlignedBuffer<UInt32>
    /// For each thread its `LMHeadScan.largestTop` largest lower bounds, and last those of all.
    let best: AlignedBuffer<Float>
    /// For each thread where its candidates begin in `ids`, and how many they are.
    let begins, counts: AlignedBuffer<Int>

    /// Rows that the latest product computed from the stored matrix; all of them after a fallback.
    package fileprivate(set) var candidates = 0
    /// Products, and those of them that had to compute all rows.
    fileprivate(set) var products = 0
    package fileprivate(set) var fallbacks = 0

    /// Whether the latest product gave numbers only, in the places that it computed.
    package func isFinite(_ y: BufferView<Float>) -> Bool {
        if candidates == y.count { return y.isFinite }
        for index in 0..<candidates where !y[Int(ids.view[index])].isFinite { return false }
        return true
    }

    package init(_ scan: LMHeadScan, threads: Int) throws(BitNetError) {
        let purpose = "the two-stage head"
        input = try AlignedBuffer(
            count: LMHeadScan.inputBytes(columns: scan.columns), purpose: purpose)
        ids = try AlignedBuffer(count: scan.rows, purpose: purpose)
        best = try AlignedBuffer(count: (threads + 1) * LMHeadScan.largestTop, purpose: purpose)
        begins = try AlignedBuffer(count: threads, purpose: purpose)
        counts = try AlignedBuffer(count: threads, purpose: purpose)
    }
}

extension Compute {
    /// The `top` largest elements of `matrix x`, ties included, with the bits of the full product;
    /// -infinity in the other places. Computes all of it where that is cheaper.
    package func multiply(
        _ matrix: DenseMatrix, scan: LMHeadScan, top: Int, _ x: BufferView<Float>,
        scratch: LMHeadScratch, into y: BufferView<Float>
    ) {
        scratch.products += 1
        let input = scan.round(x, into: scratch.input.view)
        // Past 1e37 sums could overflow where bounds do not; see head.c.
        let isBounded = input.isUsable && input.norm * scan.largestNorm < 1e37
        guard isBounded, top <= min(LMHeadScan.largestTop, matrix.rows),
            let count = findCandidates(scan, input, top: top, x, scratch: scratch, scores: y)
        else {
            scratch.fallbacks += 1
            scratch.candidates = matrix.rows
            return multiply(matrix, x, into: y)
        }
        scratch.candidates = count
        let ids = scratch.ids.view
        pool.parallel(count, work: count * matrix.columns * elementWork * 4) { _, range in
            for index in range {
                let row = Int(ids[index])
                matrix.multiply(
                    rows: row..<row + 1, x, into: y[row..<row + 1], kernels: kernels)
            }
        }
    }

    /// Scans, and puts the rows that can be in the top at the beginning of `scratch.ids`; nil if they
    /// are so many that the full product is faster.
    private func findCandidates(
        _ scan: LMHeadScan, _ input: LMHeadInput, top: Int, _ x: BufferView<Float>,
        scratch: LMHeadScratch, scores: BufferView<Float>
    ) -> Int? {
        let margin = scan.margin(x, input)
        let work = scan.rows * scan.columns * 4
        scratch.best.view.fill(-.infinity)
        scratch.counts.view.fill(0)
        pool.parallelInPieces(scan.rows, granule: LMHeadScan.tileRows, work: work) { thread, rows in
            scan.scan(
                scratch.input.view, input, margin: margin, rows: rows, into: scores,
                best: scratch.bounds(thread)[0..<top], kernels: kernels)
        }
        let threshold = scratch.threshold(top: top, threads: pool.threads)
        pool.parallel(scan.rows, granule: 64, work: scan.rows * elementWork * 10) { thread, rows in
            scratch.begins.view[thread] = rows.lowerBound
            scratch.counts.view[thread] = scan.candidates(
                reaching: threshold, margin: margin, rows: rows, scores: scores,
                ids: scratch.ids.view[rows])
        }
        let count = scratch.joinCandidates()
        return count <= scan.rows / candidateShare ? count : nil
    }
}

/// Past one row in so many the full product runs. A row on its own takes 1.2 to 4.3 times as long as
/// one of the whole product (AVX2, 128,256 x 2560; F16, Q8_0, Q6_K,
/// on a busy machine).
private let candidateShare = 4

extension LMHeadScratch {
    fileprivate func bounds(_ thread: Int) -> BufferView<Float> {
        best.view[thread * LMHeadScan.largestTop..<(thread + 1) * LMHeadScan.largestTop]
    }

    /// The `top`-th largest of all threads' lower bounds: it does not depend on who found them.
    fileprivate func threshold(top: Int, threads: Int) -> Float {
        let merged = bounds(threads)[0..<top]
        for thread in 0..<threads {
            for value in 0..<top {
                var bound = bounds(thread)[value]
                for place in 0..<top where merged[place] < bound {
                    (bound, merged[place]) = (merged[place], bound)
                }
            }
        }
        return merged[top - 1]
    }

    /// Moves every thread's candidates next to each other; returns how many there are.
    fileprivate func joinCandidates() -> Int {
        var total = 0
        for thread in 0..<counts.count {
            let (begin, count) = (begins.view[thread], counts.view[thread])
            for index in 0..<count { ids.view[total + index] = ids.view[begin + index] }
            total += count
        }
        return total
    }
}

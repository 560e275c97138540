/// The LM head of a model: all rows next to the two-stage ways to find the largest logits.
///
/// ```swift
/// let benchmark = LMHeadBenchmark(rows: 128_256, columns: 2560, states: 64)
/// for row in try benchmark.run(.q6_K, threads: 1) {
///     print(row.method, row.seconds, row.speedup, row.differences)
/// }
/// ```
///
/// Weights are random. Blocking, for seconds to minutes.
public struct LMHeadBenchmark: Sendable {
    /// How the largest logits are found.
    public enum Method: String, Sendable, Hashable, Codable, CaseIterable {
        /// All logits are computed.
        case full
        /// An int8 copy is scanned, or a Q8_0, Q6_K or Q4_0 head where it lies, and the rows that can
        /// be among the largest are computed.
        case exact
        /// The same with a copy of 4.5 bits a weight and a statistical margin, which can miss one; of
        /// Q4_0 what `exact` is.
        case fast
    }

    /// The speed of one method.
    public struct Row: Sendable, Hashable, Codable {
        /// Type of the stored LM head, a raw value of `ElementType`.
        public let type: String
        /// How the logits were found.
        public let method: Method
        /// Threads that shared the work.
        public let threads: Int
        /// Logits asked for.
        public let top: Int
        /// Time for one hidden state, the median of all.
        public let seconds: Double
        /// Bytes a second of what is read whole: the stored LM head, or what is scanned.
        public let bytesPerSecond: Double
        /// Rows computed from the stored matrix, the median of all states.
        public let medianCandidates: Int
        /// The most rows that a state needed.
        public let largestCandidates: Int
        /// States for which all rows were computed after a scan.
        public let fallbacks: Int
        /// States compared with the full LM head.
        public let states: Int
        /// States whose largest logits were not those of the full LM head, bit for bit.
        public let differences: Int
        /// How many times as fast as the full LM head.
        public let speedup: Double
    }

    private let rows: Int
    private let columns: Int
    private let states: Int

    /// An LM head to measure. Sizes are checked when it is.
    ///
    /// - Parameters:
    ///   - rows: tokens of the vocabulary.
    ///   - columns: hidden size, a multiple of 16.
    ///   - states: number of hidden states, random ones and some close to single rows.
    public init(rows: Int, columns: Int, states: Int) {
        self.rows = rows
        self.columns = columns
        self.states = states
    }

    /// Measures a random LM head, all methods in turn.
    ///
    /// - Parameters:
    ///   - type: how it is stored: F32, F16, BF16, Q8_0, Q6_K or Q4_0.
    ///   - threads: threads that share the work, 1 to 1024.
    ///   - top: logits asked for, 1 to 64 and at most ``init(rows:columns:states:)``'s rows: 1 for
    ///     greedy text.
    ///   - kernels: the kernels of all methods.
    ///   - report: gets every row when all are measured.
    /// - Returns: a row for each method, `full` first.
    /// - Throws: `BitNetError.invalidArgument` for a size, type or `top` outside its bounds or
    ///   `columns` that are not whole blocks of the type, `.outOfMemory`.
    @discardableResult
    public func run(
        _ type: ElementType, threads: Int, top: Int = 1, kernels: KernelSet = .best,
        report: (Row) -> Void = { _ in }
    ) throws(BitNetError) -> [Row] {
        try requireMeasurable(rows: rows, columns: columns)
        try require(states > 0, "states", "\(states) is not positive")
        try requireMeasurable(rows: states, columns: columns)
        try require(
            (1...min(LMHeadScan.largestTop, rows)).contains(top), "top",
            "\(top) is not in 1...\(min(LMHeadScan.largestTop, rows))")
        let compute = Compute(kernels: kernels, pool: try .benchmark(threads: threads))
        try LayoutChoice.adoptDistance(compute)
        let matrix = try DenseMatrix(randomRows: rows, columns: columns, type: type, seed: 7)
        let scans = [
            try LMHeadScan(matrix, type: LMHeadScan.exactType(for: type), pool: compute.pool),
            try LMHeadScan(matrix, type: LMHeadScan.fastType(for: type), pool: compute.pool),
        ]
        var trials: [Trial] = []
        for scan in scans { trials.append(try Trial(scan, threads: compute.pool.threads)) }
        let inputs = try hiddenStates(matrix)
        defer { withExtendedLifetime(inputs) {} }
        let full = try AlignedBuffer<Float>(count: rows, purpose: "logits")
        let part = try AlignedBuffer<Float>(count: rows, purpose: "logits")
        var fullTimes: [Double] = []
        // The methods take turns, so that a slow moment of the machine meets all of them.
        for state in 0..<states {
            let x = inputs.view[state * columns..<(state + 1) * columns]
            fullTimes.append(
                try seconds { () throws(BitNetError) in
                    compute.multiply(matrix, x, into: full.view)
                })
            for index in trials.indices {
                try trials[index].run(
                    compute, matrix, x, top: top, full: full.view, into: part.view)
            }
        }
        let time = Spread(fullTimes).median
        var lines = [row(type, .full, compute, top, time, bytes: matrix.byteCount, nil, full: time)]
        for (trial, method) in zip(trials, [Method.exact, .fast]) {
            lines.append(
                row(
                    type, method, compute, top, Spread(trial.times).median,
                    bytes: trial.scan.byteCount, trial, full: time))
        }
        lines.forEach(report)
        return lines
    }

    private func row(
        _ type: ElementType, _ method: Method, _ compute: Compute, _ top: Int, _ time: Double,
        bytes: Int, _ trial: Trial?, full: Double
    ) -> Row {
        let candidates = trial?.candidates.sorted() ?? [rows]
        return Row(
            type: type.rawValue, method: method, threads: compute.pool.threads, top: top,
            seconds: time, bytesPerSecond: Double(bytes) / time,
            medianCandidates: candidates[candidates.count / 2],
            largestCandidates: candidates.last ?? 0, fallbacks: trial?.scratch.fallbacks ?? 0,
            states: states, differences: trial?.differences ?? 0, speedup: full / time)
    }

    /// Sums of uniform numbers; every fourth state leans towards one row, as that of a model which is
    /// sure of its next token.
    private func hiddenStates(_ matrix: DenseMatrix) throws(BitNetError) -> AlignedBuffer<Float> {
        let values = try AlignedBuffer<Float>(count: states * columns, purpose: "hidden states")
        var random = SeededGenerator(seed: 11)
        for state in 0..<states {
            let x = values.view[state * columns..<(state + 1) * columns]
            if state % 4 == 3 { matrix.decodeRow(state * 7919 % rows, into: x) }
            let share: Float = state % 4 == 3 ? 0.2 : 0
            for column in 0..<columns {
                var sum = -2.0
                for _ in 0..<4 { sum += random.nextUnit() }
                x[column] = x[column] * share + Float(sum)
            }
        }
        return values
    }

    private struct Trial {
        let scan: LMHeadScan
        let scratch: LMHeadScratch
        var times: [Double] = []
        var candidates: [Int] = []
        var differences = 0

        init(_ scan: LMHeadScan, threads: Int) throws(BitNetError) {
            self.scan = scan
            scratch = try LMHeadScratch(scan, threads: threads)
        }

        mutating func run(
            _ compute: Compute, _ matrix: DenseMatrix, _ x: BufferView<Float>, top: Int,
            full: BufferView<Float>, into part: BufferView<Float>
        ) throws(BitNetError) {
            times.append(
                try seconds { () throws(BitNetError) in
                    compute.multiply(
                        matrix, scan: scan, top: top, x, scratch: scratch, into: part)
                })
            candidates.append(scratch.candidates)
            if !part.hasTop(top, of: full) { differences += 1 }
        }
    }
}

extension BufferView<Float> {
    /// Whether the `top` largest elements of `full`, ties with the last of them included, are here
    /// with the same bits, and no other element is as large.
    func hasTop(_ top: Int, of full: BufferView<Float>) -> Bool {
        var largest = [Float](repeating: -.infinity, count: top)
        for index in 0..<full.count where full[index] > largest[top - 1] {
            var place = top - 1
            while place > 0 && largest[place - 1] < full[index] {
                largest[place] = largest[place - 1]
                place -= 1
            }
            largest[place] = full[index]
        }
        for index in 0..<full.count {
            let isTop = full[index] >= largest[top - 1]
            if isTop
                ? self[index].bitPattern != full[index].bitPattern
                : !(self[index] < largest[top - 1])
            {
                return false
            }
        }
        return true
    }
}

/// The LM head of a model: all rows next to the two-stage ways to find the largest logits.
package struct LMHeadBenchmark: Sendable {
    /// One measured line.
    package struct Row: Sendable, Codable {
        /// Type of the stored head.
        package let type: String
        /// `full`, `exact` or `fast`.
        package let method: String
        package let threads: Int
        /// Logits asked for.
        package let top: Int
        package let seconds: Double
        package let bytesPerSecond: Double
        /// Rows computed from the stored matrix.
        package let medianCandidates: Int
        package let largestCandidates: Int
        /// States for which all rows were computed.
        package let fallbacks: Int
        /// States compared with the full head, and those whose largest logits were not its own.
        package let states: Int
        package let differences: Int
        /// How many times as fast as the full head.
        package let speedup: Double
    }

    private let rows: Int
    private let columns: Int
    private let states: Int

    /// - Parameter states: hidden states, random ones and some close to single rows.
    package init(rows: Int, columns: Int, states: Int) {
        self.rows = rows
        self.columns = columns
        self.states = states
    }

    /// Measures a random head stored as `type`; `report` gets a line for each method.
    ///
    /// - Throws: `BitNetError.invalidArgument` if `columns` are not whole blocks of the type,
    ///   `.outOfMemory`.
    package func run(
        _ type: ElementType, threads: Int, top: Int, kernels: KernelSet = .best,
        report: (Row) -> Void
    ) throws(BitNetError) {
        let compute = Compute(kernels: kernels, pool: WorkerPool(threads: threads))
        let matrix = try DenseMatrix(randomRows: rows, columns: columns, type: type, seed: 7)
        let scans = [
            try LMHeadScan(matrix, type: LMHeadScan.exactType(for: type), pool: compute.pool),
            try LMHeadScan(matrix, type: .int4, pool: compute.pool),
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
        report(row(type, "full", compute, top, time, bytes: matrix.byteCount, nil, full: time))
        for (trial, method) in zip(trials, ["exact", "fast"]) {
            report(
                row(
                    type, method, compute, top, Spread(trial.times).median,
                    bytes: trial.scan.byteCount, trial, full: time))
        }
    }

    private func row(
        _ type: ElementType, _ method: String, _ compute: Compute, _ top: Int, _ time: Double,
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

/// Ternary kernels of this machine next to float products of the same matrix.
///
/// ```swift
/// let benchmark = try MatmulBenchmark(threads: 1)
/// print(try benchmark.compare(.init(rows: 2560, columns: 2560)))  // a table
/// let gate = model.layers[3].feedForward.gate.weight
/// for row in try benchmark.compare(gate, placements: [.stream]).rows {
///     print(row.kernel, row.weightsPerSecond / 1e9, row.speedup ?? 1)
/// }
/// ```
///
/// All rows multiply the same weights with the same inputs, and a ternary kernel is compared with
/// scalar before it is timed. Blocking, for seconds to minutes; figures of a debug build mean nothing
/// (``MachineReport/isOptimized``).
public struct MatmulBenchmark: Sendable {
    /// A product to measure: `y[batch, rows] = x[batch, columns] * W[rows, columns]^T`.
    public struct Shape: Sendable, Hashable, Codable {
        /// Outputs of the matrix, at least 1.
        public let rows: Int
        /// Inputs of the matrix, a multiple of 16.
        public let columns: Int
        /// Inputs of one product: 1 is a GEMV.
        public let batch: Int

        /// A matrix and how many inputs it is multiplied by at a time. Sizes are checked when they
        /// are measured.
        public init(rows: Int, columns: Int, batch: Int = 1) {
            self.rows = rows
            self.columns = columns
            self.batch = batch
        }
    }

    /// Where the weights are when a product begins.
    public enum Placement: String, Sendable, Hashable, Codable, CaseIterable {
        /// In the caches, as far as they fit: the same matrix again and again.
        case cache
        /// In memory: one of many copies, more than any cache holds.
        case stream
    }

    /// What this machine does at best with these threads, measured when the benchmark was made.
    public let limits: MachineLimits
    let pool: WorkerPool
    let meter: EnergyMeter
    private let repetitions: Int
    private let streamBytes: Int

    /// Starts the threads and measures the machine's limits.
    ///
    /// - Parameters:
    ///   - threads: threads that share each product, 1 to 1024.
    ///   - repetitions: how often a product is timed, at least once; rows have the median. Where a
    ///     product takes long, it is three times at least.
    ///   - meter: measures the energy of products; nil for this machine's counters.
    /// - Throws: `BitNetError.invalidArgument`, `.outOfMemory` (512 MB are read to measure
    ///   bandwidth).
    public init(
        threads: Int, repetitions: Int = 9, meter: EnergyMeter? = nil
    ) throws(BitNetError) {
        // More than any cache of the machines this is meant for.
        try self.init(
            threads: threads, repetitions: repetitions, meter: meter, streamBytes: 256 << 20)
    }

    /// - Parameter streamBytes: how many weights to go through before a matrix comes again.
    init(
        threads: Int, repetitions: Int, meter: EnergyMeter? = nil, streamBytes: Int
    ) throws(BitNetError) {
        self.streamBytes = streamBytes
        pool = try .benchmark(threads: threads)
        limits = try MachineLimits.measure(threads: threads)
        try LayoutChoice.adoptDistance(Compute(kernels: .best, pool: pool))
        self.repetitions = repetitions
        self.meter = meter ?? EnergyMeter()
    }

    /// Compares the products of one shape: first every kind of ``FloatBaseline`` there is, then every
    /// packed layout with every kernel set. Weights are random.
    ///
    /// - Parameters:
    ///   - shape: the product, of up to 2^32 weights.
    ///   - placements: where the weights are to be; one after the other.
    ///   - selection: which rows to measure.
    ///   - progress: gets a row's name before it is measured, and the share of rows that is done.
    ///   - report: gets every row as soon as it is measured.
    /// - Throws: `BitNetError.invalidArgument` for a shape outside its bounds, `.kernelUnavailable`
    ///   if a kernel's results are not those of scalar, `.blasUnavailable` for a size that OpenBLAS
    ///   cannot take, `.outOfMemory`.
    public func compare(
        _ shape: Shape, placements: [Placement] = Placement.allCases,
        selecting selection: Selection = Selection(),
        progress: (String, Double) -> Void = { _, _ in
        }, report: (Row) -> Void = { _ in }
    ) throws(BitNetError) -> MatmulComparison {
        try requireMeasurable(rows: shape.rows, columns: shape.columns, batch: shape.batch)
        let matrix = try TernaryMatrix(
            randomRows: shape.rows, columns: shape.columns, layout: .t2, pool: pool, seed: 1)
        return try compare(
            matrix, batch: shape.batch, placements: placements, selecting: selection,
            progress: progress, report: report)
    }

    /// Compares the products of a matrix of one's own, or of a loaded model's. The float rows have
    /// the weights that its trits and scales stand for.
    ///
    /// - Parameters:
    ///   - matrix: the matrix, of up to 2^32 weights; how it is packed does not matter.
    ///   - batch: inputs of one product: 1 is a GEMV.
    ///   - placements: where the weights are to be; one after the other.
    ///   - selection: which rows to measure.
    ///   - progress: gets a row's name before it is measured, and the share of rows that is done.
    ///   - report: gets every row as soon as it is measured.
    /// - Throws: `BitNetError.invalidArgument` for a size outside its bounds, `.kernelUnavailable`
    ///   if a kernel's results are not those of scalar, `.blasUnavailable` for a size that OpenBLAS
    ///   cannot take, `.outOfMemory`.
    public func compare(
        _ matrix: TernaryMatrix, batch: Int = 1, placements: [Placement] = Placement.allCases,
        selecting selection: Selection = Selection(),
        progress: (String, Double) -> Void = { _, _ in
        }, report: (Row) -> Void = { _ in }
    ) throws(BitNetError) -> MatmulComparison {
        try requireMeasurable(
            rows: matrix.rows, columns: matrix.columns, batch: batch, multipleOf: 1)
        let subject = try MatmulSubject(matrix, batch: batch, pool: pool)
        let total = Double(max(placements.count * selection.rowNames.count, 1))
        var rows: [Row] = []
        for placement in placements {
            var fastest: Double?
            func measure(
                _ name: String, _ body: () throws(BitNetError) -> Row
            ) throws(BitNetError) {
                progress(name, Double(rows.count) / total)
                var row = try body()
                if row.layout == nil {
                    fastest = min(fastest ?? .infinity, row.seconds)
                } else {
                    row.speedup = fastest.map { $0 / row.seconds }
                }
                report(row)
                rows.append(row)
            }
            for kind in selection.availableFloats {
                try measure(kind.title) { () throws(BitNetError) in
                    try floatRow(subject, placement, kind)
                }
            }
            for layout in selection.layouts {
                let sets = selection.sets(in: layout)
                guard !sets.isEmpty else { continue }
                let copies = try ternaryCopies(subject, placement, layout)
                for set in sets {
                    try measure(Selection.name(set, layout)) { () throws(BitNetError) in
                        try ternaryRow(subject, placement, set, copies)
                    }
                }
            }
        }
        return MatmulComparison(rows: rows, limits: limits)
    }

    /// Measures one shape as `compare` does, and gives the rows alone.
    ///
    /// - Parameters:
    ///   - shape: the product, of up to 2^32 weights.
    ///   - placements: where the weights are to be; one after the other.
    ///   - report: gets every row as soon as it is measured.
    /// - Returns: all rows.
    /// - Throws: what `compare` throws.
    @discardableResult
    public func run(
        _ shape: Shape, placements: [Placement] = Placement.allCases,
        report: (Row) -> Void = { _ in }
    ) throws(BitNetError) -> [Row] {
        try compare(shape, placements: placements, report: report).rows
    }
}

// MARK: - One row

extension MatmulBenchmark {
    private func copies(_ placement: Placement, bytes: Int) -> Int {
        placement == .cache ? 1 : streamBytes / bytes + 1
    }

    /// Times `body`, which gets the number of the copy to multiply.
    private func measure(
        copies: Int, _ body: (Int) throws(BitNetError) -> Void
    ) throws(BitNetError) -> (seconds: Spread, joules: EnergyReading) {
        var next = 0
        // Energy counters move once a millisecond; a clock needs less.
        let group = meter.unavailable == nil ? 0.015 : 0.005
        return try measureCalls(
            repetitions: repetitions, group: group, budget: 0.5, energy: meter
        ) { () throws(BitNetError) in
            try body(next)
            next = next + 1 == copies ? 0 : next + 1
        }
    }

    private func ternaryCopies(
        _ subject: MatmulSubject, _ placement: Placement, _ layout: TernaryLayout
    ) throws(BitNetError) -> [TernaryMatrix] {
        let first = try subject.matrix.packed(as: layout)
        var matrices = [first]
        for _ in 1..<max(copies(placement, bytes: first.byteCount), 1) {
            matrices.append(try TernaryMatrix(copying: first, pool: pool))
        }
        return matrices
    }

    private func ternaryRow(
        _ subject: MatmulSubject, _ placement: Placement, _ set: KernelSet,
        _ matrices: [TernaryMatrix]
    ) throws(BitNetError) -> Row {
        let compute = Compute(kernels: set, pool: pool)
        let first = matrices[0]
        let input = try subject.quantized(for: first, compute)
        let (output, storage) = try subject.output()
        defer { withExtendedLifetime(storage) {} }
        compute.multiply(input, TernaryProduct(first, into: output))
        guard output.storage.array == subject.scalarResult else {
            throw .kernelUnavailable(name: set.name, reason: "its products differ from scalar's")
        }
        let error = subject.largestError(output.storage)
        let cost = try measure(copies: matrices.count) {
            compute.multiply(input, TernaryProduct(matrices[$0], into: output))
        }
        return Row(
            Selection.name(set, first.layout), subject, placement, threads: pool.threads,
            time: cost.seconds, bytes: first.byteCount, limits: limits, core: set.name,
            layout: first.layout, error: error, energy: cost.joules)
    }

    private func floatRow(
        _ subject: MatmulSubject, _ placement: Placement, _ kind: FloatBaseline.Kind
    ) throws(BitNetError) -> Row {
        let first = try FloatBaseline(
            kind, rows: subject.matrix.rows, columns: subject.matrix.columns,
            weights: subject.weights, compute: Compute(kernels: .best, pool: pool))
        var matrices = [first]
        for _ in 1..<max(copies(placement, bytes: first.byteCount), 1) {
            matrices.append(try FloatBaseline(copying: first))
        }
        let workspace = try FloatBaseline.Workspace(for: first, batch: subject.batch)
        workspace.setInput(subject.input)
        try first.multiply(workspace)
        let error = subject.largestError(workspace.output.view)
        let cost = try measure(copies: matrices.count) { (index) throws(BitNetError) in
            try matrices[index].multiply(workspace)
        }
        var row = Row(
            kind.title, subject, placement, threads: pool.threads, time: cost.seconds,
            bytes: first.byteCount, limits: limits, core: first.kernels, layout: nil,
            error: error, energy: cost.joules)
        row.remark = first.remark
        return row
    }
}

extension FloatBaseline.Kind {
    /// What a table calls it.
    var title: String {
        switch self {
        case .ownF16: "own FP16"
        case .openBLASF16: "OpenBLAS FP16 tiles"
        case .openBLASF32: "OpenBLAS FP32"
        }
    }
}

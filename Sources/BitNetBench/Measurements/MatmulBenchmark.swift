/// Every ternary kernel this machine runs next to float products of the same shape.
///
/// ```swift
/// let benchmark = try MatmulBenchmark(threads: 1)
/// for row in try benchmark.run(.init(rows: 2560, columns: 2560), placements: [.stream]) {
///     print(row.kernel, row.weightsPerSecond / 1e9, row.speedup ?? 1)
/// }
/// ```
///
/// A ternary kernel is compared with scalar before it is timed. Blocking, for seconds to minutes;
/// figures of a debug build mean nothing (``MachineReport/isOptimized``).
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

    /// The speed of one kernel.
    public struct Row: Sendable, Hashable, Codable {
        /// What is measured: a kernel set and a layout (`avx2 T2`), or a float product
        /// (`own FP16`, `OpenBLAS FP16 tiles`, `OpenBLAS FP32`).
        public let kernel: String
        /// Outputs of the matrix.
        public let rows: Int
        /// Inputs of the matrix.
        public let columns: Int
        /// Inputs of one product.
        public let batch: Int
        /// Threads that shared each product.
        public let threads: Int
        /// Where the weights were.
        public let placement: Placement
        /// Time of one product, the median of all repetitions. Quantizing the input is not part of
        /// a ternary product's, since a layer does it once for several.
        public let seconds: Double
        /// `rows * columns * batch` a second.
        public let weightsPerSecond: Double
        /// Bytes of the matrix a second, as packed.
        public let bytesPerSecond: Double
        /// ``bytesPerSecond`` as a share of the memory bandwidth measured in this run; above 1 where
        /// weights come from a cache.
        public let bandwidthShare: Double
        /// How many times as fast as the fastest float row of the same shape and placement; nil on
        /// float rows.
        public internal(set) var speedup: Double?
        /// Who multiplied: a kernel set, or the kernels that OpenBLAS used.
        public let core: String
        /// Why OpenBLAS used these, or what is wrong with them; nil if there is nothing to say.
        public internal(set) var remark: String?
    }

    /// What this machine does at best with these threads, measured when the benchmark was made.
    public let limits: MachineLimits
    private let pool: WorkerPool
    private let repetitions: Int
    /// More than any cache of the machines this is meant for.
    private let streamBytes = 256 << 20

    /// Starts the threads and measures the machine's limits.
    ///
    /// - Parameters:
    ///   - threads: threads that share each product, 1 to 1024.
    ///   - repetitions: how often a product is timed, at least once; rows have the median.
    /// - Throws: `BitNetError.invalidArgument`, `.outOfMemory` (512 MB are read to measure
    ///   bandwidth).
    public init(threads: Int, repetitions: Int = 9) throws(BitNetError) {
        pool = try .benchmark(threads: threads)
        limits = try MachineLimits.measure(threads: threads)
        self.repetitions = repetitions
    }

    /// Measures one shape: first every kind of ``FloatBaseline`` there is, then every kernel set with
    /// every layout.
    ///
    /// - Parameters:
    ///   - shape: the product, of up to 2^32 weights.
    ///   - placements: where the weights are to be; one after the other.
    ///   - report: gets every row as soon as it is measured.
    /// - Returns: all rows.
    /// - Throws: `BitNetError.invalidArgument` for a shape outside its bounds, `.kernelUnavailable`
    ///   if a kernel's results are not those of scalar, `.blasUnavailable` for a size that OpenBLAS
    ///   cannot take, `.outOfMemory`.
    @discardableResult
    public func run(
        _ shape: Shape, placements: [Placement] = Placement.allCases,
        report: (Row) -> Void = { _ in }
    ) throws(BitNetError) -> [Row] {
        try requireMeasurable(rows: shape.rows, columns: shape.columns, batch: shape.batch)
        var rows: [Row] = []
        for placement in placements {
            let floats = try floatRows(shape, placement)
            floats.forEach(report)
            rows += floats
            let best = floats.map(\.seconds).min()
            for set in KernelSet.available {
                for layout in TernaryLayout.allCases {
                    var row = try ternaryRow(shape, placement, set, layout)
                    row.speedup = best.map { $0 / row.seconds }
                    report(row)
                    rows.append(row)
                }
            }
        }
        return rows
    }

    private func row(
        _ kernel: String, core: String, _ shape: Shape, _ placement: Placement, seconds: Double,
        bytes: Int
    ) -> Row {
        let weights = Double(shape.rows * shape.columns * shape.batch)
        return Row(
            kernel: kernel, rows: shape.rows, columns: shape.columns, batch: shape.batch,
            threads: pool.threads, placement: placement, seconds: seconds,
            weightsPerSecond: weights / seconds, bytesPerSecond: Double(bytes) / seconds,
            bandwidthShare: Double(bytes) / seconds / limits.bytesPerSecond, core: core)
    }

    private func copies(_ placement: Placement, bytes: Int) -> Int {
        placement == .cache ? 1 : streamBytes / bytes + 1
    }
}

// MARK: - Ternary

extension MatmulBenchmark {
    private func ternaryRow(
        _ shape: Shape, _ placement: Placement, _ set: KernelSet, _ layout: TernaryLayout
    ) throws(BitNetError) -> Row {
        let compute = Compute(kernels: set, pool: pool)
        let first = try TernaryMatrix(
            randomRows: shape.rows, columns: shape.columns, layout: layout, pool: pool, seed: 1)
        var matrices = [first]
        for seed in 1..<max(copies(placement, bytes: first.byteCount), 1) {
            matrices.append(
                try TernaryMatrix(
                    randomRows: shape.rows, columns: shape.columns, layout: layout, pool: pool,
                    seed: UInt64(seed + 1)))
        }
        let input = try randomInput(shape)
        let quantized = try QuantizedActivations(
            rows: shape.batch, columns: shape.columns, threads: pool.threads,
            gemmScratch: set.gemmScratchSize(first.trits))
        compute.quantize(
            Activations(input.view, rows: shape.batch, columns: shape.columns), norm: nil,
            into: quantized)
        let result = try AlignedBuffer<Float>(count: shape.batch * shape.rows, purpose: "a product")
        let output = Activations(result.view, rows: shape.batch, columns: shape.rows)
        try verify(first, quantized, output, compute)
        var next = 0
        let time = try medianSeconds(repetitions: repetitions) {
            compute.multiply(quantized, TernaryProduct(matrices[next], into: output))
            next = next + 1 == matrices.count ? 0 : next + 1
        }
        return row(
            "\(set.name) \(layout.rawValue)", core: set.name, shape, placement, seconds: time,
            bytes: first.byteCount)
    }

    /// Compares with the scalar kernel before anything is timed.
    private func verify(
        _ matrix: TernaryMatrix, _ input: QuantizedActivations, _ output: Activations,
        _ compute: Compute
    ) throws(BitNetError) {
        compute.multiply(input, TernaryProduct(matrix, into: output))
        let found = output.storage.array
        let scalar = Compute(kernels: try .named("scalar"), pool: pool)
        scalar.multiply(input, TernaryProduct(matrix, into: output))
        guard found == output.storage.array else {
            throw .kernelUnavailable(
                name: compute.kernels.name, reason: "its products differ from scalar's")
        }
    }

    private func randomInput(_ shape: Shape) throws(BitNetError) -> AlignedBuffer<Float> {
        let input = try AlignedBuffer<Float>(
            count: shape.batch * shape.columns, purpose: "the input of a product")
        for index in 0..<input.count { input.view[index] = Float(index * 37 % 255 - 127) / 127 }
        return input
    }
}

// MARK: - Float

extension MatmulBenchmark {
    /// The float products that this machine has; weights and inputs are those of nobody.
    private func floatRows(
        _ shape: Shape, _ placement: Placement
    ) throws(BitNetError) -> [Row] {
        let weights = (0..<shape.rows * shape.columns).map { Float($0 * 7 % 23 - 11) / 11 }
        let input = try randomInput(shape).array
        let compute = Compute(kernels: .best, pool: pool)
        var rows: [Row] = []
        for kind in FloatBaseline.Kind.allCases where kind.isAvailable {
            func matrix() throws(BitNetError) -> FloatBaseline {
                try FloatBaseline(
                    kind, rows: shape.rows, columns: shape.columns, weights: weights,
                    compute: compute)
            }
            let first = try matrix()
            var matrices = [first]
            for _ in 1..<max(copies(placement, bytes: first.byteCount), 1) {
                matrices.append(try matrix())
            }
            var next = 0
            let time = try medianSeconds(repetitions: repetitions) { () throws(BitNetError) in
                _ = try matrices[next].multiply(input)
                next = next + 1 == matrices.count ? 0 : next + 1
            }
            var row = row(
                kind.title, core: first.kernels, shape, placement, seconds: time,
                bytes: first.byteCount)
            row.remark = first.remark
            rows.append(row)
        }
        return rows
    }
}

extension FloatBaseline.Kind {
    /// What a table calls it.
    fileprivate var title: String {
        switch self {
        case .ownF16: "own FP16"
        case .openBLASF16: "OpenBLAS FP16 tiles"
        case .openBLASF32: "OpenBLAS FP32"
        }
    }
}

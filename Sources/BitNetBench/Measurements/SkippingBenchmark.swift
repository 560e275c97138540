/// GEMVs that leave out rows or columns, next to the dense product of the same shape: what activation
/// sparsity can save.
///
/// ```swift
/// let benchmark = try SkippingBenchmark(threads: 1)
/// for row in try benchmark.run(.init(rows: 6912, columns: 2560), zeroShares: [0.5, 0.9]) {
///     print(row.kernel, row.placement, row.zeroShare, row.timeRatio)
/// }
/// ```
///
/// Blocking, for seconds to minutes.
public struct SkippingBenchmark: Sendable {
    /// The speed of one kernel at one share of zeros.
    public struct Row: Sendable, Hashable, Codable {
        /// Kernel set, layout, and whether rows or columns are left out.
        public let kernel: String
        /// Outputs of the matrix.
        public let rows: Int
        /// Inputs of the matrix.
        public let columns: Int
        /// Threads that shared each product.
        public let threads: Int
        /// Where the weights were.
        public let placement: MatmulBenchmark.Placement
        /// Share of the rows, or columns, that are left out, in 0...1.
        public let zeroShare: Double
        /// Time of one product, the median of all repetitions.
        public let seconds: Double
        /// Weights of the whole matrix, those left out included, per second.
        public let weightsPerSecond: Double
        /// Bytes of packed weights read for one product.
        public let bytesRead: Int
        /// Time as a share of the dense product's in tiles, measured in turn with it.
        public let timeRatio: Double
    }

    fileprivate let pool: WorkerPool
    fileprivate let repetitions: Int
    fileprivate let streamBytes: Int

    /// Starts the threads.
    ///
    /// - Parameters:
    ///   - threads: threads that share each product, 1 to 1024.
    ///   - repetitions: how often a product is timed, at least once; rows have the median.
    /// - Throws: `BitNetError.invalidArgument`.
    public init(threads: Int, repetitions: Int = 9) throws(BitNetError) {
        // More than any cache of the machines this is meant for.
        try self.init(threads: threads, repetitions: repetitions, streamBytes: 256 << 20)
    }

    /// - Parameter streamBytes: how much packed weight to go through before a matrix comes again.
    init(threads: Int, repetitions: Int, streamBytes: Int) throws(BitNetError) {
        pool = try .benchmark(threads: threads)
        self.repetitions = max(repetitions, 1)
        self.streamBytes = streamBytes
    }

    /// Measures one shape, in both placements, with every kernel set, layout and arrangement that
    /// can leave something out.
    ///
    /// - Parameters:
    ///   - shape: a matrix of up to 2^32 weights, and a batch of 1.
    ///   - zeroShares: shares of rows or columns to leave out, each in 0...1.
    ///   - report: gets every row as soon as it is measured.
    /// - Returns: all rows.
    /// - Throws: `BitNetError.invalidArgument` for a share outside 0...1 or a shape outside its
    ///   bounds, `.kernelUnavailable` if a kernel's results are not those of the dense product,
    ///   `.outOfMemory`.
    @discardableResult
    public func run(
        _ shape: MatmulBenchmark.Shape, zeroShares: [Double], report: (Row) -> Void = { _ in }
    ) throws(BitNetError) -> [Row] {
        try requireMeasurable(rows: shape.rows, columns: shape.columns)
        try require(
            shape.batch == 1, "batch", "\(shape.batch) is not 1: zeros are left out of a GEMV")
        guard zeroShares.allSatisfy((0...1).contains) else {
            throw .invalidArgument(name: "zero share", detail: "\(zeroShares) are not in 0...1")
        }
        var rows: [Row] = []
        for placement in MatmulBenchmark.Placement.allCases {
            for set in KernelSet.available {
                for layout in TernaryLayout.allCases where layout.canSkip {
                    for arrangement in [Arrangement.rows, .columns] {
                        let bench = try Bench(self, shape, placement, set, layout, arrangement)
                        for share in zeroShares {
                            let row = try bench.measure(share)
                            report(row)
                            rows.append(row)
                        }
                    }
                }
            }
        }
        return rows
    }

    /// Matrices of one shape in tiles and in another arrangement.
    fileprivate struct Bench {
        let owner: SkippingBenchmark
        let shape: MatmulBenchmark.Shape
        let placement: MatmulBenchmark.Placement
        let arrangement: Arrangement
        let compute: Compute
        let dense: [TernaryMatrix]
        let arranged: [TernaryMatrix]
        let partialSums: PartialSums
        let name: String
    }
}

extension SkippingBenchmark.Bench {
    fileprivate init(
        _ owner: SkippingBenchmark, _ shape: MatmulBenchmark.Shape,
        _ placement: MatmulBenchmark.Placement, _ set: KernelSet, _ layout: TernaryLayout,
        _ arrangement: Arrangement
    ) throws(BitNetError) {
        self.owner = owner
        self.shape = shape
        self.placement = placement
        self.arrangement = arrangement
        compute = Compute(kernels: set, pool: owner.pool)
        name = "\(set.name) \(layout.rawValue) by \(arrangement == .rows ? "rows" : "columns")"
        let first = try TernaryMatrix(
            randomRows: shape.rows, columns: shape.columns, layout: layout, pool: owner.pool,
            seed: 1)
        let copies = placement == .cache ? 1 : owner.streamBytes / first.byteCount + 1
        var dense = [first]
        var arranged = [try first.arranged(arrangement, pool: owner.pool)]
        for _ in 1..<max(copies, 1) {
            dense.append(try TernaryMatrix(copying: first, pool: owner.pool))
            arranged.append(try TernaryMatrix(copying: arranged[0], pool: owner.pool))
        }
        self.dense = dense
        self.arranged = arranged
        partialSums = try PartialSums(rows: shape.rows, threads: owner.pool.threads)
    }

    /// An input, zero in the columns left out, and the list of what stays.
    private func input(_ share: Double) throws(BitNetError) -> (AlignedBuffer<Float>, [Int32]) {
        let count = arrangement == .rows ? shape.rows : shape.columns
        let stays = (0..<count).filter { index in
            // A fixed shuffle: multiples of the golden ratio are spread evenly over 0..<1.
            let place = Double(index + 1) * 0.6180339887498949
            return place - place.rounded(.down) >= share
        }
        let input = try AlignedBuffer<Float>(count: shape.columns, purpose: "a product's input")
        let isRows = arrangement == .rows
        for index in isRows ? Array(0..<shape.columns) : stays {
            let value = Float(index * 37 % 254 - 127) / 127
            input.view[index] = value < 0 ? value : value + 1 / 127
        }
        return (input, stays.map(Int32.init))
    }

    fileprivate func measure(_ share: Double) throws(BitNetError) -> SkippingBenchmark.Row {
        let (values, stays) = try input(share)
        let q = try QuantizedActivations(
            rows: 1, columns: shape.columns, threads: owner.pool.threads, gemmScratch: 0)
        compute.quantize(
            Activations(values.view, rows: 1, columns: shape.columns), norm: nil, into: q)
        let list = try AlignedBuffer<Int32>(stays, purpose: "a list")
        let listed = list.view[0..<stays.count]
        let result = try AlignedBuffer<Float>(count: shape.rows, purpose: "a product")
        let output = Activations(result.view, rows: 1, columns: shape.rows)
        try verify(q, listed, output)
        var next = 0
        func step() { next = next + 1 == dense.count ? 0 : next + 1 }
        var times: (dense: [Double], skipping: [Double]) = ([], [])
        for _ in 0..<owner.repetitions {
            times.dense.append(
                try measureCalls(repetitions: 1) {
                    compute.multiply(q, TernaryProduct(dense[next], into: output))
                    step()
                }.seconds.median)
            times.skipping.append(
                try measureCalls(repetitions: 1) {
                    skip(arranged[next], q, listed, output.storage)
                    step()
                }.seconds.median)
        }
        let time = Spread(times.skipping).median
        let bytes = stays.count * arranged[0].trits.strandBytes
        return SkippingBenchmark.Row(
            kernel: name, rows: shape.rows, columns: shape.columns, threads: owner.pool.threads,
            placement: placement, zeroShare: share, seconds: time,
            weightsPerSecond: Double(shape.rows * shape.columns) / time, bytesRead: bytes,
            timeRatio: time / Spread(times.dense).median)
    }

    private func skip(
        _ matrix: TernaryMatrix, _ q: QuantizedActivations, _ list: BufferView<Int32>,
        _ y: BufferView<Float>
    ) {
        if arrangement == .rows {
            compute.sums(q, token: 0, matrix, rows: list, into: y)
        } else {
            compute.multiply(
                q, token: 0, matrix, columns: list, partialSums: partialSums, into: y)
        }
    }

    private func verify(
        _ q: QuantizedActivations, _ list: BufferView<Int32>, _ output: Activations
    ) throws(BitNetError) {
        compute.multiply(q, TernaryProduct(dense[0], into: output))
        let expected = output.storage.array
        skip(arranged[0], q, list, output.storage)
        let found = output.storage.array
        let isSame =
            arrangement == .columns
            ? found == expected
            : list.array.allSatisfy { found[Int($0)] == expected[Int($0)] }
        guard isSame else {
            throw .kernelUnavailable(name: name, reason: "its products differ from the dense ones")
        }
    }
}

/// Products that leave out rows or columns, next to the dense product of the same shape.
package struct SkippingBenchmark: Sendable {
    /// One measured line.
    package struct Row: Sendable, Codable {
        /// Kernel set, layout, and whether rows or columns are left out.
        package let kernel: String
        package let rows: Int
        package let columns: Int
        package let threads: Int
        package let placement: MatmulBenchmark.Placement
        /// Share of the rows, or columns, that are left out.
        package let zeroShare: Double
        package let seconds: Double
        /// Weights of the whole matrix, those left out included, per second.
        package let weightsPerSecond: Double
        package let bytesRead: Int
        /// Time as a share of the dense product's in tiles, measured in turn with it.
        package let timeRatio: Double
    }

    fileprivate let pool: WorkerPool
    fileprivate let repetitions: Int
    fileprivate let streamBytes: Int

    /// - Parameter streamBytes: how much packed weight to go through before a matrix is met again.
    package init(threads: Int, repetitions: Int = 9, streamBytes: Int = 256 << 20) {
        pool = WorkerPool(threads: threads)
        self.repetitions = repetitions
        self.streamBytes = streamBytes
    }

    /// Measures one shape; `report` gets every line as it is measured.
    ///
    /// - Throws: `BitNetError.invalidArgument` for a share outside 0...1, `.kernelUnavailable` if a
    ///   kernel's sums are not those of the dense product.
    package func run(
        _ shape: MatmulBenchmark.Case, zeroShares: [Double], report: (Row) -> Void
    ) throws(BitNetError) {
        guard zeroShares.allSatisfy((0...1).contains) else {
            throw .invalidArgument(name: "zero share", detail: "\(zeroShares) are not in 0...1")
        }
        for placement in MatmulBenchmark.Placement.allCases {
            for set in KernelSet.available {
                for layout in TernaryLayout.allCases where layout.canSkip {
                    for arrangement in [Arrangement.rows, .columns] {
                        let bench = try Bench(self, shape, placement, set, layout, arrangement)
                        for share in zeroShares { report(try bench.measure(share)) }
                    }
                }
            }
        }
    }

    /// Matrices of one shape in tiles and in another arrangement.
    fileprivate struct Bench {
        let owner: SkippingBenchmark
        let shape: MatmulBenchmark.Case
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
        _ owner: SkippingBenchmark, _ shape: MatmulBenchmark.Case,
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
        for seed in 1..<max(copies, 1) {
            dense.append(
                try TernaryMatrix(
                    randomRows: shape.rows, columns: shape.columns, layout: layout,
                    pool: owner.pool, seed: UInt64(seed + 1)))
        }
        self.dense = dense
        arranged = try dense.map { (matrix: TernaryMatrix) throws(BitNetError) in
            try matrix.arranged(arrangement, pool: owner.pool)
        }
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
                try medianSeconds(repetitions: 1) {
                    compute.multiply(q, TernaryProduct(dense[next], into: output))
                    step()
                })
            times.skipping.append(
                try medianSeconds(repetitions: 1) {
                    skip(arranged[next], q, listed, output.storage)
                    step()
                })
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

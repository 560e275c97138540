/// Every ternary kernel this machine runs next to float products of the same shape.
package struct MatmulBenchmark: Sendable {
    /// A shape to measure.
    package struct Case: Sendable, Hashable {
        package let rows: Int
        package let columns: Int
        /// Inputs of one product: 1 is a GEMV.
        package let batch: Int

        package init(rows: Int, columns: Int, batch: Int = 1) {
            self.rows = rows
            self.columns = columns
            self.batch = batch
        }
    }

    /// Where the weights are when a product begins.
    package enum Placement: String, Sendable, Codable, CaseIterable {
        /// In the caches: the same matrix again and again.
        case cache
        /// In memory: one of many copies, more than any cache holds.
        case stream
    }

    /// One measured line.
    package struct Row: Sendable, Codable {
        package let kernel: String
        package let rows: Int
        package let columns: Int
        package let batch: Int
        package let threads: Int
        package let placement: Placement
        package let seconds: Double
        package let weightsPerSecond: Double
        package let bytesPerSecond: Double
        /// Share of the memory bandwidth measured in this run.
        package let bandwidthShare: Double
        /// How much faster than the fastest float row of the same case; nil on float rows.
        package var speedup: Double?
        /// Who multiplied: a kernel set, or the kernels that OpenBLAS used.
        package let core: String
        /// Why OpenBLAS used these, or what is wrong with them; nil if there is nothing to say.
        package var remark: String?
    }

    private let pool: WorkerPool
    private let limits: MachineLimits
    private let repetitions: Int
    /// More than any cache of the machines this is meant for.
    private let streamBytes = 256 << 20

    package init(
        threads: Int, repetitions: Int = 9
    ) throws(BitNetError) {
        pool = WorkerPool(threads: threads)
        limits = try MachineLimits.measure(kernels: .best, threads: threads)
        self.repetitions = repetitions
    }

    /// Bytes a second this machine reads with these threads.
    package var bandwidth: Double { limits.bytesPerSecond }

    /// Measures one shape, in both placements; `report` gets every line as it is measured.
    ///
    /// - Throws: `BitNetError.kernelUnavailable` if a kernel's sums are not those of scalar.
    package func run(
        _ shape: Case, placements: [Placement] = Placement.allCases, report: (Row) -> Void
    ) throws(BitNetError) {
        for placement in placements {
            let floats = try floatRows(shape, placement)
            floats.forEach(report)
            let best = floats.map(\.seconds).min()
            for set in KernelSet.available {
                for layout in TernaryLayout.allCases {
                    var row = try ternaryRow(shape, placement, set, layout)
                    row.speedup = best.map { $0 / row.seconds }
                    report(row)
                }
            }
        }
    }

    private func row(
        _ kernel: String, core: String, _ shape: Case, _ placement: Placement, seconds: Double,
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
        _ shape: Case, _ placement: Placement, _ set: KernelSet, _ layout: TernaryLayout
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
            gemmScratch: KernelSet.gemmScratchSize(first.trits))
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

    private func randomInput(_ shape: Case) throws(BitNetError) -> AlignedBuffer<Float> {
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
        _ shape: Case, _ placement: Placement
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

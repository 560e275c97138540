/// A matrix and the inputs that every row of a comparison multiplies it by, and what is right.
struct MatmulSubject {
    let matrix: TernaryMatrix
    let batch: Int
    /// The weights that trits and scales stand for, row by row.
    let weights: [Float]
    /// `[batch, columns]`, about normally distributed: what int8 rounds to a grid.
    let input: [Float]
    /// The product as the scalar kernels compute it, `[batch, rows]`.
    let scalarResult: [Float]
    /// The product of the first inputs in float64.
    private let exact: [Double]

    /// More would take longer than the products that are measured.
    private static let checkedInputs = 8

    init(_ matrix: TernaryMatrix, batch: Int, pool: WorkerPool) throws(BitNetError) {
        // Loaded models may hold single rows or columns together; what is compared are tiles.
        let tiles = try matrix.packed(as: matrix.layout)
        self.matrix = tiles
        self.batch = batch
        weights = try tiles.weights().values
        var random = SeededGenerator(seed: 3)
        var input: [Float] = []
        input.reserveCapacity(batch * matrix.columns)
        for _ in 0..<batch * matrix.columns {
            var sum = -2.0
            for _ in 0..<4 { sum += random.nextUnit() }
            input.append(Float(sum))
        }
        self.input = input
        exact = try MatmulSubject.exact(
            weights, rows: matrix.rows, columns: matrix.columns, input,
            count: min(batch, MatmulSubject.checkedInputs), pool)
        let scalar = Compute(kernels: try .named("scalar"), pool: pool)
        let storage = try AlignedBuffer<Float>(count: batch * matrix.rows, purpose: "a product")
        let output = Activations(storage.view, rows: batch, columns: matrix.rows)
        let quantized = try MatmulSubject.quantized(input, batch: batch, for: tiles, scalar)
        scalar.multiply(quantized, TernaryProduct(tiles, into: output))
        scalarResult = storage.array
    }

    /// The inputs as int8.
    func quantized(
        for matrix: TernaryMatrix, _ compute: Compute
    ) throws(BitNetError) -> QuantizedActivations {
        try MatmulSubject.quantized(input, batch: batch, for: matrix, compute)
    }

    /// Room for a product, and what keeps it.
    func output() throws(BitNetError) -> (Activations, AlignedBuffer<Float>) {
        let storage = try AlignedBuffer<Float>(count: batch * matrix.rows, purpose: "a product")
        return (Activations(storage.view, rows: batch, columns: matrix.rows), storage)
    }

    /// The largest difference from the exact product, relative to its largest element; nil where a
    /// result is not finite.
    func largestError(_ y: BufferView<Float>) -> Double? {
        var (difference, largest) = (0.0, 0.0)
        for (index, value) in exact.enumerated() {
            guard y[index].isFinite, value.isFinite else { return nil }
            difference = max(difference, abs(Double(y[index]) - value))
            largest = max(largest, abs(value))
        }
        // All weights can be 0.
        return largest > 0 ? difference / largest : difference
    }

    private static func quantized(
        _ input: [Float], batch: Int, for matrix: TernaryMatrix, _ compute: Compute
    ) throws(BitNetError) -> QuantizedActivations {
        let quantized = try QuantizedActivations(
            rows: batch, columns: matrix.columns, threads: compute.pool.threads,
            gemmScratch: compute.kernels.gemmScratchSize(matrix.trits))
        let values = try AlignedBuffer(input, purpose: "the input of a product")
        compute.quantize(
            Activations(values.view, rows: batch, columns: matrix.columns), norm: nil,
            into: quantized)
        withExtendedLifetime(values) {}
        return quantized
    }

    /// `[count, rows]`, rows split over the threads.
    private static func exact(
        _ weights: [Float], rows: Int, columns: Int, _ input: [Float], count: Int,
        _ pool: WorkerPool
    ) throws(BitNetError) -> [Double] {
        let result = try AlignedBuffer<Double>(count: count * rows, purpose: "an exact product")
        let y = result.view
        let (w, x) = (weights.span, input.span)
        pool.parallel(rows, work: rows * columns * count) { _, range in
            for row in range {
                for token in 0..<count {
                    var sum = 0.0
                    for column in 0..<columns {
                        sum +=
                            Double(w[row * columns + column]) * Double(x[token * columns + column])
                    }
                    y[token * rows + row] = sum
                }
            }
        }
        return result.array
    }
}

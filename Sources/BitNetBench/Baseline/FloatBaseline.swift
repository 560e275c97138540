/// A matrix product in floating point, `y[rows] = W[rows, columns] x[columns]`: what ternary
/// products are compared with, in speed and in what they compute.
///
/// ```swift
/// let baseline = try FloatBaseline(
///     .ownF16, rows: 1, columns: 3, weights: [0.123, -0.456, 0.789])
/// let y = try baseline.multiply([0.5, 0.8, 0.2])  // about -0.1455
/// ```
///
/// Rows are split over all cores, also for OpenBLAS, which computes every part on one thread: that
/// is a setting of the whole process, made before each product.
public struct FloatBaseline: Sendable {
    /// How weights are stored, and who multiplies them.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// FP16 weights and this library's own kernels, which widen them as they go. One input at a
        /// time.
        case ownF16
        /// FP16 weights, widened to FP32 tile by tile, each tile multiplied by OpenBLAS.
        case openBLASF16
        /// FP32 weights, multiplied by OpenBLAS: twice the memory, no conversion.
        case openBLASF32

        /// Whether this machine can compute it; ``FloatBaseline/openBLAS`` says why not.
        ///
        /// Asking whether OpenBLAS is there loads it.
        public var isAvailable: Bool {
            if self == .ownF16 { return true }
            if case .success = FloatBaseline.openBLAS { return true }
            return false
        }
    }

    /// How weights are stored, and who multiplies them.
    public let kind: Kind
    /// Number of outputs.
    public var rows: Int { matrix.rows }
    /// Number of inputs.
    public let columns: Int
    /// Bytes of the weights, rows padded to a multiple of 16 columns.
    public var byteCount: Int { matrix.byteCount }
    /// Kernels that multiply: a set of this library, or those that OpenBLAS uses.
    public var kernels: String { blas?.core ?? compute.kernels.name }
    /// What ``OpenBLAS/remark`` says of them; nil of a set of this library.
    public var remark: String? { blas?.remark }
    /// The OpenBLAS of this machine, or the reason why there is none (`BitNetError.blasUnavailable`).
    ///
    /// It is loaded when this is first asked for; see ``OpenBLAS`` for what that does.
    public static var openBLAS: Result<OpenBLAS, BitNetError> { OpenBLAS.shared }

    private let matrix: DenseMatrix
    /// Only of the kinds that it multiplies.
    private let blas: OpenBLAS?
    private let compute: Compute

    /// A matrix for one kind of product.
    ///
    /// - Parameters:
    ///   - kind: how weights are stored, and who multiplies them.
    ///   - rows: number of outputs, at least 1.
    ///   - columns: number of inputs, at least 1.
    ///   - weights: `[rows, columns]`, row by row; the FP16 kinds round them to nearest, and
    ///     what is beyond 65504 to infinity.
    ///   - kernels: the kernels of `ownF16`, and those that widen tiles for `openBLASF16`.
    /// - Throws: `BitNetError.blasUnavailable` for an OpenBLAS kind where it cannot be had,
    ///   `.shapeMismatch` unless there are `rows * columns` weights, `.outOfMemory`.
    public init(
        _ kind: Kind, rows: Int, columns: Int, weights: [Float], kernels: KernelSet = .best
    ) throws(BitNetError) {
        try self.init(
            kind, rows: rows, columns: columns, weights: weights,
            compute: Compute(kernels: kernels, pool: Compute.standard.pool))
    }

    /// The same on other threads, or with another OpenBLAS.
    init(
        _ kind: Kind, rows: Int, columns: Int, weights: [Float], compute: Compute,
        openBLAS: @autoclosure () -> Result<OpenBLAS, BitNetError> = openBLAS
    ) throws(BitNetError) {
        blas = kind == .ownF16 ? nil : try openBLAS().get()
        guard rows > 0, columns > 0, elementCount(of: [rows, columns]) == weights.count else {
            throw .shapeMismatch(
                tensor: "weights", expected: [rows, columns], found: [weights.count])
        }
        self.kind = kind
        self.columns = columns
        self.compute = compute
        let stride = FloatBaseline.padded(columns)
        let values = FloatBaseline.padded(weights, columns: columns)
        matrix = try DenseMatrix(
            rows: rows, columns: stride, values: values, type: kind == .openBLASF32 ? .f32 : .f16)
    }

    /// `W x` for one or more inputs.
    ///
    /// - Parameter x: `[columns]`, or several inputs one after the other.
    /// - Returns: `[rows]` for each input, one after the other, in FP32.
    /// - Throws: `BitNetError.shapeMismatch` when x is not a whole number of inputs,
    ///   `.blasUnavailable` for a size that OpenBLAS cannot take, `.outOfMemory`.
    public func multiply(_ x: [Float]) throws(BitNetError) -> [Float] {
        guard !x.isEmpty, x.count % columns == 0 else {
            throw .shapeMismatch(tensor: "x", expected: [columns], found: [x.count])
        }
        let batch = x.count / columns
        let input = try AlignedBuffer(
            FloatBaseline.padded(x, columns: columns), purpose: "the input of a product")
        defer { withExtendedLifetime(input) {} }
        let output = try AlignedBuffer<Float>(count: batch * rows, purpose: "a product")
        if let blas {
            try blas.useOneThread()
            try multiply(by: blas, input.view, batch: batch, into: output.view)
        } else {
            for token in 0..<batch {
                compute.multiply(
                    matrix, input.view[token * matrix.columns..<(token + 1) * matrix.columns],
                    into: output.view[token * rows..<(token + 1) * rows])
            }
        }
        return output.array
    }

    /// Each thread multiplies its rows into memory of its own, since OpenBLAS writes the results of
    /// several inputs one after the other, and puts them where they belong.
    private func multiply(
        by blas: OpenBLAS, _ x: BufferView<Float>, batch: Int, into y: BufferView<Float>
    ) throws(BitNetError) {
        let tileRows = max(1, tileBytes / (matrix.columns * MemoryLayout<Float>.stride))
        let work = rows * matrix.columns * batch
        try compute.pool.tryParallel(rows, work: work) { (_, range) throws(BitNetError) in
            let tileCount = kind == .openBLASF16 ? min(tileRows, range.count) : 0
            let tile = try AlignedBuffer<Float>(
                count: tileCount * matrix.columns, purpose: "a tile of weights")
            defer { withExtendedLifetime(tile) {} }
            let part = try AlignedBuffer<Float>(
                count: batch * range.count, purpose: "a product")
            guard
                compute.kernels.blasProduct(
                    blas, matrix, rows: range, x: x, batch: batch, tile: tile.view,
                    into: part.view)
            else { throw .blasUnavailable(reason: "the matrix is too large for it") }
            for token in 0..<batch {
                y[token * rows..<(token + 1) * rows][range].copy(
                    from: part.view[token * range.count..<(token + 1) * range.count])
            }
        }
    }

    /// Kernels take rows of whole groups of 16.
    private static func padded(_ columns: Int) -> Int { (columns + 15) / 16 * 16 }

    /// `values`, with zeros after every `columns` of them.
    private static func padded(_ values: [Float], columns: Int) -> [Float] {
        let padding = padded(columns) - columns
        guard padding > 0 else { return values }
        let zeros = repeatElement(Float(0), count: padding)
        var result: [Float] = []
        result.reserveCapacity(values.count / columns * (columns + padding))
        for start in stride(from: 0, to: values.count, by: columns) {
            result += values[start..<start + columns]
            result += zeros
        }
        return result
    }
}

/// A tile is read back right after it has been written: small enough to still be in a core's
/// level-2 cache, which has 256 KB or more.
private let tileBytes = 128 << 10

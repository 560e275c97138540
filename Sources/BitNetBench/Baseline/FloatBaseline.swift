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
    ///   - threads: threads that share the rows, 1 to 1024; nil for one per usable core.
    ///   - kernels: the kernels of `ownF16`, and those that widen tiles for `openBLASF16`.
    /// - Throws: `BitNetError.blasUnavailable` for an OpenBLAS kind where it cannot be had,
    ///   `.shapeMismatch` unless there are `rows * columns` weights, `.invalidArgument` for another
    ///   number of threads, `.outOfMemory`.
    public init(
        _ kind: Kind, rows: Int, columns: Int, weights: [Float], threads: Int? = nil,
        kernels: KernelSet = .best
    ) throws(BitNetError) {
        try self.init(
            kind, rows: rows, columns: columns, weights: weights,
            compute: try Compute(threads: threads, kernels: kernels))
    }

    /// The same weights in memory of their own.
    init(copying other: FloatBaseline) throws(BitNetError) {
        kind = other.kind
        columns = other.columns
        compute = other.compute
        blas = other.blas
        matrix = try DenseMatrix(copying: other.matrix)
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
        let workspace = try Workspace(for: self, batch: x.count / columns)
        workspace.setInput(x)
        try multiply(workspace)
        return workspace.output.array
    }

    /// `W x` for one or more inputs, into an array that is there already: no buffer is allocated.
    ///
    /// - Parameters:
    ///   - x: `[columns]` for each input of the workspace's batch, one after the other.
    ///   - y: `[rows]` for each input, one after the other; overwritten.
    ///   - workspace: made for this matrix, or for one of the same shape and kind.
    /// - Throws: `BitNetError.shapeMismatch` for arrays of other sizes, `.invalidArgument` for a
    ///   workspace of another shape, `.blasUnavailable` for a size that OpenBLAS cannot take.
    public func multiply(
        _ x: [Float], into y: inout [Float], workspace: Workspace
    ) throws(BitNetError) {
        guard x.count == workspace.batch * columns else {
            throw .shapeMismatch(
                tensor: "x", expected: [workspace.batch, columns], found: [x.count])
        }
        guard y.count == workspace.batch * rows else {
            throw .shapeMismatch(tensor: "y", expected: [workspace.batch, rows], found: [y.count])
        }
        guard workspace.fits(self) else {
            throw .invalidArgument(
                name: "workspace", detail: "it is for another shape or kind than this matrix")
        }
        workspace.setInput(x)
        try multiply(workspace)
        for index in 0..<y.count { y[index] = workspace.output.view[index] }
    }

    /// The product of the workspace's input, into its output.
    func multiply(_ workspace: Workspace) throws(BitNetError) {
        let (x, y) = (workspace.input.view, workspace.output.view)
        if let blas {
            try blas.useOneThread()
            try multiply(by: blas, x, workspace, into: y)
        } else {
            for token in 0..<workspace.batch {
                compute.multiply(
                    matrix, x[token * matrix.columns..<(token + 1) * matrix.columns],
                    into: y[token * rows..<(token + 1) * rows])
            }
        }
    }

    /// Each thread multiplies its rows into memory of its own, since OpenBLAS writes the results of
    /// several inputs one after the other, and puts them where they belong.
    private func multiply(
        by blas: OpenBLAS, _ x: BufferView<Float>, _ workspace: Workspace,
        into y: BufferView<Float>
    ) throws(BitNetError) {
        let batch = workspace.batch
        let work = rows * matrix.columns * batch
        try compute.pool.tryParallel(rows, work: work) { (thread, range) throws(BitNetError) in
            // Of one input the part is where it belongs already.
            let part =
                batch == 1
                ? y[range]
                : workspace.parts.view[batch * range.lowerBound..<batch * range.upperBound]
            guard
                compute.kernels.blasProduct(
                    blas, matrix, rows: range, x: x, batch: batch,
                    tile: workspace.tile(thread, rows: range.count), into: part)
            else { throw .blasUnavailable(reason: "the matrix is too large for it") }
            guard batch > 1 else { return }
            for token in 0..<batch {
                y[token * rows..<(token + 1) * rows][range].copy(
                    from: part[token * range.count..<(token + 1) * range.count])
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

extension FloatBaseline {
    /// Memory that products of one shape need, kept from one to the next.
    ///
    /// It serves one product at a time and is not `Sendable`: each task has its own.
    public final class Workspace {
        /// Inputs of a product.
        public let batch: Int
        /// Inputs, their rows padded.
        let input: AlignedBuffer<Float>
        let output: AlignedBuffer<Float>
        /// Results of each thread for several inputs.
        fileprivate let parts: AlignedBuffer<Float>
        private let tiles: AlignedBuffer<Float>
        private let tileRows: Int
        private let columns: Int
        private let stride: Int

        /// A workspace for products of `matrix`, and of others of its shape and kind.
        ///
        /// - Parameters:
        ///   - matrix: a matrix to multiply.
        ///   - batch: inputs of one product, at least 1.
        /// - Throws: `BitNetError.invalidArgument`, `.outOfMemory`.
        public init(for matrix: FloatBaseline, batch: Int = 1) throws(BitNetError) {
            columns = matrix.columns
            stride = matrix.matrix.columns
            guard batch > 0, elementCount(of: [batch, max(stride, matrix.rows), 8]) != nil else {
                throw .invalidArgument(name: "batch", detail: "\(batch) inputs cannot be held")
            }
            self.batch = batch
            input = try AlignedBuffer(count: batch * stride, purpose: "the input of a product")
            output = try AlignedBuffer(count: batch * matrix.rows, purpose: "a product")
            let hasParts = matrix.blas != nil && batch > 1
            parts = try AlignedBuffer(
                count: hasParts ? batch * matrix.rows : 0, purpose: "a product")
            let largest = max(1, tileBytes / (stride * MemoryLayout<Float>.stride))
            tileRows = matrix.kind == .openBLASF16 ? min(largest, matrix.rows) : 0
            tiles = try AlignedBuffer(
                count: matrix.compute.pool.threads * tileRows * stride,
                purpose: "a tile of weights")
        }

        func setInput(_ x: [Float]) {
            for token in 0..<batch {
                for column in 0..<columns {
                    input.view[token * stride + column] = x[token * columns + column]
                }
            }
        }

        /// Whether it is large enough for `matrix`, and for as many threads.
        fileprivate func fits(_ matrix: FloatBaseline) -> Bool {
            matrix.columns == columns && matrix.rows * batch == output.count
                && tiles.count
                    == (matrix.kind == .openBLASF16
                        ? matrix.compute.pool.threads * tileRows * stride : 0)
                && (matrix.kind != .openBLASF16 || tileRows > 0)
                && (matrix.blas == nil || batch == 1 || parts.count > 0)
        }

        /// Memory of one thread for so many rows as it multiplies, or for fewer at a time.
        fileprivate func tile(_ thread: Int, rows: Int) -> BufferView<Float> {
            let begin = thread * tileRows * stride
            return tiles.view[begin..<begin + min(tileRows, rows) * stride]
        }
    }
}

/// A tile is read back right after it has been written: small enough to still be in a core's
/// level-2 cache, which has 256 KB or more.
private let tileBytes = 128 << 10

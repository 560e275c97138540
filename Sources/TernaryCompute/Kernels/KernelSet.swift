internal import CTernaryKernels

/// The kernels of one instruction set: `avx2`, `neon`, `scalar`, ...
///
/// A set is used only after every kernel of it has agreed with `scalar` bit for bit on this CPU.
/// All sets give the same results; they differ in speed.
///
/// Where the CPU has AMX, the first use of any set asks Linux to let this process have its tile
/// registers. A refusal leaves the set `amx` out, and is its reason in `rejected`.
///
/// ```swift
/// for set in KernelSet.available { print(set) }  // avx2, scalar
/// let scalar = try KernelSet.named("scalar")
/// ```
public struct KernelSet: Sendable {
    /// Instruction set, for example `avx2`.
    public let name: String
    package nonisolated(unsafe) let kernels: OpaquePointer

    /// A set that this machine does not run, and why.
    public struct Rejection: Sendable, Hashable, Codable {
        /// Instruction set, for example `avx2`.
        public let name: String
        /// Why it is not used.
        public let reason: String
    }

    /// Sets this machine runs, fastest first; the last one is `scalar`.
    public static var available: [KernelSet] { survey.available }

    /// Sets that are compiled in and not used, with the reason.
    public static var rejected: [Rejection] { survey.rejected }

    /// The fastest set of this machine.
    public static var best: KernelSet { survey.available[0] }

    /// The set called `name`.
    ///
    /// - Throws: `BitNetError.kernelUnavailable` when it is not compiled in, not supported by this
    ///   CPU, or failed its self-test.
    public static func named(_ name: String) throws(BitNetError) -> KernelSet {
        if let set = available.first(where: { $0.name == name }) { return set }
        let known = available.map(\.name).joined(separator: ", ")
        let reason = rejected.first { $0.name == name }?.reason ?? "no such set is compiled in"
        throw .kernelUnavailable(name: name, reason: "\(reason); available: \(known)")
    }

    /// Every set is asked for and tried, once in a process. Of the operating system it is only the
    /// tile registers of AMX that have to be asked for (tk_kernel_set_obstacle says what that does).
    private static let survey: (available: [KernelSet], rejected: [Rejection]) = {
        var available: [KernelSet] = []
        var rejected: [Rejection] = []
        for index in 0..<tk_kernel_set_count() {
            let kernels = tk_kernel_set(index)
            let name = String(cString: tk_kernel_set_name(kernels))
            if let obstacle = tk_kernel_set_obstacle(kernels) {
                rejected.append(Rejection(name: name, reason: String(cString: obstacle)))
            } else if let kernel = tk_self_test(kernels) {
                let reason = "its kernel \(String(cString: kernel)) disagrees with scalar"
                rejected.append(Rejection(name: name, reason: reason))
            } else {
                available.append(KernelSet(name: name, kernels: kernels))
            }
        }
        return (available, rejected)
    }()
}

extension KernelSet: Hashable, CustomStringConvertible {
    /// The instruction set's name.
    public var description: String { name }

    /// Whether both are the kernels of the same instruction set.
    public static func == (a: KernelSet, b: KernelSet) -> Bool { a.name == b.name }

    /// Hashes the name.
    public func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

extension KernelSet.Rejection: CustomStringConvertible {
    /// The set and the reason, on one line.
    public var description: String { "\(name): \(reason)" }
}

// MARK: - Float steps

extension KernelSet {
    /// `y = x / rms(x) * weight`; y may be x. Returns 1 / rms(x), 0 or NaN where there is none.
    @discardableResult
    package func rmsNorm(
        _ x: BufferView<Float>, weight: BufferView<Float>, epsilon: Float, into y: BufferView<Float>
    ) -> Float {
        precondition(weight.count == x.count && y.count == x.count)
        return tk_rms_norm(kernels, x.base, weight.base, x.count, epsilon, y.base)
    }

    /// Rotates `heads` vectors in place; `cos` and `sin` have half a head's size.
    package func rotate(
        _ x: BufferView<Float>, heads: Int, cos: BufferView<Float>, sin: BufferView<Float>
    ) {
        precondition(cos.count == sin.count && x.count == heads * cos.count * 2)
        tk_rope(kernels, x.base, cos.base, sin.base, heads, cos.count * 2)
    }

    /// `y += x`.
    package func add(_ x: BufferView<Float>, to y: BufferView<Float>) {
        precondition(x.count == y.count)
        tk_add(kernels, x.base, x.count, y.base)
    }

    /// `gate = activation(gate) * up`.
    package func gated(_ activation: Activation, _ gate: BufferView<Float>, _ up: BufferView<Float>)
    {
        precondition(gate.count == up.count)
        switch activation {
        case .squaredReLU: tk_relu2_mul(kernels, gate.base, up.base, gate.count, gate.base)
        case .silu: tk_silu_mul(kernels, gate.base, up.base, gate.count, gate.base)
        case .gelu: tk_gelu_mul(kernels, gate.base, up.base, gate.count, gate.base)
        }
    }

    /// Float to IEEE binary16, half to even.
    package func toHalf(_ x: BufferView<Float>, into y: BufferView<UInt16>) {
        precondition(x.count == y.count)
        tk_f32_to_f16(kernels, x.base, x.count, y.base)
    }
}

// MARK: - Integer steps

extension KernelSet {
    /// Zero bytes that follow every row of quantised activations.
    package static let activationPadding = Int(TK_ACTIVATION_PADDING)
    /// Rows that lie together in a packed matrix; row ranges are multiples of it.
    package static let tileRows = Int(TK_TILE_ROWS)

    /// Quantises one row of activations to int8: returns 127 / absmax, which is 0 or NaN where `x` is
    /// not finite, and the sum of the int8.
    package func quantize(
        _ x: BufferView<Float>, into q: BufferView<Int8>
    ) -> (scale: Float, sum: Int32) {
        precondition(q.count >= x.count + KernelSet.activationPadding)
        var sum: Int32 = 0
        let scale = tk_quantize(kernels, x.base, x.count, q.base, &sum)
        return (scale, sum)
    }

    /// `y = acc / scale * beta`, with one beta for all or one for each element; y may be acc.
    package func dequantize(
        _ acc: BufferView<Int32>, scale: Float, beta: BufferView<Float>, into y: BufferView<Float>
    ) {
        precondition(acc.count == y.count && (beta.count == 1 || beta.count == acc.count))
        tk_dequantize(
            kernels, acc.base, acc.count, scale, beta.base, beta.count == 1 ? 0 : 1, y.base)
    }

    /// Sums over the column blocks `blocks` of `rows` times one row of int8 activations. Of a matrix
    /// in groups one is multiplied; q begins with its columns, and `sum` covers whole blocks.
    func gemv(
        _ matrix: PackedTrits, group: Int = 0, rows: Range<Int>, blocks: Range<Int>,
        q: BufferView<Int8>, sum: Int32, into y: BufferView<Int32>
    ) {
        precondition(
            rows.lowerBound >= 0 && rows.upperBound <= matrix.rows && y.count == rows.count
                && blocks.upperBound <= matrix.blockCount
                && q.count >= matrix.groupColumns + KernelSet.activationPadding)
        var w = matrix.kernelMatrix(group: group)
        tk_gemv(
            kernels, &w, q.base, sum, blocks.lowerBound, blocks.upperBound, rows.lowerBound,
            rows.upperBound, y.base)
    }

    /// Sums of `rows` times `batch` rows of activations; row t of y starts at t * yStride. Of a
    /// matrix in groups one is multiplied, as in `gemv`.
    func gemm(
        _ matrix: PackedTrits, group: Int = 0, rows: Range<Int>, q: BufferView<Int8>, qStride: Int,
        sums: BufferView<Int32>, batch: Int, into y: BufferView<Int32>, yStride: Int,
        scratch: BufferView<UInt8>
    ) {
        let window = matrix.groupColumns + KernelSet.activationPadding
        precondition(
            rows.lowerBound >= 0 && rows.upperBound <= matrix.rows && sums.count >= batch
                && qStride >= window && q.count >= (batch - 1) * qStride + window
                && y.count >= (batch - 1) * yStride + rows.count
                && scratch.count >= gemmScratchSize(matrix))
        var w = matrix.kernelMatrix(group: group)
        tk_gemm(
            kernels, &w, q.base, qStride, sums.base, batch, rows.lowerBound, rows.upperBound,
            y.base, yStride, scratch.base)
    }

    /// `gemm` of a matrix that is not in groups and `dequantize` of every row of results: token t is
    /// divided by scales[t], and beta is one for all or one for each of `rows`.
    package func gemmScaled(
        _ matrix: PackedTrits, rows: Range<Int>, q: BufferView<Int8>, qStride: Int,
        sums: BufferView<Int32>, scales: BufferView<Float>, beta: BufferView<Float>,
        into y: BufferView<Float>, yStride: Int, scratch: BufferView<UInt8>
    ) {
        checkScaled(
            matrix, rows: rows, q: q, qStride: qStride, batch: sums.count, scales: scales,
            beta: beta, y: y, yStride: yStride, scratch: scratch)
        var w = matrix.kernelMatrix
        var scaling = tk_scaling(
            scales: scales.base, beta: beta.base, beta_stride: beta.count == 1 ? 0 : 1)
        tk_gemm_scaled(
            kernels, &w, q.base, qStride, sums.base, &scaling, sums.count, rows.lowerBound,
            rows.upperBound, y.base, yStride, scratch.base)
    }

    func checkScaled(
        _ matrix: PackedTrits, rows: Range<Int>, q: BufferView<Int8>, qStride: Int, batch: Int,
        scales: BufferView<Float>, beta: BufferView<Float>, y: BufferView<Float>, yStride: Int,
        scratch: BufferView<UInt8>
    ) {
        let window = matrix.columns + KernelSet.activationPadding
        precondition(
            matrix.groupCount == 1 && rows.lowerBound >= 0 && rows.upperBound <= matrix.rows
                && scales.count == batch && (beta.count == 1 || beta.count == rows.count)
                && qStride >= window && q.count >= (batch - 1) * qStride + window
                && yStride >= rows.count && y.count >= (batch - 1) * yStride + rows.count
                && scratch.count >= gemmScratchSize(matrix))
    }

    /// The most of so many tokens that one of so many threads best takes through a matrix at once.
    /// `Int.max` where preparing it again would take longer.
    func gemmSweep(_ matrix: PackedTrits, tokens: Int, threads: Int) -> Int {
        guard matrix.arrangement != .columns else { return .max }
        var w = matrix.kernelMatrix
        return Int(clamping: tk_gemm_sweep(kernels, &w, tokens, threads))
    }

    /// Rows that one thread computes for so many tokens are multiples of this.
    func rowGranule(_ matrix: PackedTrits, threads: Int, tokens: Int) -> Int {
        guard matrix.arrangement == .columns else {
            guard tokens > 1 else { return KernelSet.tileRows }
            var w = matrix.kernelMatrix
            return tk_gemm_panel_rows(kernels, &w, tokens, threads)
        }
        // Two blocks of a column are one cache line, which two threads should not both read.
        let block = matrix.layout.blockColumns, line = 2 * block
        guard matrix.rows >= line * threads else { return block }
        return tokens > 1
            ? min(tiledRows(matrix), matrix.rows / threads / line * line) : line
    }

    /// Bytes of scratch that `gemm` needs for each thread.
    package func gemmScratchSize(_ matrix: PackedTrits) -> Int {
        guard matrix.arrangement == .tiles else { return gemmStrandsScratchSize(matrix) }
        var w = matrix.kernelMatrix
        return tk_gemm_scratch_size(kernels, &w)
    }

    /// `y = W x` for `rows` of a matrix stored as `type`, which starts at `data`.
    func denseGEMV(
        _ type: ElementType, _ data: UnsafeRawPointer, columns: Int, rows: Range<Int>,
        _ x: BufferView<Float>, into y: BufferView<Float>
    ) {
        precondition(rows.lowerBound >= 0 && y.count == rows.count && x.count == columns)
        tk_dense_gemv(
            kernels, type.kernelType, data, columns, x.base, rows.lowerBound, rows.upperBound,
            y.base)
    }
}

/// What products need besides their matrix, kept from one product to the next: threads, kernels, and
/// memory for the rounded inputs.
///
/// ```swift
/// let workspace = try ProductWorkspace(for: w)
/// var y = [Float](repeating: 0, count: w.rows)
/// for x in inputs { try w.multiply(x, into: &y, workspace: workspace) }
/// ```
///
/// With one thread such a product allocates nothing; with several, only the few bytes that hand the
/// work to them.
///
/// It serves one product at a time and is not `Sendable`: each task has its own.
public final class ProductWorkspace {
    /// Inputs that a product may have at most.
    public let batch: Int
    /// Threads that share a product.
    public var threads: Int { compute.pool.threads }
    /// The kernels that compute it; every set gives the same bits.
    public var kernels: KernelSet { compute.kernels }

    let compute: Compute
    let quantized: QuantizedActivations
    private let scratchBytes: Int

    /// A workspace for products of `matrix`, and of every matrix that is no wider and packed alike.
    ///
    /// - Parameters:
    ///   - matrix: a matrix to multiply.
    ///   - batch: inputs of one product, at least 1.
    ///   - threads: threads that share a product, 1 to 1024; nil for one per usable core.
    ///   - kernels: the kernel set to use.
    /// - Throws: `BitNetError.invalidArgument`, `.outOfMemory`.
    public init(
        for matrix: TernaryMatrix, batch: Int = 1, threads: Int? = nil, kernels: KernelSet = .best
    ) throws(BitNetError) {
        guard batch > 0 else {
            throw .invalidArgument(name: "batch", detail: "\(batch) is not positive")
        }
        guard let count = elementCount(of: [batch, matrix.columns + 128]), count < 1 << 40 else {
            throw .outOfMemory(bytes: .max, purpose: "quantised activations")
        }
        self.batch = batch
        compute = try Compute(threads: threads, kernels: kernels)
        scratchBytes = kernels.gemmScratchSize(matrix.trits)
        quantized = try QuantizedActivations(
            rows: batch, columns: matrix.columns, threads: compute.pool.threads,
            gemmScratch: scratchBytes)
    }

    /// How many inputs `x` is, which `y` has room for the results of.
    fileprivate func batch(
        _ matrix: TernaryMatrix, _ x: Int, into y: Int
    ) throws(BitNetError) -> Int {
        let (count, rest) = x.quotientAndRemainder(dividingBy: matrix.columns)
        guard count > 0, rest == 0 else {
            throw .shapeMismatch(tensor: "x", expected: [matrix.columns], found: [x])
        }
        guard y == count * matrix.rows else {
            throw .shapeMismatch(tensor: "y", expected: [count, matrix.rows], found: [y])
        }
        let scratch = kernels.gemmScratchSize(matrix.trits)
        guard count <= batch, matrix.columns <= quantized.capacity.columns,
            count == 1 || scratch <= scratchBytes
        else {
            throw .invalidArgument(
                name: "workspace",
                detail: "it is for \(batch) inputs of \(quantized.capacity.columns) numbers, and "
                    + "not for \(count) of \(matrix.columns) in \(matrix.layout.rawValue); make "
                    + "one for this matrix")
        }
        return count
    }
}

extension TernaryMatrix {
    /// `W x` for one or more inputs, as ``multiply(_:threads:kernels:)`` computes it, into an array
    /// that is there already: no buffer is allocated.
    ///
    /// - Parameters:
    ///   - x: `[columns]`, or several inputs one after the other; finite.
    ///   - y: `[rows]` for each input, one after the other; overwritten.
    ///   - workspace: made for this matrix, or for a wider one packed alike.
    /// - Throws: `BitNetError.shapeMismatch` when x is not a whole number of inputs or y has another
    ///   size than their results, `.invalidArgument` for a workspace that is too small.
    public func multiply(
        _ x: [Float], into y: inout [Float], workspace: ProductWorkspace
    ) throws(BitNetError) {
        try BitLinear(weight: self).apply(to: x, into: &y, workspace: workspace)
    }
}

extension BitLinear {
    /// Applies the layer to one or more inputs, into an array that is there already: no buffer is
    /// allocated.
    ///
    /// - Parameters:
    ///   - x: `[inputs]`, or several inputs one after the other; finite.
    ///   - y: `[outputs]` for each input, one after the other; overwritten.
    ///   - workspace: made for ``weight``, or for a wider matrix packed alike.
    /// - Throws: `BitNetError.shapeMismatch` when x is not a whole number of inputs, y has another
    ///   size than their results, or the norm is for another size; `.invalidArgument` for a workspace
    ///   that is too small.
    public func apply(
        to x: [Float], into y: inout [Float], workspace: ProductWorkspace
    ) throws(BitNetError) {
        let batch = try workspace.batch(weight, x.count, into: y.count)
        if let norm = inputNorm, norm.count != weight.columns {
            throw .shapeMismatch(tensor: "x", expected: [norm.count], found: [weight.columns])
        }
        x.withView { input in
            y.withMutableView { output in
                workspace.compute.apply(
                    self, to: Activations(input, rows: batch, columns: weight.columns),
                    into: Activations(output, rows: batch, columns: weight.rows),
                    scratch: workspace.quantized)
            }
        }
    }
}

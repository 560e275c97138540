/// Root-mean-square normalisation: `y = x / sqrt(mean(x^2) + epsilon) * weight`
/// (Zhang and Sennrich 2019, arXiv:1910.07467).
public struct RMSNorm: Sendable {
    /// Added to the mean of squares, inside the root.
    public let epsilon: Float
    let weight: AlignedBuffer<Float>

    /// A norm for vectors of `weight.count` elements.
    ///
    /// - Parameters:
    ///   - weight: one factor for each element of a vector.
    ///   - epsilon: what is added to the mean of squares; 1e-5 or 1e-6 in most models.
    /// - Throws: `BitNetError.invalidArgument` for an empty weight or a negative epsilon,
    ///   `.outOfMemory`.
    public init(weight: [Float], epsilon: Float) throws(BitNetError) {
        guard !weight.isEmpty else {
            throw .invalidArgument(name: "weight", detail: "a norm needs at least one element")
        }
        guard epsilon.isFinite, epsilon >= 0 else {
            throw .invalidArgument(name: "epsilon", detail: "\(epsilon) is not usable")
        }
        self.init(try AlignedBuffer(weight, purpose: "a norm"), epsilon: epsilon)
    }

    init(_ weight: AlignedBuffer<Float>, epsilon: Float) {
        self.weight = weight
        self.epsilon = epsilon
    }

    /// Elements of the vectors it takes.
    public var count: Int { weight.count }

    /// One factor for each element of a vector.
    public var weights: [Float] { weight.array }

    /// Normalises one vector; y may be x. Returns the factor, 0 or NaN where there is none.
    @discardableResult
    package func apply(
        _ x: BufferView<Float>, into y: BufferView<Float>, kernels: KernelSet
    ) -> Float {
        kernels.rmsNorm(x, weight: weight.view, epsilon: epsilon, into: y)
    }

    /// Normalises every row of `x`, `[..., count]`; the result has the same shape.
    ///
    /// - Parameters:
    ///   - x: the rows.
    ///   - threads: threads that share the rows, 1 to 1024; nil for one per usable core.
    ///   - kernels: the kernel set to use; every one gives the same bits.
    /// - Throws: `BitNetError.shapeMismatch` when rows do not have `count` elements,
    ///   `.invalidArgument` for another number of threads, `.outOfMemory`.
    public func callAsFunction(
        _ x: Tensor<Float>, threads: Int? = nil, kernels: KernelSet = .best
    ) throws(BitNetError) -> Tensor<Float> {
        let compute = try Compute(threads: threads, kernels: kernels)
        let output = try AlignedBuffer<Float>(count: x.count, purpose: "a norm's output")
        guard let columns = x.shape.last, columns == weight.count else {
            throw .shapeMismatch(tensor: "x", expected: [weight.count], found: x.shape)
        }
        let rows = x.count / columns
        compute.normalize(
            Activations(x.storage.view, rows: rows, columns: columns), self,
            into: Activations(output.view, rows: rows, columns: columns))
        return Tensor(shape: x.shape, storage: output)
    }
}

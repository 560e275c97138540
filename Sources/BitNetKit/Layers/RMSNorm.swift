/// Root-mean-square normalisation: `y = x / sqrt(mean(x^2) + epsilon) * weight`
/// (Zhang and Sennrich 2019; formats.md section 2).
public struct RMSNorm: Sendable {
    /// Added to the mean of squares, inside the root.
    public let epsilon: Float
    let weight: AlignedBuffer<Float>

    /// - Parameter weight: one factor for each element of a vector.
    public init(weight: [Float], epsilon: Float) throws(BitNetError) {
        self.init(try AlignedBuffer(weight, purpose: "a norm"), epsilon: epsilon)
    }

    init(_ weight: AlignedBuffer<Float>, epsilon: Float) {
        self.weight = weight
        self.epsilon = epsilon
    }

    /// Normalises one vector; y may be x.
    func apply(_ x: BufferView<Float>, into y: BufferView<Float>, kernels: KernelSet) {
        kernels.rmsNorm(x, weight: weight.view, epsilon: epsilon, into: y)
    }

    /// Normalises every row of `x`, `[..., weight.count]`.
    ///
    /// - Throws: `BitNetError.shapeMismatch` when rows have another length than the weight.
    public func callAsFunction(_ x: Tensor<Float>) throws(BitNetError) -> Tensor<Float> {
        let output = try AlignedBuffer<Float>(count: x.count, purpose: "a norm's output")
        guard let columns = x.shape.last, columns == weight.count else {
            throw .shapeMismatch(tensor: "x", expected: [weight.count], found: x.shape)
        }
        for start in stride(from: 0, to: x.count, by: columns) {
            let range = start..<start + columns
            apply(x.storage.view[range], into: output.view[range], kernels: .best)
        }
        return Tensor(shape: x.shape, storage: output)
    }
}

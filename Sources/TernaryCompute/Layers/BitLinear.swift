/// A linear layer with ternary weights and int8 activations (W1.58A8; BitNet
/// b1.58, arXiv:2402.17764).
///
/// ```swift
/// let layer = BitLinear(weight: try TernaryMatrix(rows: 2, columns: 2, scale: .perTensor(0.5)) {
///     $0 == $1 ? .plus : .zero
/// })
/// let y = try layer(Tensor([127, -64], shape: [2]))  // 63.5, -32
/// ```
public struct BitLinear: Sendable {
    /// Weights, `[outputs, inputs]`.
    public let weight: TernaryMatrix
    /// Normalises the layer's own input before it is rounded, in models that have such a norm
    /// (`use_rms_norm`, BitNet embeddings, and the sub-norms of `o_proj` and `down_proj`).
    public let inputNorm: RMSNorm?

    /// A layer with these weights.
    ///
    /// - Parameters:
    ///   - weight: `[outputs, inputs]`.
    ///   - inputNorm: a norm of `weight.columns` elements, or nil.
    public init(weight: TernaryMatrix, inputNorm: RMSNorm? = nil) {
        self.weight = weight
        self.inputNorm = inputNorm
    }

    /// Applies the layer to every row of `x`, `[..., inputs]`; the result is `[..., outputs]`.
    ///
    /// - Parameters:
    ///   - x: finite numbers.
    ///   - threads: threads that share the work, 1 to 1024; nil for one per usable core.
    ///   - kernels: the kernel set to use; every one gives the same bits.
    /// - Throws: `BitNetError.shapeMismatch` when rows do not have `weight.columns` elements, or the
    ///   norm is for another size; `.invalidArgument` for another number of threads, `.outOfMemory`.
    public func callAsFunction(
        _ x: Tensor<Float>, threads: Int? = nil, kernels: KernelSet = .best
    ) throws(BitNetError) -> Tensor<Float> {
        guard x.shape.last == weight.columns else {
            throw .shapeMismatch(tensor: "x", expected: [weight.columns], found: x.shape)
        }
        let normed =
            try inputNorm.map { (norm) throws(BitNetError) in
                try norm(x, threads: threads, kernels: kernels)
            } ?? x
        let y =
            normed.count == 0
            ? [] : try weight.multiply(normed.values, threads: threads, kernels: kernels)
        return try Tensor(y, shape: x.shape.dropLast() + [weight.rows])
    }
}

extension Compute {
    /// `output[t] = layer(x[t])`.
    package func apply(
        _ layer: BitLinear, to x: Activations, into output: Activations,
        scratch q: QuantizedActivations
    ) {
        quantize(x, norm: layer.inputNorm, into: q)
        multiply(q, TernaryProduct(layer.weight, into: output))
    }

    /// Applies two or three layers to one input. Unless they normalise it differently it is rounded
    /// once and multiplied in one job.
    package func apply(
        _ first: (BitLinear, Activations), _ second: (BitLinear, Activations),
        _ third: (BitLinear, Activations)? = nil, to x: Activations,
        scratch q: QuantizedActivations
    ) {
        guard first.0.inputNorm == nil, second.0.inputNorm == nil, third?.0.inputNorm == nil else {
            apply(first.0, to: x, into: first.1, scratch: q)
            apply(second.0, to: x, into: second.1, scratch: q)
            if let third { apply(third.0, to: x, into: third.1, scratch: q) }
            return
        }
        quantize(x, norm: nil, into: q)
        multiply(
            q, TernaryProduct(first.0.weight, into: first.1),
            TernaryProduct(second.0.weight, into: second.1),
            third.map { TernaryProduct($0.0.weight, into: $0.1) })
    }

    /// Applies two layers, which are equally high and packed alike, to one input.
    ///
    /// - Parameter then: called for every part of both results.
    package func apply(
        _ first: (BitLinear, Activations), _ second: (BitLinear, Activations), to x: Activations,
        scratch q: QuantizedActivations, then: PartialResult
    ) {
        guard first.0.inputNorm == nil, second.0.inputNorm == nil else {
            apply(first, second, to: x, scratch: q)
            let rows = first.0.weight.rows
            pool.parallel(x.rows, work: x.rows * rows * elementWork) { then($1, 0..<rows) }
            return
        }
        quantize(x, norm: nil, into: q)
        multiply(
            q, TernaryProduct(first.0.weight, into: first.1),
            TernaryProduct(second.0.weight, into: second.1), then: then)
    }
}

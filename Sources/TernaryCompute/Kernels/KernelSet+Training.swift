internal import CTernaryKernels

// Float32 products and gradients, for training. Every kernel set gives the same bits.

/// A window on a matrix of floats, `[rows, columns]`, whose rows may lie apart.
package struct MatrixView: Sendable {
    package let storage: BufferView<Float>
    package let rows: Int
    package let columns: Int
    /// Floats from one row to the next.
    package let stride: Int

    package init(_ storage: BufferView<Float>, rows: Int, columns: Int, stride: Int? = nil) {
        let stride = stride ?? columns
        precondition(
            rows > 0 && columns > 0 && columns <= stride
                && storage.count >= (rows - 1) * stride + columns)
        self.storage = storage
        self.rows = rows
        self.columns = columns
        self.stride = stride
    }

    package subscript(row: Int) -> BufferView<Float> {
        storage[row * stride..<row * stride + columns]
    }

    /// Some of the rows.
    package func rows(_ range: Range<Int>) -> MatrixView {
        MatrixView(
            storage.from(range.lowerBound * stride), rows: range.count, columns: columns,
            stride: stride)
    }

    /// Some of the columns.
    package func columns(_ range: Range<Int>) -> MatrixView {
        precondition(range.upperBound <= columns)
        return MatrixView(
            storage.from(range.lowerBound), rows: rows, columns: range.count, stride: stride)
    }
}

/// What the right factor of a float product, `[depth, columns]`, is made of.
package enum RightFactor: Sendable {
    /// The matrix itself.
    case matrix(MatrixView)
    /// The matrix, its rows as columns.
    case transposed(MatrixView)
    /// int8 activations divided by the scale of their row.
    case int8(BufferView<Int8>, rows: Int, columns: Int, stride: Int, scales: BufferView<Float>)
    /// Shadow weights as they are multiplied: `trit(weight * factors[row]) * scales[row]`.
    case ternary(MatrixView, factors: BufferView<Float>, scales: BufferView<Float>)

    package var depth: Int {
        switch self {
        case .matrix(let view), .ternary(let view, _, _): view.rows
        case .transposed(let view): view.columns
        case .int8(_, let rows, _, _, _): rows
        }
    }

    package var columns: Int {
        switch self {
        case .matrix(let view), .ternary(let view, _, _): view.columns
        case .transposed(let view): view.rows
        case .int8(_, _, let columns, _, _): columns
        }
    }

    fileprivate var kernelFactor: tk_factor {
        switch self {
        case .matrix(let view):
            return factor(TK_SOURCE_F32, view.storage.base, stride: view.stride)
        case .transposed(let view):
            return factor(TK_SOURCE_F32_TRANSPOSED, view.storage.base, stride: view.stride)
        case .int8(let values, let rows, let columns, let stride, let scales):
            precondition(scales.count >= rows && values.count >= (rows - 1) * stride + columns)
            return factor(TK_SOURCE_INT8, values.base, stride: stride, scales: scales)
        case .ternary(let view, let factors, let scales):
            precondition(factors.count >= view.rows && scales.count >= view.rows)
            return factor(
                TK_SOURCE_TERNARY, view.storage.base, stride: view.stride, scales: scales,
                factors: factors)
        }
    }

    private func factor(
        _ source: tk_source, _ data: UnsafeRawPointer, stride: Int,
        scales: BufferView<Float>? = nil, factors: BufferView<Float>? = nil
    ) -> tk_factor {
        tk_factor(
            source: source, data: data, stride: stride, depth: depth, columns: columns,
            scales: scales?.base, factors: factors?.base)
    }
}

/// `c (+)= a b`, or with the transposed of `a`; b is packed.
package struct FloatProduct: Sendable {
    package let a: MatrixView
    package let isTransposed: Bool
    /// The right factor as `KernelSet.pack` has written it, and its depth.
    package let b: BufferView<Float>
    package let bDepth: Int
    package let c: MatrixView
    package let accumulates: Bool

    package init(
        _ a: MatrixView, isTransposed: Bool = false, packed b: BufferView<Float>, bDepth: Int,
        into c: MatrixView, accumulates: Bool = false
    ) {
        let (rows, depth) = isTransposed ? (a.columns, a.rows) : (a.rows, a.columns)
        precondition(
            c.rows == rows && depth <= bDepth
                && b.count >= KernelSet.packedFactorSize(depth: bDepth, columns: c.columns))
        self.a = a
        self.isTransposed = isTransposed
        self.b = b
        self.bDepth = bDepth
        self.c = c
        self.accumulates = accumulates
    }

    /// Products that are added up for one element of the result.
    package var depth: Int { isTransposed ? a.rows : a.columns }
}

extension KernelSet {
    /// Floats of a packed right factor.
    package static func packedFactorSize(depth: Int, columns: Int) -> Int {
        tk_packed_factor_size(depth, columns)
    }

    /// Floats of scratch that `product` needs for each thread.
    package static let productScratch = Int(TK_PRODUCT_SCRATCH)

    /// Packs some depths of a right factor into `packed`, the whole of it.
    package func pack(
        _ factor: RightFactor, depths: Range<Int>, into packed: BufferView<Float>
    ) {
        precondition(
            depths.lowerBound >= 0 && depths.upperBound <= factor.depth
                && packed.count
                    >= KernelSet.packedFactorSize(depth: factor.depth, columns: factor.columns)
        )
        var kernelFactor = factor.kernelFactor
        tk_pack_factor(
            kernels, &kernelFactor, depths.lowerBound, depths.upperBound, packed.base)
    }

    /// Some rows of a product.
    package func product(
        _ product: FloatProduct, rows: Range<Int>, scratch: BufferView<Float>
    ) {
        precondition(
            rows.lowerBound >= 0 && rows.upperBound <= product.c.rows
                && scratch.count >= KernelSet.productScratch)
        var call = tk_product(
            a: product.a.storage.base, a_stride: product.a.stride,
            a_is_transposed: product.isTransposed, b: product.b.base, b_depth: product.bDepth,
            depth: product.depth, columns: product.c.columns, c: product.c.storage.base,
            c_stride: product.c.stride, accumulate: product.accumulates)
        tk_training_product(kernels, &call, rows.lowerBound, rows.upperBound, scratch.base)
    }

    /// `y[t][r] = x[t] w[r]` for `rows` of w, with the bits of a `DenseMatrix` of type F32.
    package func dotProducts(
        _ x: MatrixView, _ w: MatrixView, rows: Range<Int>, into y: MatrixView
    ) {
        precondition(
            x.columns == w.columns && w.stride == w.columns && w.columns % 16 == 0
                && rows.lowerBound >= 0 && rows.upperBound <= w.rows && y.rows == x.rows
                && y.columns == w.rows)
        tk_dot_products(
            kernels, x.storage.base, x.stride, x.rows, w.storage.base, w.columns,
            rows.lowerBound, rows.upperBound, y.storage.base, y.stride)
    }

    /// Adds the gradients of a norm's input and weight, for one vector.
    package func rmsNormBackward(
        _ x: BufferView<Float>, weight: BufferView<Float>, gradient: BufferView<Float>,
        epsilon: Float, into inputGradient: BufferView<Float>,
        weightGradient: BufferView<Float>
    ) {
        precondition(
            weight.count == x.count && gradient.count == x.count
                && inputGradient.count == x.count && weightGradient.count == x.count)
        tk_rms_norm_backward(
            kernels, x.base, weight.base, gradient.base, x.count, epsilon, inputGradient.base,
            weightGradient.base)
    }

    /// Gradients of a gate with squared ReLU and of what it multiplies.
    package func squaredReLUBackward(
        gate: BufferView<Float>, up: BufferView<Float>, gradient: BufferView<Float>,
        gateGradient: BufferView<Float>, upGradient: BufferView<Float>
    ) {
        let count = gate.count
        precondition(
            up.count == count && gradient.count == count && gateGradient.count == count
                && upGradient.count == count)
        tk_relu2_mul_backward(
            kernels, gate.base, up.base, gradient.base, count, gateGradient.base, upGradient.base)
    }

    /// `x *= factor`.
    package func scale(_ x: BufferView<Float>, by factor: Float) {
        tk_scale(kernels, x.base, x.count, factor)
    }

    /// Softmax in place.
    package func softmax(_ x: BufferView<Float>) { tk_softmax(kernels, x.base, x.count) }

    /// Turns the gradient of softmax weights into that of the scores before `scale`, in place.
    package func softmaxBackward(
        _ weights: BufferView<Float>, gradient: BufferView<Float>, scale: Float
    ) {
        precondition(weights.count == gradient.count)
        tk_softmax_backward(kernels, weights.base, gradient.base, weights.count, scale)
    }

    /// The loss of one token in nats; its gradient times `factor` takes the place of the logits.
    package func crossEntropy(
        _ logits: BufferView<Float>, target: Int, factor: Float
    ) -> Double {
        precondition(target >= 0 && target < logits.count)
        return tk_cross_entropy(kernels, logits.base, logits.count, target, factor)
    }

    /// The sum of squares, in double.
    package func sumOfSquares(_ x: BufferView<Float>) -> Double {
        tk_sum_of_squares(kernels, x.base, x.count)
    }

    /// One step of AdamW for some weights.
    package func adamW(
        _ step: AdamWFactors, gradient: BufferView<Float>, weights: BufferView<Float>,
        mean: BufferView<Float>, square: BufferView<Float>
    ) {
        precondition(
            weights.count == gradient.count && mean.count == gradient.count
                && square.count == gradient.count)
        var call = tk_adamw(
            gradient_factor: step.gradientFactor, decay: step.decay, beta1: step.beta1,
            beta2: step.beta2, rate: step.rate, root_factor: step.rootFactor,
            epsilon: step.epsilon)
        tk_adamw_step(
            kernels, &call, gradient.base, gradient.count, weights.base, mean.base, square.base)
    }
}

/// A step of AdamW as the factors of its operations.
package struct AdamWFactors: Sendable {
    /// What gradients are multiplied by: clipping.
    package var gradientFactor: Float
    /// What weights are multiplied by: 1 - learning rate * weight decay.
    package var decay: Float
    package var beta1: Float
    package var beta2: Float
    /// Learning rate / (1 - beta1^step).
    package var rate: Float
    /// 1 / sqrt(1 - beta2^step).
    package var rootFactor: Float
    package var epsilon: Float

    package init(
        gradientFactor: Float, decay: Float, beta1: Float, beta2: Float, rate: Float,
        rootFactor: Float, epsilon: Float
    ) {
        self.gradientFactor = gradientFactor
        self.decay = decay
        self.beta1 = beta1
        self.beta2 = beta2
        self.rate = rate
        self.rootFactor = rootFactor
        self.epsilon = epsilon
    }
}

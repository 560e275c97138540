extension Tensor {
    /// A tensor whose elements are all `value`.
    ///
    /// - Throws: `BitNetError.shapeMismatch` for a shape that no memory could hold, `.outOfMemory`.
    public init(repeating value: Scalar, shape: [Int]) throws(BitNetError) {
        guard shape.allSatisfy({ $0 >= 0 }), let count = elementCount(of: shape) else {
            throw .shapeMismatch(tensor: "values", expected: shape, found: [])
        }
        let storage = try AlignedBuffer<Scalar>(count: count, purpose: "a tensor")
        storage.view.fill(value)
        withExtendedLifetime(storage) {}
        self.init(shape: shape, storage: storage)
    }

    /// The same elements, row by row, in another shape. They are not copied.
    ///
    /// ```swift
    /// let x = try Tensor<Float>([1, 2, 3, 4, 5, 6], shape: [2, 3])
    /// try x.reshaped(to: [3, 2])[2, 1]  // 6
    /// ```
    ///
    /// - Throws: `BitNetError.shapeMismatch` when the product of `shape` is not `count`.
    public func reshaped(to shape: [Int]) throws(BitNetError) -> Tensor {
        guard shape.allSatisfy({ $0 >= 0 }), elementCount(of: shape) == count else {
            throw .shapeMismatch(tensor: "tensor", expected: shape, found: self.shape)
        }
        return Tensor(shape: shape, storage: storage)
    }

    /// What `transform` makes of each element, in the same shape.
    ///
    /// - Throws: `BitNetError.outOfMemory`.
    public func map<Other: TensorScalar>(
        _ transform: (Scalar) -> Other
    ) throws(BitNetError) -> Tensor<Other> {
        let result = try AlignedBuffer<Other>(count: count, purpose: "a tensor")
        let (from, to) = (storage.view, result.view)
        for index in 0..<count { to[index] = transform(from[index]) }
        withExtendedLifetime((storage, result)) {}
        return Tensor<Other>(shape: shape, storage: result)
    }

    /// What `transform` makes of each two elements in the same place.
    ///
    /// - Throws: `BitNetError.shapeMismatch` unless both have the same shape, `.outOfMemory`.
    public func combined<Other: TensorScalar, Result: TensorScalar>(
        with other: Tensor<Other>, _ transform: (Scalar, Other) -> Result
    ) throws(BitNetError) -> Tensor<Result> {
        guard other.shape == shape else {
            throw .shapeMismatch(tensor: "operand", expected: shape, found: other.shape)
        }
        let result = try AlignedBuffer<Result>(count: count, purpose: "a tensor")
        let (a, b, to) = (storage.view, other.storage.view, result.view)
        for index in 0..<count { to[index] = transform(a[index], b[index]) }
        withExtendedLifetime((storage, other.storage, result)) {}
        return Tensor<Result>(shape: shape, storage: result)
    }
}

// Floats only: sums of integers could overflow, which is for the caller to decide in `combined`.
extension Tensor<Float> {
    /// The sum, element by element, of two tensors of one shape.
    public static func + (a: Tensor, b: Tensor) throws(BitNetError) -> Tensor {
        try a.combined(with: b, +)
    }

    /// The difference, element by element, of two tensors of one shape.
    public static func - (a: Tensor, b: Tensor) throws(BitNetError) -> Tensor {
        try a.combined(with: b, -)
    }

    /// The product, element by element, of two tensors of one shape.
    public static func * (a: Tensor, b: Tensor) throws(BitNetError) -> Tensor {
        try a.combined(with: b, *)
    }

    /// Every element times `factor`.
    public static func * (a: Tensor, factor: Float) throws(BitNetError) -> Tensor {
        try a.map { $0 * factor }
    }
}

/// A number that a `Tensor` can hold: `Float`, `Int8`, `Int32`, or the bits of a 16-bit float in a
/// `UInt16`.
public protocol TensorScalar: Sendable, BitwiseCopyable {}

extension Float: TensorScalar {}
extension Int8: TensorScalar {}
extension Int32: TensorScalar {}
extension UInt16: TensorScalar {}

/// An immutable, row-major array of numbers with a shape, outermost dimension first.
///
/// ```swift
/// let x = try Tensor<Float>([1, 2, 3, 4, 5, 6], shape: [2, 3])
/// x[1, 2]  // 6
/// ```
public struct Tensor<Scalar: TensorScalar>: Sendable {
    /// Sizes of the dimensions, outermost first; `[]` is a single number.
    public let shape: [Int]
    let storage: AlignedBuffer<Scalar>

    /// A tensor with a copy of `values`.
    ///
    /// - Throws: `BitNetError.shapeMismatch` when the product of `shape` is not `values.count`,
    ///   `.outOfMemory`.
    public init(_ values: [Scalar], shape: [Int]) throws(BitNetError) {
        guard shape.allSatisfy({ $0 >= 0 }), elementCount(of: shape) == values.count else {
            throw .shapeMismatch(tensor: "values", expected: shape, found: [values.count])
        }
        self.shape = shape
        storage = try AlignedBuffer(values, purpose: "a tensor")
    }

    init(shape: [Int], storage: AlignedBuffer<Scalar>) {
        self.shape = shape
        self.storage = storage
    }

    /// Number of elements.
    public var count: Int { storage.count }

    /// All elements, row by row.
    public var values: [Scalar] { storage.array }

    /// Calls `body` with all elements, row by row, without copying them.
    public func withSpan<R, E: Error>(_ body: (Span<Scalar>) throws(E) -> R) throws(E) -> R {
        try storage.view.withSpan(body)
    }

    /// The element at `indices`, one index per dimension. Indices out of range trap.
    public subscript(indices: Int...) -> Scalar {
        precondition(indices.count == shape.count, "one index per dimension")
        var offset = 0
        for (index, size) in zip(indices, shape) {
            precondition(index >= 0 && index < size, "index out of range")
            offset = offset * size + index
        }
        return storage.view[offset]
    }
}

extension Tensor: Equatable where Scalar: Equatable {
    /// Whether shapes and elements are equal.
    public static func == (a: Tensor, b: Tensor) -> Bool {
        a.shape == b.shape && a.values == b.values
    }
}

extension Tensor: CustomStringConvertible {
    /// Shape and first elements.
    public var description: String {
        let first = withSpan { span in (0..<min(span.count, 8)).map { "\(span[$0])" } }
        let rest = count > 8 ? ", ..." : ""
        return "Tensor \(shape): \(first.joined(separator: ", "))\(rest)"
    }
}

/// Keys or values of one head as attention reads them: for each position a vector, and zeros up to a
/// whole number of eights.
package enum CacheView {
    case f32(BufferView<Float>)
    case f16(BufferView<UInt16>)
    /// Elements, and a scale for each position.
    case int8(BufferView<Int8>, scales: BufferView<Float>)

    var count: Int {
        switch self {
        case .f32(let view): view.count
        case .f16(let view): view.count
        case .int8(let view, _): view.count
        }
    }

    /// Elements from one vector of `size` to the next.
    package static func stride(size: Int) -> Int { (size + 7) / 8 * 8 }

    /// The part from a position on, of vectors of `size`.
    package func from(position: Int, size: Int) -> CacheView {
        let first = position * Self.stride(size: size)
        return switch self {
        case .f32(let view): .f32(view.from(first))
        case .f16(let view): .f16(view.from(first))
        case .int8(let view, let scales): .int8(view.from(first), scales: scales.from(position))
        }
    }
}

/// Keys or values of one head as attention reads them.
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

    /// The part from a position on, with `size` elements for each position.
    package func from(position: Int, size: Int) -> CacheView {
        switch self {
        case .f32(let view): .f32(view.from(position * size))
        case .f16(let view): .f16(view.from(position * size))
        case .int8(let view, let scales):
            .int8(view.from(position * size), scales: scales.from(position))
        }
    }
}

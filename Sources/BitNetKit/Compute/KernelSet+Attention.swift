internal import CTernaryKernels

extension KernelSet {
    /// One query head over the cached positions of its key-value head, which are as far apart as the
    /// query is long. `scores` is scratch for at least `positions` floats, rounded up to 16.
    func attention(
        query: BufferView<Float>, keys: CacheView, values: CacheView, positions: Int,
        scale: Float, scores: BufferView<Float>, into out: BufferView<Float>
    ) {
        let size = query.count
        precondition(
            out.count == size && scores.count >= (positions + 15) / 16 * 16
                && keys.count >= positions * size && values.count >= positions * size)
        switch (keys, values) {
        case (.f32(let keys), .f32(let values)):
            tk_attention(
                kernels, query.base, keys.base, values.base, TK_CACHE_F32, size, positions, size,
                scale, scores.base, out.base)
        case (.f16(let keys), .f16(let values)):
            tk_attention(
                kernels, query.base, keys.base, values.base, TK_CACHE_F16, size, positions, size,
                scale, scores.base, out.base)
        case (.int8(let keys, let keyScales), .int8(let values, let valueScales)):
            precondition(keyScales.count >= positions && valueScales.count >= positions)
            tk_attention_int8(
                kernels, query.base, keys.base, keyScales.base, values.base, valueScales.base,
                size, positions, size, scale, scores.base, out.base)
        default:
            preconditionFailure("keys and values are stored alike")
        }
    }

    /// One key or value of one head to int8 with half to even; returns the factor that takes it
    /// back, NaN if `x` is not finite.
    func toCacheInt8(_ x: BufferView<Float>, into y: BufferView<Int8>) -> Float {
        precondition(x.count == y.count)
        return tk_quantize_cache(x.base, x.count, y.base)
    }
}

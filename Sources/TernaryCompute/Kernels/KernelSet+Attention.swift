internal import CTernaryKernels

// Attention of query heads that share one key-value head, in the three steps that threads can share.
// How heads are grouped and ranges are cut changes no bit.

extension KernelSet {
    /// `scores[h * stride + p] = dot(query h, key p) * scale` for `positions` of the cache; `queries`
    /// holds the heads one after the other.
    package func attentionScores(
        queries: BufferView<Float>, heads: Int, keys: CacheView, positions: Range<Int>,
        scale: Float, into scores: BufferView<Float>, stride: Int
    ) {
        let size = queries.count / heads
        precondition(
            queries.count == heads * size && CacheView.canStore(size: size)
                && positions.lowerBound >= 0
                && keys.holds(positions: positions.upperBound, size: size)
                && scores.count >= (heads - 1) * stride + positions.upperBound)
        var cache = keys.kernelCache(stride: CacheView.stride(size: size))
        tk_attention_scores(
            kernels, &cache, queries.base, heads, size, scale, positions.lowerBound,
            positions.upperBound, scores.base, stride)
    }

    /// Makes weights of the scores of one head, in place, and returns their sum.
    package func attentionWeights(_ scores: BufferView<Float>) -> Float {
        tk_attention_weights(kernels, scores.base, scores.count)
    }

    /// `out h = (sum over p of weights[h * stride + p] * value p) / totals[h]` over `positions` of
    /// the cache, in some dimensions of every head of `out`.
    package func attentionValues(
        weights: BufferView<Float>, stride: Int, totals: BufferView<Float>, values: CacheView,
        positions: Int, dimensions: Range<Int>, into out: BufferView<Float>
    ) {
        let heads = totals.count
        let size = out.count / heads
        precondition(
            out.count == heads * size && CacheView.canStore(size: size)
                && values.holds(positions: positions, size: size)
                && weights.count >= (heads - 1) * stride + positions
                && dimensions.lowerBound >= 0 && dimensions.lowerBound % 8 == 0
                && dimensions.upperBound <= size
                && (dimensions.upperBound == size || dimensions.upperBound % 8 == 0))
        var cache = values.kernelCache(stride: CacheView.stride(size: size))
        tk_attention_values(
            kernels, &cache, weights.base, stride, totals.base, heads, positions, size,
            dimensions.lowerBound, dimensions.upperBound, out.base)
    }

    /// One key or value of one head to int8 with half to even; returns the factor that takes it
    /// back, NaN if `x` is not finite.
    package func toCacheInt8(_ x: BufferView<Float>, into y: BufferView<Int8>) -> Float {
        precondition(x.count == y.count)
        return tk_quantize_cache(x.base, x.count, y.base)
    }
}

extension CacheView {
    fileprivate static func canStore(size: Int) -> Bool {
        size % 8 == 0 || size <= Int(TK_RAGGED_HEAD_DIM)
    }

    fileprivate func holds(positions: Int, size: Int) -> Bool {
        if case .int8(_, let scales) = self, scales.count < positions { return false }
        return count >= positions * Self.stride(size: size)
    }

    fileprivate func kernelCache(stride: Int) -> tk_cache {
        switch self {
        case .f32(let view):
            tk_cache(type: TK_CACHE_F32, data: view.base, scales: nil, stride: stride)
        case .f16(let view):
            tk_cache(type: TK_CACHE_F16, data: view.base, scales: nil, stride: stride)
        case .int8(let view, let scales):
            tk_cache(type: TK_CACHE_INT8, data: view.base, scales: scales.base, stride: stride)
        }
    }
}

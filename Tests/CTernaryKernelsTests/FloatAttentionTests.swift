import CTernaryKernels
import Foundation
import TestSupport
import Testing

/// A KV cache of one head and the attention that a query should see in it.
private struct Head {
    let dimension: Int
    let positions: Int
    let stride: Int
    let query: [Float]
    let keys: [Float]
    let values: [Float]
    let scale: Float

    init(dimension: Int, positions: Int, stride: Int) {
        self.dimension = dimension
        self.positions = positions
        self.stride = stride
        query = randomFloats(dimension, range: 2, seed: 1)
        keys = randomFloats(positions * stride, range: 2, seed: 2)
        values = randomFloats(positions * stride, range: 3, seed: 3)
        scale = 1 / Float(dimension).squareRoot()
    }

    /// The same cache and another query.
    init(_ other: Head, query: [Float]) {
        dimension = other.dimension
        positions = other.positions
        stride = other.stride
        self.query = query
        keys = other.keys
        values = other.values
        scale = other.scale
    }

    /// out in double, from the given cache values.
    func exact(keys: [Float], values: [Float]) -> [Double] {
        let scores = (0..<positions).map { p in
            (0..<dimension).reduce(0.0) {
                $0 + Double(query[$1]) * Double(keys[p * stride + $1])
            } * Double(scale)
        }
        let largest = scores.max()!
        let powers = scores.map { exp($0 - largest) }
        let sum = powers.reduce(0, +)
        return (0..<dimension).map { i in
            (0..<positions).reduce(0.0) {
                $0 + powers[$1] / sum * Double(values[$1 * stride + i])
            }
        }
    }

    func attention<Element: BitwiseCopyable>(
        _ set: FloatKernelSet, _ keys: [Element], _ values: [Element], _ type: tk_cache_type
    ) -> [Float] {
        attention(set, cache(keys, type), cache(values, type))
    }

    /// The three steps, for all positions and dimensions at once.
    func attention(_ set: FloatKernelSet, _ keys: Cache, _ values: Cache) -> [Float] {
        var scores = [Float](repeating: 0, count: positions)
        var out = [Float](repeating: .nan, count: dimension)
        keys.withKernelCache { keys in
            tk_attention_scores(
                set.kernels, keys, query, 1, dimension, scale, 0, positions, &scores, positions)
        }
        let total = tk_attention_weights(set.kernels, &scores, positions)
        values.withKernelCache { values in
            tk_attention_values(
                set.kernels, values, scores, positions, [total], 1, positions, dimension, 0,
                dimension, &out)
        }
        return out
    }

    func cache<Element: BitwiseCopyable>(_ x: [Element], _ type: tk_cache_type) -> Cache {
        Cache(bytes: x.withUnsafeBytes(Array.init), scales: [], type: type, stride: stride)
    }
}

/// Keys or values as the kernels see them.
private struct Cache {
    let bytes: [UInt8]
    let scales: [Float]
    let type: tk_cache_type
    let stride: Int

    func withKernelCache<R>(_ body: (UnsafePointer<tk_cache>) -> R) -> R {
        bytes.withUnsafeBytes { bytes in
            scales.withUnsafeBufferPointer { scales in
                guard let data = bytes.baseAddress else { preconditionFailure("an empty cache") }
                var cache = tk_cache(
                    type: type, data: data, scales: scales.baseAddress, stride: stride)
                return body(&cache)
            }
        }
    }
}

@Suite("Attention kernel")
struct FloatAttentionTests {
    @Test(
        "attention equals a double computation", arguments: FloatKernelSet.supported,
        [(8, 1, 8), (64, 5, 64), (80, 33, 96), (128, 100, 640), (256, 17, 256), (24, 1000, 24)])
    func equalsDouble(set: FloatKernelSet, shape: (Int, Int, Int)) {
        let head = Head(dimension: shape.0, positions: shape.1, stride: shape.2)
        let out = head.attention(set, head.keys, head.values, TK_CACHE_F32)
        let exact = head.exact(keys: head.keys, values: head.values)
        for i in out.indices { #expect(abs(Double(out[i]) - exact[i]) < 1e-5) }
    }

    @Test(
        "a float16 cache gives what its widened values give", arguments: FloatKernelSet.supported,
        [(8, 1, 8), (64, 5, 64), (80, 33, 96), (128, 100, 640)])
    func float16Cache(set: FloatKernelSet, shape: (Int, Int, Int)) {
        let head = Head(dimension: shape.0, positions: shape.1, stride: shape.2)
        func half(_ x: [Float]) -> (bits: [UInt16], values: [Float]) {
            var bits = [UInt16](repeating: 0, count: x.count)
            var wide = x
            tk_f32_to_f16(set.kernels, x, x.count, &bits)
            tk_f16_to_f32(set.kernels, bits, bits.count, &wide)
            return (bits, wide)
        }
        let (keys, values) = (half(head.keys), half(head.values))
        let narrow = head.attention(set, keys.bits, values.bits, TK_CACHE_F16)
        let wide = head.attention(set, keys.values, values.values, TK_CACHE_F32)
        #expect(narrow == wide)
        #expect(narrow != head.attention(set, head.keys, head.values, TK_CACHE_F32))
    }

    @Test("attention to one position is its value", arguments: FloatKernelSet.supported)
    func onePosition(set: FloatKernelSet) {
        let head = Head(dimension: 128, positions: 1, stride: 128)
        #expect(head.attention(set, head.keys, head.values, TK_CACHE_F32) == head.values)
    }

    @Test("attention follows the documented order", arguments: FloatKernelSet.supported)
    func order(set: FloatKernelSet) {
        let head = Head(dimension: 72, positions: 37, stride: 80)
        var scores = (0..<head.positions).map { p in
            laneSum(head.query, Array(head.keys[(p * 80)..<(p * 80 + 72)])) * head.scale
        }
        let largest = scores.max() ?? 0
        scores = scores.map { $0 - largest }
        var weights = scores
        tk_exp(FloatKernelSet.scalar.kernels, scores, scores.count, &weights)
        let total = laneSum(weights, [Float](repeating: 1, count: weights.count))
        let expected = (0..<72).map { i in
            let sum = weights.indices.reduce(Float(0)) {
                $0.addingProduct(weights[$1], head.values[$1 * 80 + i])
            }
            return sum / total
        }
        #expect(head.attention(set, head.keys, head.values, TK_CACHE_F32) == expected)
    }

    @Test(
        "a group of heads gives what its heads give one by one, in whatever parts",
        arguments: FloatKernelSet.supported, [1, 2, 3, 4, 5, 8])
    func group(set: FloatKernelSet, heads: Int) {
        let (size, positions, row) = (72, 117, 120)
        let head = Head(dimension: size, positions: positions, stride: 80)
        let queries = randomFloats(heads * size, range: 2, seed: 8)
        let keys = head.cache(head.keys, TK_CACHE_F32)
        let values = head.cache(head.values, TK_CACHE_F32)
        // 7 and -7 mark what must stay as it is.
        var scores = [Float](repeating: 7, count: heads * row)
        var out = [Float](repeating: -7, count: (heads + 1) * size)
        keys.withKernelCache { keys in
            for part in [50..<117, 0..<1, 1..<50] {
                tk_attention_scores(
                    set.kernels, keys, queries, heads, size, head.scale, part.lowerBound,
                    part.upperBound, &scores, row)
            }
        }
        var totals: [Float] = []
        for h in 0..<heads {
            #expect(scores[h * row + positions..<(h + 1) * row].allSatisfy { $0 == 7 })
            scores.withUnsafeMutableBufferPointer {
                guard let start = $0.baseAddress else { return }
                totals.append(tk_attention_weights(set.kernels, start + h * row, positions))
            }
        }
        values.withKernelCache { values in
            for part in [40..<72, 0..<8, 8..<40] {
                tk_attention_values(
                    set.kernels, values, scores, row, totals, heads, positions, size,
                    part.lowerBound, part.upperBound, &out)
            }
        }
        for h in 0..<heads {
            let alone = Head(head, query: Array(queries[h * size..<(h + 1) * size]))
            let expected = alone.attention(.scalar, keys, values)
            #expect(Array(out[h * size..<(h + 1) * size]) == expected, "head \(h)")
        }
        #expect(out[(heads * size)...].allSatisfy { $0 == -7 })
    }

    @Test(
        "an int8 cache gives what its decoded values give", arguments: FloatKernelSet.supported,
        [(8, 1, 8), (64, 5, 64), (80, 33, 96), (128, 100, 640), (256, 17, 256)])
    func int8Cache(set: FloatKernelSet, shape: (Int, Int, Int)) {
        let head = Head(dimension: shape.0, positions: shape.1, stride: shape.2)
        let (keys, values) = (Int8Cache(head.keys, head), Int8Cache(head.values, head))
        let out = head.attention(set, keys.cache(head), values.cache(head))
        #expect(out == head.attention(set, keys.decoded, values.decoded, TK_CACHE_F32))
        #expect(out != head.attention(set, head.keys, head.values, TK_CACHE_F32))
        let exact = head.exact(keys: head.keys, values: head.values)
        for i in out.indices { #expect(abs(Double(out[i]) - exact[i]) < 0.1) }
    }

    @Test("int8 cache elements are rounded half to even, with absmax over 127 as the scale")
    func int8Rounding() {
        let x: [Float] = [127, 0.5, 1.5, -2.5, -126.5, 0, -0.0, 126.49]
        var q = [Int8](repeating: 99, count: x.count + 1)
        #expect(tk_quantize_cache(x, x.count, &q) == 1)
        #expect(q == [127, 0, 2, -2, -126, 0, 0, 126, 99])
        let random = randomFloats(80, range: 3, seed: 5)
        var rounded = [Int8](repeating: 0, count: 80)
        let scale = tk_quantize_cache(random, 80, &rounded)
        #expect(scale == (random.map(abs).max() ?? 0) / 127)
        #expect(rounded == random.map { Int8(($0 / scale).rounded(.toNearestOrEven)) })
    }

    @Test("an int8 vector of zeros, of tiny and of huge values comes back within half a step")
    func int8Extremes() {
        let tiniest = Float.leastNonzeroMagnitude
        for magnitude: Float in [0, tiniest, 7 * tiniest, 190 * tiniest, 1e-37, 1, 3e38] {
            let x = [magnitude, -magnitude, magnitude / 3, 0]
            var q = [Int8](repeating: 0, count: 4)
            let scale = tk_quantize_cache(x, 4, &q)
            #expect(scale.isFinite)
            for i in x.indices {
                // The scale itself is rounded to a multiple of the smallest float.
                let slack = 128 * tiniest
                #expect(abs(Float(q[i]) * scale - x[i]) <= scale * 0.51 + slack, "\(magnitude)")
            }
        }
    }

    @Test("what is not finite shows in the scale of an int8 vector")
    func int8Damage() {
        for bad in [Float.nan, .infinity, -.infinity] {
            for place in 0..<9 {
                var x = randomFloats(9, seed: 3)
                x[place] = bad
                var q = [Int8](repeating: 0, count: 9)
                #expect(tk_quantize_cache(x, 9, &q).isNaN)
            }
        }
    }
}

/// Keys or values rounded to int8.
private struct Int8Cache {
    var elements: [Int8]
    var scales: [Float]
    var decoded: [Float]

    func cache(_ head: Head) -> Cache {
        Cache(
            bytes: elements.map { UInt8(bitPattern: $0) }, scales: scales, type: TK_CACHE_INT8,
            stride: head.stride)
    }

    init(_ x: [Float], _ head: Head) {
        elements = [Int8](repeating: 0x55, count: x.count)
        scales = []
        decoded = [Float](repeating: 0, count: x.count)
        for position in 0..<head.positions {
            let range = position * head.stride..<position * head.stride + head.dimension
            var q = [Int8](repeating: 0, count: range.count)
            scales.append(tk_quantize_cache(Array(x[range]), range.count, &q))
            elements.replaceSubrange(range, with: q)
            decoded.replaceSubrange(range, with: q.map { Float($0) * scales[position] })
        }
    }
}

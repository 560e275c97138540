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
        var scores = [Float](repeating: 0, count: (positions + 15) / 16 * 16)
        var out = [Float](repeating: .nan, count: dimension)
        tk_attention(
            set.kernels, query, keys, values, type, stride, positions, dimension, scale, &scores,
            &out)
        return out
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
        "an int8 cache gives what its decoded values give", arguments: FloatKernelSet.supported,
        [(8, 1, 8), (64, 5, 64), (80, 33, 96), (128, 100, 640), (256, 17, 256)])
    func int8Cache(set: FloatKernelSet, shape: (Int, Int, Int)) {
        let head = Head(dimension: shape.0, positions: shape.1, stride: shape.2)
        let (keys, values) = (Int8Cache(head.keys, head), Int8Cache(head.values, head))
        var scores = [Float](repeating: 0, count: (head.positions + 15) / 16 * 16)
        var out = [Float](repeating: .nan, count: head.dimension)
        tk_attention_int8(
            set.kernels, head.query, keys.elements, keys.scales, values.elements, values.scales,
            head.stride, head.positions, head.dimension, head.scale, &scores, &out)
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

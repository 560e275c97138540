import CTernaryKernels
import TestSupport
import Testing

@Suite("Dense GEMV kernel")
struct FloatDenseTests {
    static let types = [TK_F32, TK_F16, TK_BF16, TK_Q8_0, TK_Q6_K, TK_Q4_0].map(\.rawValue)

    /// Random blocks with finite scales: the raw rows of a matrix and their decoded weights.
    static func matrix(
        _ type: tk_type, rows: Int, columns: Int
    ) -> (data: [UInt8], weights: [Float]) {
        var generator = SplitMix64(seed: UInt64(type.rawValue))
        let bytes = tk_type_block_bytes(type)
        let n = rows * columns
        var data = [UInt8](repeating: 0, count: n / tk_type_block_size(type) * bytes)
        if tk_type_block_size(type) == 1 {
            tk_encode(type, randomFloats(n, seed: 9), n, &data)
        } else {
            for i in data.indices { data[i] = UInt8(truncatingIfNeeded: generator.next()) }
            let scale = type == TK_Q6_K ? 208 : 0
            for block in stride(from: 0, to: data.count, by: bytes) {
                data[block + scale + 1] &= 0xBB
            }
        }
        var weights = [Float](repeating: 0, count: n)
        tk_decode(type, data, n, &weights)
        return (data, weights)
    }

    @Test(
        "dense_gemv is the 16-lane sum of the decoded weights",
        arguments: FloatKernelSet.supported, types)
    func order(set: FloatKernelSet, type: UInt32) {
        let type = tk_type(rawValue: type)
        let (rows, columns) = (11, 768)
        let (data, weights) = Self.matrix(type, rows: rows, columns: columns)
        let x = randomFloats(columns, range: 2, seed: 10)
        let expected = (0..<rows).map { r in
            laneSum(Array(weights[(r * columns)..<((r + 1) * columns)]), x)
        }
        for (begin, end) in [(0, 11), (0, 4), (3, 4), (2, 9), (5, 5)] {
            var y = [Float](repeating: .nan, count: end - begin + 1)
            tk_dense_gemv(set.kernels, type, data, columns, x, begin, end, &y)
            #expect(Array(y.dropLast()) == Array(expected[begin..<end]))
            #expect(y.last!.isNaN, "wrote past its rows")
        }
    }

    @Test("dense_gemv is close to a double computation", arguments: types)
    func equalsDouble(type: UInt32) {
        let type = tk_type(rawValue: type)
        let columns = 2560
        let (data, weights) = Self.matrix(type, rows: 3, columns: columns)
        let x = randomFloats(columns, seed: 11)
        var y = [Float](repeating: 0, count: 3)
        tk_dense_gemv(FloatKernelSet.supported[0].kernels, type, data, columns, x, 0, 3, &y)
        for r in 0..<3 {
            let products = (0..<columns).map { Double(weights[r * columns + $0]) * Double(x[$0]) }
            let size = products.reduce(0) { $0 + abs($1) }
            #expect(abs(Double(y[r]) - products.reduce(0, +)) < 1e-6 * size)
        }
    }

    @Test("dense_gemv has a kernel for the types that heads are stored in, and only those")
    func availability() {
        let available = (0..<64).filter { tk_can_dense_gemv(tk_type(rawValue: $0)) }
        #expect(Set(available) == Set(Self.types))
    }
}

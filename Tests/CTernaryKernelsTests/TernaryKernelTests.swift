import CTernaryKernels
import TestSupport
import Testing

@Suite("Ternary kernels")
struct TernaryKernelTests {
    @Test("the last kernel set is scalar and it is supported")
    func scalarIsLast() {
        #expect(TernarySet.scalar.testDescription == "scalar")
        #expect(TernarySet.supported.last?.index == TernarySet.scalar.index)
    }

    @Test("every kernel set agrees with scalar in its self-test", arguments: TernarySet.supported)
    func selfTest(set: TernarySet) {
        let disagreement = tk_self_test(set.pointer).map { String(cString: $0) }
        #expect(disagreement == nil)
    }

    @Test(
        "GEMV and GEMM of every instruction set equal the definition",
        arguments: TernarySet.supported,
        [(1, 1), (3, 127), (4, 128), (5, 129), (7, 160), (9, 161), (6, 2600)])
    func products(set: TernarySet, shape: (rows: Int, columns: Int)) {
        let (rows, columns) = shape
        let trits = randomTrits(rows * columns, seed: UInt64(columns))
        var random = SplitMix64(seed: 1)
        let tokens = (0..<7).map { t in
            TernaryActivations(
                values: (0..<columns).map { _ in
                    t == 0 ? 127 : Int8(truncatingIfNeeded: Int(random.next() % 255) - 127)
                })
        }
        let expected = tokens.map { plainProduct(trits, $0.q, rows: rows, columns: columns) }
        for layout in ternaryLayouts {
            let w = PackedTernary(trits, rows: rows, columns: columns, layout: layout)
            for (token, row) in zip(tokens, expected) { #expect(set.gemv(w, token) == row) }
            #expect(set.gemm(w, tokens) == expected.flatMap(\.self))
        }
    }

    @Test("GEMV over block ranges adds up to the whole row", arguments: TernarySet.supported)
    func blockRanges(set: TernarySet) {
        let (rows, columns) = (5, 1000)
        let trits = randomTrits(rows * columns, seed: 5)
        let x = TernaryActivations(values: randomTrits(columns, seed: 6).map { $0 &* 101 })
        for layout in ternaryLayouts {
            let w = PackedTernary(trits, rows: rows, columns: columns, layout: layout)
            let width = tk_block_columns(layout)
            var total = [Int32](repeating: 0, count: rows)
            for begin in stride(from: 0, to: columns, by: 2 * width) {
                let blocks = begin / width..<(min(begin + 2 * width, columns) + width - 1) / width
                let sum = x.q[begin..<min(begin + 2 * width, columns)].reduce(0) { $0 + Int32($1) }
                var part = [Int32](repeating: 0, count: rows)
                withUnsafePointer(to: w.matrix) {
                    tk_gemv(
                        set.pointer, $0, x.q, sum, blocks.lowerBound, blocks.upperBound, 0, rows,
                        &part)
                }
                total = zip(total, part).map(+)
            }
            #expect(total == plainProduct(trits, x.q, rows: rows, columns: columns))
        }
    }

    @Test(
        "every instruction set quantises and dequantises like scalar",
        arguments: TernarySet.supported, [0, 1, 7, 16, 31, 33, 257])
    func quantise(set: TernarySet, n: Int) {
        var random = SplitMix64(seed: UInt64(n))
        let rows: [[Float]] = [
            (0..<n).map { _ in random.nextFloat() },
            (0..<n).map { $0 == 0 ? 127 : (random.nextFloat() * 254).rounded() / 2 },
            (0..<n).map { _ in random.nextFloat() * 1e-7 },
            (0..<n).map { $0 % 3 == 1 ? .nan : .infinity },
        ]
        for x in rows {
            let (mine, scalar) = (TernaryActivations(x, set), TernaryActivations(x, .scalar))
            #expect(mine.q == scalar.q)
            #expect(mine.sum == scalar.sum)
            #expect(mine.scale.bitPattern == scalar.scale.bitPattern)
        }
        let acc = (0..<n).map { _ in Int32(truncatingIfNeeded: random.next()) }
        let beta = (0...n).map { _ in random.nextFloat() }
        for stride in 0...1 {
            var y = [Float](repeating: 0, count: n)
            tk_dequantize(set.pointer, acc, n, 12.7, beta, stride, &y)
            let scale = Double(Float(12.7))
            #expect(
                y == (0..<n).map { Float(Double(acc[$0]) * (Double(beta[$0 * stride]) / scale)) })
        }
    }
}

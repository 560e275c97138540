import BitNetBench
import BitNetKit
import Testing

@Suite("FloatBaseline")
struct FloatBaselineTests {
    typealias Kind = FloatBaseline.Kind

    /// How far a product may be from the exact one: the rounding of weights to FP16 where they are,
    /// and of every addition.
    private func tolerance(_ kind: Kind, _ terms: [Double]) -> Double {
        let weights = kind == .openBLASF32 ? 0 : 0x1p-11
        return terms.reduce(0) { $0 + abs($1) } * (weights + Double(terms.count + 4) * 0x1p-24)
    }

    @Test(
        "products are those of a double loop, to within FP16 weights and float32 sums",
        arguments: Kind.allCases.filter(\.isAvailable),
        [(1, 1), (1, 3), (37, 160), (5, 17), (700, 333), (3, 5000)])
    func products(_ kind: Kind, _ shape: (rows: Int, columns: Int)) throws {
        let (rows, columns) = shape
        let weights = randomFloats(rows * columns, seed: 1)
        for kernels in KernelSet.available {
            let baseline = try FloatBaseline(
                kind, rows: rows, columns: columns, weights: weights, kernels: kernels)
            #expect(baseline.rows == rows)
            #expect(baseline.columns == columns)
            for batch in [1, 3] {
                let x = randomFloats(batch * columns, seed: 2)
                let y = try baseline.multiply(x)
                try #require(y.count == batch * rows)
                for (index, value) in y.enumerated() {
                    let (token, row) = index.quotientAndRemainder(dividingBy: rows)
                    let terms = (0..<columns).map {
                        Double(weights[row * columns + $0]) * Double(x[token * columns + $0])
                    }
                    let error = abs(Double(value) - terms.reduce(0, +))
                    #expect(error <= tolerance(kind, terms), "row \(row) of input \(token)")
                }
            }
        }
    }

    @Test("bytes are two or four for each weight of the padded rows")
    func byteCounts() throws {
        for kind in Kind.allCases where kind.isAvailable {
            let weights = [Float](repeating: 1, count: 3 * 33)
            let baseline = try FloatBaseline(kind, rows: 3, columns: 33, weights: weights)
            #expect(baseline.byteCount == 3 * 48 * (kind == .openBLASF32 ? 4 : 2))
        }
    }

    @Test("a kind is available when OpenBLAS is, and names the kernels that multiply")
    func kernels() throws {
        let blas = try? FloatBaseline.openBLAS.get()
        #expect(Kind.allCases.filter { $0.isAvailable }.count == (blas == nil ? 1 : 3))
        for kind in Kind.allCases where kind.isAvailable {
            let baseline = try FloatBaseline(kind, rows: 1, columns: 1, weights: [1])
            #expect(baseline.kernels == (kind == .ownF16 ? KernelSet.best.name : blas?.core))
            #expect(baseline.remark == (kind == .ownF16 ? nil : blas?.remark))
        }
    }

    @Test("weights and inputs that do not fit are refused")
    func badShapes() throws {
        for (rows, columns, count) in [(2, 3, 5), (0, 3, 0), (3, 0, 0), (-1, -5, 5), (.max, 2, 5)] {
            #expect(
                throws: BitNetError.shapeMismatch(
                    tensor: "weights", expected: [rows, columns], found: [count])
            ) {
                try FloatBaseline(
                    .ownF16, rows: rows, columns: columns,
                    weights: [Float](repeating: 0, count: count))
            }
        }
        for kind in Kind.allCases where kind.isAvailable {
            let baseline = try FloatBaseline(kind, rows: 1, columns: 4, weights: [1, 2, 3, 4])
            for count in [0, 3, 5] {
                #expect(
                    throws: BitNetError.shapeMismatch(tensor: "x", expected: [4], found: [count])
                ) { try baseline.multiply([Float](repeating: 1, count: count)) }
            }
        }
    }
}

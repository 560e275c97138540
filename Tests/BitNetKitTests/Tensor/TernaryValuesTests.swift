import BitNetBench
import TestSupport
import Testing

@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Ternary matrices made of numbers, and numbers made of them.
@Suite("Ternary matrices and their values")
struct TernaryValuesTests {
    private static func scales(_ rows: Int, _ columns: Int) -> [TernaryScale] {
        var scales: [TernaryScale] = [.perTensor(0.37), .perRow(randomFloats(rows, seed: 2))]
        if columns % 3 == 0 {
            scales.append(.perGroup(size: columns / 3, randomFloats(rows * 3, seed: 4)))
        }
        return scales
    }

    @Test(
        "an array of trits, and numbers that are trits, make the matrix that a function makes",
        arguments: TernaryLayout.allCases, [(1, 1), (5, 9), (33, 321)])
    func arrays(_ layout: TernaryLayout, _ shape: (rows: Int, columns: Int)) throws {
        let (rows, columns) = shape
        for scale in Self.scales(rows, columns) {
            let plain = PlainTernary(rows: rows, columns: columns, scale: scale, seed: 3)
            let trits = plain.trits.map { Trit(rawValue: $0)! }
            let numbers = try Tensor(plain.trits, shape: [rows, columns])
            for matrix in [
                try TernaryMatrix(
                    rows: rows, columns: columns, trits: trits, scale: scale, layout: layout),
                try TernaryMatrix(numbers, scale: scale, layout: layout),
            ] {
                #expect(matrix.layout == layout && matrix.scale == scale)
                #expect((0..<rows).flatMap { matrix.trits(ofRow: $0) } == plain.trits)
            }
        }
    }

    @Test("trits that are too many, too few or none are refused with their place")
    func refusals() throws {
        for count in [0, 5, 7] {
            #expect(
                throws: BitNetError.shapeMismatch(
                    tensor: "trits", expected: [2, 3], found: [count])
            ) {
                try TernaryMatrix(
                    rows: 2, columns: 3, trits: Array(repeating: .plus, count: count),
                    scale: .perTensor(1))
            }
        }
        for (rows, columns) in [(0, 0), (-1, -1), (.max, .max)] {
            #expect(throws: BitNetError.self) {
                try TernaryMatrix(rows: rows, columns: columns, trits: [], scale: .perTensor(1))
            }
        }
        let odd = try Tensor<Int8>([0, 1, -1, 1, 2, 0], shape: [2, 3])
        #expect(
            throws: BitNetError.invalidArgument(
                name: "trits", detail: "2 in row 1, column 1 is not -1, 0 or +1")
        ) { try TernaryMatrix(odd, scale: .perTensor(1)) }
        #expect(throws: BitNetError.self) {
            try TernaryMatrix(Tensor<Int8>([1, 1], shape: [2]), scale: .perTensor(1))
        }
    }

    @Test(
        "the weights of a matrix are its trits times their scales", arguments: [(5, 9), (6, 160)])
    func weights(_ shape: (rows: Int, columns: Int)) throws {
        let (rows, columns) = shape
        for scale in Self.scales(rows, columns) {
            let plain = PlainTernary(rows: rows, columns: columns, scale: scale, seed: 3)
            let weights = try plain.matrix(.t5).weights()
            #expect(weights.shape == [rows, columns])
            for row in 0..<rows {
                for column in 0..<columns {
                    let beta =
                        switch scale {
                        case .perTensor(let beta): beta
                        case .perRow(let betas): betas[row]
                        case .perGroup(let size, let betas): betas[row * 3 + column / size]
                        }
                    #expect(
                        weights[row, column] == Float(plain.trits[row * columns + column]) * beta)
                }
            }
        }
    }

    @Test("a matrix in another layout is the same matrix, however its weights lie before")
    func repacking() throws {
        let pool = WorkerPool(threads: 2)
        for (rows, columns) in [(1, 1), (5, 9), (67, 321), (130, 480)] {
            for scale in Self.scales(rows, columns) {
                let plain = PlainTernary(rows: rows, columns: columns, scale: scale, seed: 3)
                for layout in TernaryLayout.allCases {
                    let matrix = try plain.matrix(layout)
                    var sources = [matrix, try TernaryMatrix(copying: matrix, pool: pool)]
                    for arrangement in [Arrangement.rows, .columns] {
                        sources.append(try matrix.arranged(arrangement, pool: pool))
                    }
                    for source in sources {
                        for target in TernaryLayout.allCases {
                            let packed = try source.packed(as: target)
                            #expect(packed.layout == target && packed.scale == scale)
                            #expect(packed.trits.arrangement == .tiles)
                            #expect(
                                (0..<rows).flatMap { packed.trits(ofRow: $0) } == plain.trits)
                        }
                    }
                }
            }
        }
    }

    @Test("rounding by absmean is that of a plain loop, and its error is what it loses")
    func absmean() throws {
        for (rows, columns) in [(1, 1), (3, 5), (37, 161)] {
            let values = randomFloats(rows * columns, seed: 9, scale: 0.05)
            let mean = values.reduce(0.0) { $0 + Double(abs($1)) } / Double(values.count)
            let g = 1 / Float(mean)
            let trits = values.map {
                Int8(min(max(($0 * g).rounded(.toNearestOrEven), -1), 1))
            }
            for layout in TernaryLayout.allCases {
                let rounding = try AbsmeanRounding(
                    Tensor(values, shape: [rows, columns]), layout: layout)
                #expect(rounding.scale == 1 / g && rounding.matrix.layout == layout)
                #expect(rounding.matrix.scale == .perTensor(1 / g))
                #expect((0..<rows).flatMap { rounding.matrix.trits(ofRow: $0) } == trits)
                let (lost, all) = zip(values, trits).reduce((0.0, 0.0)) { sum, pair in
                    let held = Double(Float(pair.1) * rounding.scale)
                    return (
                        sum.0 + (Double(pair.0) - held) * (Double(pair.0) - held),
                        sum.1 + Double(pair.0) * Double(pair.0)
                    )
                }
                #expect(abs(rounding.relativeError - lost / all) < 1e-6)
            }
        }
    }

    @Test("weights of one magnitude lose nothing, Gaussian ones about a quarter")
    func losses() throws {
        let exact = try AbsmeanRounding(Tensor([0.5, -0.5, -0.5, 0.5], shape: [2, 2]))
        #expect(exact.relativeError == 0 && exact.scale == 0.5)
        var random = SplitMix64(seed: 1)
        let gaussian = (0..<200_000).map { _ in
            (0..<12).reduce(Float(0)) { sum, _ in sum + random.nextFloat() }
        }
        let rounding = try AbsmeanRounding(Tensor(gaussian, shape: [400, 500]))
        #expect(abs(rounding.relativeError - 0.26) < 0.02)
        #expect(abs(rounding.matrix.statistics().zeroShare - 0.31) < 0.02)
        let zeros = try AbsmeanRounding(Tensor<Float>(repeating: 0, shape: [2, 3]))
        #expect(zeros.relativeError == 0 && zeros.matrix.statistics().zeros == 6)
    }

    @Test(
        "weights that cannot be rounded are refused with their place",
        arguments: [
            Float.nan, .infinity, -.infinity,
        ])
    func oddWeights(_ value: Float) throws {
        let weights = try Tensor<Float>([1, 1, 1, 1, value, 1], shape: [2, 3])
        do {
            _ = try AbsmeanRounding(weights)
            Issue.record("\(value) was rounded")
        } catch {
            #expect("\(error)".contains("\(value) in row 1, column 1"))
        }
        for shape in [[6], [1, 2, 3], [0, 6], [6, 0]] {
            #expect(throws: BitNetError.self) {
                try AbsmeanRounding(Tensor<Float>(repeating: 1, shape: shape))
            }
        }
    }
}

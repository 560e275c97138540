import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("TernaryMatrix")
struct TernaryMatrixTests {
    /// A kernel set and a packed layout.
    struct Implementation: Sendable, CustomTestStringConvertible {
        let kernels: KernelSet
        let layout: TernaryLayout
        var testDescription: String { "\(kernels) \(layout.rawValue)" }

        static let all = KernelSet.available.flatMap { kernels in
            TernaryLayout.allCases.map { Implementation(kernels: kernels, layout: $0) }
        }
    }

    /// Every trit is read back, alone and by rows, whatever is not a whole tile or block.
    @Test(
        "trits are read back as they were given", arguments: TernaryLayout.allCases,
        [(1, 1), (3, 5), (4, 128), (5, 160), (7, 129), (66, 321)])
    func roundTrip(_ layout: TernaryLayout, _ shape: (rows: Int, columns: Int)) throws {
        let plain = PlainTernary(
            rows: shape.rows, columns: shape.columns, scale: .perTensor(1), seed: 1)
        let matrix = try plain.matrix(layout)
        #expect(matrix.rows == shape.rows)
        #expect(matrix.columns == shape.columns)
        #expect(matrix.layout == layout)
        for row in 0..<shape.rows {
            let expected = Array(plain.trits[row * shape.columns..<(row + 1) * shape.columns])
            #expect(matrix.trits(ofRow: row) == expected)
            #expect((0..<shape.columns).map { matrix[row, $0].rawValue } == expected)
        }
    }

    @Test(
        "products are those of a plain loop, bit for bit, for one input and for several",
        arguments: Implementation.all,
        [(1, 1), (3, 5), (4, 128), (5, 160), (33, 257), (130, 640)])
    func products(_ implementation: Implementation, _ shape: (rows: Int, columns: Int)) throws {
        for scale in [
            TernaryScale.perTensor(0.37), .perRow(randomFloats(shape.rows, seed: 2)),
        ] {
            let plain = PlainTernary(
                rows: shape.rows, columns: shape.columns, scale: scale, seed: 3)
            let matrix = try plain.matrix(implementation.layout)
            for batch in [1, 2, 5, 9] {
                let x = randomFloats(batch * shape.columns, seed: UInt64(batch), scale: 3)
                let y = try matrix.multiply(x, kernels: implementation.kernels)
                #expect(y == plain.multiply(x), "\(batch) inputs")
            }
        }
    }

    @Test("scales of groups apply to their columns", arguments: Implementation.all)
    func groups(_ implementation: Implementation) throws {
        let block = implementation.layout.blockColumns
        for (size, count) in [(block, 1), (block, 3), (2 * block, 4)] {
            // More rows than the 64 that are scaled at a time.
            let rows = 70
            let plain = PlainTernary(
                rows: rows, columns: size * count,
                scale: .perGroup(size: size, randomFloats(rows * count, seed: 5)), seed: 6)
            let matrix = try plain.matrix(implementation.layout)
            for batch in [1, 3] {
                let x = randomFloats(batch * size * count, seed: 7)
                let y = try matrix.multiply(x, kernels: implementation.kernels)
                #expect(y == plain.multiply(x), "\(count) groups of \(size), \(batch) inputs")
            }
        }
    }

    @Test("a product large enough for all threads is that of a plain loop")
    func manyRows() throws {
        let plain = PlainTernary(rows: 530, columns: 420, scale: .perTensor(1), seed: 8)
        let x = randomFloats(420, seed: 9)
        #expect(try plain.matrix(.t2).multiply(x) == plain.multiply(x))
    }

    @Test("inputs of zeros, and inputs too small for a scale of their own, are no special case")
    func smallInputs() throws {
        let plain = PlainTernary(rows: 9, columns: 40, scale: .perTensor(2), seed: 10)
        for x in [[Float](repeating: 0, count: 40), randomFloats(40, seed: 11, scale: 1e-6)] {
            #expect(try plain.matrix(.t2).multiply(x) == plain.multiply(x))
        }
    }

    @Test("an input that is not finite gives something, not a crash")
    func notFinite() throws {
        let matrix = try PlainTernary(rows: 5, columns: 20, scale: .perTensor(1), seed: 1)
            .matrix(.t2)
        for odd in [Float.nan, .infinity, -.infinity] {
            var x = randomFloats(20, seed: 1)
            x[3] = odd
            #expect(try matrix.multiply(x).count == 5)
        }
    }

    @Test("trits are counted")
    func statistics() throws {
        let matrix = try TernaryMatrix(rows: 3, columns: 10, scale: .perTensor(1)) { row, column in
            row == 0 ? .plus : column < 4 ? .minus : .zero
        }
        let statistics = matrix.statistics()
        #expect(statistics.positives == 10)
        #expect(statistics.negatives == 8)
        #expect(statistics.zeros == 12)
        #expect(statistics.count == 30)
        #expect(statistics.zeroShare == 0.4)
        #expect("\(statistics)" == "8 of -1, 12 of 0, 10 of +1")
    }

    @Test("bytes are those of whole tiles of four rows and whole blocks")
    func byteCounts() throws {
        func bytes(_ rows: Int, _ columns: Int, _ layout: TernaryLayout) throws -> Int {
            try PlainTernary(rows: rows, columns: columns, scale: .perTensor(1), seed: 1)
                .matrix(layout).byteCount
        }
        #expect(try bytes(4, 128, .t2) == 4 * 32)
        #expect(try bytes(1, 1, .t2) == 4 * 32)
        #expect(try bytes(5, 129, .t2) == 8 * 64)
        #expect(try bytes(4, 160, .t5) == 4 * 32)
        #expect(try bytes(4, 161, .t5) == 4 * 64)
    }

    @Test("a description says shape, layout and scale")
    func descriptions() throws {
        let plain = PlainTernary(rows: 2, columns: 3, scale: .perTensor(0.5), seed: 1)
        #expect(try "\(plain.matrix(.t5))" == "TernaryMatrix [2, 3], T5, scale 0.5")
    }
}

// MARK: - What is refused

extension TernaryMatrixTests {
    private func make(_ rows: Int, _ columns: Int, _ scale: TernaryScale) throws(BitNetError) {
        _ = try TernaryMatrix(rows: rows, columns: columns, scale: scale) { _, _ in .plus }
    }

    @Test(
        "shapes that cannot be packed are refused",
        arguments: [(0, 4), (4, 0), (-1, 4), (4, -1), (1, 1 << 24)])
    func badShapes(_ shape: (rows: Int, columns: Int)) {
        #expect(
            throws: BitNetError.invalidArgument(
                name: "shape", detail: "[\(shape.rows), \(shape.columns)] cannot be packed")
        ) { try make(shape.rows, shape.columns, .perTensor(1)) }
    }

    @Test("a shape whose size overflows is out of memory, not out of bounds")
    func hugeShapes() {
        for rows in [Int.max, Int.max / 128, 1 << 60, 1 << 55] {
            #expect(
                throws: BitNetError.outOfMemory(bytes: .max, purpose: "packed weights")
            ) { try make(rows, 128, .perTensor(1)) }
        }
    }

    @Test("scales that do not fit are refused")
    func badScales() {
        #expect(throws: BitNetError.shapeMismatch(tensor: "scale", expected: [2], found: [3])) {
            try make(2, 8, .perRow([1, 2, 3]))
        }
        #expect(throws: BitNetError.shapeMismatch(tensor: "scale", expected: [2, 2], found: [2])) {
            try make(2, 256, .perGroup(size: 128, [1, 2]))
        }
        for size in [0, -128, 64, 100, 512] {
            #expect(throws: BitNetError.self) {
                try make(1, 256, .perGroup(size: size, [1, 1]))
            }
        }
        #expect(
            throws: BitNetError.invalidArgument(name: "scale", detail: "nan is not a finite number")
        ) {
            try make(1, 1, .perTensor(.nan))
        }
        #expect(
            throws: BitNetError.invalidArgument(name: "scale", detail: "inf is not a finite number")
        ) {
            try make(2, 1, .perRow([1, .infinity]))
        }
    }

    @Test("an input that is not whole is refused", arguments: [0, 1, 7, 9, 15])
    func badInputs(_ count: Int) throws {
        let matrix = try TernaryMatrix(rows: 2, columns: 8, scale: .perTensor(1)) { _, _ in .zero }
        #expect(throws: BitNetError.shapeMismatch(tensor: "x", expected: [8], found: [count])) {
            try matrix.multiply([Float](repeating: 1, count: count))
        }
    }
}

import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("DenseMatrix")
struct DenseMatrixTests {
    static let types: [ElementType] = [.f32, .f16, .bf16, .q8_0, .q6_K, .q4_0]

    /// The largest error of a stored value, relative to the largest of its block.
    private func step(_ type: ElementType) -> Float {
        switch type {
        case .f32: 0
        case .f16: 0x1p-11
        case .bf16: 0x1p-8
        // Half a step of the grid, and the block's scale is rounded to F16 on top.
        case .q8_0: 0.5 / 127 + 0x1p-11
        // Six bits, and block scales that are themselves rounded to 8 bits.
        case .q6_K: 1.0 / 32 + 0.5 / 127
        // The grid is -8...7 of a step: the far end misses by a whole step.
        default: 1.0 / 8
        }
    }

    @Test("rows are stored to within the type's precision", arguments: types)
    func rows(_ type: ElementType) throws {
        let values = randomFloats(3 * 512, seed: 1)
        let matrix = try DenseMatrix(rows: 3, columns: 512, values: values, type: type)
        #expect(matrix.type == type)
        #expect(matrix.byteCount == 3 * 512 / type.block.elements * type.block.bytes)
        for row in 0..<3 {
            let expected = values[row * 512..<(row + 1) * 512]
            let found = matrix.row(row)
            try #require(found.count == 512)
            let worst = zip(expected, found).map { abs($0 - $1) }.max() ?? .infinity
            #expect(worst <= step(type) * 1.01, "row \(row)")
            if type == .f32 { #expect(found == Array(expected)) }
        }
    }

    @Test("products have the same bits on every kernel set", arguments: types)
    func products(_ type: ElementType) throws {
        let (rows, columns) = (37, 512)
        let matrix = try DenseMatrix(
            rows: rows, columns: columns, values: randomFloats(rows * columns, seed: 2), type: type)
        let x = randomFloats(columns, seed: 3)
        let expected = (0..<rows).map { row in inFixedOrder(matrix.row(row), x) }
        for kernels in KernelSet.available {
            #expect(try matrix.multiply(x, kernels: kernels) == expected, "\(kernels)")
        }
        for (row, y) in expected.enumerated() {
            let terms = zip(matrix.row(row), x).map { Double($0) * Double($1) }
            let bound = terms.reduce(0) { $0 + abs($1) } * Double(columns / 16 + 4) * 0x1p-24
            #expect(abs(Double(y) - terms.reduce(0, +)) <= bound)
        }
    }

    /// Sixteen lanes of fused multiply-adds, then a tree: the library's float order.
    private func inFixedOrder(_ w: [Float], _ x: [Float]) -> Float {
        var lanes = [Float](repeating: 0, count: 16)
        for (index, value) in w.enumerated() {
            lanes[index % 16].addProduct(value, x[index])
        }
        for half in [8, 4, 2, 1] {
            for lane in 0..<half { lanes[lane] += lanes[lane + half] }
        }
        return lanes[0]
    }

    @Test("shapes that do not fit are refused")
    func badShapes() {
        for (rows, columns, count, type) in [
            (2, 16, 31, ElementType.f32), (0, 16, 0, .f32), (2, 17, 34, .f32), (-2, -16, 32, .f32),
            (Int.max, 16, 32, .f32), (1, 48, 48, .q8_0), (1, 128, 128, .q6_K),
        ] {
            #expect(
                throws: BitNetError.shapeMismatch(
                    tensor: "values", expected: [rows, columns], found: [count])
            ) {
                try DenseMatrix(
                    rows: rows, columns: columns, values: [Float](repeating: 0, count: count),
                    type: type)
            }
        }
    }

    @Test(
        "types without a kernel or an encoder are refused",
        arguments: ElementType.allCases.filter { !types.contains($0) })
    func badTypes(_ type: ElementType) {
        #expect(
            throws: BitNetError.invalidArgument(
                name: "type", detail: "a dense matrix cannot be stored as \(type.rawValue)")
        ) {
            try DenseMatrix(
                rows: 1, columns: 256, values: [Float](repeating: 0, count: 256), type: type)
        }
    }

    @Test("an input of another size is refused", arguments: [0, 15, 17, 32])
    func badInputs(_ count: Int) throws {
        let matrix = try DenseMatrix(
            rows: 1, columns: 16, values: [Float](repeating: 0, count: 16))
        #expect(throws: BitNetError.shapeMismatch(tensor: "x", expected: [16], found: [count])) {
            try matrix.multiply([Float](repeating: 1, count: count))
        }
    }
}

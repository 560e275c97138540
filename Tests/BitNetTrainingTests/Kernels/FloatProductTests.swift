import Foundation
import TestSupport
import Testing

@testable import BitNetTraining

@Suite("Float products and gradients of the kernels")
struct FloatProductTests {
    private static let shapes = [
        (1, 1, 1), (8, 32, 32), (13, 11, 41), (130, 70, 33), (64, 300, 96), (7, 513, 64),
    ]

    /// A number is one chain of fused multiply-adds in the order of the depth.
    @Test("A product is a chain of fused multiply-adds", arguments: KernelSet.available, shapes)
    func chain(kernels: KernelSet, shape: (Int, Int, Int)) throws {
        let (rows, depth, columns) = shape
        for isTransposed in [false, true] {
            let a = try buffer(rows * depth, seed: 1)
            let b = try buffer(depth * columns, seed: 2)
            let c = try buffer(rows * columns, seed: 3)
            let before = c.array
            let packed = try AlignedBuffer<Float>(
                count: KernelSet.packedFactorSize(depth: depth, columns: columns), purpose: "test")
            let scratch = try AlignedBuffer<Float>(
                count: KernelSet.productScratch, purpose: "test")
            kernels.pack(
                .matrix(MatrixView(b.view, rows: depth, columns: columns)), depths: 0..<depth,
                into: packed.view)
            let left =
                isTransposed
                ? MatrixView(a.view, rows: depth, columns: rows)
                : MatrixView(a.view, rows: rows, columns: depth)
            kernels.product(
                FloatProduct(
                    left, isTransposed: isTransposed, packed: packed.view, bDepth: depth,
                    into: MatrixView(c.view, rows: rows, columns: columns),
                    accumulates: isTransposed),
                rows: 0..<rows, scratch: scratch.view)
            for row in 0..<rows {
                for column in 0..<columns {
                    var sum = isTransposed ? before[row * columns + column] : 0
                    for k in 0..<depth {
                        let x = a.view[isTransposed ? k * rows + row : row * depth + k]
                        sum = sum.addingProduct(x, b.view[k * columns + column])
                    }
                    try #require(c.view[row * columns + column] == sum)
                }
            }
        }
    }

    @Test("Factors are packed as what they stand for", arguments: KernelSet.available)
    func factors(kernels: KernelSet) throws {
        let (depth, columns) = (9, 45)
        let x = try buffer(depth * columns, seed: 4)
        let scales = try AlignedBuffer((0..<depth).map { Float($0 + 2) }, purpose: "test")
        let factors = try AlignedBuffer((0..<depth).map { Float($0) * 0.6 }, purpose: "test")
        let codes = try AlignedBuffer(
            x.array.map { Int8(($0 * 127).rounded()) }, purpose: "test")
        let view = MatrixView(x.view, rows: depth, columns: columns)
        let flipped = MatrixView(x.view, rows: columns, columns: depth)
        let cases: [(RightFactor, (Int, Int) -> Float)] = [
            (.matrix(view), { x.view[$0 * columns + $1] }),
            (.transposed(flipped), { x.view[$1 * depth + $0] }),
            (
                .int8(
                    codes.view, rows: depth, columns: columns, stride: columns,
                    scales: scales.view),
                { Float(codes.view[$0 * columns + $1]) * (1 / scales.view[$0]) }
            ),
            (
                .ternary(view, factors: factors.view, scales: scales.view),
                {
                    let scaled = x.view[$0 * columns + $1] * factors.view[$0]
                    let trit = min(max(scaled.rounded(.toNearestOrEven), -1), 1)
                    return trit * scales.view[$0]
                }
            ),
        ]
        for (factor, expected) in cases {
            let packed = try AlignedBuffer<Float>(
                count: KernelSet.packedFactorSize(depth: depth, columns: columns), purpose: "test")
            kernels.pack(factor, depths: 0..<4, into: packed.view)
            kernels.pack(factor, depths: 4..<depth, into: packed.view)
            for k in 0..<depth {
                for column in 0..<64 {
                    let found = packed.view[column / 32 * 32 * depth + k * 32 + column % 32]
                    #expect(found == (column < columns ? expected(k, column) : 0))
                }
            }
        }
    }

    @Test("Dot products have the bits of a dense matrix", arguments: KernelSet.available)
    func dots(kernels: KernelSet) throws {
        let (tokens, rows, columns) = (7, 13, 48)
        let (x, w) = (try buffer(tokens * columns, seed: 5), try buffer(rows * columns, seed: 6))
        let y = try AlignedBuffer<Float>(count: tokens * rows, purpose: "test")
        kernels.dotProducts(
            MatrixView(x.view, rows: tokens, columns: columns),
            MatrixView(w.view, rows: rows, columns: columns), rows: 0..<rows,
            into: MatrixView(y.view, rows: tokens, columns: rows))
        let dense = try DenseMatrix(rows: rows, columns: columns, values: w.array)
        for token in 0..<tokens {
            let expected = try dense.multiply(
                x.view[token * columns..<(token + 1) * columns].array, kernels: kernels)
            #expect(y.view[token * rows..<(token + 1) * rows].array == expected)
        }
    }

    @Test("Cross entropy is the loss, and its gradient takes the place of the logits")
    func crossEntropy() throws {
        let logits = try AlignedBuffer([Float](arrayLiteral: 1, 3, -2, 90, 4), purpose: "test")
        let before = logits.array.map(Double.init)
        let loss = KernelSet.best.crossEntropy(logits.view, target: 1, factor: 0.5)
        // exp(90) is more than float32 has, and 3 less than 90.
        #expect(abs(loss - 87) < 1e-5)
        let total = before.reduce(0) { $0 + exp($1 - 90) }
        for (index, value) in before.enumerated() {
            let p = exp(value - 90) / total - (index == 1 ? 1 : 0)
            #expect(abs(Double(logits.view[index]) - 0.5 * p) < 1e-6)
        }
    }

    private func buffer(_ count: Int, seed: UInt64) throws -> AlignedBuffer<Float> {
        var generator = SplitMix64(seed: seed)
        return try AlignedBuffer((0..<count).map { _ in generator.nextFloat() }, purpose: "test")
    }
}

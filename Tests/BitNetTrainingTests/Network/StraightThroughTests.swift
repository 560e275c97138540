import TestSupport
import Testing

@testable import BitNetTraining

/// The straight-through estimator against what it stands for: with weights and activations replaced
/// by what rounding makes of them, a linear layer is linear, and its gradients are products.
@Suite("The straight-through estimator")
struct StraightThroughTests {
    @Test("Gradients of a linear layer are products with what was rounded")
    func linear() throws {
        let (tokens, rows, columns) = (19, 24, 48)
        let entry = ParameterLayout.Entry(
            name: "w", shape: [rows, columns], offset: 0, isTernary: true)
        let weights = try random(rows * columns, seed: 1)
        let gradients = try AlignedBuffer<Float>(count: rows * columns, purpose: "test")
        let slot = try TritSlot(rows: rows, columns: columns)
        let linear = try ShadowLinear(
            [entry], parameters: weights.view, gradients: gradients.view, slot: slot)
        let compute = Compute(kernels: .best, pool: WorkerPool(threads: 2, sharing: .every))
        let scratch = try ThreadScratch(
            threads: 2, floats: columns, trits: ShadowLinear.packedRows * columns,
            gemm: compute.kernels.gemmScratchSize(slot.trits))
        let products = try ProductScratch(
            packedCount: KernelSet.packedFactorSize(depth: 64, columns: 64), threads: 2)
        linear.snap(compute)

        let x = try random(tokens * columns, seed: 2)
        let ones = try AlignedBuffer([Float](repeating: 1, count: columns), purpose: "test")
        let input = try LinearInput(tokens: tokens, columns: columns, isRounded: true)
        for token in 0..<tokens {
            _ = input.store(
                x.view[token * columns..<(token + 1) * columns], token: token, norm: ones.view,
                epsilon: 1e-5, scratch: scratch.floats(0), kernels: .best)
        }
        let y = try AlignedBuffer<Float>(count: tokens * rows, purpose: "test")
        linear.multiply(
            input, tokens: tokens, into: MatrixView(y.view, rows: tokens, columns: rows),
            compute: compute, threads: scratch, products: products)
        let dy = try random(tokens * rows, seed: 3)
        let dx = try AlignedBuffer<Float>(count: tokens * columns, purpose: "test")
        linear.backward(
            MatrixView(dy.view, rows: tokens, columns: rows), input: input,
            into: MatrixView(dx.view, rows: tokens, columns: columns), compute: compute,
            products: products)

        let (w, q) = (rounded(weights.array), activations(x.array, columns: columns))
        var (products2, inputGradient) = ([Float](), [Float]())
        for token in 0..<tokens {
            for row in 0..<rows {
                products2.append(
                    Float(
                        (0..<columns).reduce(0.0) {
                            $0 + w[row * columns + $1] * q[token * columns + $1]
                        }))
            }
            for column in 0..<columns {
                inputGradient.append(
                    Float(
                        (0..<rows).reduce(0.0) {
                            $0 + Double(dy.view[token * rows + $1]) * w[$1 * columns + column]
                        }))
            }
        }
        var weightGradient = [Float]()
        for row in 0..<rows {
            for column in 0..<columns {
                weightGradient.append(
                    Float(
                        (0..<tokens).reduce(0.0) {
                            $0 + Double(dy.view[$1 * rows + row]) * q[$1 * columns + column]
                        }))
            }
        }
        #expect(relativeError(y.array, products2) < 1e-6)
        #expect(relativeError(dx.array, inputGradient) < 1e-6)
        #expect(relativeError(gradients.array, weightGradient) < 1e-6)
    }

    /// Weights by their absolute mean, from the definition.
    private func rounded(_ weights: [Float]) -> [Double] {
        let mean = weights.reduce(0.0) { $0 + Double(abs($1)) } / Double(weights.count)
        return weights.map { min(max((Double($0) / mean).rounded(.toNearestOrEven), -1), 1) * mean }
    }

    /// Vectors of RMS 1 by their largest magnitude to int8 and back, from the definition.
    private func activations(_ x: [Float], columns: Int) -> [Double] {
        stride(from: 0, to: x.count, by: columns).flatMap { start -> [Double] in
            let row = x[start..<start + columns].map(Double.init)
            let rms = (row.reduce(0) { $0 + $1 * $1 } / Double(columns) + 1e-5).squareRoot()
            let normed = row.map { $0 / rms }
            let largest = normed.map(abs).max() ?? 1
            return normed.map { ($0 * 127 / largest).rounded(.toNearestOrEven) * largest / 127 }
        }
    }

    private func random(_ count: Int, seed: UInt64) throws -> AlignedBuffer<Float> {
        var generator = SplitMix64(seed: seed)
        return try AlignedBuffer((0..<count).map { _ in generator.nextFloat() }, purpose: "test")
    }
}

import Synchronization
import TestSupport
import Testing

@testable import TernaryCompute

/// Products of more tokens than go through a matrix at once: threads have rows and tokens of them.
@Suite("Products of many tokens")
struct TernaryProductTests {
    private static let (rows, columns, tokens) = (70, 160, 300)

    /// The product with one set of weights and `x`, by several threads.
    private func product(
        _ matrix: TernaryMatrix, _ x: [Float], threads: Int, kernels: KernelSet = .best
    ) throws -> [Float] {
        let (rows, tokens) = (matrix.rows, x.count / matrix.columns)
        let compute = Compute(
            kernels: kernels, pool: WorkerPool(threads: threads, sharing: .every))
        let output = try AlignedBuffer<Float>(count: tokens * rows, purpose: "test")
        compute.multiply(
            try quantized(x, for: matrix, compute),
            TernaryProduct(
                matrix, into: Activations(output.view, rows: tokens, columns: rows)))
        return output.array
    }

    private func quantized(
        _ x: [Float], for matrix: TernaryMatrix, _ compute: Compute
    ) throws -> QuantizedActivations {
        let tokens = x.count / matrix.columns
        let input = try AlignedBuffer(x, purpose: "test")
        defer { withExtendedLifetime(input) {} }
        let quantized = try QuantizedActivations(
            rows: tokens, columns: matrix.columns, threads: compute.pool.threads,
            gemmScratch: compute.kernels.gemmScratchSize(matrix.trits))
        compute.quantize(
            Activations(input.view, rows: tokens, columns: matrix.columns), norm: nil,
            into: quantized)
        return quantized
    }

    private static let scales: [TernaryScale] = [
        .perTensor(-0.3), .perRow((0..<rows).map { 0.51 - Float($0) / 64 }),
        .perGroup(size: 80, (0..<rows * 2).map { 0.01 * Float($0 + 1) }),
    ]

    @Test(
        "any number of threads, every kernel set and arrangement give the sums of the definition",
        arguments: scales)
    func sameBits(_ scale: TernaryScale) throws {
        let (rows, columns, tokens) = (Self.rows, Self.columns, Self.tokens)
        let plain = PlainTernary(rows: rows, columns: columns, scale: scale, seed: 6)
        let x = randomFloats(tokens * columns, seed: 7)
        let scalar = try product(
            plain.matrix(.t2), x, threads: 1, kernels: KernelSet.named("scalar"))
        let isRight = scalar == plain.multiply(x)
        #expect(isRight)
        let expected = scalar.map(\.bitPattern)
        for layout in [TernaryLayout.t2, .t5] {
            let tiles = try plain.matrix(layout)
            for kernels in KernelSet.available {
                let y = try product(tiles, x, threads: 3, kernels: kernels).map(\.bitPattern)
                let isSame = y == expected
                #expect(isSame, "\(layout), \(kernels.name)")
            }
            let pool = WorkerPool(threads: 1)
            for matrix in [
                tiles, try tiles.arranged(.rows, pool: pool),
                try tiles.arranged(.columns, pool: pool),
            ] {
                for threads in [1, 2, 5] {
                    let y = try product(matrix, x, threads: threads).map(\.bitPattern)
                    let isSame = y == expected
                    #expect(isSame, "\(layout), \(matrix.trits.arrangement), \(threads) threads")
                }
            }
        }
    }

    @Test(
        "as many rows and tokens as look-ups pay for, and some more",
        arguments: [TernaryLayout.t2, .t5], [24, 45])
    func manyRows(_ layout: TernaryLayout, _ tokens: Int) throws {
        let (rows, columns) = (2700, 200)
        let scale = TernaryScale.perRow((0..<rows).map { 0.51 - Float($0) / 64 })
        let plain = PlainTernary(rows: rows, columns: columns, scale: scale, seed: 12)
        let x = randomFloats(tokens * columns, seed: 13)
        let tiles = try plain.matrix(layout)
        let pool = WorkerPool(threads: 1)
        let matrices = try [
            tiles, tiles.arranged(.rows, pool: pool), tiles.arranged(.columns, pool: pool),
        ]
        let scalar = try KernelSet.named("scalar")
        let expected = try product(tiles, x, threads: 1, kernels: scalar).map(\.bitPattern)
        for kernels in KernelSet.available {
            for matrix in matrices {
                for threads in [1, 2, 3] {
                    let y = try product(matrix, x, threads: threads, kernels: kernels)
                    let isSame = y.map(\.bitPattern) == expected
                    #expect(
                        isSame,
                        "\(kernels.name), \(matrix.trits.arrangement), \(threads) threads")
                }
            }
        }
    }

    @Test(
        "every part of a product is reported once, when it is there", arguments: [1, 2, 5],
        [1, 2, 300])
    func parts(_ threads: Int, _ tokens: Int) throws {
        let (rows, columns) = (Self.rows, Self.columns)
        let matrix = try PlainTernary(rows: rows, columns: columns, scale: .perTensor(1), seed: 8)
            .matrix(.t2)
        let x = randomFloats(tokens * columns, seed: 9)
        let compute = Compute(kernels: .best, pool: WorkerPool(threads: threads, sharing: .every))
        let first = try AlignedBuffer<Float>(count: tokens * rows, purpose: "test")
        let second = try AlignedBuffer<Float>(count: tokens * rows, purpose: "test")
        first.view.fill(.nan)
        second.view.fill(.nan)
        let outputs = [first, second].map { Activations($0.view, rows: tokens, columns: rows) }
        let seen = Mutex([Int](repeating: 0, count: tokens * rows))
        compute.multiply(
            try quantized(x, for: matrix, compute), TernaryProduct(matrix, into: outputs[0]),
            TernaryProduct(matrix, into: outputs[1])
        ) { tokens, part in
            for token in tokens {
                for row in part where outputs.allSatisfy({ !$0[token][row].isNaN }) {
                    seen.withLock { $0[token * rows + row] += 1 }
                }
            }
        }
        #expect(seen.withLock { $0.allSatisfy { $0 == 1 } })
        #expect(first.array == second.array)
    }

    @Test("products of different heights and many columns share a job", arguments: [1, 2, 5])
    func severalHeights(_ threads: Int) throws {
        let (columns, tokens) = (2721, 300)
        var random = SplitMix64(seed: 10)
        let matrices = try [1100, 160, 36].map { rows in
            let trits = (0..<rows * columns).map { _ in random.nextTrit() }
            return try TernaryMatrix(
                rows: rows, columns: columns, scale: .perTensor(0.1), layout: .t5
            ) {
                Trit(rawValue: trits[$0 * columns + $1]) ?? .zero
            }
        }
        let x = randomFloats(tokens * columns, seed: 11)
        let compute = Compute(kernels: .best, pool: WorkerPool(threads: threads, sharing: .every))
        let outputs = try matrices.map {
            try AlignedBuffer<Float>(count: tokens * $0.rows, purpose: "test")
        }
        let products = zip(matrices, outputs).map { matrix, output in
            TernaryProduct(
                matrix, into: Activations(output.view, rows: tokens, columns: matrix.rows))
        }
        compute.multiply(
            try quantized(x, for: matrices[0], compute), products[0], products[1], products[2])
        for (matrix, output) in zip(matrices, outputs) {
            // Token by token, which goes another way.
            for token in stride(from: 0, to: tokens, by: 13) {
                let alone = try product(
                    matrix, Array(x[token * columns..<(token + 1) * columns]), threads: 1)
                let part = output.view[token * matrix.rows..<(token + 1) * matrix.rows].array
                let isSame = part.map(\.bitPattern) == alone.map(\.bitPattern)
                #expect(isSame, "\(matrix.rows) rows, token \(token)")
            }
        }
    }
}

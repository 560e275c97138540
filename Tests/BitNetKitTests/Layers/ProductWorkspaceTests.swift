import BitNetBench
import TestSupport
import Testing

@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Products into arrays that are there already, and with any number of threads.
@Suite("Products without allocation, and on given threads")
struct ProductWorkspaceTests {
    private static let columns = 320

    @Test(
        "products into an array have the bits of those that make one, and leave it where it is",
        arguments: TernaryMatrixTests.Implementation.all)
    func sameBits(_ implementation: TernaryMatrixTests.Implementation) throws {
        let kernels = implementation.kernels
        for scale in [TernaryScale.perTensor(0.3), .perGroup(size: 160, randomFloats(74, seed: 2))]
        {
            let plain = PlainTernary(rows: 37, columns: Self.columns, scale: scale, seed: 1)
            let matrix = try plain.matrix(implementation.layout)
            for threads in [1, 3] {
                let workspace = try ProductWorkspace(
                    for: matrix, batch: 4, threads: threads, kernels: kernels)
                #expect(workspace.threads == threads && workspace.kernels == kernels)
                for batch in [1, 4, 2] {
                    let x = randomFloats(batch * Self.columns, seed: UInt64(batch))
                    var y = [Float](repeating: .nan, count: batch * 37)
                    let place = y.withUnsafeBufferPointer { $0.baseAddress }
                    try matrix.multiply(x, into: &y, workspace: workspace)
                    #expect(y == plain.multiply(x))
                    #expect(y.withUnsafeBufferPointer { $0.baseAddress } == place)
                    #expect(try matrix.multiply(x, threads: threads, kernels: kernels) == y)
                }
            }
        }
    }

    @Test("a layer into an array is the layer, its norm included")
    func layers() throws {
        let plain = PlainTernary(rows: 9, columns: Self.columns, scale: .perTensor(2), seed: 5)
        let norm = try RMSNorm(weight: randomFloats(Self.columns, seed: 6), epsilon: 1e-5)
        let layer = BitLinear(weight: try plain.matrix(.t2), inputNorm: norm)
        let x = randomFloats(3 * Self.columns, seed: 7)
        let workspace = try ProductWorkspace(for: layer.weight, batch: 3)
        var y = [Float](repeating: 0, count: 27)
        try layer.apply(to: x, into: &y, workspace: workspace)
        let input = try Tensor(x, shape: [3, Self.columns])
        for threads in [nil, 1, 2] {
            for kernels in KernelSet.available {
                #expect(try layer(input, threads: threads, kernels: kernels).values == y)
                #expect(
                    try norm(input, threads: threads, kernels: kernels) == norm(input))
            }
        }
        let odd = BitLinear(
            weight: layer.weight, inputNorm: try RMSNorm(weight: [1, 1], epsilon: 0))
        #expect(throws: BitNetError.self) { try odd.apply(to: x, into: &y, workspace: workspace) }
    }

    @Test("dense products are the same on any threads, into an array or into a new one")
    func dense() throws {
        let values = randomFloats(33 * 64, seed: 3)
        let x = randomFloats(64, seed: 4)
        let matrix = try DenseMatrix(rows: 33, columns: 64, values: values, type: .f16)
        let expected = try matrix.multiply(x, threads: 1, kernels: .named("scalar"))
        for threads in [nil, 1, 2, 5] {
            var y = [Float](repeating: .nan, count: 33)
            try matrix.multiply(x, into: &y, threads: threads)
            #expect(y == expected)
            #expect(try matrix.multiply(x, threads: threads) == expected)
        }
        var short = [Float](repeating: 0, count: 32)
        #expect(
            throws: BitNetError.shapeMismatch(tensor: "y", expected: [33], found: [32])
        ) { try matrix.multiply(x, into: &short) }
    }

    @Test("a float baseline's product into an array is the one that makes an array")
    func floats() throws {
        let weights = randomFloats(41 * 50, seed: 3)
        for kind in FloatBaseline.Kind.allCases where kind.isAvailable {
            for threads in [1, 3] {
                let matrix = try FloatBaseline(
                    kind, rows: 41, columns: 50, weights: weights, threads: threads)
                for batch in [1, 3] {
                    let x = randomFloats(batch * 50, seed: 8)
                    let workspace = try FloatBaseline.Workspace(for: matrix, batch: batch)
                    var y = [Float](repeating: .nan, count: batch * 41)
                    try matrix.multiply(x, into: &y, workspace: workspace)
                    try matrix.multiply(x, into: &y, workspace: workspace)
                    #expect(try y == matrix.multiply(x))
                    #expect(throws: BitNetError.self) {
                        try matrix.multiply(Array(x.dropLast()), into: &y, workspace: workspace)
                    }
                    let other = try FloatBaseline(
                        kind, rows: 40, columns: 50, weights: Array(weights.dropLast(50)),
                        threads: threads)
                    var z = [Float](repeating: 0, count: batch * 40)
                    #expect(throws: BitNetError.self) {
                        try other.multiply(x, into: &z, workspace: workspace)
                    }
                }
            }
        }
    }

    @Test("sizes that do not fit, and numbers of threads that are none, are refused")
    func refusals() throws {
        let plain = PlainTernary(rows: 8, columns: 32, scale: .perTensor(1), seed: 1)
        let matrix = try plain.matrix(.t2)
        let workspace = try ProductWorkspace(for: matrix, batch: 2)
        let wide = try PlainTernary(rows: 8, columns: 640, scale: .perTensor(1), seed: 1)
            .matrix(.t2)
        let cases: [(TernaryMatrix, Int, Int)] = [
            (matrix, 0, 0), (matrix, 31, 8), (matrix, 32, 7), (matrix, 32, 16), (matrix, 96, 24),
            (wide, 640, 8),
        ]
        for (matrix, inputs, outputs) in cases {
            let x = [Float](repeating: 1, count: inputs)
            var y = [Float](repeating: 5, count: outputs)
            #expect(throws: BitNetError.self) {
                try matrix.multiply(x, into: &y, workspace: workspace)
            }
            #expect(y.allSatisfy { $0 == 5 })
        }
        for threads in [0, -1, 1025] {
            let error = BitNetError.invalidArgument(
                name: "threads", detail: "\(threads) is not in 1...1024")
            #expect(throws: error) {
                try matrix.multiply(randomFloats(32, seed: 1), threads: threads)
            }
            #expect(throws: error) { try ProductWorkspace(for: matrix, threads: threads) }
            #expect(throws: error) {
                try FloatBaseline(.ownF16, rows: 1, columns: 1, weights: [1], threads: threads)
            }
        }
        for batch in [0, -1, Int.max] {
            #expect(throws: BitNetError.self) { try ProductWorkspace(for: matrix, batch: batch) }
        }
    }
}

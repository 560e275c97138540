import Testing

@testable import BitNetBench
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("BitLinear")
struct BitLinearTests {
    private let plain = PlainTernary(rows: 21, columns: 200, scale: .perTensor(0.3), seed: 1)

    @Test("without a norm it is the product, row by row")
    func product() throws {
        let layer = BitLinear(weight: try plain.matrix(.t2))
        let x = randomFloats(6 * 200, seed: 2)
        let y = try layer(Tensor(x, shape: [2, 3, 200]))
        #expect(y.shape == [2, 3, 21])
        #expect(y.values == plain.multiply(x))
        let one = try layer(Tensor(Array(x[..<200]), shape: [200]))
        #expect(one.shape == [21])
        #expect(one.values == Array(y.values[..<21]))
    }

    @Test("with a norm it is the product of what the norm gives")
    func norm() throws {
        let norm = try RMSNorm(weight: randomFloats(200, seed: 3), epsilon: 1e-6)
        let layer = BitLinear(weight: try plain.matrix(.t5), inputNorm: norm)
        let x = try Tensor(randomFloats(4 * 200, seed: 4), shape: [4, 200])
        let y = try layer(x)
        #expect(try y.values == plain.multiply(norm(x).values))
        #expect(try y.values != BitLinear(weight: plain.matrix(.t5))(x).values)
    }

    @Test("the example of its documentation holds")
    func example() throws {
        let layer = BitLinear(
            weight: try TernaryMatrix(rows: 2, columns: 2, scale: .perTensor(0.5)) {
                $0 == $1 ? .plus : .zero
            })
        #expect(try layer(Tensor([127, -64], shape: [2])).values == [63.5, -32])
    }

    @Test("no rows give no rows")
    func empty() throws {
        let layer = BitLinear(weight: try plain.matrix(.t2))
        #expect(try layer(Tensor([], shape: [0, 200])).shape == [0, 21])
    }

    @Test("rows and norms of another size are refused")
    func badShapes() throws {
        let layer = BitLinear(weight: try plain.matrix(.t2))
        for shape in [[199], [200, 1], []] {
            let x = try Tensor([Float](repeating: 1, count: shape.reduce(1, *)), shape: shape)
            #expect(
                throws: BitNetError.shapeMismatch(tensor: "x", expected: [200], found: shape)
            ) { try layer(x) }
        }
        let misfit = BitLinear(
            weight: layer.weight, inputNorm: try RMSNorm(weight: [1, 2], epsilon: 0))
        #expect(throws: BitNetError.shapeMismatch(tensor: "x", expected: [2], found: [200])) {
            try misfit(Tensor([Float](repeating: 1, count: 200), shape: [200]))
        }
    }
}

import BitNetKit
import Testing

@Suite("Tensors, element by element")
struct TensorElementsTests {
    private let x = (try? Tensor<Float>([1, 2, 3, 4, 5, 6], shape: [2, 3]))!

    @Test("another shape has the same elements, row by row")
    func reshaping() throws {
        let y = try x.reshaped(to: [3, 2])
        #expect(y.shape == [3, 2] && y.values == x.values && y[2, 1] == 6)
        #expect(try x.reshaped(to: [6]).reshaped(to: [2, 3]) == x)
        #expect(try Tensor<Int8>([7], shape: []).reshaped(to: [1, 1, 1])[0, 0, 0] == 7)
        #expect(try Tensor<Int8>([], shape: [0, 5]).reshaped(to: [3, 0]).count == 0)
    }

    @Test(
        "a shape for another number of elements is refused",
        arguments: [
            [4], [7], [-2, -3], [2, 3, 0], [Int.max, Int.max], [],
        ])
    func oddShapes(_ shape: [Int]) {
        #expect(
            throws: BitNetError.shapeMismatch(tensor: "tensor", expected: shape, found: [2, 3])
        ) { try x.reshaped(to: shape) }
    }

    @Test("sums, differences and products are taken in each place")
    func arithmetic() throws {
        let y = try Tensor<Float>([6, 5, 4, 3, 2, 1], shape: [2, 3])
        #expect(try (x + y).values == [7, 7, 7, 7, 7, 7])
        #expect(try (x - y).values == [-5, -3, -1, 1, 3, 5])
        #expect(try (x * y).values == [6, 10, 12, 12, 10, 6])
        #expect(try (x * 2 - x) == x)
        #expect(try (x + y).shape == [2, 3])
        for other in [[3, 2], [6]] {
            let mismatch = BitNetError.shapeMismatch(
                tensor: "operand", expected: [2, 3], found: other)
            #expect(throws: mismatch) { try x + y.reshaped(to: other) }
        }
    }

    @Test("elements are mapped to another type, and combined with those of another")
    func mapping() throws {
        let signs = try x.map { Int8($0 > 3 ? 1 : -1) }
        #expect(signs.values == [-1, -1, -1, 1, 1, 1] && signs.shape == x.shape)
        #expect(try x.combined(with: signs) { $0 * Float($1) }.values == [-1, -2, -3, 4, 5, 6])
    }

    @Test("a tensor of one value has it everywhere, and sizes that no memory has are an error")
    func repeating() throws {
        #expect(try Tensor<Int32>(repeating: 7, shape: [2, 2]).values == [7, 7, 7, 7])
        #expect(try Tensor<Float>(repeating: 1, shape: []).values == [1])
        for shape in [[-1], [.max, 2], [1 << 62]] {
            #expect(throws: BitNetError.self) { try Tensor<Float>(repeating: 1, shape: shape) }
        }
    }
}

import BitNetKit
import Testing

@Suite("Tensor")
struct TensorTests {
    @Test("elements are row by row")
    func subscripts() throws {
        let x = try Tensor<Float>([1, 2, 3, 4, 5, 6], shape: [2, 3])
        #expect(x[0, 0] == 1)
        #expect(x[0, 2] == 3)
        #expect(x[1, 0] == 4)
        #expect(x[1, 2] == 6)
        #expect(x.count == 6)
        #expect(x.values == [1, 2, 3, 4, 5, 6])
        #expect(x.withSpan { $0[4] } == 5)
    }

    @Test("a shape of no dimensions is one number, a shape with a zero is none")
    func edges() throws {
        let number = try Tensor<Int8>([7], shape: [])
        #expect(number[] == 7)
        let nothing = try Tensor<Int32>([], shape: [0, 5])
        #expect(nothing.count == 0)
        #expect(nothing.values.isEmpty)
        #expect(nothing.withSpan { $0.count } == 0)
    }

    @Test(
        "a shape that does not fit the values is refused",
        arguments: [[2, 2], [4], [-1, -3], [Int.max, 2], [0]])
    func badShapes(_ shape: [Int]) {
        #expect(
            throws: BitNetError.shapeMismatch(tensor: "values", expected: shape, found: [3])
        ) { try Tensor<UInt16>([1, 2, 3], shape: shape) }
    }

    @Test("tensors are equal when shape and elements are")
    func equality() throws {
        let a = try Tensor<Float>([1, 2, 3, 4], shape: [2, 2])
        #expect(try a == Tensor([1, 2, 3, 4], shape: [2, 2]))
        #expect(try a != Tensor([1, 2, 3, 4], shape: [4]))
        #expect(try a != Tensor([1, 2, 3, 5], shape: [2, 2]))
    }

    @Test("a description has the shape and at most eight elements")
    func descriptions() throws {
        #expect(try "\(Tensor<Int8>([1, 2], shape: [2]))" == "Tensor [2]: 1, 2")
        let long = try Tensor<Int32>(Array(0..<9), shape: [3, 3])
        #expect("\(long)" == "Tensor [3, 3]: 0, 1, 2, 3, 4, 5, 6, 7, ...")
    }
}

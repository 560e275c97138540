import BitNetKit
import Testing

@Suite("RMSNorm")
struct RMSNormTests {
    @Test("rows are divided by their root mean square", arguments: [1, 2, 15, 16, 17, 100, 2560])
    func rows(_ count: Int) throws {
        let weight = randomFloats(count, seed: 1)
        let norm = try RMSNorm(weight: weight, epsilon: 1e-5)
        #expect(norm.count == count)
        let x = try Tensor(randomFloats(3 * count, seed: 2, scale: 10), shape: [3, count])
        let y = try norm(x)
        #expect(y.shape == [3, count])
        for row in 0..<3 {
            let values = (0..<count).map { Double(x[row, $0]) }
            let mean = values.reduce(0) { $0 + $1 * $1 } / Double(count)
            let rms = (mean + Double(norm.epsilon)).squareRoot()
            for column in 0..<count {
                let expected = values[column] / rms * Double(weight[column])
                #expect(abs(Double(y[row, column]) - expected) <= abs(expected) * 1e-6)
            }
        }
    }

    @Test("a row of zeros stays zero, and epsilon is inside the root")
    func epsilon() throws {
        let norm = try RMSNorm(weight: [1, 1], epsilon: 0.25)
        #expect(try norm(Tensor([0, 0], shape: [2])).values == [0, 0])
        // mean(x^2) = 0, so that 1 / sqrt(epsilon) is left of the factor; 3 and 4 give 12.5.
        let y = try norm(Tensor([3, 4], shape: [2])).values
        #expect(abs(y[0] - 3 / Float(12.75).squareRoot()) < 1e-6)
        #expect(abs(y[1] - 4 / Float(12.75).squareRoot()) < 1e-6)
    }

    @Test("no rows give no rows")
    func empty() throws {
        let norm = try RMSNorm(weight: [1, 1], epsilon: 1e-5)
        let y = try norm(Tensor([], shape: [0, 2]))
        #expect(y.shape == [0, 2])
    }

    @Test("rows of another size are refused", arguments: [[3], [2, 1], [], [4, 3]])
    func badRows(_ shape: [Int]) throws {
        let norm = try RMSNorm(weight: [1, 1], epsilon: 1e-5)
        let x = try Tensor([Float](repeating: 1, count: shape.reduce(1, *)), shape: shape)
        #expect(throws: BitNetError.shapeMismatch(tensor: "x", expected: [2], found: shape)) {
            try norm(x)
        }
    }

    @Test("a norm of nothing, and an epsilon that makes no root, are refused")
    func badNorms() {
        #expect(throws: BitNetError.self) { try RMSNorm(weight: [], epsilon: 1e-5) }
        for epsilon in [-1, Float.nan, .infinity] {
            #expect(
                throws: BitNetError.invalidArgument(
                    name: "epsilon", detail: "\(epsilon) is not usable")
            ) { try RMSNorm(weight: [1], epsilon: epsilon) }
        }
    }
}

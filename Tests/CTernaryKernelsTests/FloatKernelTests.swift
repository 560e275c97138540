import CTernaryKernels
import Foundation
import TestSupport
import Testing

/// A kernel set that this CPU supports, by index: a test argument.
struct FloatKernelSet: Sendable, CustomStringConvertible {
    let index: Int

    var kernels: OpaquePointer { tk_kernel_set(index) }
    var description: String { String(cString: tk_kernel_set_name(kernels)) }

    static let supported = (0..<tk_kernel_set_count()).map(FloatKernelSet.init)
        .filter { tk_kernel_set_supported($0.kernels) }
    static let scalar = FloatKernelSet(index: tk_kernel_set_count() - 1)
}

/// Seeded floats in [-range, range).
func randomFloats(_ n: Int, range: Float = 1, seed: UInt64) -> [Float] {
    var generator = SplitMix64(seed: seed)
    return (0..<n).map { _ in generator.nextFloat() * range }
}

/// The sum that the header calls "Float order": 16 lanes of fma, then a fixed tree.
func laneSum(_ a: [Float], _ b: [Float]) -> Float {
    var lanes = [Float](repeating: 0, count: 16)
    for i in a.indices { lanes[i % 16] = lanes[i % 16].addingProduct(a[i], b[i]) }
    for width in [8, 4, 2, 1] {
        for l in 0..<width { lanes[l] += lanes[l + width] }
    }
    return lanes[0]
}

private let lengths = [1, 7, 8, 15, 16, 17, 31, 2560, 6912]

@Suite("Float kernels", .serialized)
struct FloatKernelTests {
    @Test("exp is within 2 ulp on [-87, 88]", arguments: FloatKernelSet.supported)
    func expAccuracy(set: FloatKernelSet) {
        let n = 1_000_003
        let step = 175 / Double(n - 1)
        let x = (0..<n).map { (index: Int) -> Float in Float(-87 + step * Double(index)) }
        var y = [Float](repeating: 0, count: n)
        tk_exp(set.kernels, x, n, &y)
        var worst = 0.0
        for i in 0..<n {
            let exact = exp(Double(x[i]))
            worst = max(worst, abs(Double(y[i]) - exact) / Double(Float(exact).ulp))
        }
        #expect(worst < 2)
    }

    @Test(
        "exp is exact at 0, and 0 or infinite past its limits",
        arguments: FloatKernelSet.supported)
    func expLimits(set: FloatKernelSet) {
        let x: [Float] = [0, -0.0, 88.722_84, 1e30, .infinity, -87.34, -1e30, -.infinity, .nan]
        var y = [Float](repeating: 3, count: x.count)
        tk_exp(set.kernels, x, x.count, &y)
        #expect(y[..<8] == [1, 1, .infinity, .infinity, .infinity, 0, 0, 0])
        #expect(y[8].isNaN)
    }

    @Test("softmax sums to 1 and equals a double computation", arguments: FloatKernelSet.supported)
    func softmax(set: FloatKernelSet) {
        for n in lengths {
            let x = randomFloats(n, range: 20, seed: UInt64(n)).map { $0 + 1000 }
            var y = x
            tk_softmax(set.kernels, &y, n)
            let largest = Double(x.max()!)
            let powers = x.map { exp(Double($0) - largest) }
            let sum = powers.reduce(0, +)
            #expect(abs(y.reduce(0) { $0 + Double($1) } - 1) < 1e-5)
            for i in 0..<n { #expect(abs(Double(y[i]) - powers[i] / sum) < 1e-6 * powers[i] / sum) }
        }
        var none: [Float] = [5]
        tk_softmax(set.kernels, &none, 0)
        #expect(none == [5])
    }

    @Test("rms_norm equals a double computation", arguments: FloatKernelSet.supported)
    func rmsNorm(set: FloatKernelSet) {
        for n in lengths {
            let x = randomFloats(n, range: 1000, seed: UInt64(n))
            let weight = randomFloats(n, seed: UInt64(n) + 1)
            var y = [Float](repeating: 0, count: n)
            tk_rms_norm(set.kernels, x, weight, n, 1e-5, &y)
            let mean = x.reduce(0) { $0 + Double($1) * Double($1) } / Double(n)
            for i in 0..<n {
                let exact = Double(x[i]) / (mean + 1e-5).squareRoot() * Double(weight[i])
                #expect(abs(Double(y[i]) - exact) <= 1e-6 * abs(exact))
            }
        }
        var zeros = [Float](repeating: 1, count: 5)
        tk_rms_norm(set.kernels, [0, 0, 0, 0, 0], zeros, 5, 1e-5, &zeros)
        #expect(zeros == [0, 0, 0, 0, 0])
    }

    @Test("rms_norm adds in 16 lanes and a fixed tree", arguments: FloatKernelSet.supported)
    func rmsNormOrder(set: FloatKernelSet) {
        for n in lengths {
            let x = randomFloats(n, range: 3, seed: UInt64(n) + 50)
            let weight = randomFloats(n, seed: UInt64(n) + 51)
            var y = [Float](repeating: 0, count: n)
            tk_rms_norm(set.kernels, x, weight, n, 1e-5, &y)
            let r = 1 / (laneSum(x, x) / Float(n) + 1e-5).squareRoot()
            #expect(y == (0..<n).map { (x[$0] * r) * weight[$0] })
        }
    }

    @Test("rope rotates pairs half a head apart", arguments: FloatKernelSet.supported)
    func rope(set: FloatKernelSet) {
        for (heads, dimension) in [(1, 2), (3, 10), (2, 64), (20, 128)] {
            let half = dimension / 2
            let angles = randomFloats(half, range: 3, seed: 5)
            let x = randomFloats(heads * dimension, seed: 6)
            var y = x
            let cosines = angles.map { cosf($0) }
            let sines = angles.map { sinf($0) }
            tk_rope(set.kernels, &y, cosines, sines, heads, dimension)
            for i in 0..<(heads * half) {
                let a = i / half * dimension + i % half
                let (c, s) = (cosines[i % half], sines[i % half])
                #expect(y[a] == (-(x[a + half] * s)).addingProduct(x[a], c))
                #expect(y[a + half] == (x[a] * s).addingProduct(x[a + half], c))
            }
        }
    }

    @Test("activations equal their definitions", arguments: FloatKernelSet.supported)
    func activations(set: FloatKernelSet) {
        for n in lengths {
            let gate = randomFloats(n, range: 30, seed: UInt64(n) + 60)
            let up = randomFloats(n, range: 5, seed: UInt64(n) + 61)
            var squared = [Float](repeating: 0, count: n)
            var silu = squared
            var sum = up
            tk_relu2_mul(set.kernels, gate, up, n, &squared)
            tk_silu_mul(set.kernels, gate, up, n, &silu)
            tk_add(set.kernels, gate, n, &sum)
            for i in 0..<n {
                let positive = max(gate[i], 0)
                let exact = Double(gate[i]) / (1 + exp(-Double(gate[i]))) * Double(up[i])
                #expect(squared[i] == (positive * positive) * up[i])
                #expect(abs(Double(silu[i]) - exact) <= 1e-6 * abs(exact))
                #expect(sum[i] == gate[i] + up[i])
            }
        }
    }

    @Test("gelu equals its definition with tanh", arguments: FloatKernelSet.supported)
    func gelu(set: FloatKernelSet) {
        for n in lengths {
            let gate = randomFloats(n, range: 12, seed: UInt64(n) + 62)
            let up = randomFloats(n, range: 5, seed: UInt64(n) + 63)
            var y = [Float](repeating: 0, count: n)
            tk_gelu_mul(set.kernels, gate, up, n, &y)
            for i in 0..<n {
                let x = Double(gate[i])
                let u = (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)
                let exact = 0.5 * x * (1 + tanh(u)) * Double(up[i])
                // 1 + tanh cancels far below zero, where all that is left is tiny.
                #expect(abs(Double(y[i]) - exact) <= 2e-6 * abs(exact) + 1e-13)
            }
        }
        var ends = [Float](repeating: 7, count: 5)
        tk_gelu_mul(set.kernels, [-200, 200, 0, 3e38, .nan], [1, 1, 1, 1, 1], 5, &ends)
        #expect(ends[..<4] == [0, 200, 0, 3e38])
        #expect(ends[4].isNaN)
    }

    @Test("silu goes to 0 and to its input", arguments: FloatKernelSet.supported)
    func siluEnds(set: FloatKernelSet) {
        var y = [Float](repeating: 7, count: 4)
        tk_silu_mul(set.kernels, [-200, 200, 0, .nan], [1, 1, 1, 1], 4, &y)
        #expect(y[..<3] == [0, 200, 0])
        #expect(y[3].isNaN)
    }

    @Test("activations leave NaN visible", arguments: FloatKernelSet.supported)
    func notANumber(set: FloatKernelSet) {
        let x = [Float](repeating: .nan, count: 19)
        var y = [Float](repeating: 0, count: 19)
        tk_relu2_mul(set.kernels, x, [Float](repeating: 1, count: 19), 19, &y)
        #expect(y.allSatisfy { $0.isNaN })
    }

    #if !(os(macOS) && arch(x86_64))
        @Test("float16 conversion is IEEE in both directions", arguments: FloatKernelSet.supported)
        func float16(set: FloatKernelSet) {
            let bits = (0..<65536).map { UInt16($0) }
            var wide = [Float](repeating: 0, count: bits.count)
            tk_f16_to_f32(set.kernels, bits, bits.count, &wide)
            for i in bits.indices {
                let exact = Float(Float16(bitPattern: bits[i]))
                #expect(wide[i].bitPattern == exact.bitPattern || wide[i].isNaN && exact.isNaN)
            }
            // Every finite value, every tie above one, and the floats beside the ties.
            let finite = wide.filter { $0.isFinite }
            let ties = finite.map { $0 + ($0.magnitude < 1 ? $0 : Float(Float16($0).ulp) / 2) }
            let x = finite + ties + ties.map(\.nextUp) + ties.map(\.nextDown) + [.infinity, 7e4]
            var narrow = [UInt16](repeating: 0, count: x.count)
            tk_f32_to_f16(set.kernels, x, x.count, &narrow)
            #expect(narrow == x.map { Float16($0).bitPattern })
        }
    #endif

    @Test("every instruction set equals scalar", arguments: FloatKernelSet.supported)
    func equalsScalar(set: FloatKernelSet) {
        for n in lengths {
            let x = randomFloats(n, range: 8, seed: UInt64(n) + 70)
            let w = randomFloats(n, range: 2, seed: UInt64(n) + 71)
            func outputs(_ k: OpaquePointer) -> [[UInt32]] {
                var (norm, silu, power, soft, gelu) = (x, x, x, x, x)
                tk_gelu_mul(k, x, w, n, &gelu)
                tk_rms_norm(k, x, w, n, 1e-6, &norm)
                tk_silu_mul(k, x, w, n, &silu)
                tk_exp(k, x, n, &power)
                tk_softmax(k, &soft, n)
                return [norm, silu, power, soft, gelu].map { $0.map(\.bitPattern) }
            }
            #expect(outputs(set.kernels) == outputs(FloatKernelSet.scalar.kernels))
        }
    }
}

import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// What the article on ternary weights says, checked. Where it is rough or wrong the tests hold what
/// is right.
@Suite("Claims of the article")
struct ArticleClaimsTests {
    /// A neuron with three inputs.
    static let signals: [Float] = [0.5, 0.8, 0.2]
    static let weights: [Float] = [0.123, -0.456, 0.789]

    @Test(
        "0.5 * 0.123 + 0.8 * -0.456 + 0.2 * 0.789 is -0.1455, to within FP16 weights",
        arguments: FloatBaseline.Kind.allCases.filter(\.isAvailable), KernelSet.available)
    func floatNeuron(_ kind: FloatBaseline.Kind, _ kernels: KernelSet) throws {
        let neuron = try FloatBaseline(
            kind, rows: 1, columns: 3, weights: Self.weights, kernels: kernels)
        let y = try neuron.multiply(Self.signals)[0]
        // A weight in FP16 is off by at most 2^-11 of itself: 0.00029 for 0.5841 in all.
        let magnitudes = zip(Self.signals, Self.weights).reduce(0) { $0 + abs($1.0 * $1.1) }
        let tolerance = kind == .openBLASF32 ? 1e-7 : magnitudes * 0x1p-11
        #expect(abs(y - -0.1455) <= tolerance)
    }

    @Test("FP16 does not store 0.123 but 0.12298583984375")
    func storedWeight() throws {
        let padding = [Float](repeating: 0, count: 13)
        let matrix = try DenseMatrix(
            rows: 1, columns: 16, values: Self.weights + padding, type: .f16)
        #expect(matrix.row(0)[0] == 0.12298583984375)
    }

    @Test(
        "weights +1, -1, 0 on the same signals give -0.3, but for int8 activations",
        arguments: TernaryMatrixTests.Implementation.all)
    func ternaryNeuron(_ implementation: TernaryMatrixTests.Implementation) throws {
        let trits: [Trit] = [.plus, .minus, .zero]
        let neuron = try TernaryMatrix(
            rows: 1, columns: 3, scale: .perTensor(1), layout: implementation.layout
        ) { _, column in trits[column] }
        let y = try neuron.multiply(Self.signals, kernels: implementation.kernels)[0]
        // The grid has 127 steps up to 0.8: 0.5 becomes 79 of them, 0.8 becomes 127.
        #expect(abs(y - (79.0 - 127.0) * 0.8 / 127) < 1e-7)
        // Off from -0.3 by 0.0024: each of two signals by at most half a step.
        #expect(abs(y - -0.3) > 0.002)
        #expect(abs(y - -0.3) <= 2 * 0.5 * 0.8 / 127)
    }

    @Test("a ternary weight takes 1.585 bits in theory, 1.6 to 2.0625 in real formats")
    func bitsPerWeight() throws {
        func fileBits(_ type: ElementType) throws -> Double {
            // Large enough that the one scale of I2_S does not show.
            let bytes = try #require(type.storedByteCount(shape: [1 << 20, 256]))
            return Double(bytes) * 8 / Double(256 << 20)
        }
        func packedBits(_ layout: TernaryLayout) throws -> Double {
            let matrix = try TernaryMatrix(
                rows: 4, columns: 640, scale: .perTensor(1), layout: layout
            ) { _, _ in .zero }
            return Double(matrix.byteCount) * 8 / (4 * 640)
        }
        #expect(abs(log2(3) - 1.585) < 1e-4)
        #expect(try packedBits(.t5) == 1.6)
        #expect(try packedBits(.t2) == 2)
        #expect(try fileBits(.tq1_0) == 1.6875)
        #expect(try abs(fileBits(.i2_s) - 2) < 1e-6)
        #expect(try fileBits(.tq2_0) == 2.0625)
    }

    @Test("five weights fit in a byte: all 243 are packed into one and come back")
    func fiveInAByte() throws {
        // Row r holds the digits of r in columns 0, 32, ... 128, which share byte 0 of its block.
        let digits = [1, 3, 9, 27, 81]
        let matrix = try TernaryMatrix(
            rows: 243, columns: 160, scale: .perTensor(1), layout: .t5
        ) { row, column in
            column % 32 == 0 ? Trit.allCases[row / digits[column / 32] % 3] : .zero
        }
        // 244 rows are a whole number of tiles; 32 bytes hold the 160 columns of each.
        #expect(matrix.byteCount == 244 * 32)
        for row in 0..<243 {
            let found = (0..<5).map { matrix[row, $0 * 32] }
            #expect(found == digits.map { Trit.allCases[row / $0 % 3] })
        }
    }

    @Test("TQ1_0 knows 243 bytes, each with five weights of its own, and refuses the other 13")
    func fiveInAByteOfAFile() throws {
        var seen: Set<[Int8]> = []
        var refused = 0
        for byte in UInt8.min ... .max {
            switch try Self.decodeTQ1(byte) {
            case .some(let trits): seen.insert(trits)
            case .none: refused += 1
            }
        }
        #expect(seen.count == 243)
        #expect(refused == 13)
    }

    @Test("the byte 4B is -1, +1, 0, +1, +1 in TQ1_0")
    func byte4B() throws {
        #expect(try Self.decodeTQ1(0x4B) == [-1, 1, 0, 1, 1])
    }

    @Test("the bytes that the article shows as FP16 are other numbers")
    func halfBytes() throws {
        let values = try AlignedBuffer<Float>(count: 4, purpose: "test")
        func decoded(_ bytes: [UInt8]) -> [Double] {
            bytes.withUnsafeBytes { Codec.decode(.f16, $0, into: values.view) }
            return values.array.map { (Double($0) * 1e4).rounded() / 1e4 }
        }
        let shown: [UInt8] = [0x4A, 0x3C, 0xBD, 0xBF, 0x12, 0x40, 0xE1, 0x3B]
        let right: [UInt8] = [0xE7, 0x2F, 0x4C, 0xB7, 0x01, 0x41, 0xFD, 0x1F]
        #expect(decoded(shown) == [1.0723, -1.9346, 2.0352, 0.9849])
        #expect(decoded(right) == [0.1235, -0.4561, 2.502, 0.0078])
    }

    @Test("absmean rounding of Gaussian weights leaves 31% zeros")
    func zeros() throws {
        var generator = SplitMix64(seed: 16)
        let (rows, columns) = (128, 1024)
        // Box and Muller.
        let weights = (0..<rows * columns).map { _ -> Float in
            let u = Double(generator.next() >> 11) * 0x1p-53
            let v = Double(generator.next() >> 11) * 0x1p-53
            return Float((-2 * log(1 - u)).squareRoot() * cos(2 * .pi * v))
        }
        let buffer = try AlignedBuffer(weights, purpose: "test")
        let trits = try AlignedBuffer<Int8>(count: weights.count, purpose: "test")
        let mean = Codec.absoluteSum(buffer.view) / Double(weights.count)
        Codec.ternarize(buffer.view, g: Float(1 / mean), into: trits.view)
        let matrix = try TernaryMatrix(rows: rows, columns: columns, scale: .perTensor(1)) {
            Trit(rawValue: trits.view[$0 * columns + $1]) ?? .zero
        }
        // P(|z| < 0.5 * E|z|) = erf(0.5 / sqrt(pi)) = 0.3101; one sigma of the sample is 0.0013.
        #expect(abs(matrix.statistics().zeroShare - erf(0.5 / Double.pi.squareRoot())) < 0.005)
    }

    /// The five weights in the first byte of a TQ1_0 block, or nil if the byte is refused.
    private static func decodeTQ1(_ byte: UInt8) throws -> [Int8]? {
        let trits = try AlignedBuffer<Int8>(count: 256, purpose: "test")
        let scales = try AlignedBuffer<Float>(count: 1, purpose: "test")
        var block = [UInt8](repeating: 0, count: 54)
        block[0] = byte
        let bad = block.withUnsafeBytes {
            Codec.decodeTQ(.tq1_0, $0, into: trits.view, scales: scales.view)
        }
        return bad == nil ? (0..<5).map { trits.view[$0 * 32] } : nil
    }
}

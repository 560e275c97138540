import CTernaryKernels
import Foundation
import TestSupport
import Testing

@Suite("Dense element types")
struct DecodeTests {
    static let names: [(name: String, type: UInt32)] = [
        ("F16", TK_F16.rawValue), ("BF16", TK_BF16.rawValue), ("Q4_0", TK_Q4_0.rawValue),
        ("Q4_1", TK_Q4_1.rawValue), ("Q5_0", TK_Q5_0.rawValue), ("Q5_1", TK_Q5_1.rawValue),
        ("Q8_0", TK_Q8_0.rawValue), ("Q4_K", TK_Q4_K.rawValue), ("Q5_K", TK_Q5_K.rawValue),
        ("Q6_K", TK_Q6_K.rawValue), ("TQ1_0", TK_TQ1_0.rawValue), ("TQ2_0", TK_TQ2_0.rawValue),
    ]

    private static func blocks() throws -> SafetensorsFixture {
        try SafetensorsFixture(#require(ReferenceData.url("kernels/blocks.safetensors")))
    }

    private static func decode(_ type: tk_type, _ data: [UInt8], _ n: Int) -> [Float] {
        var y = [Float](repeating: .nan, count: n)
        tk_decode(type, data, n, &y)
        return y
    }

    private static func encode(_ type: tk_type, _ x: [Float]) -> [UInt8] {
        let blocks = x.count / tk_type_block_size(type)
        var data = [UInt8](repeating: 0xEE, count: blocks * tk_type_block_bytes(type))
        tk_encode(type, x, x.count, &data)
        return data
    }

    @Test(
        "decoding equals the reference bit for bit", .enabled(if: ReferenceData.isAvailable),
        arguments: names)
    func decoding(name: String, type: UInt32) throws {
        let fixture = try Self.blocks()
        let expected = fixture.floats("\(name).values")
        let data = fixture.bytes("\(name).raw")
        let type = tk_type(rawValue: type)
        #expect(!expected.isEmpty)
        #expect(
            data.count == expected.count / tk_type_block_size(type) * tk_type_block_bytes(type))
        let decoded = Self.decode(type, data, expected.count)
        #expect(decoded.map(\.bitPattern) == expected.map(\.bitPattern))
    }

    @Test("F32 decodes to itself and encodes to itself")
    func float32() {
        let x: [Float] = [1, -0.0, Float(bitPattern: 7136), .infinity, .greatestFiniteMagnitude]
        let data = Self.encode(TK_F32, x)
        let littleEndian = x.withUnsafeBytes { [UInt8]($0) }
        #expect(data == littleEndian)
        #expect(Self.decode(TK_F32, data, 5).map(\.bitPattern) == x.map(\.bitPattern))
    }

    @Test("an unknown type has no block size, and decoding or encoding it does nothing")
    func unknownType() {
        let known = Set(
            Self.names.map(\.type) + [TK_F32, TK_Q2_0, TK_IQ4_NL].map(\.rawValue))
        for id in (UInt32(0)..<64).filter({ !known.contains($0) }) + [.max] {
            let type = tk_type(rawValue: id)
            #expect(tk_type_block_size(type) == 0)
            #expect(tk_type_block_bytes(type) == 0)
            #expect(!tk_can_encode(type))
            #expect(Self.decode(type, [1, 2, 3, 4], 1)[0].isNaN)
            var data: [UInt8] = [9, 9, 9, 9]
            tk_encode(type, [1], 1, &data)
            #expect(data == [9, 9, 9, 9])
        }
    }

    @Test(
        "F16 and BF16 survive a round trip", .enabled(if: ReferenceData.isAvailable),
        arguments: [("F16", TK_F16.rawValue), ("BF16", TK_BF16.rawValue)])
    func floatRoundTrip(name: String, type: UInt32) throws {
        let data = try Self.blocks().bytes("\(name).raw")
        let type = tk_type(rawValue: type)
        #expect(Self.encode(type, Self.decode(type, data, data.count / 2)) == data)
    }

    @Test("BF16 encoding equals the reference", .enabled(if: ReferenceData.isAvailable))
    func bfloat16() throws {
        let fixture = try Self.blocks()
        let input = fixture.floats("to_bf16.input")
        #expect(!input.isEmpty)
        #expect(Self.encode(TK_BF16, input) == fixture.bytes("to_bf16.bits"))
    }

    @Test("a BF16 NaN stays NaN")
    func bfloat16NaN() {
        let signalling = Float(bitPattern: 0x7F80_0001)
        let all = Float(bitPattern: 0xFFFF_FFFF)
        let data = Self.encode(TK_BF16, [signalling, all, .nan])
        #expect(Self.decode(TK_BF16, data, 3).allSatisfy { $0.isNaN })
    }

    @Test("Q8_0 encodes its own output to the same bytes")
    func q8_0RoundTrip() {
        let data = Self.encode(TK_Q8_0, randomFloats(4096, range: 0.1, seed: 3))
        #expect(Self.encode(TK_Q8_0, Self.decode(TK_Q8_0, data, 4096)) == data)
    }

    @Test("Q8_0 and Q4_0 equal ggml on a block worked out by hand")
    func knownBlocks() {
        var x = [Float](repeating: 0, count: 32)
        x[0] = -4
        x[1] = 127.0 / 64
        x[2] = 2
        x[17] = 0.25
        // d = 4 / 127 = 0x2808 as float16; codes are x * 31.75, ties away from zero.
        var q8: [UInt8] = [0x08, 0x28] + [UInt8](repeating: 0, count: 32)
        q8[2] = 0x81
        q8[3] = 63
        q8[4] = 64
        q8[19] = 8
        #expect(Self.encode(TK_Q8_0, x) == q8)
        // d = -4 / -8 = 0.5 = 0x3800; codes are floor(2 x + 8.5).
        var q4: [UInt8] = [0x00, 0x38] + [UInt8](repeating: 0x88, count: 16)
        q4[2] = 0x80
        q4[3] = 0x9C
        q4[4] = 0x8C
        #expect(Self.encode(TK_Q4_0, x) == q4)
    }

    @Test(
        "encoding keeps the relative error of its type",
        arguments: [
            (TK_Q8_0.rawValue, 0.006), (TK_Q6_K.rawValue, 0.02), (TK_Q4_0.rawValue, 0.11),
        ])
    func encodingError(type: UInt32, bound: Double) {
        let type = tk_type(rawValue: type)
        var generator = SplitMix64(seed: 8)
        let x = (0..<8192).map { _ in  // close to normal, as weights are
            (0..<12).reduce(Float(0)) { sum, _ in sum + generator.nextFloat() } * 0.01
        }
        let y = Self.decode(type, Self.encode(type, x), x.count)
        let error = zip(x, y).reduce(0.0) { $0 + pow(Double($1.0 - $1.1), 2) }
        let size = x.reduce(0.0) { $0 + pow(Double($1), 2) }
        #expect((error / size).squareRoot() < bound)
    }

    @Test("IQ4_NL equals ggml on a block worked out by hand")
    func unevenLevels() {
        // d = 0.5; byte j holds code j for weight j, and code 15 - j for weight 16 + j.
        let data = [0x00, 0x38] + (0..<16).map { UInt8($0 | (15 - $0) << 4) }
        let levels: [Float] = [
            -63.5, -52, -41.5, -32.5, -24.5, -17.5, -11, -5, 0.5, 6.5, 12.5, 19, 26.5, 34.5, 44.5,
            56.5,
        ]
        #expect(Self.decode(TK_IQ4_NL, data, 32) == levels + levels.reversed())
        #expect(!tk_can_encode(TK_IQ4_NL) && !tk_can_dense_gemv(TK_IQ4_NL))
    }

    @Test("zeros encode to zeros", arguments: [TK_Q8_0, TK_Q6_K, TK_Q4_0].map(\.rawValue))
    func zeros(type: UInt32) {
        let x = [Float](repeating: 0, count: 256)
        let type = tk_type(rawValue: type)
        #expect(Self.decode(type, Self.encode(type, x), 256) == x)
    }

    @Test("values that are not finite encode without a trap", arguments: FloatDenseTests.types)
    func notFinite(type: UInt32) {
        let type = tk_type(rawValue: type)
        let values: [Float] = [
            .nan, .infinity, -.infinity, 1, .greatestFiniteMagnitude, .leastNonzeroMagnitude,
        ]
        let x = (0..<512).map { values[$0 % values.count] }
        let bytes = Self.encode(type, x)
        #expect(bytes.contains { $0 != 0xEE })
    }
}

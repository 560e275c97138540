import CTernaryKernels
import TestSupport
import Testing

@Suite("Ternary file formats")
struct TernaryInterchangeTests {
    /// Trits, or the position of the first invalid code.
    private enum Decoded: Equatable {
        case trits([Int8])
        case invalid(Int)
    }

    private func decode(_ count: Int, _ body: (UnsafeMutablePointer<Int8>) -> Int) -> Decoded {
        var trits = [Int8](repeating: 9, count: count)
        let invalid = body(&trits)
        return invalid < 0 ? .trits(trits) : .invalid(invalid)
    }

    private func decodeI2S(
        _ order: tk_i2s_order, _ data: [UInt8], columns: Int, _ range: Range<Int>
    ) -> Decoded {
        decode(range.count) {
            tk_decode_i2s(order, data, columns, range.lowerBound, range.count, $0)
        }
    }

    /// One byte of four codes, the first in bits 7-6.
    private func byte(_ trits: [Int8]) -> UInt8 {
        trits.reduce(UInt8(0)) { $0 << 2 | UInt8($1 + 1) }
    }

    @Test("I2_S order A decodes any range, also one that begins and ends inside a block")
    func i2sRanges() {
        let trits = randomTrits(1024, seed: 1)
        var data = [UInt8](repeating: 0, count: 256)
        tk_encode_i2s(trits, trits.count, &data)
        for range in [0..<1024, 0..<0, 5..<6, 100..<300, 128..<256, 130..<1024, 1000..<1023] {
            #expect(decodeI2S(TK_I2S_A, data, columns: 64, range) == .trits(Array(trits[range])))
        }
    }

    @Test("I2_S orders B and C decode as documented")
    func i2sOtherOrders() {
        let (rows, columns) = (8, 48)
        let trits = randomTrits(rows * columns, seed: 2)
        let b = (0..<96).map { i in
            byte((0..<4).map { trits[i / 16 * 64 + $0 * 16 + i % 16] })
        }
        #expect(decodeI2S(TK_I2S_B, b, columns: columns, 0..<384) == .trits(trits))
        #expect(
            decodeI2S(TK_I2S_B, b, columns: columns, 70..<300) == .trits(Array(trits[70..<300])))
        let c = (0..<96).map { i in
            byte((0..<4).map { trits[(i / columns * 4 + $0) * columns + i % columns] })
        }
        #expect(decodeI2S(TK_I2S_C, c, columns: columns, 0..<384) == .trits(trits))
        let second = 4 * columns..<8 * columns
        #expect(decodeI2S(TK_I2S_C, c, columns: columns, second) == .trits(Array(trits[second])))
    }

    @Test("I2_S reports the first code 3 inside the range, and only that")
    func i2sInvalid() {
        var data = [UInt8](repeating: 0b01_01_01_01, count: 64)
        data[32 + 7] = 0b01_01_11_11  // weights 128 + 64 + 7 and 128 + 96 + 7
        #expect(decodeI2S(TK_I2S_A, data, columns: 64, 0..<256) == .invalid(199))
        #expect(decodeI2S(TK_I2S_A, data, columns: 64, 190..<256) == .invalid(9))
        #expect(decodeI2S(TK_I2S_A, data, columns: 64, 200..<256) == .invalid(31))
        let zeros = Decoded.trits([Int8](repeating: 0, count: 199))
        #expect(decodeI2S(TK_I2S_A, data, columns: 64, 0..<199) == zeros)
        #expect(decodeI2S(TK_I2S_B, data, columns: 64, 0..<256) == .invalid(128 + 32 + 7))
        #expect(decodeI2S(TK_I2S_C, data, columns: 16, 128..<256) == .invalid(32 + 7))
    }

    @Test("Hugging Face packing decodes any rows, and rounds their number up to four")
    func huggingFace() {
        for rows in [8, 6] {
            let columns = 20
            let quarter = (rows + 3) / 4
            let trits = randomTrits(rows * columns, seed: 3)
            var data = (0..<quarter * columns).map { i in
                byte(
                    (0..<4).reversed().map { f in
                        let row = f * quarter + i / columns
                        return row < rows ? trits[row * columns + i % columns] : 0
                    })
            }
            for range in [0..<rows, 1..<3, rows - 1..<rows] {
                let all = decode(range.count * columns) {
                    tk_decode_hf(data, rows, columns, range.lowerBound, range.upperBound, $0)
                }
                let wanted = trits[range.lowerBound * columns..<range.upperBound * columns]
                #expect(all == .trits(Array(wanted)))
            }
            data[columns + 4] |= 0b1100  // row quarter + 1, column 4
            let all = decode(rows * columns) { tk_decode_hf(data, rows, columns, 0, rows, $0) }
            #expect(all == .invalid((quarter + 1) * columns + 4))
        }
    }

    @Test("TQ1_0 and TQ2_0 give back what was encoded, with the scale of each block")
    func tqRoundTrip() {
        var trits = randomTrits(1024, seed: 4)
        for i in 512..<768 { trits[i] = 0 }
        for (type, bytes) in [(TK_TQ1_0, 54), (TK_TQ2_0, 66)] {
            var data = [UInt8](repeating: 0, count: 4 * bytes)
            tk_encode_tq(type, trits, trits.count, 0.75, &data)
            var scales = [Float](repeating: -1, count: 4)
            let all = decode(1024) { tk_decode_tq(type, data, 1024, $0, &scales) }
            #expect(all == .trits(trits))
            #expect(scales == [0.75, 0.75, 0, 0.75])
        }
    }

    @Test(
        "scales are rounded to float16, half to even",
        arguments: [
            (1, 0x3C00), (-1, 0xBC00), (0.1, 0x2E66), (65504, 0x7BFF), (65519, 0x7BFF),
            (65520, 0x7C00), (0x1p-14, 0x0400), (0x1p-24, 0x0001), (0x1p-25, 0x0000),
            (0x1.8p-24, 0x0002), (0x1.004p0, 0x3C01), (0x1.002p0, 0x3C00), (0x1.006p0, 0x3C02),
            (0x1.ff8p-15, 0x03FF), (0x1.ffbp-15, 0x03FF), (0x1.ffcp-15, 0x0400),
        ] as [(Float, UInt16)])
    func scaleRounding(scale: Float, bits: UInt16) {
        var data = [UInt8](repeating: 0, count: 66)
        tk_encode_tq(TK_TQ2_0, [Int8](repeating: 1, count: 256), 256, scale, &data)
        #expect(UInt16(data[64]) | UInt16(data[65]) << 8 == bits)
        var (trits, back) = ([Int8](repeating: 0, count: 256), Float.nan)
        #expect(tk_decode_tq(TK_TQ2_0, data, 256, &trits, &back) == -1)
        let exact = [0x3C00: 1, 0xBC00: -1, 0x7BFF: 65504, 0x0001: 0x1p-24, 0x03FF: 0x1.ff8p-15]
        if let value = exact[Int(bits)] { #expect(back == Float(value)) }
    }

    @Test("a TQ1_0 byte is valid exactly if it is the ceiling of some 256 v / 243")
    func tq1EveryByte() {
        func stored(_ v: Int) -> UInt8 { UInt8((v * 256 + 242) / 243) }
        let five = Set((0..<243).map(stored))
        let four = Set((0..<81).map { stored(3 * $0) })
        var data = [UInt8](repeating: 0, count: 54)
        tk_encode_tq(TK_TQ1_0, [Int8](repeating: 0, count: 256), 256, 1, &data)
        var scale: Float = 0
        for (position, weight, valid) in [(3, 3, five), (40, 168, five), (50, 242, four)] {
            for value in UInt8.min...UInt8.max {
                var changed = data
                changed[position] = value
                let result = decode(256) { tk_decode_tq(TK_TQ1_0, changed, 256, $0, &scale) }
                if !valid.contains(value) {
                    #expect(result == .invalid(weight))
                } else if case .trits(let trits) = result {
                    var again = data
                    tk_encode_tq(TK_TQ1_0, trits, 256, 1, &again)
                    #expect(again[..<52] == changed[..<52])
                } else {
                    Issue.record("byte \(value) at \(position) was rejected")
                }
            }
        }
    }

    @Test("TQ2_0 reports the first code 3, also in a later block")
    func tq2Invalid() {
        var data = [UInt8](repeating: 0b01_01_01_01, count: 2 * 66)
        data[66 + 32 + 5] = 0b11_01_11_01  // block 1, half 1: weights 32 + 5 and 96 + 5
        var scales = [Float](repeating: 0, count: 2)
        let all = decode(512) { tk_decode_tq(TK_TQ2_0, data, 512, $0, &scales) }
        #expect(all == .invalid(256 + 128 + 32 + 5))
    }

    @Test("the largest magnitude is that of a plain loop, and NaN is larger than infinity")
    func largestMagnitude() {
        var random = SplitMix64(seed: 5)
        for count in 0...67 {
            var x = (0..<count).map { _ in
                Float(Int32(truncatingIfNeeded: random.next())) * 0x1p-20
            }
            #expect(tk_largest_magnitude(x, count) == x.map(\.magnitude).max() ?? 0)
            for odd in [-Float.infinity, -Float.greatestFiniteMagnitude, -0x1p-149] where count > 0
            {
                let place = Int(random.next() % UInt64(count))
                x = [Float](repeating: 0, count: count)
                x[place] = odd
                #expect(tk_largest_magnitude(x, count) == odd.magnitude)
                x[(place + 1) % count] = -.nan
                #expect(tk_largest_magnitude(x, count).isNaN)
            }
        }
    }
}

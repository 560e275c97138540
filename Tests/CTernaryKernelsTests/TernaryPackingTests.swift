import CTernaryKernels
import TestSupport
import Testing

@Suite("Packed layouts")
struct TernaryPackingTests {
    @Test(
        "unpacking any rows gives back the trits that were packed",
        arguments: [(1, 1), (2, 128), (5, 31), (8, 129), (9, 160), (13, 500)])
    func roundTrip(shape: (rows: Int, columns: Int)) {
        let (rows, columns) = shape
        let trits = randomTrits(rows * columns, seed: UInt64(rows))
        for layout in ternaryLayouts {
            let w = PackedTernary(trits, rows: rows, columns: columns, layout: layout)
            #expect(w.unpacked(0..<rows) == trits)
            let some = rows / 3..<rows - rows / 4
            #expect(
                w.unpacked(some)
                    == Array(trits[some.lowerBound * columns..<some.upperBound * columns]))
        }
    }

    @Test("T2 is the documented two bits, padded with zero trits")
    func t2Bytes() {
        // Row 0: columns 0, 32, 64, 96 are 1, -1, 0, 1; everything else is 0 (code 1).
        var trits = [Int8](repeating: 0, count: 2 * 100)
        (trits[0], trits[32], trits[64], trits[96]) = (1, -1, 0, 1)
        let w = PackedTernary(trits, rows: 2, columns: 100, layout: TK_LAYOUT_T2)
        #expect(Array(w.bytes) == [0b10_01_00_10] + [UInt8](repeating: 0b01_01_01_01, count: 127))
    }

    @Test("each of the 243 groups of five trits has its own T5 byte, and every set decodes it")
    func everyCode() {
        var trits = [Int8](repeating: 0, count: 8 * 160)
        for code in 0..<243 {
            var rest = code
            for i in 0..<5 {
                trits[code / 32 * 160 + i * 32 + code % 32] = Int8(rest % 3 - 1)
                rest /= 3
            }
        }
        let w = PackedTernary(trits, rows: 1, columns: trits.count, layout: TK_LAYOUT_T5)
        let codes = (0..<243).map { (code: Int) -> UInt8 in
            w.bytes[code / 32 * 128 + code % 32]
        }
        #expect(Set(codes).count == 243)
        #expect(codes[121] == 0x04)
        #expect(w.unpacked(0..<1) == trits)
        for set in TernarySet.supported {
            for column in trits.indices {
                var x = TernaryActivations(values: [Int8](repeating: 0, count: trits.count))
                (x.q[column], x.sum) = (1, 1)
                #expect(set.gemv(w, x) == [Int32(trits[column])])
            }
        }
    }

    @Test("sizes are whole tiles and blocks")
    func sizes() {
        #expect(tk_packed_size(TK_LAYOUT_T2, 2560, 2560) == 2560 * 2560 / 4)
        #expect(tk_packed_size(TK_LAYOUT_T5, 2560, 2560) == 2560 * 2560 / 5)
        #expect(tk_packed_size(TK_LAYOUT_T2, 1, 1) == 128)
        #expect(tk_packed_size(TK_LAYOUT_T5, 5, 161) == 2 * 2 * 128)
        #expect(String(cString: tk_layout_name(TK_LAYOUT_T5)) == "T5")
    }

    @Test(
        "rows of zeros are found, and some rows alone are what they were", arguments: ternaryLayouts
    )
    func keptRows(layout: tk_layout) {
        for (rows, columns) in [(1, 1), (7, 130), (70, 161), (129, 320)] {
            var trits = randomTrits(rows * columns, seed: UInt64(rows))
            for row in stride(from: 0, to: rows, by: 3) {
                for column in 0..<columns { trits[row * columns + column] = 0 }
            }
            let all = PackedTernary(trits, rows: rows, columns: columns, layout: layout)
            var zero = [Bool](repeating: false, count: rows)
            withUnsafePointer(to: all.matrix) { tk_zero_rows($0, &zero) }
            let isZero = (0..<rows).map { row in
                trits[row * columns..<(row + 1) * columns].allSatisfy { $0 == 0 }
            }
            #expect(zero == isZero)
            let kept = (0..<rows).filter { $0 % 5 != 1 }
            let expected = PackedTernary(
                kept.flatMap { trits[$0 * columns..<($0 + 1) * columns] }, rows: kept.count,
                columns: columns, layout: layout)
            let found = UnsafeMutableRawBufferPointer.allocate(
                byteCount: expected.bytes.count, alignment: 64)
            defer { found.deallocate() }
            let packed = found.baseAddress!.assumingMemoryBound(to: UInt8.self)
            // In two calls, as two threads would.
            let split = kept.count / 64 * 32
            withUnsafePointer(to: all.matrix) {
                tk_keep_rows($0, kept.map(Int32.init), kept.count, 0, split, packed)
                tk_keep_rows($0, kept.map(Int32.init), kept.count, split, kept.count, packed)
            }
            #expect(found.elementsEqual(expected.bytes), "\(rows) x \(columns)")
        }
    }
}

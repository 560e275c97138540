import CTernaryKernels
import TestSupport
import Testing

@Suite("Ternary file formats whose rows begin with their scale")
struct RowScaleInterchangeTests {
    private static let types: [(IKTernary, UInt32)] = [
        (.iq1_bn, TK_IQ1_BN.rawValue), (.iq2_bn, TK_IQ2_BN.rawValue),
        (.iq2_bn_r4, TK_IQ2_BN_R4.rawValue),
    ]

    /// The index of the first invalid code, and the trits of rows `range`.
    private func decode(
        _ type: tk_type, _ data: [UInt8], columns: Int, _ range: Range<Int>
    ) -> (invalid: Int, trits: [Int8]) {
        var trits = [Int8](repeating: 9, count: range.count * columns)
        let invalid = tk_decode_bn(
            type, data, columns, range.lowerBound, range.upperBound, &trits)
        return (invalid, trits)
    }

    @Test("blocks and rows have the sizes of the description", arguments: types)
    func sizes(format: IKTernary, type: UInt32) {
        let type = tk_type(rawValue: type)
        #expect(tk_type_block_size(type) == 64)
        #expect(tk_type_row_bytes(type) == format.scaleBytes)
        #expect(tk_type_row_bytes(type) + tk_type_block_bytes(type) == format.rowBytes(columns: 64))
        // Blocks alone mean nothing.
        var value = Float.nan
        tk_decode(type, [UInt8](repeating: 0, count: 64), 64, &value)
        #expect(value.isNaN && !tk_can_encode(type) && !tk_can_dense_gemv(type))
    }

    @Test("any rows give back what was encoded, and their scales", arguments: types)
    func roundTrip(format: IKTernary, type: UInt32) {
        let (type, rows) = (tk_type(rawValue: type), 12)
        for columns in [64, 128, 320] {
            let trits = randomTrits(rows * columns, seed: UInt64(columns))
            let scales = (0..<rows).map { Float($0) * 0.25 }
            let data = format.encode(trits, columns: columns, scales: scales)
            #expect(data.count == rows * format.rowBytes(columns: columns))
            for range in [0..<rows, 0..<0, 3..<4, 2..<9, 4..<8, 11..<12] {
                let part = decode(type, data, columns: columns, range)
                #expect(part.invalid == -1)
                let wanted = trits[range.lowerBound * columns..<range.upperBound * columns]
                #expect(part.trits[...] == wanted)
            }
            var found = [Float](repeating: -1, count: rows)
            tk_bn_scales(type, data, columns, rows, &found)
            #expect(found == scales)
        }
    }

    @Test("every code 3 of the 2-bit types is found where it is", arguments: types.dropFirst())
    func code3(format: IKTernary, type: UInt32) {
        let (type, columns) = (tk_type(rawValue: type), 128)
        let data = format.encode(
            randomTrits(8 * columns, seed: 5), columns: columns,
            scales: [Float](repeating: 1, count: 8))
        for weight in 0..<8 * columns {
            let (row, column) = weight.quotientAndRemainder(dividingBy: columns)
            let place = format.place(row: row, column: column, columns: columns)
            var changed = data
            changed[place.byte] |= 3 << UInt8(2 * place.digit)
            #expect(decode(type, changed, columns: columns, 0..<8).invalid == weight)
            // Only in the rows that are asked for.
            let others = decode(type, changed, columns: columns, row + 1..<8)
            #expect(others.invalid == -1)
            let own = decode(type, changed, columns: columns, row..<row + 1)
            #expect(own.invalid == column)
        }
    }

    @Test("every byte of IQ1_BN is decoded, or refused with its first weight")
    func everyByte() {
        let columns = 128
        let data = IKTernary.iq1_bn.encode(
            randomTrits(2 * columns, seed: 6), columns: columns, scales: [1, 1])
        /// What stands for v, the digits of which are trits + 1, the first the lowest.
        func stored(_ v: Int) -> UInt8 { UInt8((v * 256 + 242) / 243) }
        let five = Dictionary(uniqueKeysWithValues: (0..<243).map { (stored($0), $0) })
        let four = Dictionary(uniqueKeysWithValues: (0..<81).map { (stored($0), $0) })
        // Row 1, block 1.
        let start = IKTernary.iq1_bn.rowBytes(columns: columns) + 2 + 13
        for byte in 0..<13 {
            let weights =
                byte == 12 ? [15, 31, 47, 63] : (0..<5).map { byte / 3 * 16 + byte % 3 * 5 + $0 }
            for value in UInt8.min...UInt8.max {
                var changed = data
                changed[start + byte] = value
                let found = decode(TK_IQ1_BN, changed, columns: columns, 1..<2)
                guard let v = (byte == 12 ? four : five)[value] else {
                    #expect(found.invalid == 64 + weights[0], "\(value) at \(byte)")
                    continue
                }
                #expect(found.invalid == -1)
                var rest = v
                for weight in weights {
                    #expect(Int(found.trits[64 + weight]) == rest % 3 - 1)
                    rest /= 3
                }
            }
        }
    }

    @Test("of several invalid bytes of IQ1_BN the one with the first weight is reported")
    func firstByte() {
        let data = IKTernary.iq1_bn.encode(
            [Int8](repeating: 0, count: 64), columns: 64, scales: [1])
        for (bytes, weight) in [([12, 3], 15), ([12, 2], 10), ([11, 5], 26), ([12], 15)] {
            var changed = data
            for byte in bytes { changed[2 + byte] = 237 }
            #expect(decode(TK_IQ1_BN, changed, columns: 64, 0..<1).invalid == weight)
        }
    }
}

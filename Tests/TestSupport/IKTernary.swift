/// The ternary types of ik_llama.cpp, written a weight at a time as their description says.
public enum IKTernary: String, CaseIterable, Sendable {
    case iq1_bn = "IQ1_BN"
    case iq2_bn = "IQ2_BN"
    case iq2_bn_r4 = "IQ2_BN_R4"

    /// Bytes of the scale in front of a row.
    public var scaleBytes: Int { self == .iq1_bn ? 2 : 4 }

    /// Bytes of a row, its scale included.
    public func rowBytes(columns: Int) -> Int {
        scaleBytes + columns / 64 * (self == .iq1_bn ? 13 : 16)
    }

    /// The byte that holds a weight, and which of its digits: of four, or of five in IQ1_BN.
    public func place(row: Int, column c: Int, columns: Int) -> (byte: Int, digit: Int) {
        let width = rowBytes(columns: columns)
        let (block, inBlock) = (c / 64, c % 64)
        let (group, inGroup) = (inBlock / 16, inBlock % 16)
        switch self {
        case .iq1_bn:
            let start = row * width + 2 + block * 13
            return inGroup == 15
                ? (start + 12, group) : (start + 3 * group + inGroup / 5, inGroup % 5)
        case .iq2_bn:
            return (row * width + 4 + block * 16 + inGroup, group)
        case .iq2_bn_r4:
            let start = row / 4 * 4 * width + 16 + block * 64
            return (start + 16 * group + 4 * (row % 4) + inGroup % 4, inGroup / 4)
        }
    }

    /// Encodes rows of trits. Scales of IQ1_BN are such that float16 holds them as normal numbers.
    public func encode(_ trits: [Int8], columns: Int, scales: [Float]) -> [UInt8] {
        let digits = self == .iq1_bn ? [1, 3, 9, 27, 81] : [1, 4, 16, 64]
        let width = rowBytes(columns: columns)
        var values = [Int](repeating: 0, count: scales.count * width)
        for (index, trit) in trits.enumerated() {
            let place = place(row: index / columns, column: index % columns, columns: columns)
            values[place.byte] += digits[place.digit] * (Int(trit) + 1)
        }
        var bytes = values.map { UInt8(self == .iq1_bn ? (256 * $0 + 242) / 243 : $0) }
        for (row, scale) in scales.enumerated() {
            let start =
                self == .iq2_bn_r4 ? row / 4 * 4 * width + row % 4 * 4 : row * width
            var bits = scale.bitPattern
            if self == .iq1_bn, scale != 0 { bits = bits >> 13 - 112 << 10 }
            for byte in 0..<scaleBytes {
                bytes[start + byte] = UInt8(truncatingIfNeeded: bits >> UInt32(8 * byte))
            }
        }
        return bytes
    }
}

/// How one byte holds trits: four of two bits each, or five as a number in base 3.
///
/// Kernels and loaders decode whole blocks; this is for looking at single bytes.
public enum TritCode: String, Sendable, Hashable, Codable, CaseIterable {
    /// TQ1_0: a base-3 number as a fraction of 256, the first trit its most significant digit.
    case tq1_0 = "TQ1_0"
    /// IQ1_BN: the same, the first trit its least significant digit.
    case iq1_bn = "IQ1_BN"
    /// A plain base-3 number, the first trit its least significant digit. No file format has it.
    case base3 = "base 3"
    /// T5, which this package packs in memory: a sign and two look-ups, see `TernaryLayout.t5`.
    case t5 = "T5"
    /// TQ2_0, Q2_0, IQ2_BN, Hugging Face's `U8`, and T2 in memory: code trit + 1, the first trit in
    /// the lowest bits.
    case lowBitsFirst = "TQ2_0"
    /// I2_S: code trit + 1, the first trit in the highest bits.
    case highBitsFirst = "I2_S"

    /// Trits in a byte: 5 or 4.
    public var tritCount: Int {
        switch self {
        case .tq1_0, .iq1_bn, .base3, .t5: 5
        case .lowBitsFirst, .highBitsFirst: 4
        }
    }

    /// The trits of a byte, first to last, each -1, 0 or 1. Nil stands for what is none: code 3 of two
    /// bits, or all five trits of one of the 13 bytes that no five trits give.
    public func trits(of byte: UInt8) -> [Int8?] {
        switch self {
        case .lowBitsFirst: (0..<4).map { Self.trit(code: byte >> UInt8(2 * $0) & 3) }
        case .highBitsFirst: (0..<4).map { Self.trit(code: byte >> UInt8(6 - 2 * $0) & 3) }
        case .base3: Self.digits(of: Int(byte))
        case .tq1_0: Self.digits(ofFraction: byte).reversed()
        case .iq1_bn: Self.digits(ofFraction: byte)
        case .t5: Self.tritsOfT5(byte)
        }
    }

    private static func trit(code: UInt8) -> Int8? { code == 3 ? nil : Int8(code) - 1 }

    /// The base-3 digits of a number below 243, the least significant one first, each less 1.
    private static func digits(of number: Int) -> [Int8?] {
        guard number < 243 else { return [Int8?](repeating: nil, count: 5) }
        return [1, 3, 9, 27, 81].map { Int8(number / $0 % 3) - 1 }
    }

    /// The same of the number whose 243rd part, rounded up to a 256th, is `byte`.
    private static func digits(ofFraction byte: UInt8) -> [Int8?] {
        let number = Int(byte) * 243 / 256
        // Each number has one byte; 13 bytes are between those.
        return digits(of: (number * 256 + 242) / 243 == Int(byte) ? number : 243)
    }

    private static func tritsOfT5(_ byte: UInt8) -> [Int8?] {
        let isEscaped = byte & 0x70 == 0x70
        let low = isEscaped ? Int(byte & 15) : Int(byte >> 3 & 15)
        let high = isEscaped ? 8 : Int(byte & 7)
        let isNegative = byte & 0x80 != 0
        // The packer turns signs so that `low` is not negative, and leaves 0 as it is.
        guard low <= 13, !(isNegative && low == 0) else {
            return [Int8?](repeating: nil, count: 5)
        }
        let digits = [low + 13, (low + 13) / 3, (low + 13) / 9, high, high / 3]
        return digits.map { Int8($0 % 3 - 1) * (isNegative ? -1 : 1) }
    }
}

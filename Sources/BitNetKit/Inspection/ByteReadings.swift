/// What some loose bytes are under every way to pack trits, and as FP16.
///
/// ```swift
/// print(ByteReadings(of: [0x4B]))
/// ```
public struct ByteReadings: Sendable, Hashable, Codable {
    /// The bytes as trits of one code.
    public struct Reading: Sendable, Hashable, Codable {
        /// How the bytes are read.
        public let code: TritCode
        /// The trits of each byte; nil for what is no trit.
        public let trits: [[Int8?]]

        /// Whether all bytes are trits in this code.
        public var isValid: Bool { trits.allSatisfy { !$0.contains(nil) } }
    }

    /// The bytes.
    public let bytes: [UInt8]
    /// The bytes as trits, a reading for every code.
    public let readings: [Reading]
    /// The bytes as FP16, two each, the low one first; empty for an odd number of bytes. Infinities
    /// and NaN are nil.
    public let halves: [Float?]

    /// Reads `bytes` in every way.
    public init(of bytes: [UInt8]) {
        self.bytes = bytes
        readings = TritCode.allCases.map { code in
            Reading(code: code, trits: bytes.map(code.trits(of:)))
        }
        let pairs = bytes.count.isMultiple(of: 2) ? bytes.count / 2 : 0
        halves = (0..<pairs).map { pair in
            let value = Float(
                half: UInt16(bytes[2 * pair]) | UInt16(bytes[2 * pair + 1]) << 8)
            return value.isFinite ? value : nil
        }
    }

    /// The bytes that hexadecimal digits spell: `4B 3C`, `4B3C`, `0x4B, 0x3C`.
    ///
    /// - Throws: `BitNetError.invalidArgument` for anything else, and for more than 4096 bytes.
    public static func bytes(hexadecimal text: String) throws(BitNetError) -> [UInt8] {
        var bytes: [UInt8] = []
        for word in text.split(whereSeparator: { $0.isWhitespace || $0 == "," }) {
            let digits = word.hasPrefix("0x") || word.hasPrefix("0X") ? word.dropFirst(2) : word
            let values = digits.utf8.map { Character(UnicodeScalar($0)).hexDigitValue }
            guard !values.isEmpty, values.count.isMultiple(of: 2), !values.contains(nil) else {
                throw .invalidArgument(
                    name: "bytes",
                    detail: "'\(word)' is not pairs of hexadecimal digits, as in \"4B 3C\"")
            }
            for pair in stride(from: 0, to: values.count, by: 2) {
                bytes.append(UInt8((values[pair] ?? 0) * 16 + (values[pair + 1] ?? 0)))
            }
            guard bytes.count <= 4096 else {
                throw .invalidArgument(name: "bytes", detail: "more than 4096 of them")
            }
        }
        guard !bytes.isEmpty else {
            throw .invalidArgument(name: "bytes", detail: "none given; write them as in \"4B 3C\"")
        }
        return bytes
    }
}

extension Float {
    /// The value of an IEEE binary16.
    init(half bits: UInt16) {
        let sign: Float = bits & 0x8000 == 0 ? 1 : -1
        let (exponent, fraction) = (Int(bits >> 10 & 31), Float(bits & 0x3FF))
        switch exponent {
        case 0: self = sign * fraction * 0x1p-24
        case 31: self = fraction == 0 ? sign * .infinity : .nan
        default:
            self =
                sign * Float(sign: .plus, exponent: exponent - 15, significand: 1)
                * (1 + fraction / 1024)
        }
    }
}

// MARK: - Text

extension ByteReadings: CustomStringConvertible {
    /// A line for every way to read the bytes, eight bytes side by side, in up to 80 columns.
    public var description: String { shown.plain }

    package var shown: [ShownLine] {
        var lines: [ShownLine] = []
        for begin in stride(from: 0, to: bytes.count, by: 8) {
            if begin > 0 { lines.append(ShownLine()) }
            lines += shown(begin..<min(begin + 8, bytes.count))
        }
        if readings.contains(where: { !$0.isValid }) {
            lines.append(ShownLine())
            lines.append(
                ShownLine("x is no trit: code 3 of two bits, or a byte that no five trits give"))
        }
        return lines
    }

    private func shown(_ part: Range<Int>) -> [ShownLine] {
        var head = ShownLine("bytes".padded(to: 10))
        for byte in bytes[part] { head.add(byte.hexadecimal.padded(to: 6), .bytes) }
        var lines = [head]
        for reading in readings {
            var line = ShownLine(reading.code.rawValue.padded(to: 10))
            for trits in reading.trits[part] {
                line.add(trits: trits)
                line.add(String(repeating: " ", count: 6 - trits.count))
            }
            if !reading.trits[part].allSatisfy({ !$0.contains(nil) }) {
                line.add("not valid", .invalid)
            }
            lines.append(line)
        }
        guard !halves.isEmpty else { return lines }
        var line = ShownLine("FP16".padded(to: 10))
        for half in halves[part.lowerBound / 2..<part.upperBound / 2] {
            line.add((half.map { $0.short } ?? "not finite").padded(to: 12), .value)
        }
        return lines + [line]
    }
}

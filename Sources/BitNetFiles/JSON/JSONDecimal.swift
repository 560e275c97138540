/// A number with its spelling in the file.
package struct JSONDecimal: Sendable, Hashable {
    /// The nearest double.
    package let double: Double
    /// The digits, with sign, fraction and exponent, as in the file.
    package let spelling: String

    init(_ double: Double, spelling: String) {
        self.double = double
        self.spelling = spelling
    }

    /// The whole number, if it is exactly that: far from zero, a double may be a neighbour of it.
    package var int: Int? { DecimalNumber(spelling)?.int }
}

extension JSONValue {
    /// A number as it was spelled, if the value is one that JSON can write.
    package var spelling: String? {
        switch self {
        case .int(let value): "\(value)"
        case .double(let value): "\(value)"
        case .decimal(let decimal): decimal.spelling
        case .notFinite(let spelling, _): DecimalNumber.isDigit(spelling.utf8.last) ? spelling : nil
        case .null, .bool, .string, .array, .object: nil
        }
    }
}

/// A decimal number of any size, exactly.
package struct DecimalNumber: Sendable, Hashable {
    /// The most digits that an exponent may add.
    private static let maximumExponent = 1_000

    /// Less than zero.
    package let isNegative: Bool
    /// The digits before the point, without leading zeros: none for a number below 1.
    package let whole: [UInt8]
    /// The digits after the point, without zeros at the end.
    package let fraction: [UInt8]

    fileprivate static func isDigit(_ byte: UInt8?) -> Bool {
        byte.map { (0x30...0x39).contains($0) } ?? false
    }

    package static let zero = DecimalNumber()

    private init() { (isNegative, whole, fraction) = (false, [], []) }

    /// The number that JSON spells like this; nil for other text, and where the exponent is beyond
    /// 1,000.
    package init?(_ spelling: String) {
        var rest = Array(spelling.utf8)[...]
        let isNegative = rest.first == UInt8(ascii: "-")
        if isNegative { rest.removeFirst() }
        let mantissa = rest.prefix { $0 | 0x20 != UInt8(ascii: "e") }
        var exponent = 0
        if mantissa.endIndex < rest.endIndex {
            let text = String(decoding: rest[(mantissa.endIndex + 1)...], as: UTF8.self)
            guard let value = Int(text), value.magnitude <= Self.maximumExponent else { return nil }
            exponent = value
        }
        let parts = mantissa.split(
            separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
        var digits = parts.flatMap { $0.map { $0 &- UInt8(ascii: "0") } }
        guard !digits.isEmpty, digits.allSatisfy({ $0 <= 9 }) else { return nil }
        var point = parts[0].count + exponent
        if point < 0 {
            digits.insert(contentsOf: repeatElement(0, count: -point), at: 0)
            point = 0
        }
        while digits.count < point { digits.append(0) }
        whole = Array(digits[..<point].drop { $0 == 0 })
        var fraction = digits[point...]
        while fraction.last == 0 { fraction.removeLast() }
        self.fraction = Array(fraction)
        self.isNegative = isNegative && !(whole.isEmpty && fraction.isEmpty)
    }

    /// Whether nothing is after the point.
    package var isWhole: Bool { fraction.isEmpty }

    /// Whether the number is 0.
    package var isZero: Bool { whole.isEmpty && fraction.isEmpty }

    /// The number, if it is a whole one that fits.
    package var int: Int? {
        guard isWhole else { return nil }
        let digits = String(decoding: whole.map { $0 + UInt8(ascii: "0") }, as: UTF8.self)
        return Int((isNegative ? "-" : "") + (digits.isEmpty ? "0" : digits))
    }
}

extension DecimalNumber: Comparable {
    package static func < (left: Self, right: Self) -> Bool {
        guard left.isNegative == right.isNegative else { return left.isNegative }
        return left.isNegative
            ? right.hasSmallerMagnitude(than: left) : left.hasSmallerMagnitude(than: right)
    }

    private func hasSmallerMagnitude(than other: Self) -> Bool {
        guard whole.count == other.whole.count else { return whole.count < other.whole.count }
        // Digits after the point compare like words: what is longer is greater.
        return (whole + fraction).lexicographicallyPrecedes(other.whole + other.fraction)
    }
}

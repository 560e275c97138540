internal import Foundation

/// A whole number or a decimal.
enum JinjaNumber {
    case integer(Int)
    /// A whole number that fits no `Int`.
    case big(JinjaInteger)
    case float(Double)

    init(_ value: JinjaInteger) { self = value.small.map { .integer($0) } ?? .big(value) }

    var double: Double {
        switch self {
        case .integer(let value): Double(value)
        case .big(let value): value.double
        case .float(let value): value
        }
    }

    /// The whole number, nil for a decimal.
    var whole: JinjaInteger? {
        switch self {
        case .integer(let value): JinjaInteger(value)
        case .big(let value): value
        case .float: nil
        }
    }

    var value: JinjaValue {
        switch self {
        case .integer(let value): .integer(value)
        case .big(let value): .big(value)
        case .float(let value): .float(value)
        }
    }

    /// How two numbers compare, exactly; nil where one is not a number.
    func compared(to other: JinjaNumber) -> (isLess: Bool, isEqual: Bool)? {
        switch (self, other) {
        case (.integer(let a), .integer(let b)): return (a < b, a == b)
        case (.float(let a), .float(let b)): return a.isNaN || b.isNaN ? nil : (a < b, a == b)
        case (.float, _):
            guard let reversed = other.compared(to: self) else { return nil }
            return (!reversed.isLess && !reversed.isEqual, reversed.isEqual)
        case (_, .float(let b)):
            if b.isNaN { return nil }
            if b.isInfinite { return (b > 0, false) }
            guard let a = whole else { return nil }
            let part = JinjaInteger(truncating: b)
            if a != part { return (a < part, false) }
            // Whole parts agree; what follows the point decides.
            let rest = b - b.rounded(.towardZero)
            return (rest > 0, rest == 0)
        default:
            guard let a = whole, let b = other.whole else { return nil }
            return (a < b, a == b)
        }
    }
}

// MARK: - Reading

extension String {
    /// The digits of Python's `int(text, base)`, in any script and with `_` between them.
    func pythonInteger(base: Int) -> JinjaInteger? {
        guard base == 0 || (2...36).contains(base) else { return nil }
        var rest = Array(trimmed(.both).unicodeScalars)[...]
        let isNegative = rest.first == "-"
        if isNegative || rest.first == "+" { rest.removeFirst() }
        var base = base
        var mayStartWithUnderscore = false
        let prefixes: [Unicode.Scalar: Int] = [
            "x": 16, "X": 16, "o": 8, "O": 8, "b": 2, "B": 2,
        ]
        if rest.first == "0", let named = rest.dropFirst().first.flatMap({ prefixes[$0] }),
            base == 0 || base == named
        {
            base = named
            rest = rest.dropFirst(2)
            mayStartWithUnderscore = true
        }
        let hasNoBase = base == 0
        if hasNoBase { base = 10 }
        var digits: [UInt32] = []
        var wasDigit = mayStartWithUnderscore
        for scalar in rest {
            if scalar == "_" {
                guard wasDigit else { return nil }
                wasDigit = false
                continue
            }
            guard let digit = scalar.pythonDigit, digit < base else { return nil }
            digits.append(UInt32(digit))
            wasDigit = true
        }
        guard wasDigit, !digits.isEmpty, digits.count <= JinjaEvaluator.maximumDigits else {
            return nil
        }
        // Base 0 reads a number as Python's source would: no zeros before other digits.
        if hasNoBase, digits.count > 1, digits[0] == 0, digits.contains(where: { $0 > 0 }) {
            return nil
        }
        let plain = JinjaInteger(digits: digits, radix: UInt32(base))
        return isNegative ? -plain : plain
    }

    /// The number of Python's `float(text)`.
    var pythonFloat: Double? {
        var plain = ""
        var previous: Unicode.Scalar = " "
        let scalars = Array(trimmed(.both).unicodeScalars)
        for (index, scalar) in scalars.enumerated() {
            if scalar == "_" {
                let next = index + 1 < scalars.count ? scalars[index + 1] : " "
                guard previous.isDecimalDigit, next.isDecimalDigit else { return nil }
            } else if scalar.isDecimalDigit, let digit = scalar.pythonDigit {
                plain += "\(digit)"
            } else {
                plain.append(scalar)
            }
            previous = scalar
        }
        switch plain.lowercased() {
        case "inf", "+inf", "infinity", "+infinity": return .infinity
        case "-inf", "-infinity": return -.infinity
        case "nan", "+nan", "-nan": return .nan
        default: return plain.isPythonDecimal ? Double(plain) : nil
        }
    }

    /// Whether this is digits with at most one point and an exponent: Swift reads more than Python.
    private var isPythonDecimal: Bool {
        var rest = utf8[...]
        func takeDigits() -> Int {
            let digits = rest.prefix { (0x30...0x39).contains($0) }
            rest = rest.dropFirst(digits.count)
            return digits.count
        }
        func takeSign() {
            if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") {
                rest.removeFirst()
            }
        }
        takeSign()
        var count = takeDigits()
        if rest.first == UInt8(ascii: ".") {
            rest.removeFirst()
            count += takeDigits()
        }
        guard count > 0 else { return false }
        if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
            rest.removeFirst()
            takeSign()
            guard takeDigits() > 0 else { return false }
        }
        return rest.isEmpty
    }
}

extension Unicode.Scalar {
    /// Whether this is a decimal digit of any script.
    var isDecimalDigit: Bool { properties.numericType == .decimal }

    /// The digit that Python's `int` takes this for: a decimal digit of any script, or a letter.
    fileprivate var pythonDigit: Int? {
        if isDecimalDigit { return properties.numericValue.map { Int($0) } }
        switch value {
        case 0x41...0x5A: return Int(value) - 0x41 + 10
        case 0x61...0x7A: return Int(value) - 0x61 + 10
        default: return nil
        }
    }
}

// MARK: - Writing

/// Decimal digits `d.ddd` times ten to the power `exponent`.
struct JinjaDigits {
    var digits: String
    var exponent: Int

    /// The digits with a point and `places` of them after it, zeros added.
    func fixed(places: Int) -> String {
        let count = exponent + 1
        let padded = String(repeating: "0", count: max(0, 1 - count)) + digits
        let whole = max(count, 1)
        let all = padded + String(repeating: "0", count: max(0, whole + places - padded.utf8.count))
        let text = String(all.prefix(whole))
        return places > 0 ? text + "." + all.dropFirst(whole).prefix(places) : text
    }

    /// The digits as `d.ddde+xx`.
    var scientific: String {
        let sign = exponent < 0 ? "-" : "+"
        let power = "\(abs(exponent))"
        let rest = digits.dropFirst()
        return "\(digits.prefix(1))\(rest.isEmpty ? "" : ".")\(rest)e\(sign)"
            + (power.utf8.count < 2 ? "0" : "") + power
    }
}

extension Double {
    /// This finite number times ten to the power `places`, to the nearest whole number, and of two
    /// as near to the even one: Python rounds the exact value.
    func scaled(places: Int) -> JinjaInteger {
        guard self != 0 else { return JinjaInteger(0) }
        let shift = Int(exponent) - 52
        // Subnormal numbers have no bit before the point.
        let pattern = significandBitPattern
        let isSubnormal = self.magnitude < .leastNormalMagnitude
        var top = JinjaInteger(isSubnormal ? pattern : pattern | 1 << 52)
        let power = isSubnormal ? -1074 : shift
        var bottom = JinjaInteger(1)
        if power >= 0 { top = top << power } else { bottom = bottom << -power }
        let scale = JinjaInteger.power(JinjaInteger(10), abs(places))
        if places >= 0 { top = top * scale } else { bottom = bottom * scale }
        var (quotient, rest) = top.dividedDown(by: bottom)
        let twice = rest + rest
        if twice > bottom || (twice == bottom && quotient.isOdd) {
            quotient = quotient + JinjaInteger(1)
        }
        return self < 0 ? -quotient : quotient
    }

    /// The digits of the magnitude with `places` of them after the point.
    func fixedDigits(places: Int) -> String {
        let digits = scaled(places: places).magnitude.description
        return JinjaDigits(digits: digits, exponent: digits.utf8.count - 1 - places)
            .fixed(places: places)
    }

    /// The digits of the magnitude, `places` of them after the first.
    func scientificDigits(places: Int) -> JinjaDigits {
        guard self != 0 else {
            return JinjaDigits(digits: String(repeating: "0", count: places + 1), exponent: 0)
        }
        var exponent = Int(log10(magnitude).rounded(.down))
        while true {
            let digits = scaled(places: places - exponent).magnitude.description
            let count = digits.utf8.count
            if count == places + 1 { return JinjaDigits(digits: digits, exponent: exponent) }
            exponent += count > places + 1 ? 1 : -1
        }
    }

    /// The fewest digits that give the magnitude.
    var shortestDigits: JinjaDigits {
        let parts = "\(magnitude)".split(at: "e", limit: 1)
        let number = parts[0].split(at: ".", limit: 1)
        let whole = number[0]
        let all = whole + (number.count > 1 ? number[1] : "")
        let zeros = all.utf8.prefix { $0 == 0x30 }.count
        var digits = String(all.dropFirst(zeros))
        while digits.utf8.last == 0x30 { digits.removeLast() }
        guard !digits.isEmpty else { return JinjaDigits(digits: "0", exponent: 0) }
        let power = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        return JinjaDigits(digits: digits, exponent: whole.utf8.count - 1 - zeros + power)
    }

    /// The number as Python's `repr` writes it.
    var pythonSpelling: String {
        if isNaN { return "nan" }
        let sign = self.sign == .minus ? "-" : ""
        if isInfinite { return sign + "inf" }
        let shortest = shortestDigits
        guard (-4..<16).contains(shortest.exponent) else { return sign + shortest.scientific }
        let places = max(shortest.digits.utf8.count - 1 - shortest.exponent, 1)
        return sign + shortest.fixed(places: places)
    }

    /// Python's `round(self, places)`; nil where the result is too large.
    func rounded(places: Int) -> Double? {
        guard isFinite, self != 0, places <= 323 else { return self }
        if places < -308 { return self < 0 ? -0.0 : 0 }
        let whole = scaled(places: places)
        let result = Double("\(whole.magnitude)e\(-places)") ?? .infinity
        guard result.isFinite else { return nil }
        return self < 0 ? -result : result
    }
}

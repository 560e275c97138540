/// A whole number of any size, as Python's `int`: sign and magnitude in base 2^32.
///
/// Sizes are bounded by the evaluator: products and quotients take the square of their length.
struct JinjaInteger: Sendable, Hashable, Comparable {
    /// The limbs, least significant first, without zeros at the end; zero has none.
    private(set) var limbs: [UInt32]
    private(set) var isNegative: Bool

    private init(_ limbs: [UInt32], isNegative: Bool) {
        var limbs = limbs
        while limbs.last == 0 { limbs.removeLast() }
        self.limbs = limbs
        self.isNegative = isNegative && !limbs.isEmpty
    }

    init(_ value: Int) { self.init(UInt64(value.magnitude), isNegative: value < 0) }

    init(_ magnitude: UInt64, isNegative: Bool = false) {
        self.init(
            [UInt32(truncatingIfNeeded: magnitude), UInt32(truncatingIfNeeded: magnitude >> 32)],
            isNegative: isNegative)
    }

    /// The number whose digits in `radix` these are, the most significant first.
    init(digits: [UInt32], radix: UInt32) {
        var limbs: [UInt32] = []
        for digit in digits {
            var carry = UInt64(digit)
            for index in limbs.indices {
                carry += UInt64(limbs[index]) * UInt64(radix)
                limbs[index] = UInt32(truncatingIfNeeded: carry)
                carry >>= 32
            }
            if carry > 0 { limbs.append(UInt32(carry)) }
        }
        self.init(limbs, isNegative: false)
    }

    /// The whole part of a finite number.
    init(truncating value: Double) {
        let whole = value.magnitude.rounded(.towardZero)
        guard whole >= 1 else {
            self.init(0)
            return
        }
        let shift = Int(whole.exponent) - 52
        let mantissa = whole.significandBitPattern | 1 << 52
        let plain = shift < 0 ? Self(mantissa >> UInt64(-shift)) : Self(mantissa) << shift
        self.init(plain.limbs, isNegative: value < 0)
    }

    /// The number where it fits an `Int`.
    var small: Int? {
        guard limbs.count <= 2 else { return nil }
        let magnitude = limbs.reversed().reduce(UInt64(0)) { $0 << 32 | UInt64($1) }
        if isNegative {
            return magnitude <= 1 << 63 ? Int(truncatingIfNeeded: 0 &- magnitude) : nil
        }
        return Int(exactly: magnitude)
    }

    var isZero: Bool { limbs.isEmpty }
    var isOdd: Bool { limbs.first.map { $0 & 1 == 1 } ?? false }
    var magnitude: JinjaInteger { Self(limbs, isNegative: false) }
    var bitCount: Int { limbs.count * 32 - (limbs.last?.leadingZeroBitCount ?? 0) }

    /// The nearest number that a `Double` can be; infinite where it is too large.
    var double: Double { Double(description) ?? .infinity }

    static prefix func - (value: JinjaInteger) -> JinjaInteger {
        Self(value.limbs, isNegative: !value.isNegative)
    }

    static func < (a: JinjaInteger, b: JinjaInteger) -> Bool {
        if a.isNegative != b.isNegative { return a.isNegative }
        return a.isNegative ? isLess(b.limbs, a.limbs) : isLess(a.limbs, b.limbs)
    }

    private static func isLess(_ a: [UInt32], _ b: [UInt32]) -> Bool {
        a.count == b.count
            ? a.reversed().lexicographicallyPrecedes(b.reversed()) : a.count < b.count
    }

    // MARK: - Arithmetic

    static func + (a: JinjaInteger, b: JinjaInteger) -> JinjaInteger {
        if a.isNegative == b.isNegative {
            return Self(sum(a.limbs, b.limbs), isNegative: a.isNegative)
        }
        if isLess(a.limbs, b.limbs) {
            return Self(difference(b.limbs, a.limbs), isNegative: b.isNegative)
        }
        return Self(difference(a.limbs, b.limbs), isNegative: a.isNegative)
    }

    static func - (a: JinjaInteger, b: JinjaInteger) -> JinjaInteger { a + -b }

    private static func sum(_ a: [UInt32], _ b: [UInt32]) -> [UInt32] {
        var result: [UInt32] = []
        var carry: UInt64 = 0
        for index in 0..<max(a.count, b.count) {
            carry += UInt64(index < a.count ? a[index] : 0)
            carry += UInt64(index < b.count ? b[index] : 0)
            result.append(UInt32(truncatingIfNeeded: carry))
            carry >>= 32
        }
        return result + [UInt32(carry)]
    }

    /// `a - b`, where a is not less.
    private static func difference(_ a: [UInt32], _ b: [UInt32]) -> [UInt32] {
        var result: [UInt32] = []
        var borrow: Int64 = 0
        for index in a.indices {
            let value = Int64(a[index]) - Int64(index < b.count ? b[index] : 0) + borrow
            result.append(UInt32(truncatingIfNeeded: value))
            borrow = value >> 32
        }
        return result
    }

    static func * (a: JinjaInteger, b: JinjaInteger) -> JinjaInteger {
        var result = [UInt32](repeating: 0, count: a.limbs.count + b.limbs.count)
        for (offset, limb) in a.limbs.enumerated() {
            var carry: UInt64 = 0
            for (index, other) in b.limbs.enumerated() {
                carry += UInt64(limb) * UInt64(other) + UInt64(result[offset + index])
                result[offset + index] = UInt32(truncatingIfNeeded: carry)
                carry >>= 32
            }
            result[offset + b.limbs.count] = UInt32(carry)
        }
        return Self(result, isNegative: a.isNegative != b.isNegative)
    }

    static func << (value: JinjaInteger, count: Int) -> JinjaInteger {
        let zeros = [UInt32](repeating: 0, count: count / 32)
        var result = zeros
        var carry: UInt64 = 0
        for limb in value.limbs {
            carry |= UInt64(limb) << UInt64(count % 32)
            result.append(UInt32(truncatingIfNeeded: carry))
            carry >>= 32
        }
        return Self(result + [UInt32(carry)], isNegative: value.isNegative)
    }

    static func power(_ base: JinjaInteger, _ exponent: Int) -> JinjaInteger {
        var result = JinjaInteger(1)
        var square = base
        var rest = exponent
        while rest > 0 {
            if rest & 1 == 1 { result = result * square }
            rest >>= 1
            if rest > 0 { square = square * square }
        }
        return result
    }

    /// Quotient and rest as Python has them: rounded down. The divisor is not zero.
    func dividedDown(by divisor: JinjaInteger) -> (quotient: JinjaInteger, rest: JinjaInteger) {
        let (quotient, rest) = Self.divide(limbs, divisor.limbs)
        var result = (
            quotient: Self(quotient, isNegative: isNegative != divisor.isNegative),
            rest: Self(rest, isNegative: isNegative)
        )
        if !result.rest.isZero, isNegative != divisor.isNegative {
            result.quotient = result.quotient - JinjaInteger(1)
            result.rest = result.rest + divisor
        }
        return result
    }

    private static func divide(_ a: [UInt32], _ b: [UInt32]) -> ([UInt32], [UInt32]) {
        guard b.count > 1 else {
            var rest: UInt64 = 0
            var quotient = a
            for index in a.indices.reversed() {
                let value = rest << 32 | UInt64(a[index])
                quotient[index] = UInt32(value / UInt64(b[0]))
                rest = value % UInt64(b[0])
            }
            return (quotient, [UInt32(rest)])
        }
        guard a.count >= b.count else { return ([], a) }
        // Knuth's algorithm D: the divisor's highest bit is set first.
        let shift = b[b.count - 1].leadingZeroBitCount
        let divisor = (Self(b, isNegative: false) << shift).limbs
        var rest = (Self(a, isNegative: false) << shift).limbs
        rest += [UInt32](repeating: 0, count: a.count + 1 - rest.count)
        let count = divisor.count
        let (top, next) = (UInt64(divisor[count - 1]), UInt64(divisor[count - 2]))
        var quotient = [UInt32](repeating: 0, count: a.count - count + 1)
        for place in quotient.indices.reversed() {
            let head = UInt64(rest[place + count]) << 32 | UInt64(rest[place + count - 1])
            var digit = head / top
            var left = head % top
            while digit >> 32 > 0
                || digit * next > left << 32 | UInt64(rest[place + count - 2])
            {
                digit -= 1
                left += top
                if left >> 32 > 0 { break }
            }
            if !subtract(digit, divisor, from: &rest, at: place) { digit -= 1 }
            quotient[place] = UInt32(digit)
        }
        return (quotient, unshifted(Array(rest.prefix(count)), shift))
    }

    /// Subtracts `digit * divisor`; where that was once too often, adds the divisor and gives false.
    private static func subtract(
        _ digit: UInt64, _ divisor: [UInt32], from rest: inout [UInt32], at place: Int
    ) -> Bool {
        var carry: UInt64 = 0
        var borrow: Int64 = 0
        for index in 0...divisor.count {
            if index < divisor.count { carry += digit * UInt64(divisor[index]) }
            let value = Int64(rest[place + index]) - Int64(carry & 0xFFFF_FFFF) + borrow
            rest[place + index] = UInt32(truncatingIfNeeded: value)
            borrow = value >> 32
            carry >>= 32
        }
        guard borrow < 0 else { return true }
        carry = 0
        for index in 0...divisor.count {
            carry += UInt64(rest[place + index])
            if index < divisor.count { carry += UInt64(divisor[index]) }
            rest[place + index] = UInt32(truncatingIfNeeded: carry)
            carry >>= 32
        }
        return false
    }

    private static func unshifted(_ limbs: [UInt32], _ shift: Int) -> [UInt32] {
        limbs.indices.map { index in
            let high = index + 1 < limbs.count ? UInt64(limbs[index + 1]) : 0
            return UInt32(truncatingIfNeeded: (high << 32 | UInt64(limbs[index])) >> UInt64(shift))
        }
    }
}

extension JinjaInteger: CustomStringConvertible {
    var description: String { text(radix: 10) }

    /// The digits in `radix`, with a sign where the number is negative.
    func text(radix: UInt32) -> String {
        // As many digits at once as one division by a limb yields.
        var (chunk, width) = (radix, 1)
        while UInt64(chunk) * UInt64(radix) <= UInt64(UInt32.max) {
            chunk *= radix
            width += 1
        }
        var parts: [String] = []
        var rest = limbs
        while !rest.isEmpty {
            let (quotient, digits) = Self.divide(rest, [chunk])
            rest = Self(quotient, isNegative: false).limbs
            let part = String(digits[0], radix: Int(radix))
            parts.append(
                rest.isEmpty ? part : String(repeating: "0", count: width - part.utf8.count) + part)
        }
        return (isNegative ? "-" : "") + (parts.isEmpty ? "0" : parts.reversed().joined())
    }
}

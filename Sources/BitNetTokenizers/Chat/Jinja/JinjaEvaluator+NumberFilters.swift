internal import Foundation

extension JinjaEvaluator {
    mutating func numberFilter(
        _ value: JinjaValue, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        if value.isUndefined { throw failure("'\(input.name)' of \(value.kind)") }
        if let text = value.string { try charge(text.utf8.count) }
        switch input.name {
        case "int":
            let fallback = input.take("default") ?? .integer(0)
            let base = try takeInteger(&input, "base") ?? 10
            return try integer(value, base: base) ?? fallback
        case "float":
            let fallback = input.take("default") ?? .float(0)
            guard let number = value.number?.double ?? value.string?.pythonFloat else {
                return fallback
            }
            if case .big = value, number.isInfinite { throw tooLarge }
            return .float(number)
        case "abs":
            guard let number = value.number else { throw failure("'abs' of \(value.kind)") }
            return try number.whole.map { (whole) throws(JinjaFailure) in try made(whole.magnitude)
            }
                ?? .float(abs(number.double))
        case "filesizeformat": return try fileSize(value, &input)
        default: return try rounded(value, &input)
        }
    }

    /// Python's `int(value)`, and for a string that is a decimal its whole part; nil where it is no
    /// number.
    private mutating func integer(
        _ value: JinjaValue, base: Int
    ) throws(JinjaFailure) -> JinjaValue? {
        if let text = value.string {
            let count = text.utf8.count
            // Python limits digits only where the base is no power of two.
            guard count <= Self.maximumDigits || base & (base - 1) != 0 else { throw tooLarge }
            try charge(count * min(count, Self.maximumDigits) / 64)
            if let number = text.pythonInteger(base: base) { return try made(number) }
            guard let number = text.pythonFloat, number.isFinite else { return nil }
            return try made(JinjaInteger(truncating: number))
        }
        guard let number = value.number else { return nil }
        if let whole = number.whole { return try made(whole) }
        if number.double.isNaN { return nil }
        guard number.double.isFinite else { throw failure("'int' of infinity") }
        return try made(JinjaInteger(truncating: number.double))
    }

    private mutating func rounded(
        _ value: JinjaValue, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        guard let number = value.number else { throw failure("'round' of \(value.kind)") }
        let precision = input.take("precision") ?? .integer(0)
        let method = try takeString(&input, "method") ?? "common"
        guard precision.isNone || precision.integer != nil else {
            throw failure("'round' to \(precision.kind)")
        }
        switch method {
        case "common": return try rounded(number, precision.integer)
        case "ceil", "floor":
            // As jinja2 has it: scaled, rounded to a whole number, and scaled back.
            guard !precision.isNone else { throw failure("'round' to none") }
            let scale = try arithmetic(.power, .integer(10), precision)
            let scaled = try arithmetic(.multiply, number.value, scale)
            guard case .float(let decimal) = scaled else {
                return try arithmetic(.divide, scaled, scale)
            }
            guard decimal.isFinite else { throw failure("'round' of \(decimal)") }
            let whole = JinjaInteger(truncating: decimal.rounded(method == "ceil" ? .up : .down))
            return try arithmetic(.divide, try made(whole), scale)
        default: throw failure("'round' with the method '\(method)'")
        }
    }

    /// Python's `round(number, precision)`.
    private mutating func rounded(
        _ number: JinjaNumber, _ precision: Int?
    ) throws(JinjaFailure) -> JinjaValue {
        guard let whole = number.whole else {
            let decimal = number.double
            guard let precision else {
                guard decimal.isFinite else { throw failure("'round' of \(decimal)") }
                return try made(decimal.scaled(places: 0))
            }
            guard let result = decimal.rounded(places: precision) else { throw tooLarge }
            return .float(result)
        }
        guard let precision, precision < 0 else { return try made(whole) }
        guard precision >= -Self.maximumDigits else { return .integer(0) }
        let scale = JinjaInteger.power(JinjaInteger(10), -precision)
        try charge((whole.limbs.count + 1) * scale.limbs.count)
        var (quotient, rest) = whole.dividedDown(by: scale)
        let twice = rest + rest
        if twice > scale || (twice == scale && quotient.isOdd) {
            (quotient, rest) = (quotient + JinjaInteger(1), JinjaInteger(0))
        }
        return try made(quotient * scale)
    }

    private func fileSize(
        _ value: JinjaValue, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        guard let bytes = value.number?.double ?? value.string?.pythonFloat else {
            throw failure("'filesizeformat' of \(value.kind)")
        }
        let isBinary = takeFlag(&input, "binary")
        let base: Double = isBinary ? 1024 : 1000
        if bytes == 1 { return .string("1 Byte") }
        if bytes < base {
            guard bytes.isFinite else { throw failure("'filesizeformat' of \(bytes)") }
            return .string("\(JinjaInteger(truncating: bytes)) Bytes")
        }
        guard bytes.isFinite else { throw failure("'filesizeformat' of \(bytes)") }
        let prefixes = ["k", "M", "G", "T", "P", "E", "Z", "Y"]
        for (index, prefix) in prefixes.enumerated() {
            let unit = JinjaInteger.power(JinjaInteger(Int(base)), index + 2).double
            guard bytes < unit || index == prefixes.count - 1 else { continue }
            let size = (base * bytes / unit).fixedDigits(places: 1)
            return .string("\(size) \(isBinary ? prefix.uppercased() + "iB" : prefix + "B")")
        }
        throw tooLarge
    }
}

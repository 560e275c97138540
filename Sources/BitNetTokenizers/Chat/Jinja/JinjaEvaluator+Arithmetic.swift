internal import Foundation

extension JinjaEvaluator {
    func negated(_ value: JinjaValue) throws(JinjaFailure) -> JinjaValue {
        switch value.number {
        case .float(let number)?: return .float(-number)
        case let number?: return try made(-(number.whole ?? JinjaInteger(0)))
        case nil: throw failure("'-' before \(value.kind)")
        }
    }

    /// A whole number that was made, not longer than allowed.
    func made(_ number: JinjaInteger) throws(JinjaFailure) -> JinjaValue {
        guard number.bitCount <= Self.maximumBits else { throw tooLarge }
        return JinjaNumber(number).value
    }

    /// Bits of the longest whole number: it has fewer digits than Python refuses to print.
    private static let maximumBits = maximumDigits * 332 / 100

    var tooLarge: JinjaFailure { failure("a number is too large") }

    mutating func arithmetic(
        _ operation: JinjaOperator, _ left: JinjaValue, _ right: JinjaValue
    ) throws(JinjaFailure) -> JinjaValue {
        if let first = left.number, let second = right.number {
            if case .integer(let a) = first, case .integer(let b) = second,
                let result = Self.small(operation, a, b)
            {
                return .integer(result)
            }
            if let a = first.whole, let b = second.whole { return try whole(operation, a, b) }
            let (a, b) = (first.double, second.double)
            guard a.isFinite || first.whole == nil, b.isFinite || second.whole == nil else {
                throw tooLarge
            }
            return .float(try decimal(operation, a, b))
        }
        switch (operation, left, right) {
        case (.modulo, .string(let text), _): return try percentFormat(text, right)
        case (.add, _, _):
            if let result = try joined(left, right) { return result }
        case (.multiply, _, _):
            if let count = right.number?.whole, let result = try repeated(left, count) {
                return result
            }
            if let count = left.number?.whole, let result = try repeated(right, count) {
                return result
            }
        default: break
        }
        throw failure("'\(operation.rawValue)' between \(left.kind) and \(right.kind)")
    }

    /// Two strings, or two lists, as one.
    private mutating func joined(
        _ left: JinjaValue, _ right: JinjaValue
    ) throws(JinjaFailure) -> JinjaValue? {
        switch (left, right) {
        case (.string(let a), .string(let b)): return try made(a + b)
        case (.markup(let a), .markup(let b)): return .markup(try paid(a + b))
        case (.markup(let a), .string(let b)): return .markup(try paid(a + b.escapedForHTML))
        case (.string(let a), .markup(let b)): return .markup(try paid(a.escapedForHTML + b))
        case (.list(let a), .list(let b)) where a.isTuple == b.isTuple:
            return try made(a.items + b.items, isTuple: a.isTuple)
        default: return nil
        }
    }

    /// A text that was made, paid for.
    private mutating func paid(_ text: String) throws(JinjaFailure) -> String {
        try charge(text.utf8.count)
        return text
    }

    private mutating func repeated(
        _ value: JinjaValue, _ count: JinjaInteger
    ) throws(JinjaFailure) -> JinjaValue? {
        let count = count.isNegative ? 0 : count.small ?? .max
        func size(_ one: Int) throws(JinjaFailure) -> Int {
            let (size, overflows) = one.multipliedReportingOverflow(by: count)
            guard !overflows, size <= Self.maximumWork else {
                throw failure("'*' makes something too large")
            }
            return size
        }
        switch value {
        case .string(let text), .markup(let text):
            try charge(try size(text.utf8.count))
            // An empty text repeated often would cost time all the same.
            return Self.text(
                text.isEmpty ? "" : String(repeating: text, count: count), like: value)
        case .list(let list):
            try charge(try size(list.items.count * Self.evaluationCost))
            let items =
                list.items.isEmpty ? [] : repeatElement(list.items, count: count).flatMap(\.self)
            return .list(JinjaList(items, isTuple: list.isTuple))
        default: return nil
        }
    }

    // MARK: - Whole numbers

    /// The result where both numbers and it are small; nil where it takes more.
    private static func small(_ operation: JinjaOperator, _ a: Int, _ b: Int) -> Int? {
        let result: (partialValue: Int, overflow: Bool)
        switch operation {
        case .add: result = a.addingReportingOverflow(b)
        case .subtract: result = a.subtractingReportingOverflow(b)
        case .multiply: result = a.multipliedReportingOverflow(by: b)
        case .floorDivide, .modulo:
            guard b != 0, b != -1 else { return nil }
            // Python rounds down, not towards zero.
            let isInexact = a % b != 0 && (a < 0) != (b < 0)
            return operation == .modulo
                ? a % b + (isInexact ? b : 0) : a / b - (isInexact ? 1 : 0)
        case .divide, .power: return nil
        }
        return result.overflow ? nil : result.partialValue
    }

    private mutating func whole(
        _ operation: JinjaOperator, _ a: JinjaInteger, _ b: JinjaInteger
    ) throws(JinjaFailure) -> JinjaValue {
        try charge((a.limbs.count + 1) * (b.limbs.count + 1))
        switch operation {
        case .add: return try made(a + b)
        case .subtract: return try made(a - b)
        case .multiply: return try made(a * b)
        case .floorDivide, .modulo, .divide:
            guard !b.isZero else { throw failure("division by zero") }
            if operation == .divide { return .float(try quotient(a, b)) }
            let result = a.dividedDown(by: b)
            return try made(operation == .modulo ? result.rest : result.quotient)
        case .power:
            guard !b.isNegative else {
                let (base, exponent) = (a.double, b.double)
                guard base.isFinite, exponent.isFinite else { throw tooLarge }
                return .float(try decimal(.power, base, exponent))
            }
            if a.magnitude == JinjaInteger(1) || a.isZero || b.isZero {
                let isOne = b.isZero || !a.isZero && (!a.isNegative || !b.isOdd)
                return .integer(isOne ? 1 : a.isZero ? 0 : -1)
            }
            guard let exponent = b.small, exponent <= Self.maximumBits,
                (a.bitCount - 1) * exponent <= Self.maximumBits
            else { throw tooLarge }
            let size = a.limbs.count * exponent + 1
            try charge(size * size)
            return try made(JinjaInteger.power(a, exponent))
        }
    }

    /// The nearest decimal to `a / b`.
    private func quotient(
        _ a: JinjaInteger, _ b: JinjaInteger
    ) throws(JinjaFailure) -> Double {
        if let a = a.small, let b = b.small, a.magnitude <= 1 << 53, b.magnitude <= 1 << 53 {
            return Double(a) / Double(b)
        }
        // Enough bits of the quotient that one more tells on which side of a half it lies.
        let shift = max(0, 70 - a.bitCount + b.bitCount)
        var (quotient, rest) = (a.magnitude << shift).dividedDown(by: b.magnitude)
        if !rest.isZero {
            (quotient, rest) = (quotient + quotient + JinjaInteger(1), JinjaInteger(0))
        } else {
            quotient = quotient + quotient
        }
        let result = quotient.double * pow(2, Double(-shift - 1))
        guard result.isFinite else { throw tooLarge }
        return a.isNegative != b.isNegative ? -result : result
    }

    // MARK: - Decimals

    private func decimal(
        _ operation: JinjaOperator, _ a: Double, _ b: Double
    ) throws(JinjaFailure) -> Double {
        switch operation {
        case .add: return a + b
        case .subtract: return a - b
        case .multiply: return a * b
        case .power:
            guard a != 0 || b >= 0, a >= 0 || a.isInfinite || b == b.rounded() else {
                throw failure("\(a) to the power \(b)")
            }
            let result = pow(a, b)
            guard result.isFinite || !a.isFinite || !b.isFinite else { throw tooLarge }
            return result
        case .divide, .floorDivide, .modulo:
            guard b != 0 else { throw failure("division by zero") }
            if operation == .divide { return a / b }
            var rest = fmod(a, b)
            var quotient = (a - rest) / b
            if rest == 0 {
                rest = Double(signOf: b, magnitudeOf: 0)
            } else if (rest < 0) != (b < 0) {
                rest += b
                quotient -= 1
            }
            if operation == .modulo { return rest }
            guard quotient != 0 else { return Double(signOf: a / b, magnitudeOf: 0) }
            let floor = quotient.rounded(.down)
            return quotient - floor > 0.5 ? floor + 1 : floor
        }
    }
}

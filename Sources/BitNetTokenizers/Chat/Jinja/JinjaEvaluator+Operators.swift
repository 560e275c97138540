internal import Foundation

extension JinjaEvaluator {
    // MARK: - Arithmetic

    func negated(_ value: JinjaValue) throws(JinjaFailure) -> JinjaValue {
        switch value.number {
        case .integer(let number)?:
            guard number != .min else { throw failure("a number is too large") }
            return .integer(-number)
        case .float(let number)?: return .float(-number)
        case nil: throw failure("'-' before \(value.kind)")
        }
    }

    mutating func arithmetic(
        _ operation: JinjaOperator, _ left: JinjaValue, _ right: JinjaValue
    ) throws(JinjaFailure) -> JinjaValue {
        if let first = left.number, let second = right.number {
            if case .integer(let a) = first, case .integer(let b) = second {
                return try whole(operation, a, b)
            }
            return try decimal(operation, first.double, second.double)
        }
        switch (operation, left, right) {
        case (.add, .string(let a), .string(let b)): return try made(a + b)
        case (.add, .list(let a), .list(let b)) where a.isTuple == b.isTuple:
            return try made(a.items + b.items, isTuple: a.isTuple)
        case (.multiply, _, _):
            if let count = right.integer, let result = try repeated(left, count) { return result }
            if let count = left.integer, let result = try repeated(right, count) { return result }
        case (.modulo, .string, _): throw failure("'%' on a string is not supported")
        default: break
        }
        throw failure("'\(operation.rawValue)' between \(left.kind) and \(right.kind)")
    }

    private mutating func repeated(
        _ value: JinjaValue, _ count: Int
    ) throws(JinjaFailure) -> JinjaValue? {
        let count = max(count, 0)
        func size(_ one: Int) throws(JinjaFailure) -> Int {
            let (size, overflows) = one.multipliedReportingOverflow(by: count)
            guard !overflows, size <= Self.maximumWork else {
                throw failure("'*' makes something too large")
            }
            return size
        }
        switch value {
        case .string(let text):
            try charge(try size(text.utf8.count))
            // An empty text repeated often would cost time all the same.
            return .string(text.isEmpty ? "" : String(repeating: text, count: count))
        case .list(let list):
            try charge(try size(list.items.count * Self.evaluationCost))
            let items =
                list.items.isEmpty ? [] : repeatElement(list.items, count: count).flatMap(\.self)
            return .list(JinjaList(items, isTuple: list.isTuple))
        default: return nil
        }
    }

    private func whole(
        _ operation: JinjaOperator, _ a: Int, _ b: Int
    ) throws(JinjaFailure) -> JinjaValue {
        let result: (partialValue: Int, overflow: Bool)
        switch operation {
        case .add: result = a.addingReportingOverflow(b)
        case .subtract: result = a.subtractingReportingOverflow(b)
        case .multiply: result = a.multipliedReportingOverflow(by: b)
        case .divide: return try decimal(.divide, Double(a), Double(b))
        case .floorDivide, .modulo:
            guard b != 0 else { throw failure("division by zero") }
            guard b != -1 else {
                if operation == .modulo { return .integer(0) }
                return try negated(.integer(a))
            }
            // Python rounds down, not towards zero.
            let isInexact = a % b != 0 && (a < 0) != (b < 0)
            result =
                operation == .modulo
                ? (a % b + (isInexact ? b : 0), false) : (a / b - (isInexact ? 1 : 0), false)
        case .power:
            guard b >= 0 else { return try decimal(.power, Double(a), Double(b)) }
            return .integer(try power(a, b))
        }
        guard !result.overflow else { throw failure("a number is too large") }
        return .integer(result.partialValue)
    }

    private func power(_ base: Int, _ exponent: Int) throws(JinjaFailure) -> Int {
        if base == 0 || base == 1 { return exponent == 0 ? 1 : base }
        if base == -1 { return exponent % 2 == 0 ? 1 : -1 }
        var result = 1
        for _ in 0..<min(exponent, 64) {
            let (product, overflows) = result.multipliedReportingOverflow(by: base)
            guard !overflows else { throw failure("a number is too large") }
            result = product
        }
        return result
    }

    private func decimal(
        _ operation: JinjaOperator, _ a: Double, _ b: Double
    ) throws(JinjaFailure) -> JinjaValue {
        switch operation {
        case .add: return .float(a + b)
        case .subtract: return .float(a - b)
        case .multiply: return .float(a * b)
        case .power:
            guard a != 0 || b >= 0, a >= 0 || b == b.rounded() else {
                throw failure("\(a) to the power \(b)")
            }
            return .float(pow(a, b))
        case .divide, .floorDivide, .modulo:
            guard b != 0 else { throw failure("division by zero") }
            if operation == .divide { return .float(a / b) }
            var rest = fmod(a, b)
            if rest != 0, (rest < 0) != (b < 0) { rest += b }
            return .float(operation == .modulo ? rest : ((a - rest) / b).rounded())
        }
    }

    // MARK: - Comparison

    mutating func holds(
        _ comparison: JinjaComparison, _ left: JinjaValue, _ right: JinjaValue
    ) throws(JinjaFailure) -> Bool {
        switch comparison {
        case .equal: return try areEqual(left, right)
        case .notEqual: return !(try areEqual(left, right))
        case .isIn: return try contains(right, left)
        case .isNotIn: return !(try contains(right, left))
        case .less: return try isLess(left, right)
        case .greater: return try isLess(right, left)
        case .lessOrEqual:
            if try isLess(left, right) { return true }
            return try areEqual(left, right)
        case .greaterOrEqual:
            if try isLess(right, left) { return true }
            return try areEqual(left, right)
        }
    }

    mutating func areEqual(_ left: JinjaValue, _ right: JinjaValue) throws(JinjaFailure) -> Bool {
        try charge(1)
        if let a = left.number, let b = right.number {
            if case .integer(let a) = a, case .integer(let b) = b { return a == b }
            return a.double == b.double
        }
        switch (left, right) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.string(let a), .string(let b)):
            try charge(min(a.utf8.count, b.utf8.count))
            return a.isExactly(b)
        case (.list(let a), .list(let b)):
            guard a.isTuple == b.isTuple, a.items.count == b.items.count else { return false }
            for (a, b) in zip(a.items, b.items) where !(try areEqual(a, b)) { return false }
            return true
        case (.dictionary(let a), .dictionary(let b)):
            guard a.members.count == b.members.count else { return false }
            for (name, value) in a.members {
                guard let other = b.value(try key(name)), try areEqual(value, other) else {
                    return false
                }
            }
            return true
        case (.namespace(let a), .namespace(let b)), (.macro(let a), .macro(let b)): return a == b
        case (.function(let a), .function(let b)): return a == b
        default: return false
        }
    }

    mutating func isLess(_ left: JinjaValue, _ right: JinjaValue) throws(JinjaFailure) -> Bool {
        try charge(1)
        if let a = left.number, let b = right.number {
            if case .integer(let a) = a, case .integer(let b) = b { return a < b }
            return a.double < b.double
        }
        switch (left, right) {
        case (.string(let a), .string(let b)):
            try charge(min(a.utf8.count, b.utf8.count))
            return a.isBefore(b)
        case (.list(let a), .list(let b)) where a.isTuple == b.isTuple:
            for (a, b) in zip(a.items, b.items) where !(try areEqual(a, b)) {
                return try isLess(a, b)
            }
            return a.items.count < b.items.count
        default: throw failure("\(left.kind) and \(right.kind) have no order")
        }
    }

    /// Whether `item` is in `collection`.
    mutating func contains(
        _ collection: JinjaValue, _ item: JinjaValue
    ) throws(JinjaFailure) -> Bool {
        switch collection {
        case .string(let text):
            guard case .string(let part) = item else {
                throw failure("'in' looks for \(item.kind) in a string")
            }
            try charge(text.utf8.count + part.utf8.count)
            return text.containsExactly(part)
        case .dictionary(let dictionary): return dictionary.value(try key(item)) != nil
        default:
            for other in try items(of: collection) where try areEqual(other, item) { return true }
            return false
        }
    }

    /// What a loop over `value` goes through.
    mutating func items(of value: JinjaValue) throws(JinjaFailure) -> [JinjaValue] {
        switch value {
        case .undefined: return []
        case .list(let list): return list.items
        case .dictionary(let dictionary): return dictionary.members.map(\.key)
        case .string(let text):
            try charge(text.utf8.count * Self.evaluationCost)
            return text.unicodeScalars.map { .string(String($0)) }
        default: throw failure("\(value.kind) has no items")
        }
    }
}

extension JinjaEvaluator {
    /// `value is name(arguments)`.
    mutating func test(_ value: JinjaValue, _ call: JinjaCall) throws(JinjaFailure) -> Bool {
        let (positional, named) = try evaluate(call.arguments)
        line = call.line
        return try test(value, JinjaInput(call.name, positional, named))
    }

    /// Whether the test that `input` names holds for `value`.
    mutating func test(_ value: JinjaValue, _ input: JinjaInput) throws(JinjaFailure) -> Bool {
        var input = input
        let holds: Bool
        if let kind = Self.isOfKind(value, input.name) {
            holds = kind
        } else if let comparison = Self.comparisons[input.name] {
            let other = try required(input.take("other"), input, "other")
            holds = try self.holds(comparison, value, other)
        } else {
            switch input.name {
            case "odd", "even", "divisibleby":
                let divisor =
                    input.name == "divisibleby"
                    ? try required(try takeInteger(&input, "num"), input, "num") : 2
                guard let number = value.integer else {
                    throw failure("'\(input.name)' of \(value.kind)")
                }
                guard divisor != 0 else { throw failure("division by zero") }
                let rest = divisor == -1 ? 0 : number % divisor
                holds = (rest == 0) != (input.name == "odd")
            case "lower", "upper":
                let text = try text(of: value)
                try charge(text.utf8.count)
                let hasCase = text.unicodeScalars.contains { $0.properties.isCased }
                let same = input.name == "lower" ? text.lowercased() : text.uppercased()
                holds = hasCase && same.isExactly(text)
            case "sameas":
                let other = try required(input.take("other"), input, "other")
                holds = try areSame(value, other)
            default: throw failure("the test '\(input.name)' is not supported")
            }
        }
        try finish(input)
        return holds
    }

    private static let comparisons: [String: JinjaComparison] = [
        "eq": .equal, "equalto": .equal, "ne": .notEqual, "lt": .less, "lessthan": .less,
        "le": .lessOrEqual, "gt": .greater, "greaterthan": .greater, "ge": .greaterOrEqual,
        "in": .isIn, "==": .equal, "!=": .notEqual, "<": .less, "<=": .lessOrEqual, ">": .greater,
        ">=": .greaterOrEqual,
    ]

    /// Whether a value is of the kind a test asks for; nil where the test is another one.
    private static func isOfKind(_ value: JinjaValue, _ test: String) -> Bool? {
        switch test {
        case "defined": return !value.isUndefined
        case "undefined": return value.isUndefined
        case "none": if case .none = value { return true }
        case "string": if case .string = value { return true }
        case "mapping": if case .dictionary = value { return true }
        case "boolean": if case .bool = value { return true }
        case "true": if case .bool(true) = value { return true }
        case "false": if case .bool(false) = value { return true }
        case "integer": if case .integer = value { return true }
        case "float": if case .float = value { return true }
        case "number": return value.number != nil
        case "iterable", "sequence":
            switch value {
            // What is undefined has a length and items: none.
            case .undefined, .string, .list, .dictionary: return true
            case .loop: return test == "iterable"
            default: return false
            }
        case "callable":
            switch value {
            case .macro, .function, .method: return true
            default: return false
            }
        default: return nil
        }
        return false
    }

    /// Python's `is`, for what templates use it for: constants.
    private mutating func areSame(
        _ value: JinjaValue, _ other: JinjaValue
    ) throws(JinjaFailure) -> Bool {
        switch (value, other) {
        case (.bool(let a), .bool(let b)): return a == b
        case (.bool, _), (_, .bool): return false
        case (.none, .none): return true
        case (.integer, .integer), (.string, .string): return try areEqual(value, other)
        default: throw failure("'sameas' between \(value.kind) and \(other.kind) is not supported")
        }
    }
}

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
                    ? try required(input.take("num"), input, "num") : .integer(2)
                let rest = try arithmetic(.modulo, value, divisor)
                holds = try areEqual(rest, .integer(input.name == "odd" ? 1 : 0))
            case "lower", "upper":
                let text = try text(of: value)
                try charge(text.utf8.count)
                holds = text.hasProperty("is" + input.name) ?? false
            case "filter", "test":
                let names = input.name == "filter" ? Self.filters : Self.tests
                switch value {
                case .string(let name), .markup(let name): holds = names.contains(name)
                case .dictionary, .view(.keys, _), .view(.items, _):
                    throw failure("\(value.kind) is no name")
                case .list(let list) where !list.isTuple: throw failure("a list is no name")
                default: holds = false
                }
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

    /// The tests of jinja2; `is test` asks for them.
    static let tests: Set<String> = Set(comparisons.keys).union([
        "odd", "even", "divisibleby", "defined", "undefined", "filter", "test", "none", "boolean",
        "false", "true", "integer", "float", "lower", "upper", "string", "mapping", "number",
        "sequence", "iterable", "callable", "sameas", "escaped",
    ])

    /// Whether a value is of the kind a test asks for; nil where the test is another one.
    private static func isOfKind(_ value: JinjaValue, _ test: String) -> Bool? {
        switch test {
        case "defined": return !value.isUndefined
        case "undefined": return value.isUndefined
        case "none": if case .none = value { return true }
        case "string": return value.string != nil
        case "escaped": if case .markup = value { return true }
        case "mapping": if case .dictionary = value { return true }
        case "boolean": if case .bool = value { return true }
        case "true": if case .bool(true) = value { return true }
        case "false": if case .bool(false) = value { return true }
        case "integer":
            switch value {
            case .integer, .big: return true
            default: return false
            }
        case "float": if case .float = value { return true }
        case "number": return value.number != nil
        case "iterable", "sequence":
            switch value {
            // What is undefined has a length and items: none.
            case .undefined, .string, .markup, .list, .dictionary, .range: return true
            case .loop, .view, .iterator: return test == "iterable"
            default: return false
            }
        case "callable":
            switch value {
            // Calling what is undefined fails, but it can be called.
            case .macro, .function, .method, .loop, .joiner, .undefined: return true
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
        case (.none, .none): return true
        case (.namespace, .namespace), (.macro, .macro), (.function, .function), (.loop, .loop),
            (.cycler, .cycler), (.joiner, .joiner), (.iterator, .iterator):
            return try areEqual(value, other)
        case (.integer(let a), .integer(let b)):
            // Python keeps one object of every small number.
            if a != b { return false }
            if (-5...256).contains(a) { return true }
        case (.string(let a), .string(let b)): if !a.isExactly(b) { return false }
        case (.float(let a), .float(let b)): if a != b { return false }
        case (.list, .list), (.dictionary, .dictionary), (.range, .range), (.view, .view),
            (.big, .big), (.markup, .markup), (.method, .method), (.undefined, .undefined):
            break
        default: return false
        }
        throw failure("'sameas' between \(value.kind) and \(other.kind) is not supported")
    }
}

// What can follow a primary: attributes, items, slices, calls, filters and tests.
extension JinjaParser {
    mutating func parsePostfix(
        of base: JinjaExpression
    ) throws(JinjaFailure) -> JinjaExpression {
        var result = base
        while true {
            if skip(.symbol(".")) {
                result = try parseAttribute(of: result)
            } else if skip(.symbol("[")) {
                result = try parseSubscript(of: result)
            } else if token == .symbol("(") {
                result = try parseCall(of: result)
            } else {
                return result
            }
        }
    }

    mutating func parseFiltersAndTests(
        of base: JinjaExpression
    ) throws(JinjaFailure) -> JinjaExpression {
        var result = base
        while true {
            if skip(.symbol("|")) {
                let call = try parseFilterCall()
                result = try expression(
                    .filter(result, call), over: [result] + call.arguments.all)
            } else if skip(.name("is")) {
                result = try parseTest(of: result)
            } else if token == .symbol("(") {
                result = try parseCall(of: result)
            } else {
                return result
            }
        }
    }

    private mutating func parseAttribute(
        of base: JinjaExpression
    ) throws(JinjaFailure) -> JinjaExpression {
        if case .integer(let index) = token {
            position += 1
            let item = try expression(.literal(.integer(index)))
            return try expression(.item(base, item), over: [base, item])
        }
        return try expression(.attribute(base, try expectName()), over: [base])
    }

    /// `[index]`, `[start:stop:step]`, or several indices, which are one tuple.
    private mutating func parseSubscript(
        of base: JinjaExpression
    ) throws(JinjaFailure) -> JinjaExpression {
        let first = token == .symbol(":") ? nil : try parseExpression()
        if skip(.symbol(":")) {
            let stop = isEndOfSlicePart ? nil : try parseExpression()
            let step = skip(.symbol(":")) && !isEndOfSlicePart ? try parseExpression() : nil
            try expect(.symbol("]"))
            return try expression(
                .slice(base, start: first, stop: stop, step: step),
                over: [base] + [first, stop, step].compactMap(\.self))
        }
        guard var key = first else { throw unexpected() }
        if token == .symbol(",") {
            var keys = [key]
            while skip(.symbol(",")), token != .symbol("]") { keys.append(try parseExpression()) }
            key = try expression(.tuple(keys), over: keys)
        }
        try expect(.symbol("]"))
        return try expression(.item(base, key), over: [base, key])
    }

    private var isEndOfSlicePart: Bool { token == .symbol("]") || token == .symbol(":") }

    private mutating func parseCall(
        of base: JinjaExpression
    ) throws(JinjaFailure) -> JinjaExpression {
        let arguments = try parseArguments()
        return try expression(.call(base, arguments), over: [base] + arguments.all)
    }

    private mutating func parseArguments() throws(JinjaFailure) -> JinjaArguments {
        var arguments = JinjaArguments()
        try expect(.symbol("("))
        var isFirst = true
        while !skip(.symbol(")")) {
            if !isFirst {
                try expect(.symbol(","))
                if skip(.symbol(")")) { break }
            }
            isFirst = false
            try parseArgument(into: &arguments)
        }
        return arguments
    }

    private mutating func parseArgument(
        into arguments: inout JinjaArguments
    ) throws(JinjaFailure) {
        if token == .symbol("*"), arguments.spread.isEmpty, arguments.namedSpread.isEmpty {
            position += 1
            arguments.spread = [try parseExpression()]
        } else if token == .symbol("**"), arguments.namedSpread.isEmpty {
            position += 1
            arguments.namedSpread = [try parseExpression()]
        } else if case .name(let name) = token, lookAhead(1) == .symbol("=") {
            guard arguments.namedSpread.isEmpty else { throw unexpected() }
            guard !arguments.named.contains(where: { $0.name == name }) else {
                throw failure("the argument '\(name)' is given twice")
            }
            guard arguments.named.count < 1000 else { throw failure("too many arguments") }
            position += 2
            arguments.named.append((name, try parseExpression()))
        } else {
            guard arguments.named.isEmpty, arguments.spread.isEmpty, arguments.namedSpread.isEmpty
            else { throw unexpected("a named argument") }
            arguments.positional.append(try parseExpression())
        }
    }

    /// A filter with its arguments, after `|`.
    mutating func parseFilterCall() throws(JinjaFailure) -> JinjaCall {
        let line = line
        let name = try expectName()
        note(
            "filter", name,
            isKnown: JinjaEvaluator.filters.contains(name) && name != "random" && name != "urlize")
        let arguments = token == .symbol("(") ? try parseArguments() : JinjaArguments()
        return JinjaCall(name: name, arguments: arguments, line: line)
    }

    /// A test with its arguments, after `is`.
    private mutating func parseTest(
        of base: JinjaExpression
    ) throws(JinjaFailure) -> JinjaExpression {
        let line = line
        let isNegated = skip(.name("not"))
        let name = try expectName()
        note("test", name, isKnown: JinjaEvaluator.tests.contains(name))
        var arguments = JinjaArguments()
        if token == .symbol("(") {
            arguments = try parseArguments()
        } else if isArgumentOfTest {
            if token == .name("is") { throw failure("tests cannot be chained") }
            arguments.positional = [try parsePostfix(of: try parsePrimary())]
        }
        let call = JinjaCall(name: name, arguments: arguments, line: line)
        return try expression(
            .test(base, call, isNegated: isNegated), over: [base] + arguments.all)
    }

    /// Keeps the first name that is not supported; the error is that of evaluating it.
    private mutating func note(_ kind: String, _ name: String, isKnown: Bool) {
        guard !isKnown, unsupported == nil else { return }
        unsupported = JinjaFailure(
            line: line, detail: "the \(kind) '\(name)' is not supported")
    }

    /// Whether a test's one argument comes next, which needs no parentheses.
    private var isArgumentOfTest: Bool {
        switch token {
        case .name(let name): !["else", "or", "and"].contains(name)
        case .string, .integer, .bigInteger, .float, .symbol("["), .symbol("{"): true
        default: false
        }
    }
}

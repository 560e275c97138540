// In the order of precedence, loosest first, each function calling the next.
extension JinjaParser {
    /// An expression of `node` over `children`; fails where the tree becomes too high.
    func expression(
        _ node: JinjaExpression.Node, over children: [JinjaExpression] = []
    ) throws(JinjaFailure) -> JinjaExpression {
        let height = 1 + (children.map(\.height).max() ?? 0)
        guard height <= JinjaExpression.maximumHeight else {
            throw failure("an expression has more than \(height - 1) operations in a row")
        }
        return JinjaExpression(node: node, height: height, line: line)
    }

    /// Expressions with commas between them, or one without.
    mutating func parseTuple(allowsCondition: Bool = true) throws(JinjaFailure) -> JinjaExpression {
        let first = try parseExpression(allowsCondition: allowsCondition)
        guard token == .symbol(",") else { return first }
        var items = [first]
        while skip(.symbol(",")) {
            if isEndOfTuple { break }
            items.append(try parseExpression(allowsCondition: allowsCondition))
        }
        return try expression(.tuple(items), over: items)
    }

    private var isEndOfTuple: Bool {
        token == .outputEnd || token == .statementEnd || token == .symbol(")")
    }

    mutating func parseExpression(
        allowsCondition: Bool = true
    ) throws(JinjaFailure) -> JinjaExpression {
        try nested { (parser) throws(JinjaFailure) in
            allowsCondition ? try parser.parseConditional() : try parser.parseOr()
        }
    }

    private mutating func parseConditional() throws(JinjaFailure) -> JinjaExpression {
        var result = try parseOr()
        while skip(.name("if")) {
            let condition = try parseOr()
            var otherwise: JinjaExpression?
            if skip(.name("else")) { otherwise = try parseExpression() }
            result = try expression(
                .conditional(condition, then: result, otherwise: otherwise),
                over: [condition, result] + [otherwise].compactMap(\.self))
        }
        return result
    }

    private mutating func parseOr() throws(JinjaFailure) -> JinjaExpression {
        var left = try parseAnd()
        while skip(.name("or")) {
            let right = try parseAnd()
            left = try expression(.or(left, right), over: [left, right])
        }
        return left
    }

    private mutating func parseAnd() throws(JinjaFailure) -> JinjaExpression {
        var left = try parseNot()
        while skip(.name("and")) {
            let right = try parseNot()
            left = try expression(.and(left, right), over: [left, right])
        }
        return left
    }

    private mutating func parseNot() throws(JinjaFailure) -> JinjaExpression {
        guard skip(.name("not")) else { return try parseComparison() }
        let operand = try nested { (parser) throws(JinjaFailure) in try parser.parseNot() }
        return try expression(.not(operand), over: [operand])
    }

    private mutating func parseComparison() throws(JinjaFailure) -> JinjaExpression {
        let first = try parseSum()
        var rest: [(JinjaComparison, JinjaExpression)] = []
        while let comparison = takeComparison() { rest.append((comparison, try parseSum())) }
        if rest.isEmpty { return first }
        return try expression(.comparison(first, rest), over: [first] + rest.map(\.1))
    }

    private mutating func takeComparison() -> JinjaComparison? {
        if skip(.name("in")) { return .isIn }
        if token == .name("not"), lookAhead(1) == .name("in") {
            position += 2
            return .isNotIn
        }
        guard case .symbol(let symbol) = token, let comparison = JinjaComparison(rawValue: symbol)
        else { return nil }
        position += 1
        return comparison
    }

    private mutating func takeOperator(_ allowed: [JinjaOperator]) -> JinjaOperator? {
        guard case .symbol(let symbol) = token, let found = JinjaOperator(rawValue: symbol),
            allowed.contains(found)
        else { return nil }
        position += 1
        return found
    }

    private mutating func parseSum() throws(JinjaFailure) -> JinjaExpression {
        var left = try parseConcatenation()
        while let found = takeOperator([.add, .subtract]) {
            let right = try parseConcatenation()
            left = try expression(.binary(found, left, right), over: [left, right])
        }
        return left
    }

    private mutating func parseConcatenation() throws(JinjaFailure) -> JinjaExpression {
        let first = try parseProduct()
        guard token == .symbol("~") else { return first }
        var operands = [first]
        while skip(.symbol("~")) { operands.append(try parseProduct()) }
        return try expression(.concatenation(operands), over: operands)
    }

    private mutating func parseProduct() throws(JinjaFailure) -> JinjaExpression {
        var left = try parsePower()
        while let found = takeOperator([.multiply, .divide, .floorDivide, .modulo]) {
            let right = try parsePower()
            left = try expression(.binary(found, left, right), over: [left, right])
        }
        return left
    }

    private mutating func parsePower() throws(JinjaFailure) -> JinjaExpression {
        var left = try parseUnary()
        while skip(.symbol("**")) {
            let right = try parseUnary()
            left = try expression(.binary(.power, left, right), over: [left, right])
        }
        return left
    }

    private mutating func parseUnary(
        withFilters: Bool = true
    ) throws(JinjaFailure) -> JinjaExpression {
        var result: JinjaExpression
        if token == .symbol("-") || token == .symbol("+") {
            let isNegative = token == .symbol("-")
            position += 1
            let operand = try nested { (parser) throws(JinjaFailure) in
                try parser.parseUnary(withFilters: false)
            }
            result = try expression(
                isNegative ? .negative(operand) : .positive(operand), over: [operand])
        } else {
            result = try parsePrimary()
        }
        result = try parsePostfix(of: result)
        return withFilters ? try parseFiltersAndTests(of: result) : result
    }

    mutating func parsePrimary() throws(JinjaFailure) -> JinjaExpression {
        let start = token
        switch start {
        case .name("true"), .name("True"):
            position += 1
            return try expression(.literal(.bool(true)))
        case .name("false"), .name("False"):
            position += 1
            return try expression(.literal(.bool(false)))
        case .name("none"), .name("None"):
            position += 1
            return try expression(.literal(.none))
        case .name(let name):
            position += 1
            return try expression(.name(name))
        case .integer(let value):
            position += 1
            return try expression(.literal(.integer(value)))
        case .bigInteger(let value):
            position += 1
            return try expression(.literal(.big(value)))
        case .float(let value):
            position += 1
            return try expression(.literal(.float(value)))
        case .string: return try parseString()
        case .symbol("("): return try parseParentheses()
        case .symbol("["):
            position += 1
            let items = try parseItems(until: "]")
            return try expression(.list(items), over: items)
        case .symbol("{"): return try parseDictionary()
        default: throw unexpected("an expression")
        }
    }

    /// Strings that stand beside each other are one.
    private mutating func parseString() throws(JinjaFailure) -> JinjaExpression {
        var text = ""
        while case .string(let part) = token {
            text += part
            position += 1
        }
        return try expression(.literal(.string(text)))
    }

    private mutating func parseParentheses() throws(JinjaFailure) -> JinjaExpression {
        position += 1
        if skip(.symbol(")")) { return try expression(.tuple([])) }
        let inner = try parseTuple()
        try expect(.symbol(")"))
        return inner
    }

    /// Expressions with commas between and perhaps after them, up to `closer`.
    private mutating func parseItems(
        until closer: String
    ) throws(JinjaFailure) -> [JinjaExpression] {
        var items: [JinjaExpression] = []
        while !skip(.symbol(closer)) {
            if !items.isEmpty {
                try expect(.symbol(","))
                if skip(.symbol(closer)) { break }
            }
            items.append(try parseExpression())
        }
        return items
    }

    private mutating func parseDictionary() throws(JinjaFailure) -> JinjaExpression {
        position += 1
        var members: [(key: JinjaExpression, value: JinjaExpression)] = []
        while !skip(.symbol("}")) {
            if !members.isEmpty {
                try expect(.symbol(","))
                if skip(.symbol("}")) { break }
            }
            let key = try parseExpression()
            try expect(.symbol(":"))
            members.append((key, try parseExpression()))
        }
        return try expression(.dictionary(members), over: members.flatMap { [$0.key, $0.value] })
    }
}

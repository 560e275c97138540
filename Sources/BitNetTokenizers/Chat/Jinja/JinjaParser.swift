/// Parses the statements of a template; jinja2's grammar, without what chat templates do not use.
struct JinjaParser {
    /// Nesting of statements, and of parentheses in an expression.
    static let maximumDepth = 40

    let tokens: [(token: JinjaToken, line: Int)]
    var position = 0
    var depth = 0
    /// How many loops the statement is in; a macro's body starts at none.
    private var loops = 0
    /// The first filter or test that is not supported; it is an error only where it is reached.
    var unsupported: JinjaFailure?

    private init(_ tokens: [(token: JinjaToken, line: Int)]) { self.tokens = tokens }

    /// The statements of a template.
    static func parse(_ text: String) throws(JinjaFailure) -> [JinjaStatement] {
        var unsupported: JinjaFailure?
        return try parse(text, unsupported: &unsupported)
    }

    /// The statements of a template, and what in them is not supported.
    static func parse(
        _ text: String, unsupported: inout JinjaFailure?
    ) throws(JinjaFailure) -> [JinjaStatement] {
        var parser = JinjaParser(try JinjaLexer.tokens(of: text))
        defer { unsupported = parser.unsupported }
        let statements = try parser.parseBody(until: [])
        guard parser.token == .end else { throw parser.unexpected() }
        return statements
    }

    // MARK: - Tokens

    /// The current token; the last one is `end`.
    var token: JinjaToken { tokens[min(position, tokens.count - 1)].token }

    var line: Int { tokens[min(position, tokens.count - 1)].line }

    func lookAhead(_ distance: Int) -> JinjaToken {
        tokens[min(position + distance, tokens.count - 1)].token
    }

    func failure(_ detail: String) -> JinjaFailure { JinjaFailure(line: line, detail: detail) }

    func unexpected(_ expected: String? = nil) -> JinjaFailure {
        let wanted = expected.map { ", expected \($0)" } ?? ""
        return failure("unexpected \(token.spelling)\(wanted)")
    }

    mutating func skip(_ wanted: JinjaToken) -> Bool {
        guard token == wanted else { return false }
        position += 1
        return true
    }

    mutating func expect(_ wanted: JinjaToken) throws(JinjaFailure) {
        guard skip(wanted) else { throw unexpected(wanted.spelling) }
    }

    mutating func expectName() throws(JinjaFailure) -> String {
        guard case .name(let name) = token else { throw unexpected("a name") }
        position += 1
        return name
    }

    /// Runs `parse` one level deeper.
    mutating func nested<Result>(
        _ parse: (inout JinjaParser) throws(JinjaFailure) -> Result
    ) throws(JinjaFailure) -> Result {
        guard depth < Self.maximumDepth else {
            throw failure("nested deeper than \(Self.maximumDepth) levels")
        }
        depth += 1
        let result = try parse(&self)
        depth -= 1
        return result
    }

    // MARK: - Statements

    /// Statements up to a tag with one of `ends`, whose name is the current token afterwards.
    private mutating func parseBody(
        until ends: [String]
    ) throws(JinjaFailure) -> [JinjaStatement] {
        var body: [JinjaStatement] = []
        while true {
            switch token {
            case .text(let text):
                position += 1
                body.append(.text(text))
            case .outputBegin:
                position += 1
                body.append(.output(try parseTuple()))
                try expect(.outputEnd)
            case .statementBegin:
                position += 1
                if case .name(let name) = token, ends.contains(name) { return body }
                let statement = try nested { (parser) throws(JinjaFailure) in
                    try parser.parseStatement()
                }
                body.append(statement)
                try expect(.statementEnd)
            default:
                guard ends.isEmpty else {
                    throw unexpected(ends.joined(separator: " or "))
                }
                return body
            }
        }
    }

    /// A body that ends with the tag `end`, of which only the closer is left.
    private mutating func parseBody(
        endedBy end: String
    ) throws(JinjaFailure) -> [JinjaStatement] {
        try expect(.statementEnd)
        let body = try parseBody(until: [end])
        try expect(.name(end))
        return body
    }

    private mutating func parseStatement() throws(JinjaFailure) -> JinjaStatement {
        let start = position
        let name = try expectName()
        switch name {
        case "if": return try parseIf()
        case "for": return try parseFor()
        case "set": return try parseSet()
        case "macro": return .macro(try parseMacro())
        case "call": return try parseCallBlock()
        case "with": return try parseWith()
        case "filter":
            let filters = try parseFilters(isFirstNamed: true)
            return .filter(filters, try parseBody(endedBy: "endfilter"))
        case "generation": return .block(try parseBody(endedBy: "endgeneration"))
        case "break", "continue":
            guard loops > 0 else { throw failure("'\(name)' outside a loop") }
            return name == "break" ? .endLoop : .nextTurn
        default:
            position = start
            throw failure("the statement '\(name)' is not supported here")
        }
    }

    private mutating func parseIf() throws(JinjaFailure) -> JinjaStatement {
        var branches: [(condition: JinjaExpression, body: [JinjaStatement])] = []
        while true {
            let condition = try parseTuple(allowsCondition: false)
            try expect(.statementEnd)
            branches.append((condition, try parseBody(until: ["elif", "else", "endif"])))
            if skip(.name("endif")) { return .branch(branches, otherwise: []) }
            if skip(.name("elif")) { continue }
            try expect(.name("else"))
            return .branch(branches, otherwise: try parseBody(endedBy: "endif"))
        }
    }

    private mutating func parseFor() throws(JinjaFailure) -> JinjaStatement {
        let line = line
        let target = try parseTarget(allowsAttribute: false)
        guard !target.names.contains("loop") else {
            throw failure("a loop cannot assign to 'loop'")
        }
        try expect(.name("in"))
        let items = try parseTuple(allowsCondition: false)
        let condition = skip(.name("if")) ? try parseExpression() : nil
        let isRecursive = skip(.name("recursive"))
        try expect(.statementEnd)
        loops += 1
        let body = try parseBody(until: ["else", "endfor"])
        loops -= 1
        var otherwise: [JinjaStatement] = []
        if skip(.name("else")) {
            otherwise = try parseBody(endedBy: "endfor")
        } else {
            try expect(.name("endfor"))
        }
        return .loop(
            JinjaLoop(
                target: target, items: items, condition: condition, body: body,
                otherwise: otherwise, isRecursive: isRecursive, line: line))
    }

    /// What is assigned to: a name, or names with commas between and parentheses around them.
    private mutating func parseTarget(
        allowsAttribute: Bool
    ) throws(JinjaFailure) -> JinjaTarget {
        let first = try parseSingleTarget(allowsAttribute)
        guard token == .symbol(",") else { return first }
        var targets = [first]
        while skip(.symbol(",")) {
            if token == .symbol(")") { break }
            targets.append(try parseSingleTarget(allowsAttribute))
        }
        return .tuple(targets)
    }

    private mutating func parseSingleTarget(
        _ allowsAttribute: Bool
    ) throws(JinjaFailure) -> JinjaTarget {
        if skip(.symbol("(")) {
            let inner = try nested { (parser) throws(JinjaFailure) in
                try parser.parseTarget(allowsAttribute: allowsAttribute)
            }
            try expect(.symbol(")"))
            return inner
        }
        let name = try assignableName()
        guard allowsAttribute, skip(.symbol(".")) else { return .name(name) }
        return .attribute(name, try expectName())
    }

    private mutating func assignableName() throws(JinjaFailure) -> String {
        let constants = ["true", "false", "none", "True", "False", "None"]
        guard case .name(let name) = token, !constants.contains(name) else {
            throw unexpected("a name to assign to")
        }
        position += 1
        return name
    }

    private mutating func parseSet() throws(JinjaFailure) -> JinjaStatement {
        let line = line
        let target = try parseTarget(allowsAttribute: true)
        if skip(.symbol("=")) { return .set(target, try parseTuple()) }
        if case .tuple = target { throw unexpected("=") }
        let filters = try parseFilters(isFirstNamed: false)
        return .capture(target, filters, try parseBody(endedBy: "endset"), line: line)
    }

    private mutating func parseFilters(
        isFirstNamed: Bool
    ) throws(JinjaFailure) -> [JinjaCall] {
        var filters: [JinjaCall] = []
        if isFirstNamed { filters.append(try parseFilterCall()) }
        while skip(.symbol("|")) { filters.append(try parseFilterCall()) }
        return filters
    }

    private mutating func parseMacro() throws(JinjaFailure) -> JinjaMacro {
        let line = line
        let name = try assignableName()
        let parameters = try parseParameters()
        let (body, extras) = try parseMacroBody("endmacro", parameters)
        return JinjaMacro(
            name: name, parameters: parameters, body: body, extras: extras, line: line)
    }

    /// A macro's body, and which of a macro's special names are in it.
    private mutating func parseMacroBody(
        _ end: String, _ parameters: [(name: String, initial: JinjaExpression?)]
    ) throws(JinjaFailure) -> (body: [JinjaStatement], extras: Set<String>) {
        let outer = loops
        loops = 0
        let start = position
        let body = try parseBody(endedBy: end)
        loops = outer
        var extras: Set<String> = []
        for index in start..<position {
            guard case .name(let name) = tokens[index].token,
                ["varargs", "kwargs", "caller"].contains(name),
                tokens[index - 1].token != .symbol(".")
            else { continue }
            extras.insert(name)
        }
        let caller = parameters.first { $0.name == "caller" }
        if let caller, caller.initial == nil, extras.contains("caller") {
            throw failure("the parameter 'caller' needs a value")
        }
        return (body, extras)
    }

    private mutating func parseParameters()
        throws(JinjaFailure) -> [(name: String, initial: JinjaExpression?)]
    {
        var parameters: [(name: String, initial: JinjaExpression?)] = []
        try expect(.symbol("("))
        while !skip(.symbol(")")) {
            if !parameters.isEmpty { try expect(.symbol(",")) }
            let name = try assignableName()
            let initial = skip(.symbol("=")) ? try parseExpression() : nil
            if initial == nil, parameters.last?.initial != nil {
                throw failure("the parameter '\(name)' needs a value as the one before has")
            }
            parameters.append((name, initial))
        }
        return parameters
    }

    private mutating func parseCallBlock() throws(JinjaFailure) -> JinjaStatement {
        let line = line
        let parameters = token == .symbol("(") ? try parseParameters() : []
        let call = try parseExpression()
        guard case .call = call.node else { throw failure("'call' needs a call") }
        let (body, extras) = try parseMacroBody("endcall", parameters)
        let caller = JinjaMacro(
            name: "caller", parameters: parameters, body: body, extras: extras, line: line)
        return .call(caller, call)
    }

    private mutating func parseWith() throws(JinjaFailure) -> JinjaStatement {
        var values: [(target: JinjaTarget, value: JinjaExpression)] = []
        while token != .statementEnd {
            if !values.isEmpty { try expect(.symbol(",")) }
            let target = try parseTarget(allowsAttribute: false)
            try expect(.symbol("="))
            values.append((target, try parseExpression()))
        }
        return .with(values, try parseBody(endedBy: "endwith"))
    }
}

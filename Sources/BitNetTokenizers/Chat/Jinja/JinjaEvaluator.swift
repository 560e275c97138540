internal import Foundation

/// Runs a template over variables, as jinja2's immutable sandbox does, with bounded work.
struct JinjaEvaluator {
    /// Work is counted in bytes written and copied; an evaluation counts as `evaluationCost`.
    static let maximumWork = 32 << 20
    static let evaluationCost = 16
    /// Nesting of statements, expressions and macro calls together, which recurse: within the
    /// 512 KB that a thread's stack may have.
    static let maximumDepth = 128

    /// Digits of the longest whole number; Python prints no longer one either.
    static let maximumDigits = 4300

    /// What is written so far, of the template or of the innermost capture.
    var output = ""
    /// Variables: those of the template, then one set for every body that has its own.
    var scopes: [JinjaScope]
    var namespaces: [JinjaDictionary] = []
    /// Macros, each with the variables of the bodies around it.
    var macros: [(definition: JinjaMacro, captured: [JinjaScope])] = []
    /// The loops that run, by number, and the number of the next.
    var loops: [Int: JinjaLoopState] = [:]
    var nextLoop = 0
    var iterators: [JinjaIterator] = []
    var cyclers: [(items: [JinjaValue], position: Int)] = []
    var joiners: [(separator: JinjaValue, isUsed: Bool)] = []
    /// The line of what is evaluated, for messages.
    var line = 1
    let date: Date
    let timeZone: TimeZone
    private var work = 0
    private var depth = 0

    /// How a body ended.
    enum Ending {
        case normal, endLoop, nextTurn
    }

    private let effort: Effort

    private init(
        variables: [String: JinjaValue], date: Date, timeZone: TimeZone, _ effort: Effort
    ) {
        self.effort = effort
        scopes = [JinjaScope(variables)]
        for function in JinjaFunction.allCases where variables[function.rawValue] == nil {
            scopes[0].values[function.rawValue] = .function(function)
        }
        self.date = date
        self.timeZone = timeZone
    }

    /// What a template writes.
    static func render(
        _ statements: [JinjaStatement], variables: [String: JinjaValue], date: Date,
        timeZone: TimeZone, effort: Effort = Effort()
    ) throws(JinjaFailure) -> String {
        var evaluator = JinjaEvaluator(
            variables: variables, date: date, timeZone: timeZone, effort)
        _ = try evaluator.execute(statements)
        return evaluator.output
    }

    // MARK: - Limits

    func failure(_ detail: String) -> JinjaFailure { JinjaFailure(line: line, detail: detail) }

    mutating func charge(_ amount: Int) throws(JinjaFailure) {
        work += min(amount, Self.maximumWork + 1)
        // Cancelled is the same as exhausted: no error handling in a template goes on after it.
        do { try effort.spend(amount) } catch { work = Self.maximumWork + 1 }
        guard !isExhausted else {
            throw failure("the template does more work than any chat needs; it was stopped")
        }
    }

    var isExhausted: Bool { work > Self.maximumWork }

    /// Runs `body` a level deeper, or several where its calls take much of the stack.
    mutating func nested<Result>(
        levels: Int = 1,
        _ body: (inout JinjaEvaluator) throws(JinjaFailure) -> Result
    ) throws(JinjaFailure) -> Result {
        guard depth + levels <= Self.maximumDepth else {
            throw failure("nested deeper than \(Self.maximumDepth) levels")
        }
        depth += levels
        defer { depth -= levels }
        return try body(&self)
    }

    /// A string that was made, paid for.
    mutating func made(_ text: String) throws(JinjaFailure) -> JinjaValue {
        try charge(text.utf8.count)
        return .string(text)
    }

    /// A list that was made, paid for and not nested too deep.
    mutating func made(
        _ items: [JinjaValue], isTuple: Bool = false
    ) throws(JinjaFailure) -> JinjaValue {
        try charge(items.count * Self.evaluationCost)
        return try checked(.list(JinjaList(items, isTuple: isTuple)))
    }

    func checked(_ value: JinjaValue) throws(JinjaFailure) -> JinjaValue {
        guard value.depth <= JinjaValue.maximumDepth else {
            throw failure("values are nested deeper than \(JinjaValue.maximumDepth) levels")
        }
        return value
    }

    // MARK: - Variables

    func variable(_ name: String) -> JinjaValue {
        for scope in scopes.reversed() {
            if let value = scope.values[name] { return value }
        }
        return .undefined(name)
    }

    mutating func set(_ name: String, _ value: JinjaValue) {
        scopes[scopes.count - 1].values[name] = value
    }

    mutating func assign(_ target: JinjaTarget, _ value: JinjaValue) throws(JinjaFailure) {
        switch target {
        case .name(let name): set(name, value)
        case .attribute(let name, let attribute):
            guard case .namespace(let number) = variable(name) else {
                throw failure("'\(name).\(attribute)' can only be set where \(name) is a namespace")
            }
            namespaces[number][.string(ExactString(attribute))] = (.string(attribute), value)
        case .tuple(let targets):
            let items = try items(of: value)
            guard items.count == targets.count else {
                throw failure("\(items.count) values for \(targets.count) names")
            }
            for (target, item) in zip(targets, items) { try assign(target, item) }
        }
    }

    // MARK: - Statements

    mutating func execute(_ statements: [JinjaStatement]) throws(JinjaFailure) -> Ending {
        try nested { (evaluator) throws(JinjaFailure) in
            for statement in statements {
                let ending = try evaluator.execute(statement)
                guard ending == .normal else { return ending }
            }
            return .normal
        }
    }

    private mutating func execute(_ statement: JinjaStatement) throws(JinjaFailure) -> Ending {
        switch statement {
        case .text(let text): try write(text)
        case .output(let expression): try write(try text(of: try evaluate(expression)))
        case .set(let target, let expression): try assign(target, try evaluate(expression))
        case .capture(let target, let filters, let body, let line):
            let text = try filtered(try capture(body), filters)
            self.line = line
            try assign(target, text)
        case .filter(let filters, let body):
            try write(try text(of: try filtered(try capture(body), filters)))
        case .branch(let branches, let otherwise):
            for branch in branches where try evaluate(branch.condition).isTrue {
                return try execute(branch.body)
            }
            return try execute(otherwise)
        case .loop(let loop): try execute(loop, over: try evaluate(loop.items))
        case .macro(let macro): set(macro.name, define(macro))
        case .call(let caller, let call): try execute(caller, call)
        case .with(let values, let body): return try execute(values, body)
        case .block(let body): return try execute(body)
        case .endLoop: return .endLoop
        case .nextTurn: return .nextTurn
        }
        return .normal
    }

    mutating func write(_ text: String) throws(JinjaFailure) {
        try charge(text.utf8.count)
        output += text
    }

    /// What `body` writes, run with `scopes` where they are other ones.
    mutating func capture(
        in scopes: [JinjaScope]? = nil,
        _ body: (inout JinjaEvaluator) throws(JinjaFailure) -> Void
    ) throws(JinjaFailure) -> JinjaValue {
        let outer = (output, self.scopes)
        defer { (output, self.scopes) = outer }
        output = ""
        self.scopes = scopes ?? self.scopes + [JinjaScope()]
        try body(&self)
        return .string(output)
    }

    private mutating func capture(_ body: [JinjaStatement]) throws(JinjaFailure) -> JinjaValue {
        try capture { (evaluator) throws(JinjaFailure) in _ = try evaluator.execute(body) }
    }

    /// Runs `body` with variables of its own.
    mutating func scoped<Result>(
        _ scope: JinjaScope = JinjaScope(),
        _ body: (inout JinjaEvaluator) throws(JinjaFailure) -> Result
    ) throws(JinjaFailure) -> Result {
        scopes.append(scope)
        defer { scopes.removeLast() }
        return try body(&self)
    }

    private mutating func filtered(
        _ value: JinjaValue, _ filters: [JinjaCall]
    ) throws(JinjaFailure) -> JinjaValue {
        var value = value
        for filter in filters { value = try apply(filter, to: value) }
        return value
    }

    private mutating func execute(
        _ values: [(target: JinjaTarget, value: JinjaExpression)], _ body: [JinjaStatement]
    ) throws(JinjaFailure) -> Ending {
        var results: [JinjaValue] = []
        for (_, value) in values { results.append(try evaluate(value)) }
        return try scoped { (evaluator) throws(JinjaFailure) in
            for (value, result) in zip(values, results) {
                try evaluator.assign(value.target, result)
            }
            return try evaluator.execute(body)
        }
    }
}

/// The variables of a body. Macros that were made in the body see what it sets later.
final class JinjaScope {
    var values: [String: JinjaValue]

    init(_ values: [String: JinjaValue] = [:]) { self.values = values }
}

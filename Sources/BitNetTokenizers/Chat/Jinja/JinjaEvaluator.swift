internal import Foundation

/// Runs a template over variables, as jinja2's immutable sandbox does, with bounded work.
struct JinjaEvaluator {
    /// Work is counted in bytes written and copied; an evaluation counts as `evaluationCost`.
    static let maximumWork = 32 << 20
    static let evaluationCost = 16
    /// Nesting of statements, expressions and macro calls together, which recurse: within the
    /// 512 KB that a thread's stack may have.
    static let maximumDepth = 128

    /// What is written so far, of the template or of the innermost capture.
    var output = ""
    /// Variables: those of the template, then one set for every body that has its own.
    var scopes: [[String: JinjaValue]]
    var namespaces: [[String: JinjaValue]] = []
    var macros: [(definition: JinjaMacro, captured: [String: JinjaValue])] = []
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

    private init(variables: [String: JinjaValue], date: Date, timeZone: TimeZone) {
        scopes = [variables]
        for function in JinjaFunction.allCases {
            scopes[0][function.rawValue] = .function(function)
        }
        self.date = date
        self.timeZone = timeZone
    }

    /// What a template writes.
    static func render(
        _ statements: [JinjaStatement], variables: [String: JinjaValue], date: Date,
        timeZone: TimeZone
    ) throws(JinjaFailure) -> String {
        var evaluator = JinjaEvaluator(variables: variables, date: date, timeZone: timeZone)
        _ = try evaluator.execute(statements)
        return evaluator.output
    }

    // MARK: - Limits

    func failure(_ detail: String) -> JinjaFailure { JinjaFailure(line: line, detail: detail) }

    mutating func charge(_ amount: Int) throws(JinjaFailure) {
        work += amount
        guard work <= Self.maximumWork else {
            throw failure("the template does more work than any chat needs; it was stopped")
        }
    }

    /// Runs `body` one level deeper.
    mutating func nested<Result>(
        _ body: (inout JinjaEvaluator) throws(JinjaFailure) -> Result
    ) throws(JinjaFailure) -> Result {
        guard depth < Self.maximumDepth else {
            throw failure("nested deeper than \(Self.maximumDepth) levels")
        }
        depth += 1
        let result = try body(&self)
        depth -= 1
        return result
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
            if let value = scope[name] { return value }
        }
        return .undefined(name)
    }

    mutating func set(_ name: String, _ value: JinjaValue) {
        scopes[scopes.count - 1][name] = value
    }

    mutating func assign(_ target: JinjaTarget, _ value: JinjaValue) throws(JinjaFailure) {
        switch target {
        case .name(let name): set(name, value)
        case .attribute(let name, let attribute):
            guard case .namespace(let number) = variable(name) else {
                throw failure("'\(name).\(attribute)' can only be set where \(name) is a namespace")
            }
            namespaces[number][attribute] = value
        case .tuple(let names):
            let items = try items(of: value)
            guard items.count == names.count else {
                throw failure("\(items.count) values for \(names.count) names")
            }
            for (name, item) in zip(names, items) { set(name, item) }
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
        case .loop(let loop): try execute(loop)
        case .macro(let macro): set(macro.name, .macro(define(macro)))
        case .call(let caller, let call): try execute(caller, call)
        case .with(let values, let body): return try execute(values, body)
        case .block(let body): return try execute(body)
        case .endLoop: return .endLoop
        case .nextTurn: return .nextTurn
        }
        return .normal
    }

    private mutating func write(_ text: String) throws(JinjaFailure) {
        try charge(text.utf8.count)
        output += text
    }

    /// What `body` writes.
    private mutating func capture(_ body: [JinjaStatement]) throws(JinjaFailure) -> JinjaValue {
        let outer = output
        output = ""
        scopes.append([:])
        _ = try execute(body)
        scopes.removeLast()
        let text = output
        output = outer
        return .string(text)
    }

    private mutating func filtered(
        _ value: JinjaValue, _ filters: [JinjaCall]
    ) throws(JinjaFailure) -> JinjaValue {
        var value = value
        for filter in filters { value = try apply(filter, to: value) }
        return value
    }

    private mutating func execute(
        _ values: [(name: String, value: JinjaExpression)], _ body: [JinjaStatement]
    ) throws(JinjaFailure) -> Ending {
        var scope: [String: JinjaValue] = [:]
        for (name, value) in values { scope[name] = try evaluate(value) }
        scopes.append(scope)
        let ending = try execute(body)
        scopes.removeLast()
        return ending
    }

    private mutating func execute(_ loop: JinjaLoop) throws(JinjaFailure) {
        var items = try items(of: try evaluate(loop.items))
        try charge(items.count * Self.evaluationCost)
        if let condition = loop.condition {
            var kept: [JinjaValue] = []
            for item in items {
                scopes.append([:])
                try assign(loop.target, item)
                if try evaluate(condition).isTrue { kept.append(item) }
                scopes.removeLast()
            }
            items = kept
        }
        let list = JinjaList(items)
        var hasTurn = false
        for (index, item) in items.enumerated() {
            let state = JinjaLoopState(items: list, index: index)
            scopes.append(["loop": .loop(state)])
            try assign(loop.target, item)
            let ending = try execute(loop.body)
            scopes.removeLast()
            try charge(Self.evaluationCost)
            if ending == .normal { hasTurn = true }
            if ending == .endLoop { break }
        }
        // As in jinja2, only a turn that came to its end counts.
        if hasTurn { return }
        scopes.append([:])
        _ = try execute(loop.otherwise)
        scopes.removeLast()
    }

    // MARK: - Macros

    /// Keeps a macro with the variables of the bodies around it; the template's own it finds when
    /// it is called.
    private mutating func define(_ macro: JinjaMacro) -> Int {
        var captured: [String: JinjaValue] = [:]
        for scope in scopes.dropFirst() { captured.merge(scope) { $1 } }
        macros.append((macro, captured))
        return macros.count - 1
    }

    private mutating func execute(
        _ caller: JinjaMacro, _ call: JinjaExpression
    ) throws(JinjaFailure) {
        guard case .call(let callee, let arguments) = call.node else { return }
        let number = define(caller)
        guard case .macro(let macro) = try evaluate(callee) else {
            throw failure("'call' needs a macro")
        }
        let (positional, named) = try evaluate(arguments)
        let text = try self.call(macro, positional, named, caller: .macro(number))
        try write(try self.text(of: text))
    }

    /// Calls the macro `number`; gives what it writes.
    mutating func call(
        _ number: Int, _ positional: [JinjaValue], _ named: [(name: String, value: JinjaValue)],
        caller: JinjaValue? = nil
    ) throws(JinjaFailure) -> JinjaValue {
        let (macro, captured) = macros[number]
        let parameters = macro.parameters
        guard positional.count <= parameters.count else {
            throw failure(
                "macro '\(macro.name)' takes \(parameters.count) arguments, not \(positional.count)"
            )
        }
        var scope: [String: JinjaValue] = [:]
        for (parameter, value) in zip(parameters, positional) { scope[parameter.name] = value }
        for (name, value) in named {
            guard parameters.contains(where: { $0.name == name }), scope[name] == nil else {
                throw failure("macro '\(macro.name)' has no place for the argument '\(name)'")
            }
            scope[name] = value
        }
        scope["caller"] = caller
        let outer = scopes
        let outerOutput = output
        output = ""
        scopes = [outer[0], captured, scope]
        for parameter in parameters where scope[parameter.name] == nil {
            let value = try parameter.initial.map { (initial) throws(JinjaFailure) in
                try evaluate(initial)
            }
            set(parameter.name, value ?? .undefined(parameter.name))
        }
        _ = try execute(macro.body)
        scopes = outer
        let text = output
        output = outerOutput
        return .string(text)
    }
}

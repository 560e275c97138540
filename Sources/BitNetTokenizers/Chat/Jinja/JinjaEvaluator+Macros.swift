extension JinjaEvaluator {
    /// Keeps a macro with the variables of the bodies around it.
    mutating func define(_ macro: JinjaMacro) -> JinjaValue {
        macros.append((macro, scopes))
        return .macro(macros.count - 1)
    }

    /// `call(...) f(...)`: calls with the body as `caller`.
    mutating func execute(
        _ caller: JinjaMacro, _ call: JinjaExpression
    ) throws(JinjaFailure) {
        guard case .call(let callee, let arguments) = call.node else { return }
        let caller = define(caller)
        guard case .macro(let macro) = try evaluate(callee) else {
            throw failure("'call' needs a macro")
        }
        var (positional, named) = try evaluate(arguments)
        guard !named.contains(where: { $0.name == "caller" }) else {
            throw failure("'call' passes 'caller' itself")
        }
        named.append(("caller", caller))
        let text = try nested { (evaluator) throws(JinjaFailure) in
            try evaluator.call(macro, &positional, &named)
        }
        try write(try self.text(of: text))
    }

    /// Calls the macro `number`; gives what it writes.
    mutating func call(
        _ number: Int, _ positional: inout [JinjaValue],
        _ named: inout [(name: String, value: JinjaValue)]
    ) throws(JinjaFailure) -> JinjaValue {
        let (macro, captured) = macros[number]
        try charge((macro.parameters.count + named.count) * Self.evaluationCost)
        let scope = JinjaScope()
        for (parameter, value) in zip(macro.parameters, positional) {
            scope.values[parameter.name] = value
        }
        let rest = Array(positional.dropFirst(macro.parameters.count))
        guard rest.isEmpty || macro.extras.contains("varargs") else {
            throw failure(
                "macro '\(macro.name)' takes \(macro.parameters.count) arguments, "
                    + "not \(positional.count)")
        }
        try take(&named, of: macro, into: scope)
        if macro.extras.contains("varargs") {
            scope.values["varargs"] = try made(rest, isTuple: true)
        }
        let outerLine = line
        let result = try capture(in: captured + [scope]) { (evaluator) throws(JinjaFailure) in
            for parameter in macro.parameters where scope.values[parameter.name] == nil {
                let value = try parameter.initial.map { (initial) throws(JinjaFailure) in
                    try evaluator.evaluate(initial)
                }
                scope.values[parameter.name] = value ?? .undefined(parameter.name)
            }
            _ = try evaluator.execute(macro.body)
        }
        line = outerLine
        return result
    }

    /// Takes arguments by name into the variables of a call.
    private func take(
        _ named: inout [(name: String, value: JinjaValue)], of macro: JinjaMacro,
        into scope: JinjaScope
    ) throws(JinjaFailure) {
        var kept = JinjaDictionary()
        let parameters = Set(macro.parameters.map(\.name))
        let takesCaller = macro.extras.contains("caller") && !parameters.contains("caller")
        if takesCaller { scope.values["caller"] = .undefined("caller") }
        for (name, value) in named {
            if parameters.contains(name) && scope.values[name] == nil {
                scope.values[name] = value
            } else if name == "caller", takesCaller {
                scope.values["caller"] = value
            } else if macro.extras.contains("kwargs") {
                kept[.string(ExactString(name))] = (.string(name), value)
            } else {
                throw failure("macro '\(macro.name)' has no place for the argument '\(name)'")
            }
        }
        if macro.extras.contains("kwargs") { scope.values["kwargs"] = .dictionary(kept) }
    }
}

extension JinjaEvaluator {
    mutating func evaluate(_ expression: JinjaExpression) throws(JinjaFailure) -> JinjaValue {
        try charge(Self.evaluationCost)
        line = expression.line
        switch expression.node {
        case .literal(let value): return value
        case .name(let name): return variable(name)
        case .filter, .test, .attribute, .item, .slice, .call:
            return try nested { (evaluator) throws(JinjaFailure) in
                try evaluator.evaluatePostfix(expression.node)
            }
        default:
            return try nested { (evaluator) throws(JinjaFailure) in
                try evaluator.evaluateOperation(expression.node)
            }
        }
    }

    private mutating func evaluateOperation(
        _ node: JinjaExpression.Node
    ) throws(JinjaFailure) -> JinjaValue {
        switch node {
        case .list(let items): return try made(try evaluateAll(items))
        case .tuple(let items): return try made(try evaluateAll(items), isTuple: true)
        case .dictionary(let members): return try evaluateDictionary(members)
        case .not(let operand): return .bool(!(try evaluate(operand).isTrue))
        case .negative(let operand): return try negated(try evaluate(operand))
        case .positive(let operand):
            let value = try evaluate(operand)
            guard let number = value.number else { throw failure("'+' before \(value.kind)") }
            return number.value
        case .and(let left, let right):
            let value = try evaluate(left)
            return value.isTrue ? try evaluate(right) : value
        case .or(let left, let right):
            let value = try evaluate(left)
            return value.isTrue ? value : try evaluate(right)
        case .binary(let operation, let left, let right):
            return try arithmetic(operation, try evaluate(left), try evaluate(right))
        case .comparison(let first, let rest): return try evaluateComparison(first, rest)
        case .concatenation(let operands): return try evaluateConcatenation(operands)
        case .conditional(let condition, let then, let otherwise):
            if try evaluate(condition).isTrue { return try evaluate(then) }
            guard let otherwise else { return .undefined("an 'if' without 'else'") }
            return try evaluate(otherwise)
        default: return .none
        }
    }

    /// In a function of its own: what recurses keeps its frames small.
    private mutating func evaluatePostfix(
        _ node: JinjaExpression.Node
    ) throws(JinjaFailure) -> JinjaValue {
        switch node {
        case .filter(let operand, let call): return try apply(call, to: try evaluate(operand))
        case .test(let operand, let call, let isNegated):
            return .bool(try test(try evaluate(operand), call) != isNegated)
        case .attribute(let base, let name): return try attribute(name, of: try evaluate(base))
        case .item(let base, let key):
            return try item(try evaluate(key), of: evaluate(base))
        case .slice(let base, let start, let stop, let step):
            return try evaluateSlice(base, start, stop, step)
        case .call(let callee, let arguments): return try evaluateCall(callee, arguments)
        default: return .none
        }
    }

    mutating func evaluateAll(
        _ expressions: [JinjaExpression]
    ) throws(JinjaFailure) -> [JinjaValue] {
        var values: [JinjaValue] = []
        for expression in expressions { values.append(try evaluate(expression)) }
        return values
    }

    /// The values of a call's arguments.
    mutating func evaluate(
        _ arguments: JinjaArguments
    ) throws(JinjaFailure) -> (positional: [JinjaValue], named: [(name: String, value: JinjaValue)])
    {
        var named: [(name: String, value: JinjaValue)] = []
        var positional = try evaluateAll(arguments.positional)
        if let spread = arguments.spread.first {
            positional += try items(of: try evaluate(spread))
            try charge(positional.count * Self.evaluationCost)
        }
        for (name, value) in arguments.named { named.append((name, try evaluate(value))) }
        guard let spread = arguments.namedSpread.first else { return (positional, named) }
        guard case .dictionary(let dictionary) = try evaluate(spread) else {
            throw failure("'**' needs a dictionary")
        }
        guard named.count + dictionary.members.count <= 1000 else {
            throw failure("too many arguments")
        }
        for (key, value) in dictionary.members {
            guard let name = key.string, !named.contains(where: { $0.name == name }) else {
                throw failure("'**' needs names that are strings and not given twice")
            }
            named.append((name, value))
        }
        return (positional, named)
    }

    private mutating func evaluateDictionary(
        _ members: [(key: JinjaExpression, value: JinjaExpression)]
    ) throws(JinjaFailure) -> JinjaValue {
        var dictionary = JinjaDictionary()
        for (keyExpression, valueExpression) in members {
            let name = try evaluate(keyExpression)
            let value = try evaluate(valueExpression)
            dictionary[try key(name)] = (name, value)
        }
        return try checked(.dictionary(dictionary))
    }

    /// The key a value is.
    mutating func key(_ value: JinjaValue) throws(JinjaFailure) -> JinjaKey {
        guard let key = try hashable(value) else {
            throw failure("\(value.kind) cannot be the key of a dictionary")
        }
        return key
    }

    /// The key a value is, nil where it cannot be one. Long ones take time to hash.
    private mutating func hashable(_ value: JinjaValue) throws(JinjaFailure) -> JinjaKey? {
        switch value {
        case .string(let text), .markup(let text): try charge(text.utf8.count)
        case .list(let list):
            for item in list.items { guard try hashable(item) != nil else { return nil } }
        default: break
        }
        return JinjaKey(value)
    }

    private mutating func evaluateConcatenation(
        _ operands: [JinjaExpression]
    ) throws(JinjaFailure) -> JinjaValue {
        var result = ""
        for operand in operands { result += try text(of: try evaluate(operand)) }
        return try made(result)
    }

    private mutating func evaluateComparison(
        _ first: JinjaExpression, _ rest: [(JinjaComparison, JinjaExpression)]
    ) throws(JinjaFailure) -> JinjaValue {
        var left = try evaluate(first)
        for (comparison, expression) in rest {
            let right = try evaluate(expression)
            guard try holds(comparison, left, right) else { return .bool(false) }
            left = right
        }
        return .bool(true)
    }

    // MARK: - Parts of values

    /// `value.name`: an attribute of Python's object, else a member.
    mutating func attribute(
        _ name: String, of value: JinjaValue
    ) throws(JinjaFailure) -> JinjaValue {
        if let attribute = try pythonAttribute(name, of: value) { return attribute }
        guard case .dictionary(let dictionary) = value else { return .undefined(name) }
        try charge(name.utf8.count)
        return dictionary.value(name) ?? .undefined(name)
    }

    /// `value[key]`: a member or item, else an attribute of Python's object.
    mutating func item(
        _ key: JinjaValue, of value: JinjaValue
    ) throws(JinjaFailure) -> JinjaValue {
        switch value {
        case .undefined: throw failure("an item of \(value.kind)")
        case .dictionary(let dictionary):
            if let found = try hashable(key).flatMap({ dictionary.value($0) }) { return found }
        case .list(let list):
            guard let index = key.integer else { break }
            return Self.position(index, list.items.count).map { list.items[$0] }
                ?? .undefined("item \(index)")
        case .range(let range):
            guard let index = key.integer else { break }
            return Self.position(index, range.count).map { .integer(range.number($0)) }
                ?? .undefined("item \(index)")
        case .string(let text), .markup(let text):
            guard let index = key.integer else { break }
            try charge(text.utf8.count)
            let scalars = Array(text.unicodeScalars)
            return Self.position(index, scalars.count).map {
                Self.text(String(scalars[$0]), like: value)
            } ?? .undefined("character \(index)")
        default: break
        }
        guard let name = key.string else { return .undefined("an item") }
        return try pythonAttribute(name, of: value) ?? .undefined(name)
    }

    /// A part of a text, which is escaped where the text is.
    static func text(_ text: String, like value: JinjaValue) -> JinjaValue {
        if case .markup = value { .markup(text) } else { .string(text) }
    }

    /// The place that an index, which counts from the end if it is negative, means.
    private static func position(_ index: Int, _ count: Int) -> Int? {
        guard index >= -count, index < count else { return nil }
        return index < 0 ? index + count : index
    }

    private mutating func evaluateSlice(
        _ base: JinjaExpression, _ start: JinjaExpression?, _ stop: JinjaExpression?,
        _ step: JinjaExpression?
    ) throws(JinjaFailure) -> JinjaValue {
        let value = try evaluate(base)
        var bounds: [Int?] = []
        for part in [start, stop, step] {
            let bound = try part.map { (part) throws(JinjaFailure) in try evaluate(part) } ?? .none
            guard !bound.isNone else {
                bounds.append(nil)
                continue
            }
            // Further than any index, a number is as good as the largest.
            let index = bound.number?.whole.map { $0.small ?? ($0.isNegative ? .min : .max) }
            guard let index else { throw failure("\(bound.kind) cannot bound a slice") }
            bounds.append(index)
        }
        guard bounds[2] != 0 else { throw failure("a slice cannot have step 0") }
        switch value {
        case .list(let list):
            let picked = Self.indices(list.items.count, bounds).map { list.items[$0] }
            return try made(picked, isTuple: list.isTuple)
        case .range(let range): return .range(try slice(range, bounds))
        case .string(let text), .markup(let text):
            try charge(text.utf8.count)
            let scalars = Array(text.unicodeScalars)
            var result = String.UnicodeScalarView()
            for index in Self.indices(scalars.count, bounds) { result.append(scalars[index]) }
            return Self.text(String(result), like: value)
        default: throw failure("a slice of \(value.kind)")
        }
    }

    private func slice(
        _ range: JinjaRange, _ bounds: [Int?]
    ) throws(JinjaFailure) -> JinjaRange {
        let (first, last, _) = Self.ends(range.count, bounds)
        let (step, overflows) = range.step.multipliedReportingOverflow(by: bounds[2] ?? 1)
        guard !overflows else { throw failure("a step is too large") }
        return JinjaRange(start: range.number(first), stop: range.number(last), step: step)
    }

    /// The indices that Python's `start:stop:step` picks out of `count`.
    private static func indices(_ count: Int, _ bounds: [Int?]) -> StrideTo<Int> {
        let (first, last, step) = ends(count, bounds)
        return stride(from: first, to: last, by: step)
    }

    private static func ends(
        _ count: Int, _ bounds: [Int?]
    ) -> (first: Int, last: Int, step: Int) {
        let step = max(-count - 1, min(bounds[2] ?? 1, count + 1))
        func clamped(_ bound: Int?, _ missing: Int) -> Int {
            guard let bound else { return missing }
            let index = bound < 0 ? max(bound, -count - 1) + count : min(bound, count)
            return step > 0 ? max(index, 0) : max(min(index, count - 1), -1)
        }
        let first = clamped(bounds[0], step > 0 ? 0 : count - 1)
        let last = clamped(bounds[1], step > 0 ? count : -1)
        return (first, last, step)
    }

    // MARK: - Calls

    private mutating func evaluateCall(
        _ callee: JinjaExpression, _ arguments: JinjaArguments
    ) throws(JinjaFailure) -> JinjaValue {
        // Named here, where the name of what is missing is known.
        if case .attribute(let base, let name) = callee.node {
            let receiver = try evaluate(base)
            let function = try attribute(name, of: receiver)
            if function.isUndefined {
                throw failure("the method '\(name)' of \(receiver.kind) is not supported")
            }
            return try call(function, arguments)
        }
        let function = try evaluate(callee)
        if case .undefined(let name) = function {
            throw failure("the function '\(name)' is not supported")
        }
        return try call(function, arguments)
    }

    private mutating func call(
        _ function: JinjaValue, _ arguments: JinjaArguments
    ) throws(JinjaFailure) -> JinjaValue {
        var (positional, named) = try evaluate(arguments)
        switch function {
        case .macro(let number):
            return try nested { (evaluator) throws(JinjaFailure) in
                try evaluator.call(number, &positional, &named)
            }
        case .loop(let number):
            return try callLoop(number, JinjaInput("loop", positional, named))
        case .joiner(let number):
            try finish(JinjaInput("joiner", positional, named))
            let joiner = joiners[number]
            joiners[number].isUsed = true
            return joiner.isUsed ? joiner.separator : .string("")
        case .function(let function):
            return try call(function, JinjaInput(function.rawValue, positional, named))
        case .method(let receiver, let name):
            return try call(name, of: receiver, JinjaInput(name, positional, named))
        default: throw failure("\(function.kind) cannot be called")
        }
    }
}

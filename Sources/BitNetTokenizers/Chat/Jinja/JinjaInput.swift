/// The arguments of a filter, test, function or method, taken one by one by name and order.
struct JinjaInput {
    let name: String
    private var positional: [JinjaValue]
    private var named: [(name: String, value: JinjaValue)]
    private var next = 0

    init(
        _ name: String, _ positional: [JinjaValue],
        _ named: [(name: String, value: JinjaValue)] = []
    ) {
        self.name = name
        self.positional = positional
        self.named = named
    }

    /// The next argument in order, else the one called `parameter`.
    mutating func take(_ parameter: String) -> JinjaValue? {
        if next < positional.count {
            next += 1
            return positional[next - 1]
        }
        guard let index = named.firstIndex(where: { $0.name == parameter }) else { return nil }
        return named.remove(at: index).value
    }

    /// The next argument in order: Python's own methods give their arguments no names.
    mutating func takeNext() -> JinjaValue? {
        guard next < positional.count else { return nil }
        next += 1
        return positional[next - 1]
    }

    /// The argument called `parameter` only.
    mutating func takeNamed(_ parameter: String) -> JinjaValue? {
        guard let index = named.firstIndex(where: { $0.name == parameter }) else { return nil }
        return named.remove(at: index).value
    }

    /// Whether no argument needs an escaped text to escape it: numbers and truth values do not.
    var isPlain: Bool {
        (positional + named.map(\.value)).allSatisfy { $0.string == nil }
    }

    /// Whether there are no arguments left.
    var isEmpty: Bool { next >= positional.count && named.isEmpty }

    /// The name of an argument that is not one of `names`.
    func firstName(outside names: Set<String>) -> String? {
        named.first { !names.contains($0.name) }?.name
    }

    /// Takes all that is left in order.
    mutating func takeRest() -> [JinjaValue] {
        let rest = Array(positional[min(next, positional.count)...])
        next = positional.count
        return rest
    }

    /// Takes all that is left by name.
    mutating func takeAllNamed() -> [(name: String, value: JinjaValue)] {
        let rest = named
        named = []
        return rest
    }

    /// What is left over, for a message; nil where nothing is.
    var leftOver: String? {
        if let extra = named.first { return "the argument '\(extra.name)'" }
        return next < positional.count ? "\(positional.count) arguments" : nil
    }
}

extension JinjaEvaluator {
    /// Refuses arguments that nothing has taken.
    func finish(_ input: JinjaInput) throws(JinjaFailure) {
        if let extra = input.leftOver {
            throw failure("'\(input.name)' does not support \(extra)")
        }
    }

    func takeString(
        _ input: inout JinjaInput, _ parameter: String
    ) throws(JinjaFailure) -> String? {
        guard let value = input.take(parameter) else { return nil }
        if case .none = value { return nil }
        guard let text = value.string else {
            throw failure("'\(input.name)': \(parameter) is \(value.kind), not a string")
        }
        return text
    }

    func takeInteger(_ input: inout JinjaInput, _ parameter: String) throws(JinjaFailure) -> Int? {
        guard let value = input.take(parameter) else { return nil }
        if case .none = value { return nil }
        guard let number = value.integer else {
            throw failure(
                "'\(input.name)': \(parameter) is \(value.kind), not a whole number that fits")
        }
        return number
    }

    /// Whether an argument is given and true; `parameter` is its name.
    func takeFlag(_ input: inout JinjaInput, _ parameter: String) -> Bool {
        input.take(parameter)?.isTrue ?? false
    }

    func required<Value>(
        _ value: Value?, _ input: JinjaInput, _ parameter: String
    ) throws(JinjaFailure) -> Value {
        guard let value else { throw failure("'\(input.name)' needs the argument '\(parameter)'") }
        return value
    }
}

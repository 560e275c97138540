internal import Foundation

extension JinjaEvaluator {
    // MARK: - Functions

    mutating func call(
        _ function: JinjaFunction, _ input: JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        var input = input
        let result: JinjaValue
        switch function {
        case .range: result = try range(&input)
        case .raise:
            let message = try text(of: try required(input.take("message"), input, "message"))
            throw failure("the template refuses the messages: \(message)")
        case .now:
            let format = try required(try takeString(&input, "format"), input, "format")
            guard let text = JinjaDate(date, timeZone).formatted(format) else {
                throw failure("the date format '\(format)' is not supported")
            }
            result = try made(text)
        case .namespace:
            namespaces.append(try dictionary(&input))
            result = .namespace(namespaces.count - 1)
        case .dictionary: result = .dictionary(try dictionary(&input))
        case .cycler:
            let items = input.takeRest()
            guard !items.isEmpty else { throw failure("'cycler' needs something to cycle through") }
            cyclers.append((items, 0))
            result = .cycler(cyclers.count - 1)
        case .joiner:
            joiners.append((input.take("sep") ?? .string(", "), false))
            result = .joiner(joiners.count - 1)
        case .lipsum: throw failure("the function 'lipsum', whose text is random, is not supported")
        case .template: throw failure("'self' cannot be called")
        }
        try finish(input)
        return try checked(result)
    }

    /// Python's `dict(...)`: of a dictionary or of pairs, then of the arguments with names.
    private mutating func dictionary(
        _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaDictionary {
        var members = JinjaDictionary()
        if let value = input.takeNext() {
            if case .dictionary(let dictionary) = value {
                members = dictionary
            } else {
                for pair in try items(of: value) {
                    let parts = try items(of: pair)
                    guard parts.count == 2 else {
                        throw failure("'\(input.name)' needs pairs, not \(parts.count) values")
                    }
                    members[try key(parts[0])] = (parts[0], parts[1])
                }
            }
        }
        for (name, value) in input.takeAllNamed() {
            members[.string(ExactString(name))] = (.string(name), value)
        }
        try charge(members.members.count * Self.evaluationCost)
        return members
    }

    private mutating func range(_ input: inout JinjaInput) throws(JinjaFailure) -> JinjaValue {
        let first = try required(try takeInteger(&input, "start"), input, "start")
        let second = try takeInteger(&input, "stop")
        let step = try takeInteger(&input, "step") ?? 1
        guard step != 0 else { throw failure("'range' cannot have step 0") }
        let (start, stop) = second.map { (first, $0) } ?? (0, first)
        let range = JinjaRange(start: start, stop: stop, step: step)
        guard !range.isTooLong else {
            throw failure("'range' has more than \(JinjaRange.maximumCount) items")
        }
        return .range(range)
    }

    // MARK: - Methods

    mutating func call(
        _ method: String, of receiver: JinjaValue, _ input: JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        var input = input
        let result: JinjaValue
        switch receiver {
        case .string(let text):
            try charge(text.utf8.count)
            result = try callString(text, &input)
        case .list(let list): result = try callList(list.items, receiver, &input)
        case .range(let range): result = try callList(range.values, receiver, &input)
        case .dictionary(let dictionary): result = try callDictionary(dictionary, &input)
        case .loop(let number): result = try callLoop(number, method: method, &input)
        case .cycler(let number):
            let (items, position) = cyclers[number]
            cyclers[number].position = method == "reset" ? 0 : (position + 1) % items.count
            result = method == "reset" ? .none : items[position]
        default: result = try callNumber(receiver, &input)
        }
        try finish(input)
        return try checked(result)
    }

    func unsupported(_ method: String, of receiver: JinjaValue) -> JinjaFailure {
        failure("the method '\(method)' of \(receiver.kind) is not supported")
    }

    private func callNumber(
        _ receiver: JinjaValue, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        switch (input.name, receiver.number) {
        case ("conjugate", let number?): return number.value
        case ("is_integer", .float(let number)?):
            return .bool(number.isFinite && number == number.rounded())
        case ("bit_length", let number?): return .integer(number.whole?.bitCount ?? 0)
        default: throw unsupported(input.name, of: receiver)
        }
    }

    private mutating func callList(
        _ items: [JinjaValue], _ receiver: JinjaValue, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        switch input.name {
        case "copy": return receiver
        case "count":
            let item = try required(input.takeNext(), input, "value")
            var count = 0
            for other in items where try areEqual(item, other) { count += 1 }
            return .integer(count)
        case "index":
            let item = try required(input.takeNext(), input, "value")
            let (start, stop) = try takeBounds(&input, items.count)
            for index in start..<max(start, stop) where try areEqual(item, items[index]) {
                return .integer(index)
            }
            throw failure("the item is not in \(receiver.kind)")
        default: throw unsupported(input.name, of: receiver)
        }
    }

    /// The arguments `start` and `stop` within `count`, as Python takes them.
    func takeBounds(
        _ input: inout JinjaInput, _ count: Int
    ) throws(JinjaFailure) -> (start: Int, stop: Int) {
        func clamped(_ index: Int) -> Int {
            index < 0 ? max(0, index < -count ? 0 : index + count) : min(index, count)
        }
        let start = try takeInteger(&input, "start") ?? 0
        let stop = try takeInteger(&input, "stop") ?? count
        // A start behind the end finds nothing, not even an empty string.
        return (start > count ? count + 1 : clamped(start), clamped(stop))
    }

    private mutating func callDictionary(
        _ dictionary: JinjaDictionary, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        switch input.name {
        case "get":
            let key = try self.key(try required(input.takeNext(), input, "key"))
            let fallback = input.takeNext() ?? .none
            return dictionary.value(key) ?? fallback
        case "keys": return .view(.keys, dictionary)
        case "values": return .view(.values, dictionary)
        case "items": return .view(.items, dictionary)
        case "copy": return .dictionary(dictionary)
        default: throw unsupported(input.name, of: .dictionary(dictionary))
        }
    }
}

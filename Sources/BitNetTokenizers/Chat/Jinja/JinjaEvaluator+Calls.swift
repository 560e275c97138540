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
        case .namespace, .dictionary:
            var members = JinjaDictionary()
            if let value = input.take("") {
                guard case .dictionary(let dictionary) = value else {
                    throw failure("'\(input.name)' of \(value.kind) is not supported")
                }
                members = dictionary
            }
            for (name, value) in input.takeAllNamed() {
                members[.string(ExactString(name))] = (.string(name), value)
            }
            try charge(members.members.count * Self.evaluationCost)
            result = function == .namespace ? namespace(members) : .dictionary(members)
        }
        try finish(input)
        return try checked(result)
    }

    private mutating func namespace(_ members: JinjaDictionary) -> JinjaValue {
        var values: [String: JinjaValue] = [:]
        for case (.string(let name), let value) in members.members { values[name] = value }
        namespaces.append(values)
        return .namespace(namespaces.count - 1)
    }

    private mutating func range(_ input: inout JinjaInput) throws(JinjaFailure) -> JinjaValue {
        let first = try required(try takeInteger(&input, "start"), input, "start")
        let second = try takeInteger(&input, "stop")
        let step = try takeInteger(&input, "step") ?? 1
        guard step != 0 else { throw failure("'range' cannot have step 0") }
        // jinja2's sandbox has the same limit.
        let limit = 100_000
        let (start, stop) = second.map { (first, $0) } ?? (0, first)
        var items: [JinjaValue] = []
        for number in stride(from: start, to: stop, by: step) {
            guard items.count < limit else { throw failure("'range' has more than \(limit) items") }
            items.append(.integer(number))
        }
        return try made(items)
    }

    // MARK: - Methods

    /// Whether a value has a method that is supported.
    static func hasMethod(_ name: String, _ value: JinjaValue) -> Bool {
        switch value {
        case .string: stringMethods.contains(name)
        case .list: name == "index" || name == "count"
        case .dictionary: ["get", "items", "keys", "values"].contains(name)
        case .loop: name == "cycle"
        default: false
        }
    }

    private static let stringMethods: Set<String> = [
        "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith", "endswith",
        "upper", "lower", "title", "capitalize", "replace", "join", "find", "rfind", "count",
        "isdigit", "isalpha", "isspace", "isupper", "islower", "removeprefix", "removesuffix",
    ]

    mutating func call(
        _ method: String, of receiver: JinjaValue, _ input: JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        var input = input
        let result: JinjaValue
        switch receiver {
        case .string(let text):
            try charge(text.utf8.count)
            result = try callString(text, &input)
        case .list(let list):
            let item = try required(input.take("value"), input, "value")
            var places: [Int] = []
            for (index, other) in list.items.enumerated() where try areEqual(item, other) {
                places.append(index)
            }
            if method == "index", places.isEmpty { throw failure("the item is not in the list") }
            result = .integer(method == "index" ? places[0] : places.count)
        case .dictionary(let dictionary):
            result = try callDictionary(dictionary, &input)
        case .loop(let loop):
            let choices = input.takeRest()
            guard !choices.isEmpty else {
                throw failure("'cycle' needs something to cycle through")
            }
            result = choices[loop.index % choices.count]
        default: throw failure("the method '\(method)' of \(receiver.kind) is not supported")
        }
        try finish(input)
        return result
    }

    private mutating func callDictionary(
        _ dictionary: JinjaDictionary, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        switch input.name {
        case "get":
            let key = try self.key(try required(input.take("key"), input, "key"))
            return dictionary.value(key) ?? input.take("default") ?? .none
        case "keys": return try made(dictionary.members.map(\.key))
        case "values": return try made(dictionary.members.map(\.value))
        default:
            var pairs: [JinjaValue] = []
            for (key, value) in dictionary.members {
                pairs.append(try made([key, value], isTuple: true))
            }
            return try made(pairs)
        }
    }

    private mutating func callString(
        _ text: String, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        switch input.name {
        case "strip": return try made(text.trimmed(.both, of: try takeString(&input, "chars")))
        case "lstrip": return try made(text.trimmed(.leading, of: try takeString(&input, "chars")))
        case "rstrip": return try made(text.trimmed(.trailing, of: try takeString(&input, "chars")))
        case "upper": return try made(text.uppercased())
        case "lower": return try made(text.lowercased())
        case "title": return try made(text.titled)
        case "capitalize": return try made(text.capitalizedFirst)
        case "split", "rsplit": return try split(text, &input)
        case "splitlines": return try made(text.splitLines().map { .string($0) })
        case "startswith", "endswith": return .bool(try hasAffix(text, &input))
        case "removeprefix", "removesuffix":
            let affix = try required(try takeString(&input, "affix"), input, "affix")
            let isPrefix = input.name == "removeprefix"
            let hasIt = isPrefix ? text.startsExactly(with: affix) : text.endsExactly(with: affix)
            guard hasIt else { return .string(text) }
            let scalars = text.unicodeScalars
            let count = affix.unicodeScalars.count
            return .string(String(isPrefix ? scalars.dropFirst(count) : scalars.dropLast(count)))
        case "replace":
            let old = try required(try takeString(&input, "old"), input, "old")
            let new = try required(try takeString(&input, "new"), input, "new")
            return try replaced(text, old, new, try takeInteger(&input, "count") ?? -1)
        case "join": return try joined(text, &input)
        case "find", "rfind", "count": return try found(text, &input)
        default: return .bool(Self.hasProperty(text, input.name))
        }
    }

    private mutating func split(
        _ text: String, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let separator = try takeString(&input, "sep")
        let limit = try takeInteger(&input, "maxsplit") ?? -1
        guard let separator else {
            guard input.name == "split" || limit < 0 else {
                throw failure("'rsplit' at space with a limit is not supported")
            }
            return try made(text.splitAtSpace(limit: limit).map { .string($0) })
        }
        guard !separator.isEmpty else { throw failure("'\(input.name)' at an empty string") }
        let parts =
            input.name == "split"
            ? text.split(at: separator, limit: limit)
            : text.splitFromEnd(at: separator, limit: limit)
        return try made(parts.map { .string($0) })
    }

    private func hasAffix(
        _ text: String, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> Bool {
        let affix = try required(input.take("affix"), input, "affix")
        var choices = [affix]
        if case .list(let list) = affix, list.isTuple { choices = list.items }
        for choice in choices {
            guard case .string(let choice) = choice else {
                throw failure("'\(input.name)' looks for \(choice.kind)")
            }
            let hasIt =
                input.name == "startswith"
                ? text.startsExactly(with: choice) : text.endsExactly(with: choice)
            if hasIt { return true }
        }
        return false
    }

    private mutating func joined(
        _ separator: String, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let items = try self.items(of: try required(input.take("iterable"), input, "iterable"))
        var result = ""
        for (index, item) in items.enumerated() {
            guard case .string(let part) = item else { throw failure("'join' of \(item.kind)") }
            try charge(separator.utf8.count + part.utf8.count)
            result += index > 0 ? separator + part : part
        }
        return .string(result)
    }

    private func found(
        _ text: String, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let part = try required(try takeString(&input, "sub"), input, "sub")
        if part.isEmpty {
            let count = text.unicodeScalars.count
            return .integer(input.name == "find" ? 0 : input.name == "rfind" ? count : count + 1)
        }
        if input.name == "count" { return .integer(text.occurrences(of: part).count) }
        let isLast = input.name == "rfind"
        let parts = isLast ? text.splitFromEnd(at: part, limit: 1) : text.split(at: part, limit: 1)
        return .integer(parts.count == 1 ? -1 : parts[0].unicodeScalars.count)
    }

    private static func hasProperty(_ text: String, _ name: String) -> Bool {
        let scalars = text.unicodeScalars
        switch name {
        case "isdigit":
            return !scalars.isEmpty
                && scalars.allSatisfy { [.decimal, .digit].contains($0.properties.numericType) }
        case "isalpha":
            let letters: [Unicode.GeneralCategory] = [
                .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
            ]
            return !scalars.isEmpty
                && scalars.allSatisfy { letters.contains($0.properties.generalCategory) }
        case "isspace": return !scalars.isEmpty && scalars.allSatisfy(\.isPythonSpace)
        default:
            let isUpper = name == "isupper"
            let cased = scalars.filter { $0.properties.isUppercase || $0.properties.isLowercase }
            return !cased.isEmpty
                && cased.allSatisfy {
                    isUpper ? $0.properties.isUppercase : $0.properties.isLowercase
                }
        }
    }
}

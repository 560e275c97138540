internal import Foundation

extension JinjaEvaluator {
    /// `value | name(arguments)`.
    mutating func apply(
        _ call: JinjaCall, to value: JinjaValue
    ) throws(JinjaFailure) -> JinjaValue {
        let (positional, named) = try evaluate(call.arguments)
        line = call.line
        return try apply(JinjaInput(call.name, positional, named), to: value)
    }

    /// Applies the filter that `input` names.
    mutating func apply(
        _ input: JinjaInput, to value: JinjaValue
    ) throws(JinjaFailure) -> JinjaValue {
        var input = input
        let result: JinjaValue
        switch input.name {
        case "trim", "upper", "lower", "capitalize", "title", "replace", "indent", "string", "safe",
            "escape", "e", "wordcount":
            result = try textFilter(try text(of: value), &input)
        case "map", "select", "reject", "selectattr", "rejectattr":
            return try choose(try items(of: value), &input)
        case "length", "count", "first", "last", "join", "list", "reverse", "sort", "unique", "min",
            "max", "sum", "batch":
            result = try listFilter(value, &input)
        case "int", "float", "abs", "round": result = try numberFilter(value, &input)
        case "default", "d":
            let fallback = input.take("default_value") ?? .string("")
            let replacesFalse = input.take("boolean")?.isTrue ?? false
            result = value.isUndefined || (replacesFalse && !value.isTrue) ? fallback : value
        case "items", "dictsort": result = try dictionaryFilter(value, &input)
        case "attr":
            let name = try required(try takeString(&input, "name"), input, "name")
            result = try attribute(name, of: value)
        case "tojson": result = try jsonFilter(value, &input)
        default: throw failure("the filter '\(input.name)' is not supported")
        }
        try finish(input)
        return result
    }

    // MARK: - Text

    private mutating func textFilter(
        _ text: String, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        try charge(text.utf8.count)
        switch input.name {
        case "trim": return try made(text.trimmed(.both, of: try takeString(&input, "chars")))
        case "upper": return try made(text.uppercased())
        case "lower": return try made(text.lowercased())
        case "capitalize": return try made(text.capitalizedFirst)
        case "title": return try made(Self.title(text))
        case "replace":
            let old = try self.text(of: try required(input.take("old"), input, "old"))
            let new = try self.text(of: try required(input.take("new"), input, "new"))
            let count = try takeInteger(&input, "count") ?? -1
            return try replaced(text, old, new, count)
        case "indent": return try indented(text, &input)
        case "escape", "e":
            let escapes = [
                ("&", "&amp;"), (">", "&gt;"), ("<", "&lt;"), ("'", "&#39;"), ("\"", "&#34;"),
            ]
            return try made(
                escapes.reduce(text) { text, escape in text.replacing(escape.0, with: escape.1) })
        case "wordcount":
            let words = text.unicodeScalars.split { scalar in
                !(scalar == "_" || scalar.properties.isAlphabetic
                    || scalar.properties.numericType != nil)
            }
            return .integer(words.count)
        default: return .string(text)
        }
    }

    /// Python's `replace`, its result paid for before it is made.
    mutating func replaced(
        _ text: String, _ old: String, _ new: String, _ count: Int
    ) throws(JinjaFailure) -> JinjaValue {
        try charge(text.utf8.count + old.utf8.count)
        let places =
            old.isEmpty ? text.unicodeScalars.count + 1 : text.occurrences(of: old).count
        let used = count < 0 ? places : min(places, count)
        let (size, overflows) = used.multipliedReportingOverflow(by: new.utf8.count)
        guard !overflows, size <= Self.maximumWork else {
            throw failure("'replace' makes too much")
        }
        try charge(size)
        return .string(text.replacing(old, with: new, limit: count))
    }

    /// jinja2's `title`: words begin after a space, a hyphen or an opening bracket.
    private static func title(_ text: String) -> String {
        var result = ""
        var isInWord = false
        for scalar in text.unicodeScalars {
            let properties = scalar.properties
            result += isInWord ? properties.lowercaseMapping : properties.uppercaseMapping
            isInWord = !(scalar.isPythonSpace || "-({[<".unicodeScalars.contains(scalar))
        }
        return result
    }

    private mutating func indented(
        _ text: String, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let width = input.take("width") ?? .integer(4)
        let indentsFirst = input.take("first")?.isTrue ?? false
        let indentsBlank = input.take("blank")?.isTrue ?? false
        let indent = try self.indent(width)
        // With a newline at the end the last line counts, even if it is empty.
        let lines = (text + "\n").splitLines()
        let (size, overflows) = indent.utf8.count.multipliedReportingOverflow(by: lines.count)
        guard !overflows, size <= Self.maximumWork else { throw failure("'indent' makes too much") }
        try charge(size)
        var result = indentsFirst ? indent : ""
        for (index, line) in lines.enumerated() {
            if index > 0 { result += indentsBlank || !line.isEmpty ? "\n" + indent : "\n" }
            result += line
        }
        return try made(result)
    }

    /// What one level is indented by: so many spaces, or a string.
    private func indent(_ width: JinjaValue) throws(JinjaFailure) -> String {
        if case .string(let text) = width { return text }
        guard let count = width.integer, count <= 1000 else {
            throw failure("\(width.kind) is no width of an indent")
        }
        return String(repeating: " ", count: max(count, 0))
    }

    // MARK: - Numbers

    private mutating func numberFilter(
        _ value: JinjaValue, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        if value.isUndefined { throw failure("'\(input.name)' of \(value.kind)") }
        switch input.name {
        case "int":
            let fallback = input.take("default") ?? .integer(0)
            let base = try takeInteger(&input, "base") ?? 10
            return Self.whole(value, base: base) ?? fallback
        case "float":
            let fallback = input.take("default") ?? .float(0)
            let number = value.number?.double ?? value.string.flatMap { Double($0.trimmed(.both)) }
            return number.map { .float($0) } ?? fallback
        case "abs":
            guard let number = value.number else { throw failure("'abs' of \(value.kind)") }
            if case .integer(let whole) = number {
                return whole < 0 ? try negated(.integer(whole)) : .integer(whole)
            }
            return .float(abs(number.double))
        default: return try rounded(value, &input)
        }
    }

    private static func whole(_ value: JinjaValue, base: Int) -> JinjaValue? {
        switch value {
        case .string(let text):
            let digits = text.trimmed(.both)
            guard (2...36).contains(base) else { return nil }
            if let number = Int(digits, radix: base) { return .integer(number) }
            return Double(digits).flatMap { Int(exactly: $0.rounded(.towardZero)) }
                .map { .integer($0) }
        default:
            guard let number = value.number else { return nil }
            if case .integer(let whole) = number { return .integer(whole) }
            return Int(exactly: number.double.rounded(.towardZero)).map { .integer($0) }
        }
    }

    private func rounded(
        _ value: JinjaValue, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        guard let number = value.number else { throw failure("'round' of \(value.kind)") }
        let precision = try takeInteger(&input, "precision") ?? 0
        let method = try takeString(&input, "method") ?? "common"
        let rules: [String: FloatingPointRoundingRule] = [
            "common": .toNearestOrEven, "ceil": .up, "floor": .down,
        ]
        guard let rule = rules[method], (0...15).contains(precision) else {
            throw failure("'round' with precision \(precision) and method '\(method)'")
        }
        if case .integer = number, method == "common" { return value }
        let scale = pow(10, Double(precision))
        return .float((number.double * scale).rounded(rule) / scale)
    }

    // MARK: - Dictionaries

    private mutating func dictionaryFilter(
        _ value: JinjaValue, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        if value.isUndefined, input.name == "items" { return try made([]) }
        guard case .dictionary(let dictionary) = value else {
            throw failure("'\(input.name)' of \(value.kind)")
        }
        var members = dictionary.members
        if input.name == "dictsort" {
            let isCaseSensitive = input.take("case_sensitive")?.isTrue ?? false
            let key = try takeString(&input, "by") ?? "key"
            let isReversed = input.take("reverse")?.isTrue ?? false
            let order = try sortedIndices(
                members.map { key == "value" ? $0.value : $0.key },
                isCaseSensitive: isCaseSensitive, isReversed: isReversed)
            members = order.map { members[$0] }
        }
        var pairs: [JinjaValue] = []
        for (key, value) in members { pairs.append(try made([key, value], isTuple: true)) }
        return try made(pairs)
    }

    private mutating func jsonFilter(
        _ value: JinjaValue, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        var layout = JSONLayout()
        // In the order of transformers' own `tojson`, not of jinja2's.
        layout.isASCII = input.take("ensure_ascii")?.isTrue ?? false
        layout.sortsKeys = input.takeNamed("sort_keys")?.isTrue ?? false
        let width = input.take("indent") ?? .none
        if case .none = width {} else { layout.indent = try indent(width) }
        if let separators = input.takeNamed("separators") {
            let parts = try items(of: separators)
            guard parts.count == 2, let items = parts[0].string, let keys = parts[1].string else {
                throw failure("'tojson': separators are two strings")
            }
            layout.itemSeparator = items
            layout.keySeparator = keys
        } else if layout.indent != nil {
            layout.itemSeparator = ","
        }
        return try made(try json(of: value, layout))
    }
}

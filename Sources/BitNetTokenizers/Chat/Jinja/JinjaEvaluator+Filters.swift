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

    /// The filters of jinja2; `is filter` asks for them.
    static let filters: Set<String> = [
        "abs", "attr", "batch", "capitalize", "center", "count", "d", "default", "dictsort", "e",
        "escape", "filesizeformat", "first", "float", "forceescape", "format", "groupby", "indent",
        "int", "items", "join", "last", "length", "list", "lower", "map", "max", "min", "pprint",
        "random", "reject", "rejectattr", "replace", "reverse", "round", "safe", "select",
        "selectattr", "slice", "sort", "string", "striptags", "sum", "title", "tojson", "trim",
        "truncate", "unique", "upper", "urlencode", "urlize", "wordcount", "wordwrap", "xmlattr",
    ]

    /// Applies the filter that `input` names.
    mutating func apply(
        _ input: JinjaInput, to value: JinjaValue
    ) throws(JinjaFailure) -> JinjaValue {
        var input = input
        let result: JinjaValue
        switch input.name {
        case "trim", "upper", "lower", "capitalize", "title", "replace", "center", "indent",
            "truncate", "wordcount", "wordwrap", "striptags", "urlencode", "format":
            result = try textFilter(value, &input)
        case "string", "safe", "escape", "e", "forceescape":
            result = try markupFilter(value, &input)
        case "map", "select", "reject", "selectattr", "rejectattr":
            return try choose(value, &input)
        case "length", "count", "first", "last", "join", "list", "reverse", "sort", "unique", "min",
            "max", "sum", "batch", "slice", "groupby":
            result = try listFilter(value, &input)
        case "int", "float", "abs", "round", "filesizeformat":
            result = try numberFilter(value, &input)
        case "default", "d":
            let fallback = input.take("default_value") ?? .string("")
            let replacesFalse = takeFlag(&input, "boolean")
            result = value.isUndefined || (replacesFalse && !value.isTrue) ? fallback : value
        case "items", "dictsort", "xmlattr": result = try dictionaryFilter(value, &input)
        case "attr":
            let name = try required(try takeString(&input, "name"), input, "name")
            result = try pythonAttribute(name, of: value) ?? .undefined(name)
        case "tojson": result = try jsonFilter(value, &input)
        case "pprint": result = try prettyPrinted(value)
        default: throw failure("the filter '\(input.name)' is not supported")
        }
        try finish(input)
        return result
    }

    // MARK: - Escaped text

    private mutating func markupFilter(
        _ value: JinjaValue, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let text = try text(of: value)
        var isMarkup = false
        if case .markup = value { isMarkup = true }
        try charge(text.utf8.count)
        switch input.name {
        case "string": return Self.text(text, like: value)
        case "safe": return .markup(text)
        case "forceescape": return .markup(text.escapedForHTML)
        default: return .markup(isMarkup ? text : text.escapedForHTML)
        }
    }

    // MARK: - Text

    private mutating func textFilter(
        _ value: JinjaValue, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        if case .markup = value, !input.isPlain {
            throw failure("'\(input.name)' with arguments on an escaped text is not supported")
        }
        let text = try text(of: value)
        try charge(text.utf8.count)
        switch input.name {
        case "trim":
            let chars = try takeString(&input, "chars")
            return Self.text(try trimmed(text, .both, chars), like: value)
        case "upper": return Self.text(text.uppercased(), like: value)
        case "lower": return Self.text(text.pythonLowered, like: value)
        case "capitalize": return Self.text(text.capitalizedFirst, like: value)
        case "center":
            let width = try takeInteger(&input, "width") ?? 80
            return Self.text(try padded(text, width, .both), like: value)
        case "title": return try made(Self.title(text))
        case "replace":
            let old = try self.text(of: try required(input.take("old"), input, "old"))
            let new = try self.text(of: try required(input.take("new"), input, "new"))
            let count = try takeInteger(&input, "count") ?? -1
            return try replaced(text, old, new, count)
        case "wordcount":
            let words = text.unicodeScalars.split { !$0.isWordCharacter }
            return .integer(words.count)
        case "striptags": return try strippedOfTags(text)
        case "urlencode": return try urlEncoded(value)
        case "format": return try formatFilter(text, value, &input)
        case "truncate" where value.isUndefined:
            // It is no longer than any length.
            (_, _) = (input.takeRest(), input.takeAllNamed())
            return value
        default:
            guard value.string != nil else {
                throw failure("'\(input.name)' of \(value.kind)")
            }
            switch input.name {
            case "indent": return Self.text(try indented(text, &input), like: value)
            case "truncate": return Self.text(try truncated(text, &input), like: value)
            default: return try made(try wrapped(text, &input))
            }
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

    /// The filter's own rule: what follows space, brackets and hyphens is a capital.
    private static func title(_ text: String) -> String {
        func isSeparator(_ scalar: Unicode.Scalar) -> Bool {
            scalar.isPythonSpace || "-({[<".unicodeScalars.contains(scalar)
        }
        var result = ""
        var rest = text.unicodeScalars[...]
        while let first = rest.first {
            let isWord = !isSeparator(first)
            let item = rest.prefix { isSeparator($0) != isWord }
            rest = rest[item.endIndex...]
            result += isWord ? first.properties.uppercaseMapping : String(first)
            result += String(item.dropFirst()).pythonLowered
        }
        return result
    }

    private mutating func indented(
        _ text: String, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> String {
        let width = input.take("width") ?? .integer(4)
        let indentsFirst = takeFlag(&input, "first")
        let indentsBlank = takeFlag(&input, "blank")
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
        return result
    }

    /// What one level is indented by: so many spaces, or a string.
    private func indent(_ width: JinjaValue) throws(JinjaFailure) -> String {
        if let text = width.string { return text }
        guard let count = width.integer, count <= 1000 else {
            throw failure("\(width.kind) is no width of an indent")
        }
        return String(repeating: " ", count: max(count, 0))
    }

    private mutating func truncated(
        _ text: String, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> String {
        let length = try takeInteger(&input, "length") ?? 255
        let killsWords = takeFlag(&input, "killwords")
        let end = try takeString(&input, "end") ?? "..."
        let leeway = try takeInteger(&input, "leeway") ?? 5
        let scalars = Array(text.unicodeScalars)
        let room = length.subtractingReportingOverflow(end.unicodeScalars.count)
        guard !room.overflow, room.partialValue >= 0, leeway >= 0 else {
            throw failure("'truncate' to \(length) characters with '\(end)' at the end")
        }
        // A leeway with which the length overflows is larger than any text.
        let (limit, isUnlimited) = length.addingReportingOverflow(leeway)
        if isUnlimited || scalars.count <= limit { return text }
        var kept = String.UnicodeScalarView()
        kept.append(contentsOf: scalars[..<room.partialValue])
        if killsWords { return String(kept) + end }
        return String(kept).splitFromEnd(at: " ", limit: 1)[0] + end
    }

    /// Python's `repr` where `pprint` keeps it on one line.
    private mutating func prettyPrinted(_ value: JinjaValue) throws(JinjaFailure) -> JinjaValue {
        var text = ""
        try writeLiteral(try sorted(value), to: &text)
        guard text.unicodeScalars.count <= 80 else {
            throw failure("'pprint' of what is longer than a line is not supported")
        }
        return .string(text)
    }

    /// A value whose dictionaries are in the order of their keys, which are strings.
    private mutating func sorted(_ value: JinjaValue) throws(JinjaFailure) -> JinjaValue {
        switch value {
        case .list(let list):
            var items: [JinjaValue] = []
            for item in list.items { items.append(try sorted(item)) }
            return try made(items, isTuple: list.isTuple)
        case .dictionary(let dictionary):
            let order = try sortedIndices(
                dictionary.members.map(\.key), isCaseSensitive: true, isReversed: false)
            var result = JinjaDictionary()
            for (name, value) in order.map({ dictionary.members[$0] }) {
                result[try key(name)] = (name, try sorted(value))
            }
            return .dictionary(result)
        default: return value
        }
    }

    // MARK: - Dictionaries

    private mutating func dictionaryFilter(
        _ value: JinjaValue, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        if value.isUndefined, input.name == "items" { return try iterator(over: []) }
        guard case .dictionary(let dictionary) = value else {
            throw failure("'\(input.name)' of \(value.kind)")
        }
        if input.name == "items" { return try iterator(over: dictionary.pairs) }
        if input.name == "xmlattr" { return try attributeList(dictionary, &input) }
        let isCaseSensitive = takeFlag(&input, "case_sensitive")
        let key = try takeString(&input, "by") ?? "key"
        let isReversed = takeFlag(&input, "reverse")
        guard key == "key" || key == "value" else {
            throw failure("'dictsort' sorts by key or value, not by '\(key)'")
        }
        let members = dictionary.members
        let order = try sortedIndices(
            members.map { key == "value" ? $0.value : $0.key },
            isCaseSensitive: isCaseSensitive, isReversed: isReversed)
        let pairs = dictionary.pairs
        return try made(order.map { pairs[$0] })
    }

    private mutating func attributeList(
        _ dictionary: JinjaDictionary, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let hasSpace = input.take("autospace")?.isTrue ?? true
        var parts: [String] = []
        for (key, value) in dictionary.members where !value.isNone && !value.isUndefined {
            guard let name = key.string else { throw failure("'xmlattr' of \(key.kind)") }
            let refused = " \t\n\r\u{B}\u{C}/>=".unicodeScalars
            guard !name.unicodeScalars.contains(where: refused.contains) else {
                throw failure("'\(name)' is no name of an attribute")
            }
            let text = try text(of: value)
            try charge(text.utf8.count + name.utf8.count)
            if case .markup = value {
                parts.append("\(name.escapedForHTML)=\"\(text)\"")
            } else {
                parts.append("\(name.escapedForHTML)=\"\(text.escapedForHTML)\"")
            }
        }
        return try made((hasSpace && !parts.isEmpty ? " " : "") + parts.joined(separator: " "))
    }

    private mutating func jsonFilter(
        _ value: JinjaValue, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        var layout = JSONLayout()
        // In the order of transformers' own `tojson`, not of jinja2's.
        layout.isASCII = takeFlag(&input, "ensure_ascii")
        let width = input.take("indent") ?? .none
        let separators = input.take("separators") ?? .none
        layout.sortsKeys = takeFlag(&input, "sort_keys")
        if !width.isNone { layout.indent = try indent(width) }
        if !separators.isNone {
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

extension Unicode.Scalar {
    /// Whether `\w` of Python's regular expressions matches it.
    var isWordCharacter: Bool { self == "_" || isLetter || properties.numericType != nil }
}

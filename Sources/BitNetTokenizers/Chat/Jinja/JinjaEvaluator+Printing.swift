extension JinjaEvaluator {
    /// What printing a value writes: Python's `str`, and nothing for what is undefined.
    mutating func text(of value: JinjaValue) throws(JinjaFailure) -> String {
        switch value {
        case .undefined: return ""
        case .string(let text), .markup(let text): return text
        default:
            var text = ""
            try writeLiteral(value, to: &text)
            return text
        }
    }

    /// Appends a value as it would be written in Python (`repr`).
    mutating func writeLiteral(
        _ value: JinjaValue, to text: inout String
    ) throws(JinjaFailure) {
        try charge(Self.evaluationCost)
        switch value {
        case .undefined: text += "Undefined"
        case .none: text += "None"
        case .bool(let value): text += value ? "True" : "False"
        case .integer(let number): text += "\(number)"
        case .big(let number): text += try digits(of: number)
        case .float(let number): text += number.pythonSpelling
        case .string(let string):
            try charge(string.utf8.count)
            text += string.pythonLiteral
        case .markup(let string):
            try charge(string.utf8.count)
            text += "Markup(" + string.pythonLiteral + ")"
        case .list(let list):
            try writeItems(list.items, list.isTuple ? "(" : "[", to: &text)
            if list.isTuple, list.items.count == 1 { text += "," }
            text += list.isTuple ? ")" : "]"
        case .range(let range):
            let step = range.step == 1 ? "" : ", \(range.step)"
            text += "range(\(range.start), \(range.stop)\(step))"
        case .view(let view, _):
            try writeItems(try items(of: value), "dict_\(view.rawValue)([", to: &text)
            text += "])"
        case .macro(let number): text += "<Macro \(macros[number].definition.name.pythonLiteral)>"
        case .loop(let number):
            let state = try loop(number)
            text += "<LoopContext \(state.index + 1)/\(state.items.count)>"
        case .dictionary(let dictionary):
            text += "{"
            for (index, (key, item)) in dictionary.members.enumerated() {
                if index > 0 { text += ", " }
                try writeLiteral(key, to: &text)
                text += ": "
                try writeLiteral(item, to: &text)
            }
            text += "}"
        case .iterator:
            throw failure("an iterator cannot be written; make it a list first, with '|list'")
        case .namespace, .function, .method, .cycler, .joiner:
            throw failure("\(value.kind) cannot be written")
        }
    }

    private mutating func writeItems(
        _ items: [JinjaValue], _ opener: String, to text: inout String
    ) throws(JinjaFailure) {
        text += opener
        for (index, item) in items.enumerated() {
            if index > 0 { text += ", " }
            try writeLiteral(item, to: &text)
        }
    }

    /// The digits of a large number, which take the square of their count.
    private mutating func digits(of number: JinjaInteger) throws(JinjaFailure) -> String {
        try charge(number.limbs.count * number.limbs.count)
        return number.description
    }

    /// How JSON is laid out.
    struct JSONLayout {
        /// What one level is indented by; nil keeps everything on one line.
        var indent: String?
        var itemSeparator = ", "
        var keySeparator = ": "
        var sortsKeys = false
        var isASCII = false
    }

    /// A value as `json.dumps` writes it.
    mutating func json(
        of value: JinjaValue, _ layout: JSONLayout
    ) throws(JinjaFailure) -> String {
        var text = ""
        try writeJSON(value, layout, level: 0, to: &text)
        return text
    }

    private mutating func writeJSON(
        _ value: JinjaValue, _ layout: JSONLayout, level: Int, to text: inout String
    ) throws(JinjaFailure) {
        try charge(Self.evaluationCost)
        switch value {
        case .none: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .integer(let number): text += "\(number)"
        case .big(let number): text += try digits(of: number)
        case .float(let number): text += number.jsonSpelling
        case .string(let string), .markup(let string):
            try charge(string.utf8.count)
            text += string.jsonLiteral(isASCII: layout.isASCII)
        case .list(let list):
            try writeJSON("[", "]", list.items.count, layout, level, &text) {
                (evaluator, index, text) throws(JinjaFailure) in
                try evaluator.writeJSON(list.items[index], layout, level: level + 1, to: &text)
            }
        case .dictionary(let dictionary):
            let members = try jsonMembers(dictionary, layout)
            try writeJSON("{", "}", members.count, layout, level, &text) {
                (evaluator, index, text) throws(JinjaFailure) in
                text += members[index].key.jsonLiteral(isASCII: layout.isASCII)
                text += layout.keySeparator
                try evaluator.writeJSON(members[index].value, layout, level: level + 1, to: &text)
            }
        default: throw failure("\(value.kind) cannot be written as JSON")
        }
    }

    /// Appends what has parts: brackets, separators and indents.
    private mutating func writeJSON(
        _ opener: String, _ closer: String, _ count: Int, _ layout: JSONLayout, _ level: Int,
        _ text: inout String,
        part: (inout JinjaEvaluator, Int, inout String) throws(JinjaFailure) -> Void
    ) throws(JinjaFailure) {
        guard count > 0 else {
            text += opener + closer
            return
        }
        let size = (layout.indent?.utf8.count ?? 0).multipliedReportingOverflow(by: level + 1)
        try charge(size.overflow ? Self.maximumWork : min(size.partialValue, Self.maximumWork))
        func newline(_ level: Int) -> String {
            layout.indent.map { "\n" + String(repeating: $0, count: level) } ?? ""
        }
        text += opener
        for index in 0..<count {
            if index > 0 {
                text += layout.itemSeparator
                try charge(size.partialValue)
            }
            text += newline(level + 1)
            try part(&self, index, &text)
        }
        text += newline(level) + closer
    }

    private mutating func jsonMembers(
        _ dictionary: JinjaDictionary, _ layout: JSONLayout
    ) throws(JinjaFailure) -> [(key: String, value: JinjaValue)] {
        var sorted = dictionary.members
        if layout.sortsKeys {
            let order = try sortedIndices(
                sorted.map(\.key), isCaseSensitive: true, isReversed: false)
            sorted = order.map { sorted[$0] }
        }
        var members: [(key: String, value: JinjaValue)] = []
        for (key, value) in sorted {
            switch key {
            case .string(let name), .markup(let name): members.append((name, value))
            case .none: members.append(("null", value))
            case .bool(let flag): members.append((flag ? "true" : "false", value))
            case .integer(let number): members.append(("\(number)", value))
            case .big(let number): members.append((try digits(of: number), value))
            case .float(let number): members.append((number.jsonSpelling, value))
            default: throw failure("\(key.kind) cannot be a key in JSON")
            }
        }
        return members
    }
}

extension Double {
    var jsonSpelling: String {
        isNaN ? "NaN" : isInfinite ? (self > 0 ? "Infinity" : "-Infinity") : pythonSpelling
    }
}

extension String {
    /// The string in quotes, with Python's escapes.
    var pythonLiteral: String {
        let hasSingle = unicodeScalars.contains("'")
        let quote: Unicode.Scalar = hasSingle && !unicodeScalars.contains("\"") ? "\"" : "'"
        var text = String(quote)
        for scalar in unicodeScalars {
            switch scalar {
            case quote, "\\": text += "\\\(scalar)"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            default:
                if scalar.isPythonPrintable {
                    text.append(scalar)
                } else {
                    text += scalar.pythonEscape
                }
            }
        }
        return text + String(quote)
    }

    /// The string in quotes, with JSON's escapes.
    package func jsonLiteral(isASCII: Bool) -> String {
        var text = "\""
        for scalar in unicodeScalars {
            switch scalar {
            case "\"", "\\": text += "\\\(scalar)"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\u{8}": text += "\\b"
            case "\u{C}": text += "\\f"
            default:
                if scalar.value < 0x20 || (isASCII && scalar.value > 0x7E) {
                    for unit in String(scalar).utf16 { text += "\\u" + UInt32(unit).hex(4) }
                } else {
                    text.append(scalar)
                }
            }
        }
        return text + "\""
    }
}

extension UInt32 {
    fileprivate func hex(_ digits: Int) -> String {
        let text = String(self, radix: 16)
        return String(repeating: "0", count: Swift.max(0, digits - text.count)) + text
    }
}

extension String {
    /// The text with what means something in HTML written out.
    var escapedForHTML: String {
        let escapes: [Unicode.Scalar: String] = [
            "&": "&amp;", ">": "&gt;", "<": "&lt;", "'": "&#39;", "\"": "&#34;",
        ]
        var result = ""
        for scalar in unicodeScalars {
            if let escape = escapes[scalar] { result += escape } else { result.append(scalar) }
        }
        return result
    }

    /// The text with what is not ASCII written as escapes.
    var asciiEscaped: String {
        var text = ""
        for scalar in unicodeScalars {
            if scalar.isASCII {
                text.append(scalar)
            } else {
                text += scalar.pythonEscape
            }
        }
        return text
    }
}

extension Unicode.Scalar {
    fileprivate var pythonEscape: String {
        value < 0x100
            ? "\\x" + value.hex(2)
            : value < 0x10000 ? "\\u" + value.hex(4) : "\\U" + value.hex(8)
    }
}

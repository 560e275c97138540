// Python's two ways to format: `text % values` and `text.format(...)`.
extension JinjaEvaluator {
    /// The filter `format`: `%` with the arguments.
    mutating func formatFilter(
        _ text: String, _ value: JinjaValue, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        if case .markup = value { throw failure("'format' of an escaped text is not supported") }
        let named = input.takeAllNamed()
        let positional = input.takeRest()
        guard named.isEmpty else {
            guard positional.isEmpty else {
                throw failure("'format' takes arguments in order or by name, not both")
            }
            return try percentFormat(
                text, .dictionary(JinjaDictionary(named.map { ($0.name, $0.value) })))
        }
        return try percentFormat(text, try made(positional, isTuple: true))
    }

    // MARK: - %

    /// `text % value`.
    mutating func percentFormat(
        _ text: String, _ value: JinjaValue
    ) throws(JinjaFailure) -> JinjaValue {
        try charge(text.utf8.count)
        var arguments = FormatArguments(value)
        var result = ""
        var rest = Array(text.unicodeScalars)[...]
        while !rest.isEmpty {
            let plain = rest.prefix { $0 != "%" }
            for scalar in plain { result.append(scalar) }
            rest = rest[plain.endIndex...]
            guard !rest.isEmpty else { break }
            rest.removeFirst()
            result += try conversion(&rest, &arguments)
            try charge(Self.evaluationCost)
        }
        guard arguments.areUsed else { throw failure("'%': not all values are used") }
        return try made(result)
    }

    private mutating func conversion(
        _ rest: inout ArraySlice<Unicode.Scalar>, _ arguments: inout FormatArguments
    ) throws(JinjaFailure) -> String {
        if rest.first == "%" {
            rest.removeFirst()
            return "%"
        }
        let name = try percentName(&rest)
        var format = JinjaFormat()
        while let flag = rest.first, ["#", "0", "-", " ", "+"].contains(flag) {
            rest.removeFirst()
            switch flag {
            case "#": format.isAlternate = true
            case "0": if format.alignment == nil { format.alignment = "=" }
            case "-": format.alignment = "<"
            case "+": format.sign = "+"
            default: if format.sign == "-" { format.sign = " " }
            }
        }
        func size(
            _ rest: inout ArraySlice<Unicode.Scalar>
        ) throws(JinjaFailure) -> Int {
            if rest.first == "*" {
                rest.removeFirst()
                guard let size = arguments.next()?.integer else {
                    throw failure("'%': '*' needs a whole number")
                }
                return size
            }
            guard let size = JinjaFormat.takeNumber(&rest) else {
                throw failure("'%': a width is too large")
            }
            return size
        }
        format.width = try size(&rest)
        if format.width < 0 {
            format.alignment = "<"
            format.width = format.width == .min ? .max : -format.width
        }
        if rest.first == "." {
            rest.removeFirst()
            format.precision = max(0, try size(&rest))
        }
        if let length = rest.first, ["h", "l", "L"].contains(length) { rest.removeFirst() }
        guard let type = rest.popFirst() else { throw failure("'%': a format has no end") }
        format.type = type
        try charge(format)
        if let name {
            guard let value = arguments.value(name) else {
                throw failure("'%': there is no value named '\(name)'")
            }
            return try converted(value, format)
        }
        guard let value = arguments.next() else {
            throw failure("'%': there are not enough values")
        }
        return try converted(value, format)
    }

    /// Pays for what a format's width and precision may write.
    private mutating func charge(_ format: JinjaFormat) throws(JinjaFailure) {
        let limit = Self.maximumDigits
        guard format.precision ?? 0 <= limit || format.type == "s" else {
            throw failure("a precision of more than \(limit) digits is not supported")
        }
        try charge(min(format.width, Self.maximumWork) * format.fill.utf8.count)
        if format.type != "s" { try charge((format.precision ?? 0) * Self.evaluationCost) }
    }

    /// `(name)` after `%`, parentheses in the name included.
    private func percentName(
        _ rest: inout ArraySlice<Unicode.Scalar>
    ) throws(JinjaFailure) -> String? {
        guard rest.first == "(" else { return nil }
        rest.removeFirst()
        var name = String.UnicodeScalarView()
        var depth = 1
        while let scalar = rest.popFirst() {
            if scalar == "(" { depth += 1 }
            if scalar == ")" { depth -= 1 }
            if depth == 0 { return String(name) }
            name.append(scalar)
        }
        throw failure("'%': a name has no ')'")
    }

    private mutating func converted(
        _ value: JinjaValue, _ format: JinjaFormat
    ) throws(JinjaFailure) -> String {
        let type = format.type ?? "s"
        switch type {
        case "s", "r", "a":
            var format = format
            // Zeros fill numbers only.
            if format.alignment == "=" { format.alignment = nil }
            var text = ""
            if type == "s" {
                text = try self.text(of: value)
            } else {
                try writeLiteral(value, to: &text)
            }
            if type == "a" { text = text.asciiEscaped }
            if let precision = format.precision {
                text = String(text.unicodeScalars.prefix(precision))
            }
            return format.filled("", text, alignment: ">")
        case "c":
            var format = format
            if format.alignment == "=" { format.alignment = nil }
            let code = value.integer.flatMap { UInt32(exactly: $0) }.flatMap { Unicode.Scalar($0) }
            let character = value.string ?? code.map { String($0) } ?? ""
            guard character.unicodeScalars.count == 1 else {
                throw failure("'%c' needs one character, not \(value.kind)")
            }
            return format.filled("", character, alignment: ">")
        case "d", "i", "u", "o", "x", "X": return try wholeConverted(value, format, type)
        case "e", "E", "f", "F", "g", "G":
            guard let number = value.number?.double else {
                throw failure("'%\(type)' needs a number, not \(value.kind)")
            }
            var format = format
            format.fill = format.alignment == "=" ? "0" : " "
            return format.text(of: number)
        default: throw failure("'%\(type)' is not supported")
        }
    }

    private mutating func wholeConverted(
        _ value: JinjaValue, _ format: JinjaFormat, _ type: Unicode.Scalar
    ) throws(JinjaFailure) -> String {
        var number = value.number?.whole
        if number == nil, case .float(let decimal) = value, decimal.isFinite,
            ["d", "i", "u"].contains(type)
        {
            number = JinjaInteger(truncating: decimal)
        }
        guard let number else { throw failure("'%\(type)' needs a number, not \(value.kind)") }
        let radix: UInt32 = type == "o" ? 8 : type == "x" || type == "X" ? 16 : 10
        try charge(number.limbs.count * number.limbs.count)
        var digits = number.magnitude.text(radix: radix)
        if type == "X" { digits = digits.uppercased() }
        let zeros = (format.precision ?? 0) - digits.utf8.count
        if zeros > 0 { digits = String(repeating: "0", count: zeros) + digits }
        let marks: [Unicode.Scalar: String] = ["o": "0o", "x": "0x", "X": "0X"]
        let prefix =
            format.prefix(isNegative: number.isNegative)
            + (format.isAlternate ? marks[type] ?? "" : "")
        var format = format
        format.fill = format.alignment == "=" ? "0" : " "
        return format.filled(prefix, digits, alignment: ">")
    }
}

/// The values of `%`: a tuple's in order, a dictionary's by name, or one.
private struct FormatArguments {
    private let values: [JinjaValue]
    private let dictionary: JinjaDictionary?
    private var position = 0
    /// A value with items may be left unused.
    private var mayBeUnused = false

    init(_ value: JinjaValue) {
        var dictionary: JinjaDictionary?
        var values = [value]
        switch value {
        case .list(let list) where list.isTuple: values = list.items
        case .dictionary(let members): (dictionary, mayBeUnused) = (members, true)
        case .list, .range, .undefined: mayBeUnused = true
        default: break
        }
        self.values = values
        self.dictionary = dictionary
    }

    mutating func next() -> JinjaValue? {
        guard position < values.count else { return nil }
        position += 1
        return values[position - 1]
    }

    func value(_ name: String) -> JinjaValue? { dictionary?.value(name) }

    var areUsed: Bool { mayBeUnused || position == values.count }
}

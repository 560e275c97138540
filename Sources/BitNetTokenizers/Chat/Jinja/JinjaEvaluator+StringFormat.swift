// Python's `str.format`, in the sandbox's way: attributes and items as templates see them.
extension JinjaEvaluator {
    /// `text.format(...)` and `text.format_map(...)`.
    mutating func format(
        _ text: String, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        var fields = FormatFields()
        if input.name == "format_map" {
            let value = try required(input.takeNext(), input, "mapping")
            guard case .dictionary(let dictionary) = value else {
                throw failure("'format_map' of \(value.kind)")
            }
            fields.named = dictionary
        } else {
            fields.named = JinjaDictionary(input.takeAllNamed().map { ($0.name, $0.value) })
            fields.positional = input.takeRest()
        }
        return try made(try formatted(Array(text.unicodeScalars)[...], &fields, depth: 2))
    }

    private mutating func formatted(
        _ text: ArraySlice<Unicode.Scalar>, _ fields: inout FormatFields, depth: Int
    ) throws(JinjaFailure) -> String {
        guard depth > 0 else { throw failure("'format': fields are nested too deep") }
        var result = ""
        var rest = text
        while let scalar = rest.popFirst() {
            switch scalar {
            case "{" where rest.first == "{", "}" where rest.first == "}":
                rest.removeFirst()
                result.append(scalar)
            case "{": result += try field(&rest, &fields, depth: depth)
            case "}": throw failure("'format': a single '}'")
            default: result.append(scalar)
            }
        }
        return result
    }

    /// A field up to its `}`.
    private mutating func field(
        _ rest: inout ArraySlice<Unicode.Scalar>, _ fields: inout FormatFields, depth: Int
    ) throws(JinjaFailure) -> String {
        try charge(Self.evaluationCost)
        var open = 1
        var isInBrackets = false
        var nameEnd: Int?
        let all = rest
        while let scalar = rest.popFirst() {
            let place = rest.startIndex - 1
            switch scalar {
            case "[" where nameEnd == nil: isInBrackets = true
            case "]" where nameEnd == nil: isInBrackets = false
            case _ where isInBrackets: break
            case "{": open += 1
            case "}": open -= 1
            case ":", "!": if nameEnd == nil, open == 1 { nameEnd = place }
            default: break
            }
            guard open == 0 else { continue }
            let whole = all[..<place]
            let name = whole[..<(nameEnd ?? place)]
            guard !name.contains("{") else {
                throw failure("'format': a '{' in the name of a field")
            }
            return try written(name, whole[name.endIndex...], &fields, depth: depth)
        }
        throw failure("'format': a '{' without '}'")
    }

    private mutating func written(
        _ name: ArraySlice<Unicode.Scalar>, _ suffix: ArraySlice<Unicode.Scalar>,
        _ fields: inout FormatFields, depth: Int
    ) throws(JinjaFailure) -> String {
        var value = try self.value(of: name, &fields)
        var suffix = suffix
        var conversion: Unicode.Scalar?
        if suffix.first == "!" {
            suffix.removeFirst()
            conversion = suffix.popFirst()
            guard suffix.isEmpty || suffix.first == ":" else {
                throw failure("'format': expected ':' after the conversion")
            }
        }
        let specification =
            suffix.isEmpty ? "" : try formatted(suffix.dropFirst(), &fields, depth: depth - 1)
        switch conversion {
        case nil: break
        case "s": value = .string(try text(of: value))
        case "r", "a":
            var text = ""
            try writeLiteral(value, to: &text)
            value = .string(conversion == "a" ? text.asciiEscaped : text)
        default: throw failure("'format': the conversion is not 's', 'r' or 'a'")
        }
        return try formatted(value, specification)
    }

    /// The value of `name`, `name.attribute` or `name[item]`.
    private mutating func value(
        of field: ArraySlice<Unicode.Scalar>, _ fields: inout FormatFields
    ) throws(JinjaFailure) -> JinjaValue {
        let first = field.prefix { $0 != "." && $0 != "[" }
        var rest = field[first.endIndex...]
        var value = try fields.value(Self.string(first), failure)
        while let opener = rest.popFirst() {
            if opener == "." {
                let name = rest.prefix { $0 != "." && $0 != "[" }
                rest = rest[name.endIndex...]
                value = try attribute(Self.string(name), of: value)
            } else if opener == "[" {
                let key = rest.prefix { $0 != "]" }
                rest = rest[key.endIndex...]
                guard !key.isEmpty, rest.popFirst() == "]" else {
                    throw failure("'format': a '[' without ']' or without an index")
                }
                let isIndex = key.allSatisfy { ("0"..."9").contains($0) }
                let index = isIndex ? Int(Self.string(key)).map { JinjaValue.integer($0) } : nil
                value = try item(index ?? .string(Self.string(key)), of: value)
            } else {
                throw failure("'format': only '.' or '[' may follow ']'")
            }
        }
        return value
    }

    private static func string(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        return String(view)
    }

    /// Python's `format(value, specification)`.
    private mutating func formatted(
        _ value: JinjaValue, _ specification: String
    ) throws(JinjaFailure) -> String {
        if specification.isEmpty { return try text(of: value) }
        func refused() -> JinjaFailure {
            failure("the format '\(specification)' of \(value.kind) is not supported")
        }
        guard var format = JinjaFormat(specification: specification) else { throw refused() }
        guard format.precision ?? 0 <= Self.maximumDigits || value.string != nil else {
            throw refused()
        }
        try charge(format.width * format.fill.utf8.count)
        try charge((value.string == nil ? format.precision ?? 0 : 0) * Self.evaluationCost)
        if let text = value.string {
            guard format.type == nil || format.type == "s", format.grouping == nil,
                format.sign == "-", !format.isAlternate,
                format.alignment != "=" || format.fill == "0"
            else { throw refused() }
            // Zeros before the width mean only what fills.
            if format.alignment == "=" { format.alignment = "<" }
            let shown = format.precision.map { String(text.unicodeScalars.prefix($0)) } ?? text
            return format.filled("", shown, alignment: "<")
        }
        // Python puts separators among the zeros that fill, too.
        guard let number = value.number, format.grouping == nil || format.fill != "0" else {
            throw refused()
        }
        let decimals: Set<Unicode.Scalar> = ["e", "E", "f", "F", "g", "G", "%"]
        if format.type == "n" {
            // The same as without a locale's separators.
            guard format.grouping == nil else { throw refused() }
            format.type = number.whole == nil ? "g" : "d"
        }
        if let whole = number.whole, format.type.map({ !decimals.contains($0) }) ?? true {
            return try formatted(whole, format, refused())
        }
        guard format.type.map({ decimals.contains($0) }) ?? true,
            number.double.isFinite
                || number.whole == nil
        else { throw refused() }
        return format.text(of: number.double)
    }

    private mutating func formatted(
        _ number: JinjaInteger, _ format: JinjaFormat, _ refused: JinjaFailure
    ) throws(JinjaFailure) -> String {
        let types: Set<Unicode.Scalar> = ["b", "c", "d", "o", "x", "X"]
        guard format.precision == nil, format.type.map({ types.contains($0) }) ?? true else {
            throw refused
        }
        try charge(number.limbs.count * number.limbs.count)
        if format.type == "c" {
            guard let code = number.small.flatMap({ UInt32(exactly: $0) }),
                let scalar = Unicode.Scalar(code), format.sign == "-", !format.isAlternate,
                format.grouping == nil
            else { throw refused }
            return format.filled("", String(scalar), alignment: ">")
        }
        if format.grouping == ",", format.type.map({ $0 != "d" }) ?? false { throw refused }
        return format.text(of: number)
    }
}

/// What the fields of `format` mean.
private struct FormatFields {
    var positional: [JinjaValue] = []
    var named = JinjaDictionary()
    private var next = 0
    private var isNumbered: Bool?

    /// The value of a field's first name: a number, a name, or nothing for the next.
    mutating func value(
        _ name: String, _ failure: (String) -> JinjaFailure
    ) throws(JinjaFailure) -> JinjaValue {
        let isNumber = !name.isEmpty && name.utf8.allSatisfy { (0x30...0x39).contains($0) }
        guard name.isEmpty || isNumber else {
            guard let value = named.value(name) else {
                throw failure("'format': there is no value named '\(name)'")
            }
            return value
        }
        guard isNumbered != !isNumber else {
            throw failure("'format': fields with and without numbers")
        }
        isNumbered = isNumber
        if name.isEmpty { next += 1 }
        guard let index = name.isEmpty ? next - 1 : Int(name), index < positional.count else {
            throw failure("'format': there are not enough values")
        }
        return positional[index]
    }
}

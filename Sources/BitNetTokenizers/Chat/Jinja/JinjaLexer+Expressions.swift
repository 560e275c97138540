extension JinjaLexer {
    mutating func lexExpression(
        closer: String, _ first: JinjaToken, _ last: JinjaToken
    ) throws(JinjaFailure) {
        append(first)
        brackets.removeAll()
        while true {
            if brackets.isEmpty, isClosing(closer) {
                append(last)
                return close(closer)
            }
            guard let scalar = peek() else { throw failure("'\(first.spelling)' has no end") }
            if scalar.isPythonSpace {
                advance()
            } else if scalar.isNameStart {
                append(.name(take { $0.isNameStart || $0.properties.isXIDContinue }))
            } else if scalar.isDigit {
                try lexNumber()
            } else if scalar == "'" || scalar == "\"" {
                try lexString(quote: scalar)
            } else {
                try lexSymbol(scalar)
            }
        }
    }

    private mutating func take(while condition: (Unicode.Scalar) -> Bool) -> String {
        let start = position
        while let scalar = peek(), condition(scalar) { advance() }
        return text(start..<position)
    }

    private mutating func lexSymbol(_ scalar: Unicode.Scalar) throws(JinjaFailure) {
        let pairs = ["//", "**", "==", "!=", ">=", "<="]
        if let pair = pairs.first(where: { isNext($0) }) {
            advance(2)
            return append(.symbol(pair))
        }
        let closers: [Unicode.Scalar: Unicode.Scalar] = [")": "(", "]": "[", "}": "{"]
        switch scalar {
        case "(", "[", "{":
            brackets.append(scalar)
        case ")", "]", "}":
            guard brackets.popLast() == closers[scalar] else {
                throw failure("'\(scalar)' closes nothing")
            }
        case "+", "-", "/", "*", "%", "~", ">", "<", "=", ".", ":", "|", ",", ";": break
        default: throw failure("'\(scalar)' has no place in an expression")
        }
        advance()
        append(.symbol(String(scalar)))
    }

    /// A number as Python writes it: digits may have single `_` between them, and whole numbers but
    /// zero do not begin with 0.
    private mutating func lexNumber() throws(JinjaFailure) {
        let prefixes = ["0x", "0X", "0o", "0O", "0b", "0B"]
        if let prefix = prefixes.first(where: { isNext($0) }) {
            advance(2)
            let digits = take { $0.isDigit || $0.properties.isASCIIHexDigit || $0 == "_" }
            return try append(digits: prefix + digits)
        }
        // What follows a point is an index: `items.0.1` has no decimal in it.
        let isIndex = tokens.last?.token == .symbol(".")
        var digits = takeDigits()
        var isFloat = false
        if !isIndex, peek() == ".", let next = peek(1), next.isDigit {
            advance()
            digits += "." + takeDigits()
            isFloat = true
        }
        if !isIndex, peek() == "e" || peek() == "E" {
            let sign = peek(1)
            let digit = sign == "+" || sign == "-" ? peek(2) : sign
            if let digit, digit.isDigit {
                advance(sign == digit ? 1 : 2)
                digits += "e" + (sign == "-" ? "-" : "") + takeDigits()
                isFloat = true
            }
        }
        if isFloat, let value = digits.pythonFloat { return append(.float(value)) }
        try append(digits: digits)
    }

    /// Digits, perhaps with `_` between them.
    private mutating func takeDigits() -> String {
        let start = position
        while let scalar = peek() {
            guard scalar.isDigit || (scalar == "_" && peek(1)?.isDigit == true && position > start)
            else { break }
            advance()
        }
        return text(start..<position)
    }

    private mutating func append(digits: String) throws(JinjaFailure) {
        // Read as source: base 0 refuses zeros before other digits.
        guard let value = digits.pythonInteger(base: 0) else {
            throw failure("'\(digits)' is not a number, or too large")
        }
        append(value.small.map { .integer($0) } ?? .bigInteger(value))
    }

    private mutating func lexString(quote: Unicode.Scalar) throws(JinjaFailure) {
        let start = line
        var text = String.UnicodeScalarView()
        advance()
        while let scalar = peek(), scalar != quote {
            advance()
            if scalar == "\\" {
                try lexEscape(into: &text)
            } else {
                text.append(scalar)
            }
        }
        guard peek() == quote else {
            throw JinjaFailure(line: start, detail: "a string has no end")
        }
        advance()
        append(.string(String(text)))
    }

    /// An escape of Python's strings; one that Python does not know stays as it is.
    private mutating func lexEscape(into text: inout String.UnicodeScalarView) throws(JinjaFailure)
    {
        guard let scalar = peek() else { return }
        advance()
        let simple: [Unicode.Scalar: Unicode.Scalar] = [
            "n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", "\"": "\"", "a": "\u{7}",
            "b": "\u{8}", "f": "\u{C}", "v": "\u{B}",
        ]
        let lengths: [Unicode.Scalar: Int] = ["x": 2, "u": 4, "U": 8]
        if let plain = simple[scalar] {
            text.append(plain)
        } else if let length = lengths[scalar] {
            text.append(try number(radix: 16, digits: "", length: length))
        } else if ("0"..."7").contains(scalar) {
            var digits = String(scalar)
            while digits.count < 3, let next = peek(), ("0"..."7").contains(next) {
                digits.append(next)
                advance()
            }
            text.append(try number(radix: 8, digits: digits, length: 0))
        } else if scalar == "N" {
            throw failure("the escape '\\N' is not supported")
        } else if scalar != "\n" {
            text.append("\\")
            text.append(scalar)
        }
    }

    private mutating func number(
        radix: Int, digits: String, length: Int
    ) throws(JinjaFailure) -> Unicode.Scalar {
        var digits = digits
        for _ in 0..<length {
            guard let next = peek() else { break }
            digits.append(next)
            advance()
        }
        guard digits.unicodeScalars.count == max(length, digits.unicodeScalars.count),
            let code = UInt32(digits, radix: radix), let scalar = Unicode.Scalar(code)
        else { throw failure("'\\\(digits)' is not a character") }
        return scalar
    }
}

extension Unicode.Scalar {
    fileprivate var isDigit: Bool { ("0"..."9").contains(self) }

    fileprivate var isNameStart: Bool {
        self == "_" || (isASCII ? properties.isAlphabetic : properties.isXIDStart)
    }
}

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

    private mutating func lexNumber() throws(JinjaFailure) {
        let prefixes: [(String, Int)] = [("0x", 16), ("0X", 16), ("0o", 8), ("0b", 2)]
        if let (prefix, radix) = prefixes.first(where: { isNext($0.0) }) {
            advance(2)
            let digits = take { $0.isDigit || $0.properties.isASCIIHexDigit || $0 == "_" }
            guard let value = Int(digits.filter { $0 != "_" }, radix: radix) else {
                throw failure("'\(prefix)\(digits)' is not a number")
            }
            return append(.integer(value))
        }
        var digits = take { $0.isDigit || $0 == "_" }
        var isFloat = false
        if peek() == ".", let next = peek(1), next.isDigit {
            advance()
            digits += "." + take { $0.isDigit || $0 == "_" }
            isFloat = true
        }
        if peek() == "e" || peek() == "E" {
            let sign = peek(1)
            let digit = sign == "+" || sign == "-" ? peek(2) : sign
            if let digit, digit.isDigit {
                advance(sign == digit ? 1 : 2)
                digits += "e" + (sign == "-" ? "-" : "") + take { $0.isDigit }
                isFloat = true
            }
        }
        digits.removeAll { $0 == "_" }
        if isFloat, let value = Double(digits) { return append(.float(value)) }
        guard let value = Int(digits) else { throw failure("'\(digits)' is too large") }
        append(.integer(value))
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
                digits.unicodeScalars.append(next)
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
            digits.unicodeScalars.append(next)
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

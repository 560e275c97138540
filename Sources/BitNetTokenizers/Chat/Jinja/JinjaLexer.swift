/// A token of a Jinja template.
enum JinjaToken: Sendable, Equatable {
    case text(String)
    case outputBegin, outputEnd
    case statementBegin, statementEnd
    case name(String)
    case string(String)
    case integer(Int)
    case bigInteger(JinjaInteger)
    case float(Double)
    case symbol(String)
    case end

    /// The token as it is written, for messages.
    var spelling: String {
        switch self {
        case .text: "text"
        case .outputBegin: "{{"
        case .outputEnd: "}}"
        case .statementBegin: "{%"
        case .statementEnd: "%}"
        case .name(let name): name
        case .string(let text): "'\(text)'"
        case .integer(let value): "\(value)"
        case .bigInteger(let value): "\(value)"
        case .float(let value): "\(value)"
        case .symbol(let symbol): symbol
        case .end: "the end of the template"
        }
    }
}

/// Cuts a template into tokens as jinja2 does with `trim_blocks` and `lstrip_blocks`: the newline
/// after a statement or comment goes, and so does the space before one that begins its line.
struct JinjaLexer {
    private let source: [Unicode.Scalar]
    private(set) var position = 0
    private(set) var line = 1
    /// Whether the text that follows begins a line.
    private var isLineStart = true
    /// The brackets that are open in the current expression.
    var brackets: [Unicode.Scalar] = []
    private(set) var tokens: [(token: JinjaToken, line: Int)] = []

    init(_ text: String) {
        var scalars: [Unicode.Scalar] = []
        var wasReturn = false
        for scalar in text.unicodeScalars {
            if scalar == "\r" {
                scalars.append("\n")
            } else if scalar != "\n" || !wasReturn {
                scalars.append(scalar)
            }
            wasReturn = scalar == "\r"
        }
        // As jinja2 without `keep_trailing_newline`.
        if scalars.last == "\n" { scalars.removeLast() }
        source = scalars
    }

    /// All tokens, `end` being the last.
    static func tokens(of text: String) throws(JinjaFailure) -> [(token: JinjaToken, line: Int)] {
        var lexer = JinjaLexer(text)
        while lexer.position < lexer.source.count { try lexer.lexText() }
        lexer.append(.end)
        return lexer.tokens
    }

    mutating func append(_ token: JinjaToken) { tokens.append((token, line)) }

    func failure(_ detail: String) -> JinjaFailure {
        JinjaFailure(line: line, detail: detail)
    }

    // MARK: - Moving

    func peek(_ distance: Int = 0) -> Unicode.Scalar? {
        let index = position + distance
        return index < source.count ? source[index] : nil
    }

    mutating func advance(_ count: Int = 1) {
        for _ in 0..<count where position < source.count {
            if source[position] == "\n" { line += 1 }
            position += 1
        }
    }

    func isNext(_ text: String, at distance: Int = 0) -> Bool {
        var index = position + distance
        for scalar in text.unicodeScalars {
            guard index < source.count, source[index] == scalar else { return false }
            index += 1
        }
        return true
    }

    private mutating func skipSpace() {
        while let scalar = peek(), scalar.isPythonSpace { advance() }
    }

    // MARK: - Text and tags

    /// Lexes text up to the next tag, and that tag.
    private mutating func lexText() throws(JinjaFailure) {
        let start = position
        let startLine = line
        while position < source.count, !(peek() == "{" && isTagOpener(peek(1))) { advance() }
        var end = position
        let opener = peek(1)
        let sign = peek(2)
        if position < source.count {
            if sign == "-" {
                while end > start, source[end - 1].isPythonSpace { end -= 1 }
            } else if sign != "+", opener != "{" {
                end = startOfIndent(start, end)
            }
        }
        if end > start { tokens.append((.text(text(start..<end)), startLine)) }
        guard position < source.count else { return }
        advance(2)
        if sign == "-" || sign == "+" { advance() }
        isLineStart = false
        switch opener {
        case "#": try lexComment()
        case "{": try lexExpression(closer: "}}", .outputBegin, .outputEnd)
        default:
            if try !lexRaw() { try lexExpression(closer: "%}", .statementBegin, .statementEnd) }
        }
    }

    private func isTagOpener(_ scalar: Unicode.Scalar?) -> Bool {
        scalar == "{" || scalar == "%" || scalar == "#"
    }

    /// Where text up to `end` ends without the space that only indents a tag.
    private func startOfIndent(_ start: Int, _ end: Int) -> Int {
        var index = end
        while index > start, source[index - 1] != "\n" {
            guard source[index - 1].isPythonSpace else { return end }
            index -= 1
        }
        return index > start || isLineStart ? index : end
    }

    func text(_ range: Range<Int>) -> String {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: source[range])
        return String(text)
    }

    /// Ends a tag whose closer, the sign before it included, comes next.
    mutating func close(_ closer: String) {
        let sign = peek()
        if sign == "-" || sign == "+" { advance() }
        advance(closer.unicodeScalars.count)
        if sign == "-" {
            let before = position
            skipSpace()
            isLineStart = position > before && source[position - 1] == "\n"
        } else if sign != "+", closer != "}}", peek() == "\n" {
            advance()
            isLineStart = true
        }
    }

    /// Whether `closer` comes next, perhaps with a sign before it.
    func isClosing(_ closer: String) -> Bool {
        if isNext(closer) || isNext("-" + closer) { return true }
        return closer != "}}" && isNext("+" + closer)
    }

    private mutating func lexComment() throws(JinjaFailure) {
        while !isClosing("#}") {
            guard position < source.count else { throw failure("a comment has no end") }
            advance()
        }
        close("#}")
    }

    /// Lexes `raw ... endraw` if that is what the statement that has begun is.
    private mutating func lexRaw() throws(JinjaFailure) -> Bool {
        var distance = 0
        func skip(_ distance: inout Int) {
            while let scalar = peek(distance), scalar.isPythonSpace { distance += 1 }
        }
        skip(&distance)
        guard isNext("raw", at: distance) else { return false }
        distance += 3
        skip(&distance)
        guard isNext("%}", at: distance) || isNext("-%}", at: distance) else { return false }
        advance(distance)
        // Unlike other tags, this one keeps the newline after it.
        if peek() == "-" {
            advance(3)
            skipSpace()
        } else {
            advance(2)
        }
        isLineStart = source[position - 1] == "\n"
        let start = position
        let startLine = line
        while position < source.count {
            if isNext("{%"), let length = lengthOfRawEnd() {
                var end = position
                if peek(2) == "-" {
                    while end > start, source[end - 1].isPythonSpace { end -= 1 }
                } else if peek(2) != "+" {
                    end = startOfIndent(start, end)
                }
                if end > start { tokens.append((.text(text(start..<end)), startLine)) }
                advance(length)
                isLineStart = false
                close("%}")
                return true
            }
            advance()
        }
        throw failure("raw has no endraw")
    }

    /// The length of `{% endraw` up to its closer, if that comes next.
    private func lengthOfRawEnd() -> Int? {
        var distance = 2
        if peek(distance) == "-" || peek(distance) == "+" { distance += 1 }
        while let scalar = peek(distance), scalar.isPythonSpace { distance += 1 }
        guard isNext("endraw", at: distance) else { return nil }
        distance += 6
        while let scalar = peek(distance), scalar.isPythonSpace { distance += 1 }
        let isClosed = ["%}", "-%}", "+%}"].contains { isNext($0, at: distance) }
        return isClosed ? distance : nil
    }
}

extension Unicode.Scalar {
    /// Whether Python's `str.isspace` counts it as space.
    var isPythonSpace: Bool {
        switch value {
        case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0: true
        case 0..<0x80: false
        default: properties.isWhitespace
        }
    }
}

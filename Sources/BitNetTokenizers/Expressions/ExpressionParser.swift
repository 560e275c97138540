/// Reads the text of an `Expression`.
struct ExpressionParser {
    private let source: String
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var ignoresCase = false
    private var depth = 0

    /// Deeper groups are refused, so that none exhausts the stack.
    private static let deepest = 64
    /// The most often a part may be repeated by a number.
    private static let mostRepeats = 1000

    init(_ source: String) {
        self.source = source
        scalars = Array(source.unicodeScalars)
    }

    mutating func parse() throws(BitNetError) -> ExpressionNode {
        let node = try alternatives()
        guard position == scalars.count else { throw unsupported("')'") }
        return node
    }

    private var peek: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func skip(_ text: String) -> Bool {
        let wanted = Array(text.unicodeScalars)
        guard scalars[position...].starts(with: wanted) else { return false }
        position += wanted.count
        return true
    }

    private func unsupported(_ what: String) -> BitNetError {
        .tokenizer(
            detail: "expression \(source.quoted): \(what) at character \(position) is not "
                + "supported")
    }

    private mutating func alternatives() throws(BitNetError) -> ExpressionNode {
        guard depth < Self.deepest else { throw unsupported("a group this deep") }
        depth += 1
        defer { depth -= 1 }
        var parts = [try sequence()]
        while skip("|") { parts.append(try sequence()) }
        return parts.count == 1 ? parts[0] : .alternatives(parts)
    }

    private mutating func sequence() throws(BitNetError) -> ExpressionNode {
        var parts: [ExpressionNode] = []
        while let next = peek, next != "|", next != ")" {
            parts.append(try quantified(try atom()))
        }
        return .sequence(parts)
    }

    private mutating func atom() throws(BitNetError) -> ExpressionNode {
        guard let next = peek else { throw unsupported("the end") }
        switch next {
        case "(": return try group()
        case "[":
            position += 1
            return .set(try characterClass())
        case "\\": return .set(set([try escape()]))
        case "^", "$", "*", "+", "?", "{": throw unsupported("'\(next)'")
        case ".":
            position += 1
            return .set(ScalarSet(members: [.range(0x0A...0x0A)], isInverted: true))
        default:
            position += 1
            return .set(set([.range(next.value...next.value)]))
        }
    }

    private func set(_ members: [ScalarSet.Member]) -> ScalarSet {
        ScalarSet(members: members, ignoresCase: ignoresCase)
    }

    private mutating func group() throws(BitNetError) -> ExpressionNode {
        let outer = ignoresCase
        defer { ignoresCase = outer }
        var wrap: (ExpressionNode) -> ExpressionNode = { $0 }
        if skip("(?i:") {
            ignoresCase = true
        } else if skip("(?=") {
            wrap = { .look($0, wanted: true) }
        } else if skip("(?!") {
            wrap = { .look($0, wanted: false) }
        } else if skip("(?>") {
            wrap = { .atomic($0) }
        } else if !skip("(?:") {
            guard skip("("), peek != "?" else { throw unsupported("this kind of group") }
        }
        let node = try alternatives()
        guard skip(")") else { throw unsupported("a group without an end") }
        return wrap(node)
    }

    private mutating func quantified(_ node: ExpressionNode) throws(BitNetError) -> ExpressionNode {
        var minimum = 0
        var maximum: Int?
        var isCounted = false
        if skip("+") {
            minimum = 1
        } else if skip("?") {
            maximum = 1
        } else if skip("{") {
            (minimum, maximum) = try counts()
            isCounted = true
        } else if !skip("*") {
            return node
        }
        if case .look = node { throw unsupported("a repeated look-ahead") }
        let repeated = ExpressionNode.repeated(node, minimum: minimum, maximum: maximum)
        if !isCounted, skip("+") { return .atomic(repeated) }
        if let next = peek, ["+", "?", "*", "{"].contains(next) {
            throw unsupported("'\(next)' after a quantifier")
        }
        return repeated
    }

    private mutating func counts() throws(BitNetError) -> (Int, Int?) {
        let minimum = try number()
        var maximum: Int? = minimum
        if skip(",") { maximum = peek == "}" ? nil : try number() }
        guard skip("}"), minimum <= maximum ?? minimum else { throw unsupported("this count") }
        return (minimum, maximum)
    }

    private mutating func number() throws(BitNetError) -> Int {
        var value: Int?
        while let digit = peek.flatMap({ $0.isASCII ? Int(String($0)) : nil }) {
            value = min((value ?? 0) * 10 + digit, Self.mostRepeats + 1)
            position += 1
        }
        guard let value, value <= Self.mostRepeats else { throw unsupported("this count") }
        return value
    }
}

// MARK: - Classes

extension ExpressionParser {
    private mutating func characterClass() throws(BitNetError) -> ScalarSet {
        var result = set([])
        result.isInverted = skip("^")
        while let next = peek, next != "]" {
            guard next != "[", !scalars[position...].starts(with: Array("&&".unicodeScalars)) else {
                throw unsupported("'\(next)' in a class")
            }
            let first = try classMember()
            guard case .range(let lower) = first, peek == "-", position + 1 < scalars.count,
                scalars[position + 1] != "]"
            else {
                result.members.append(first)
                continue
            }
            position += 1
            guard case .range(let upper) = try classMember(),
                lower.lowerBound <= upper.upperBound
            else { throw unsupported("this range") }
            result.members.append(.range(lower.lowerBound...upper.upperBound))
        }
        guard skip("]"), !result.members.isEmpty else { throw unsupported("this class") }
        return result
    }

    private mutating func classMember() throws(BitNetError) -> ScalarSet.Member {
        guard let next = peek else { throw unsupported("a class without an end") }
        if next == "\\" { return try escape() }
        position += 1
        return .range(next.value...next.value)
    }

    /// What a backslash and the characters after it stand for.
    private mutating func escape() throws(BitNetError) -> ScalarSet.Member {
        position += 1
        guard let next = peek else { throw unsupported("a backslash") }
        position += 1
        switch next {
        case "s": return .whitespace
        case "S": return .except([.whitespace])
        case "d": return .category("Nd")
        case "D": return .except([.category("Nd")])
        case "w": return .word
        case "W": return .except([.word])
        case "p": return try category()
        case "P": return .except([try category()])
        case "r": return .range(0x0D...0x0D)
        case "n": return .range(0x0A...0x0A)
        case "t": return .range(0x09...0x09)
        case "f": return .range(0x0C...0x0C)
        case "v": return .range(0x0B...0x0B)
        case "u": return try code(digits: 4)
        case "x":
            guard skip("{") else { return try code(digits: 2) }
            let digits = scalars[position...].prefix { $0 != "}" }.count
            let member = try code(digits: digits)
            position += 1
            return member
        default:
            guard next.isASCII, !next.properties.isAlphabetic, !("0"..."9").contains(next) else {
                position -= 1
                throw unsupported("'\\\(next)'")
            }
            return .range(next.value...next.value)
        }
    }

    private mutating func code(digits: Int) throws(BitNetError) -> ScalarSet.Member {
        let text = scalars[position...].prefix(digits)
        let word = String(String.UnicodeScalarView(text))
        guard text.count == digits, let value = UInt32(word, radix: 16),
            Unicode.Scalar(value) != nil
        else { throw unsupported("this character code") }
        position += digits
        return .range(value...value)
    }

    /// `{L}` or `{Lu}`, with `^` for all others; or `L`.
    private mutating func category() throws(BitNetError) -> ScalarSet.Member {
        var name = ""
        var isInverted = false
        if skip("{") {
            isInverted = skip("^")
            while let next = peek, next != "}" {
                name.unicodeScalars.append(next)
                position += 1
            }
            guard skip("}") else { throw unsupported("this category") }
        } else if let next = peek {
            name.unicodeScalars.append(next)
            position += 1
        }
        guard ScalarSet.categories.contains(name) else { throw unsupported("\\p{\(name)}") }
        return isInverted ? .except([.category(name)]) : .category(name)
    }
}

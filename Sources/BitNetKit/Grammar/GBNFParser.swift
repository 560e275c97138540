/// Parses GBNF, llama.cpp's notation for grammars.
struct GBNFParser {
    /// Groups inside groups; parsing recurses.
    private static let maximumDepth = 64
    /// The most repetitions that may be asked for.
    static let maximumCount = 10_000

    private let source: [Unicode.Scalar]
    private var position = 0
    private var depth = 0

    private let effort: Effort

    private init(_ text: String, _ effort: Effort) {
        source = Array(text.unicodeScalars)
        self.effort = effort
    }

    /// The rules of a grammar.
    static func rules(
        of text: String, _ effort: Effort = Effort()
    ) throws(BitNetError) -> [GrammarRule] {
        var parser = GBNFParser(text, effort)
        var rules: [GrammarRule] = []
        parser.skipSpace(newlines: true)
        while parser.peek != nil {
            rules.append(try parser.parseRule())
            parser.skipSpace(newlines: true)
        }
        return rules
    }

    // MARK: - Characters

    private var peek: Unicode.Scalar? { position < source.count ? source[position] : nil }

    private func failure(_ detail: String) -> BitNetError {
        let line = 1 + source.prefix(position).filter { $0 == "\n" }.count
        return .grammar(detail: "line \(line): \(detail)")
    }

    private mutating func skip(_ text: String) -> Bool {
        let scalars = Array(text.unicodeScalars)
        guard source[position...].starts(with: scalars) else { return false }
        position += scalars.count
        return true
    }

    /// Skips space and comments, over ends of lines only with `newlines`.
    private mutating func skipSpace(newlines: Bool) {
        while let scalar = peek {
            if scalar == "#" {
                while let next = peek, next != "\n" { _ = next; position += 1 }
            } else if scalar == " " || scalar == "\t" || scalar == "\r"
                || (newlines && scalar == "\n")
            {
                position += 1
            } else {
                return
            }
        }
    }

    private static func isName(_ scalar: Unicode.Scalar) -> Bool {
        scalar == "-" || scalar == "_"
            || scalar.isASCII
                && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar))
    }

    private mutating func parseName() throws(BitNetError) -> String {
        var name = String.UnicodeScalarView()
        while let scalar = peek, Self.isName(scalar) {
            name.append(scalar)
            position += 1
        }
        guard !name.isEmpty else {
            throw failure(
                peek.map { "unexpected '\($0)'" } ?? "unexpected end, expected the name of a rule")
        }
        return String(name)
    }

    // MARK: - Rules

    private mutating func parseRule() throws(BitNetError) -> GrammarRule {
        let name = try parseName()
        skipSpace(newlines: false)
        guard skip("::=") else { throw failure("expected '::=' after \(name.quoted)") }
        skipSpace(newlines: true)
        let node = try parseChoice(isNested: false)
        guard peek == nil || peek == "\n" else {
            throw failure("unexpected '\(peek.map { "\($0)" } ?? "")' in rule \(name.quoted)")
        }
        return GrammarRule(name: name, node: node)
    }

    private mutating func parseChoice(isNested: Bool) throws(BitNetError) -> GrammarNode {
        guard depth < Self.maximumDepth else {
            throw failure("groups are nested deeper than \(Self.maximumDepth) levels")
        }
        depth += 1
        var choices = [try parseSequence(isNested: isNested)]
        while skip("|") {
            skipSpace(newlines: true)
            choices.append(try parseSequence(isNested: isNested))
        }
        depth -= 1
        return choices.count == 1 ? choices[0] : .choice(choices)
    }

    private mutating func parseSequence(isNested: Bool) throws(BitNetError) -> GrammarNode {
        var parts: [GrammarNode] = []
        while let scalar = peek {
            try effort.spend(1)
            var part: GrammarNode
            switch scalar {
            case "\"": part = try parseLiteral()
            case "[": part = try parseClass()
            case ".":
                position += 1
                part = .scalars([0...0x10FFFF])
            case "(":
                position += 1
                skipSpace(newlines: true)
                part = try parseChoice(isNested: true)
                guard skip(")") else { throw failure("a group has no ')'") }
            default:
                guard Self.isName(scalar) else { return .sequence(parts) }
                part = .rule(try parseName())
            }
            part = try parseRepetition(of: part)
            parts.append(part)
            skipSpace(newlines: isNested)
        }
        return .sequence(parts)
    }

    private mutating func parseRepetition(of part: GrammarNode) throws(BitNetError) -> GrammarNode {
        var part = part
        var count = 0
        while true {
            skipSpace(newlines: false)
            if skip("*") {
                part = .repetition(part, minimum: 0, maximum: nil)
            } else if skip("+") {
                part = .repetition(part, minimum: 1, maximum: nil)
            } else if skip("?") {
                part = .optional(part)
            } else if skip("{") {
                part = try parseBounds(of: part)
            } else {
                return part
            }
            count += 1
            guard count <= 4 else { throw failure("a part is repeated more than 4 times over") }
        }
    }

    private mutating func parseBounds(of part: GrammarNode) throws(BitNetError) -> GrammarNode {
        skipSpace(newlines: false)
        let minimum = try parseNumber() ?? 0
        skipSpace(newlines: false)
        var maximum: Int? = minimum
        if skip(",") {
            skipSpace(newlines: false)
            maximum = try parseNumber()
            skipSpace(newlines: false)
        }
        guard skip("}"), maximum ?? minimum >= minimum else {
            throw failure("expected {m}, {m,} or {m,n}")
        }
        return .repetition(part, minimum: minimum, maximum: maximum)
    }

    private mutating func parseNumber() throws(BitNetError) -> Int? {
        var digits = ""
        while let scalar = peek, ("0"..."9").contains(scalar) {
            digits.unicodeScalars.append(scalar)
            position += 1
        }
        if digits.isEmpty { return nil }
        guard let number = Int(digits), number <= Self.maximumCount else {
            throw failure("more than \(Self.maximumCount) repetitions are not supported")
        }
        return number
    }

    // MARK: - Literals and classes

    private mutating func parseLiteral() throws(BitNetError) -> GrammarNode {
        position += 1
        var text = String.UnicodeScalarView()
        while let scalar = peek, scalar != "\"" {
            guard scalar != "\n" else { throw failure("a literal has no end") }
            text.append(try parseCharacter())
        }
        guard skip("\"") else { throw failure("a literal has no end") }
        return .text(String(text))
    }

    private mutating func parseClass() throws(BitNetError) -> GrammarNode {
        position += 1
        let isNegated = skip("^")
        var ranges: [ClosedRange<UInt32>] = []
        while let scalar = peek, scalar != "]" {
            guard scalar != "\n" else { throw failure("a character class has no end") }
            let first = try parseCharacter().value
            var last = first
            if peek == "-", position + 1 < source.count, source[position + 1] != "]" {
                position += 1
                last = try parseCharacter().value
            }
            guard first <= last else { throw failure("a range in a character class is empty") }
            ranges.append(first...last)
        }
        guard skip("]") else { throw failure("a character class has no end") }
        guard isNegated || !ranges.isEmpty else {
            throw failure("the class [] has no characters; write [^] for any, \\] for a bracket")
        }
        return .scalars(isNegated ? GrammarNode.complement(of: ranges) : ranges)
    }

    private mutating func parseCharacter() throws(BitNetError) -> Unicode.Scalar {
        guard let scalar = peek else { throw failure("unexpected end") }
        try effort.spend(1)
        position += 1
        guard scalar == "\\" else { return scalar }
        guard let escape = peek else { throw failure("unexpected end") }
        position += 1
        switch escape {
        case "n": return "\n"
        case "t": return "\t"
        case "r": return "\r"
        case "\\", "\"", "[", "]", "-", "^": return escape
        case "x", "u", "U":
            let count = escape == "x" ? 2 : escape == "u" ? 4 : 8
            let digits = source[position...].prefix(count).map { "\($0)" }.joined()
            guard digits.unicodeScalars.count == count, let code = UInt32(digits, radix: 16),
                let scalar = Unicode.Scalar(code)
            else { throw failure("'\\\(escape)\(digits)' is not a character") }
            position += count
            return scalar
        default: throw failure("the escape '\\\(escape)' is not supported")
        }
    }
}

/// Parses the regular expressions of schemas: what ECMAScript and Python read alike and a finite
/// automaton can hold. The rest is refused by name.
struct PatternParser {
    private static let maximumDepth = 64
    /// Escapes that are a character.
    private static let characters: [Unicode.Scalar: UInt32] = [
        "n": 0x0A, "r": 0x0D, "t": 0x09, "f": 0x0C, "v": 0x0B,
    ]

    private let source: [Unicode.Scalar]
    private let pattern: String
    private let place: String
    private var position = 0
    private var depth = 0

    private init(_ pattern: String, at place: String) {
        self.pattern = pattern
        self.place = place
        source = Array(pattern.unicodeScalars)
    }

    /// The parts of `pattern`; `place` is named in errors.
    static func parse(_ pattern: String, at place: String) throws(BitNetError) -> PatternNode {
        var parser = PatternParser(pattern, at: place)
        let node = try parser.parseChoice()
        guard parser.peek == nil else { throw parser.failure("a ')' without '('") }
        return node
    }

    private var peek: Unicode.Scalar? { position < source.count ? source[position] : nil }

    private mutating func skip(_ scalar: Unicode.Scalar) -> Bool {
        guard peek == scalar else { return false }
        position += 1
        return true
    }

    private func failure(_ detail: String) -> BitNetError {
        .grammar(
            detail: "\(place): pattern \(pattern.quoted), character \(position + 1): "
                + "\(detail)")
    }

    // MARK: - Parts

    private mutating func parseChoice() throws(BitNetError) -> PatternNode {
        guard depth < Self.maximumDepth else {
            throw failure("groups are nested deeper than \(Self.maximumDepth) levels")
        }
        depth += 1
        defer { depth -= 1 }
        var choices = [try parseSequence()]
        while skip("|") { choices.append(try parseSequence()) }
        return choices.count == 1 ? choices[0] : .choice(choices)
    }

    private mutating func parseSequence() throws(BitNetError) -> PatternNode {
        var parts: [PatternNode] = []
        while let scalar = peek, scalar != "|", scalar != ")" {
            position += 1
            var part: PatternNode
            switch scalar {
            case "^": part = .start
            case "$": part = .end
            case "(": part = try parseGroup()
            case "[": part = .set(try parseClass())
            case ".": part = .set(.any)
            case "\\": part = .set(try parseEscape(inClass: false))
            case "*", "+", "?": throw failure("nothing to repeat before '\(scalar)'")
            default: part = .set(PatternSet([scalar.value...scalar.value]))
            }
            if let bounds = try parseRepetition() {
                guard scalar != "^", scalar != "$" else {
                    throw failure("an anchor is repeated, which is not supported")
                }
                part = .repetition(part, minimum: bounds.minimum, maximum: bounds.maximum)
            }
            parts.append(part)
        }
        return parts.count == 1 ? parts[0] : .sequence(parts)
    }

    private mutating func parseGroup() throws(BitNetError) -> PatternNode {
        if skip("?") {
            if skip("P") {
                guard peek == "<" else { throw failure("'(?P' without a name is not supported") }
            }
            if skip("<") {
                guard peek != "=", peek != "!" else {
                    throw failure("a group looks behind, which is not supported")
                }
                while peek != nil, peek != ">" { position += 1 }
                guard skip(">") else { throw failure("the name of a group has no end") }
            } else if !skip(":") {
                throw failure("a group '(?\(peek.map { "\($0)" } ?? "")' is not supported")
            }
        }
        let node = try parseChoice()
        guard skip(")") else { throw failure("a group has no ')'") }
        return node
    }

    /// How often the part before is repeated; nil where it is not.
    private mutating func parseRepetition() throws(BitNetError) -> (minimum: Int, maximum: Int?)? {
        let bounds: (minimum: Int, maximum: Int?)
        if skip("*") {
            bounds = (0, nil)
        } else if skip("+") {
            bounds = (1, nil)
        } else if skip("?") {
            bounds = (0, 1)
        } else if peek == "{", let counts = try parseCounts() {
            bounds = counts
        } else {
            return nil
        }
        // A lazy repetition matches the same texts.
        _ = skip("?")
        if let next = peek, next == "*" || next == "+" || next == "?" {
            throw failure("a repetition of a repetition is not supported")
        }
        return bounds
    }

    /// `{m}`, `{m,}` or `{m,n}`; nil for a brace that is a character.
    private mutating func parseCounts() throws(BitNetError) -> (minimum: Int, maximum: Int?)? {
        let start = position
        position += 1
        let minimum = try parseNumber()
        var maximum = minimum
        let hasComma = skip(",")
        if hasComma { maximum = try parseNumber() }
        guard skip("}"), minimum != nil || hasComma else {
            position = start
            return nil
        }
        guard let minimum else { throw failure("{,n} is read differently by different programs") }
        guard maximum ?? minimum >= minimum else { throw failure("{m,n} with m above n") }
        return (minimum, maximum)
    }

    private mutating func parseNumber() throws(BitNetError) -> Int? {
        var digits = ""
        while let scalar = peek, ("0"..."9").contains(scalar) {
            digits.unicodeScalars.append(scalar)
            position += 1
        }
        if digits.isEmpty { return nil }
        guard let number = Int(digits), number <= GBNFParser.maximumCount else {
            throw failure("more than \(GBNFParser.maximumCount) repetitions are not supported")
        }
        return number
    }

    // MARK: - Characters

    private mutating func parseClass() throws(BitNetError) -> PatternSet {
        let isNegated = skip("^")
        guard peek != "]" else {
            throw failure("a class that begins with ']' is read differently by different programs")
        }
        var set = PatternSet([])
        while peek != nil, peek != "]" {
            let first = try parseMember()
            let hasRange = peek == "-" && position + 1 < source.count && source[position + 1] != "]"
            guard hasRange else {
                set.formUnion(first.set)
                continue
            }
            position += 1
            let last = try parseMember()
            guard let low = first.code, let high = last.code, low <= high else {
                throw failure("a range in a class is empty or not between characters")
            }
            set.formUnion(PatternSet([low...high]))
        }
        guard skip("]") else { throw failure("a class has no ']'") }
        return isNegated ? set.complement : set
    }

    /// One member of a class, and its code point if it is one character.
    private mutating func parseMember() throws(BitNetError) -> (set: PatternSet, code: UInt32?) {
        guard let scalar = peek else { throw failure("a class has no ']'") }
        position += 1
        let isEscape = scalar == "\\"
        let set =
            isEscape
            ? try parseEscape(inClass: true) : PatternSet([scalar.value...scalar.value])
        let range = set.sure.count == 1 && set.sure == set.possible ? set.sure[0] : nil
        return (set, range.flatMap { $0.count == 1 ? $0.lowerBound : nil })
    }

    private mutating func parseEscape(inClass: Bool) throws(BitNetError) -> PatternSet {
        guard let scalar = peek else { throw failure("'\\' at the end") }
        position += 1
        switch scalar {
        case "d": return .digit
        case "D": return PatternSet.digit.complement
        case "w": return .word
        case "W": return PatternSet.word.complement
        case "s": return .space
        case "S": return PatternSet.space.complement
        case "b" where inClass: return PatternSet([0x08...0x08])
        case "x": return try parseCode(digits: 2)
        case "u": return try parseCode(digits: 4)
        default:
            if let code = Self.characters[scalar] { return PatternSet([code...code]) }
            let isPunctuation =
                scalar.isASCII && !scalar.properties.isAlphabetic && !("0"..."9").contains(scalar)
                && scalar.value > 0x20
            guard isPunctuation else { throw failure("'\\\(scalar)' is not supported") }
            return PatternSet([scalar.value...scalar.value])
        }
    }

    private mutating func parseCode(digits count: Int) throws(BitNetError) -> PatternSet {
        let digits = source[position...].prefix(count)
        guard digits.count == count, digits.allSatisfy({ $0.properties.isASCIIHexDigit }),
            let code = UInt32(digits.map { "\($0)" }.joined(), radix: 16),
            Unicode.Scalar(code) != nil
        else { throw failure("an escape is not \(count) digits of a character") }
        position += count
        return PatternSet([code...code])
    }
}

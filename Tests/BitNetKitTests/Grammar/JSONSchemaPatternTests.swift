import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Tells which texts are a grammar's; what it finds out about one it keeps for the next.
struct GrammarChecker {
    private var automaton: GrammarAutomaton
    private let start: Int

    init(_ grammar: Grammar) throws(BitNetError) {
        automaton = GrammarAutomaton(grammar.program)
        start = automaton.state(of: try automaton.start())
    }

    mutating func accepts(_ text: String) throws(BitNetError) -> Bool {
        automaton.beginToken()
        var state = start
        for byte in text.utf8 { state = try automaton.next(state, byte) }
        return automaton.isAccepting(state)
    }
}

extension Grammar {
    /// Whether the whole of `text` is one of the grammar's.
    func accepts(_ text: String) throws(BitNetError) -> Bool {
        var checker = try GrammarChecker(self)
        return try checker.accepts(text)
    }
}

@Suite("Patterns of JSON schemas")
struct JSONSchemaPatternTests {
    private static func grammar(_ pattern: String, _ rest: String = "") throws -> Grammar {
        try Grammar(
            jsonSchema: "{\"type\":\"string\",\"pattern\":\(pattern.jsonLiteral(isASCII: false))"
                + rest + "}")
    }

    /// All texts of `letters` up to a length, shorter ones first, in the order of the letters.
    static func texts(_ letters: [String], upTo length: Int) -> [String] {
        var last = [""]
        var all = last
        for _ in 0..<length {
            last = last.flatMap { text in letters.map { text + $0 } }
            all += last
        }
        return all
    }

    /// Patterns, and in which of the 40 texts of a, b and 1 up to three characters Python's
    /// `re.search` finds them: a bit for each, the first text the highest.
    static let patterns: [(String, UInt64)] = [
        (#"a"#, 0x4F27FFC9E4),
        (#"^a"#, 0x4E07FC0000),
        (#"a$"#, 0x4924924924),
        (#"^a$"#, 0x4000000000),
        (#"^$"#, 0x8000000000),
        (#"$^"#, 0x8000000000),
        (#""#, 0xFFFFFFFFFF),
        (#"^"#, 0xFFFFFFFFFF),
        (#"$"#, 0xFFFFFFFFFF),
        (#"a|b"#, 0x6FF7FFFFFE),
        (#"^a|b$"#, 0x6E97FD2492),
        (#"^(a|b)$"#, 0x6000000000),
        (#"^(?:a|b)*$"#, 0xED86C36000),
        (#"^a+b?$"#, 0x4C06000000),
        (#"ab"#, 0x0402E10080),
        (#"a.b"#, 0x0002480000),
        (#"^a.?1"#, 0x02013C0000),
        (#"[ab]1"#, 0x02413C9E48),
        (#"[^a]"#, 0x37FBFFFFFF),
        (#"^[^ab]+$"#, 0x1008000001),
        (#"^\d+$"#, 0x1008000001),
        (#"\d{2}"#, 0x0008040207),
        (#"^\w{2}$"#, 0x0FF8000000),
        (#"^\D*$"#, 0xED86C36000),
        (#"\W"#, 0x0000000000),
        (#"^a{2}$"#, 0x0800000000),
        (#"^a{1,2}b*$"#, 0x4C02400000),
        (#"^a{0,1}$"#, 0xC000000000),
        (#"a{2,}"#, 0x0807020100),
        (#"^(ab){1,2}$"#, 0x0400000000),
        (#"^(a*)*$"#, 0xC804000000),
        (#"(a|$)b?$"#, 0xFFFFFFFFFF),
        (#"^a*?b+?$"#, 0x2482402000),
        (#"(^a|1)b"#, 0x0410E8043A),
        (#"b(^|1)"#, 0x0040201E08),
        (#"^((a|b)1?)+$"#, 0x6FC7FBFC00),
        (#"(?P<x>a)\x31"#, 0x02011C8040),
        (#"\u0061b"#, 0x0402E10080),
        (#"^[a-b]{3}$"#, 0x0006C36000),
        (#"[1-9a]b"#, 0x0412E904BA),
        (#"^(a|ab)(1|b1)$"#, 0x0200200000),
        (#"^(?:|a|ab)$"#, 0xC400000000),
        (#"a{2"#, 0x0000000000),
        (#"^[-a]+$"#, 0x4804000000),
        (#"^[a-]+$"#, 0x4804000000),
        (#"^(?:(?:a?){3})$"#, 0xC804000000),
        (#"^(?:a|b){2}1$"#, 0x0001209000),
        (#"1^a"#, 0x0000000000),
        (#"a$b"#, 0x0000000000),
        (#"(a$|b)1?"#, 0x6DF6FBFFBE),
        (#"^.{2}$"#, 0x0FF8000000),
        (#"^.{0,2}a$"#, 0x4924924924),
        (#"[\da]b"#, 0x0412E904BA),
        (#"[^\d]b"#, 0x0482E17090),
        (#"^[^\W]$"#, 0x7000000000),
        (#"(^)*a"#, 0x4F27FFC9E4),
        (#"b(?:$)+"#, 0x2492492492),
        (#"^(?:a|)(?:b|)$"#, 0xE400000000),
    ]

    @Test("match the texts that Python's re.search finds them in", arguments: patterns)
    func search(_ pattern: String, _ found: UInt64) throws {
        let texts = Self.texts(["a", "b", "1"], upTo: 3)
        #expect(texts.count == 40)
        let grammar: Grammar
        do { grammar = try Self.grammar(pattern) } catch {
            #expect(found == 0 && "\(error)".contains("matches no string"))
            return
        }
        var checker = try GrammarChecker(grammar)
        for (index, text) in texts.enumerated() {
            let isFound = found >> UInt64(39 - index) & 1 == 1
            let isAccepted = try checker.accepts("\"\(text)\"")
            #expect(isAccepted == isFound, "\(text)")
        }
    }

    @Test("lengths hold as well", arguments: [(0, 1), (1, 2), (2, 2), (3, 3)])
    func lengths(_ minimum: Int, _ maximum: Int) throws {
        for (pattern, found) in Self.patterns where found != 0 {
            let texts = Self.texts(["a", "b", "1"], upTo: 3)
            let valid = texts.indices.filter { index in
                found >> UInt64(39 - index) & 1 == 1
                    && (minimum...maximum).contains(texts[index].count)
            }
            let rest = ",\"minLength\":\(minimum),\"maxLength\":\(maximum)"
            guard let grammar = try? Self.grammar(pattern, rest) else {
                #expect(valid.isEmpty, "\(pattern)")
                continue
            }
            var checker = try GrammarChecker(grammar)
            for index in texts.indices {
                let isAccepted = try checker.accepts("\"\(texts[index])\"")
                #expect(isAccepted == valid.contains(index), "\(pattern) \(texts[index])")
            }
        }
    }

    @Test("characters that a string escapes are escaped")
    func escapes() throws {
        let control = try Self.grammar(#"^[\x00-\x1f"\\]$"#)
        for text in [
            #""\n""#, #""\t""#, #""\u0000""#, #""\u001f""#, #""\"""#, #""\\""#, #""\u000a""#,
        ] {
            #expect(try control.accepts(text), "\(text)")
        }
        for text in ["\"\n\"", #""\""#, #"""""#, #""a""#, #""\u0022a""#] {
            #expect(try !control.accepts(text), "\(text)")
        }
        let other = try Self.grammar(#"^[^a\n]$"#)
        for text in [#""é""#, #""✓""#, #""😀""#, #""\r""#, #""\"""#] {
            #expect(try other.accepts(text), "\(text)")
        }
        for text in [#""a""#, #""\n""#, #""ab""#, #""""#] { #expect(try !other.accepts(text)) }
        let range = try Self.grammar("^[à-ü]{2}$")
        #expect(try range.accepts("\"éù\"") && !range.accepts("\"ea\""))
    }

    @Test("where dialects differ, texts keep to all of them")
    func dialects() throws {
        // Digits and letters of other scripts are \d and \w in Python alone.
        #expect(try !Self.grammar(#"^\d$"#).accepts("\"٣\""))
        #expect(try !Self.grammar(#"^\D$"#).accepts("\"٣\""))
        #expect(try !Self.grammar(#"^\w$"#).accepts("\"é\""))
        #expect(try !Self.grammar(#"^\W$"#).accepts("\"é\""))
        #expect(try Self.grammar(#"^\W$"#).accepts("\"→\""))
        #expect(try Self.grammar(#"^\S$"#).accepts("\"é\""))
        #expect(try !Self.grammar(#"^.$"#).accepts("\"\u{2028}\""))
        // Before a last end of line, `$` matches in Python alone.
        #expect(try !Self.grammar("^a$").accepts(#""a\n""#))
    }

    @Test(
        "what a finite automaton cannot hold, or programs read differently, is refused by name",
        arguments: [
            (#"(a)\1"#, #"'\1'"#), ("(?=a)", "'(?='"), ("(?!a)", "'(?!'"), ("(?<=a)b", "behind"),
            ("(?i)a", "'(?i'"), (#"\bword"#, #"'\b'"#), (#"\p{L}"#, #"'\p'"#),
            ("a**", "repetition"), ("*a", "nothing to repeat"), ("(a", "no ')'"),
            ("a)", "without '('"), ("[a", "no ']'"),
            ("[]a]", "begins with"), ("[b-a]", "range"), ("a{2,1}", "m above n"), ("a{,2}", "{,n}"),
            ("a{99999}", "not supported"), ("^*", "anchor"), ("\\", "at the end"),
            (#"\x1"#, "digits"), (#"\ud800"#, "digits"),
            (String(repeating: "(", count: 10_000), "nested"),
            ("(?:(?:a{100}){100}){100}", "too many rules"), ("(a|b)*a(a|b){16}$", "too many rules"),
        ])
    func refusals(_ pattern: String, _ detail: String) {
        #expect {
            try Self.grammar(pattern)
        } throws: { error in
            "\(error)".hasPrefix("grammar: #: pattern") && "\(error)".contains(detail)
        }
    }
}

import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Expressions")
struct ExpressionTests {
    private func matches(_ source: String, _ text: String) throws -> [String] {
        let bytes = Array(text.utf8)
        var found: [String] = []
        try Expression(source).forEachMatch(in: bytes, 0..<bytes.count, isByteLevel: false) {
            found.append(String(decoding: bytes[$0], as: UTF8.self))
        }
        return found
    }

    @Test(
        "matches are those of the definition",
        arguments: [
            ("a|ab", "abab", ["a", "a"]), ("ab|a", "aba", ["ab", "a"]),
            ("a+?b", "ab", []), ("(?:ab){2}", "ababab", ["abab"]),
            ("a{1,2}", "aaaaa", ["aa", "aa", "a"]), ("a{2,}", "a aa aaa", ["aa", "aaa"]),
            ("a++a", "aaa", []), ("a?+b", "aab", ["ab"]), ("x*", "axxb", ["xx"]),
            ("(?>a|ab)c", "abc", []), ("a(?=b)", "abac", ["a"]), ("a(?!b)", "abac", ["a"]),
            ("(?i:ss|K)x", "\u{17F}Sxk\u{212A}xKx", ["\u{17F}Sx", "\u{212A}x", "Kx"]),
            (#"[^\s\p{L}]+"#, "ab 12-é", ["12-"]),
            (#"\p{Lu}\p{Ll}*"#, "HelloWorld", ["Hello", "World"]),
            (#"\p{^L}\P{N}"#, "a1b22", ["1b"]), (#"[a\-c]+"#, "ab-c", ["a", "-c"]),
            (#"\w+"#, "a_b-¼e\u{301}", ["a_b", "¼e\u{301}"]), (#"\d\D"#, "1a٣b²c", ["1a", "٣b"]),
            (#"\x41\u0042\x{43}"#, "ABC", ["ABC"]), (".", "a\n日", ["a", "日"]), ("", "ab", []),
        ])
    func definition(_ source: String, _ text: String, _ expected: [String]) throws {
        guard source != "a+?b" else {
            // Lazy quantifiers are not read.
            #expect(throws: BitNetError.self) { try matches(source, text) }
            return
        }
        #expect(try matches(source, text) == expected)
    }

    @Test(
        "what is not understood is refused, showing the expression",
        arguments: [
            "a*?", "(?<=a)b", "(?<n>a)", "^a", "a$", "(a", "a)", "[a", "[]", "[z-a]", "[[a]b]",
            "[a&&b]", #"\p{Han}"#, #"\b"#, #"\1"#, "a{2,1}", "a{1001}", "a{x}", "*a", "a**", "\\",
            #"\x{110000}"#, "(?=a)*", "a{1}{2}", String(repeating: "(", count: 100),
            "(?:(?:a{1000}){1000}){1000}", "(?:a*)*", "(?:a*)*b|.", "(?:a|b?)+", "(?:(?:a?){3})++",
        ])
    func refused(_ source: String) {
        #expect {
            try Expression(source)
        } throws: {
            ($0 as? BitNetError)?.description.contains(source) == true
        }
    }

    @Test("expressions that other matchers take for ever on end soon", .timeLimit(.minutes(10)))
    func catastrophic() throws {
        let text = String(repeating: "a", count: 500)
        #expect(try matches("(?:a+)+b", text) == [])
        #expect(try matches("(?:a|aa)+b", text) == [])
    }

    @Test(
        "the steps for a run are linear in its length",
        arguments: [
            ("a*b|.", "a"), ("(?:a?){40}b|.", "a"), ("a*+b|.", "a"), ("(?=a*b)a|.", "a"),
            ("(?!a*b)a|.", "a"), ("(?>a*)b|a", "a"), (#"\s*x|\s"#, " "), (#"\s+(?!\S)|\s+"#, " "),
            ("(?:a|ab|b)*c|.", "ab"), ("(?:(?:a+b)+c)+d|.", "ab"), ("[ab]*a[ab]*c|.", "ab"),
            (#"\p{L}++(?=\p{N}*!)|."#, "a1"), (PreTokenizer.llama3.expression, "\n a"),
        ])
    func linear(_ source: String, _ part: String) throws {
        let expression = try Expression(source)
        func steps(_ count: Int) throws -> (steps: Int, matches: Int) {
            let bytes = Array(String(repeating: part, count: count).utf8)
            var matches = 0
            let effort = Effort()
            try expression.forEachMatch(
                in: bytes, 0..<bytes.count, isByteLevel: false, effort: effort
            ) { _ in matches += 1 }
            return (effort.total, matches)
        }
        let (one, two) = (try steps(1000), try steps(2000))
        #expect(one.matches > 0 && two.matches <= 2 * one.matches + 1)
        // Twice the text, twice the steps; a little is left for what is walked again.
        #expect(two.steps <= 2 * one.steps + one.steps / 10 + 1000)
    }

    @Test("a text with more ways to go on than are noted is refused, others are matched")
    func notes() throws {
        let text = String(repeating: "a", count: 20_000)
        // Every branch is tried for every character, and none is left over.
        #expect(try matches("(?:(?:b?){120}a)+", text) == [text])
        #expect(try matches("(?:a?){100}b|a+", text) == [text])
        #expect(try matches("(?=a*)a+", text) == [text])
        for source in ["(?:(?:|b){120}a)+", "(?=(?:(?:b?){120}a)+)a+", "(?>(?:(?:b?){120}a)+)"] {
            #expect {
                try matches(source, text)
            } throws: {
                "\($0)".contains("too many ways") && "\($0)".contains(source)
            }
            #expect(try matches(source, "aa") == ["aa"])
        }
    }

    @Test("a match after others that failed is that of the definition")
    func remembered() throws {
        #expect(try matches("a*b|a", "aaacaab") == ["a", "a", "a", "aab"])
        #expect(try matches("(?:a|ab)(?:c|bcd)|b", "abcdabx") == ["abcd", "b"])
        #expect(try matches("(?=a*b)a|c", "aacaab") == ["c", "a", "a"])
        #expect(
            try matches("(?=[ab]*c)a{2}|a", "aaaaaaaaaaaaab") == [String](repeating: "a", count: 13)
        )
        let long = String(repeating: "a", count: 40)
        #expect(try matches("(?=a*b)aa|.", long + "b").count == 21)
        #expect(try matches("a*+b|ac", long + "c" + long + "b") == ["ac", long + "b"])
    }
}

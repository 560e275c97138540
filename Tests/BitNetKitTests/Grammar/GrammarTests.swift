import BitNetSampleModel
import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Grammars")
struct GrammarTests {
    /// A vocabulary of the 256 bytes and pieces of several, parts of characters among them.
    static func tokenizer() throws -> Tokenizer {
        let pairs = [
            ("a", "b"), ("a", "a"), ("b", "\""), ("\"", ","), ("\"", ":"), ("{", "\""), ("}", "]"),
            ("0", "1"), ("[", "0"), (",", "a"),
        ].map { (Int($0.utf8.first ?? 0), Int($1.utf8.first ?? 0)) }
        // "ab" + "\"", "aa" + "ab"; é is C3 A9, ✓ is E2 9C 93.
        let more = [
            (256, 0x22), (257, 256), (0xC3, 0xA9), (0xE2, 0x9C), (0x61, 0xC3), (0x93, 0x61),
        ]
        return try Tokenizer(gguf: TokenizerFixtures.vocabulary(merges: pairs + more))
    }

    static let grammars = [
        #"root ::= "a" | "ab" | "b\"" "#,
        #"root ::= [ab]* "0""#, #"root ::= ("a" | "b" root "b")"#,
        #"root ::= item ("," item){0,2}  # a list"# + "\n" + #"item ::= [a-b] [0-1]?"#,
        #"root ::= "é"+ | [^ab01,:{}\[\]"] "a"?"#, "root ::= .",
        #"root ::= ("a"* "b"*)*"#, #"root ::= ("a"?)* "b"{2,3}"#, #"root ::= "a"{2,} "0""#,
        #"root ::= value"# + "\n" + #"value ::= "[" (value ("," value)*)? "]" | "0""#,
        "root ::= left right\nleft ::= \"a\" left | \"\"\nright ::= \"b\" |\n  \"\\x61\" \"\\u2713\"",
    ]

    @Test("masks are those of a brute-force search", arguments: grammars)
    func masks(_ source: String) throws {
        let tokenizer = try Self.tokenizer()
        let trie = VocabularyTrie(tokenizer)
        let grammar = try Grammar(gbnf: source)
        // Longer by what completes the longest beginning that is looked at.
        let oracle = GrammarOracle(try GBNFParser.rules(of: source), root: "root", length: 9)
        #expect(!oracle.texts.isEmpty)
        var generator = SplitMix64(seed: 7)
        var mask = TokenMask(count: trie.count)
        for _ in 0..<25 {
            var state = GrammarState(grammar, trie)
            var text: [UInt8] = []
            while text.count < 3 {
                try state.allow(&mask)
                var allowed: [Int] = []
                for token in 0..<trie.count {
                    let bytes = try #require(tokenizer.bytes(of: token))
                    guard bytes.allSatisfy(GrammarOracle.bytes.contains) else { continue }
                    let isAllowed = oracle.allows(text + bytes)
                    #expect(mask.contains(token) == isAllowed, "\(text) \(bytes)")
                    if isAllowed { allowed.append(token) }
                }
                #expect(state.isAccepting == oracle.texts.contains(text))
                guard let token = allowed.randomElement(using: &generator) else { break }
                text += try #require(tokenizer.bytes(of: token))
                state.accept(token)
            }
        }
    }

    @Test("end tokens come where a text can end, special tokens never, wrong ones end everything")
    func ends() throws {
        let tokenizer = try TokenizerFixtures.tiny()
        let trie = VocabularyTrie(tokenizer)
        var state = GrammarState(try Grammar(gbnf: #"root ::= "a"*"#), trie)
        var mask = TokenMask(count: tokenizer.vocabularySize + 5)
        let end = try #require(tokenizer.endTokens.first)
        for _ in 0..<3 {
            try state.allow(&mask)
            #expect(mask.contains(end))
            for token in 0..<mask.count where tokenizer.isSpecial(token) {
                #expect(mask.contains(token) == tokenizer.endTokens.contains(token))
            }
            state.accept(try #require(tokenizer.encode("a").first))
        }
        state.accept(end)
        #expect(state.isAccepting)
        state.accept(try #require(tokenizer.encode("b").first))
        try state.allow(&mask)
        #expect(mask.isEmpty && !state.isAccepting)
        state.accept(-1)
        state.accept(1 << 40)
    }

    @Test("two responses with one matcher do not disturb each other")
    func sharing() throws {
        let tokenizer = try Self.tokenizer()
        let matcher = GrammarMatcher(
            try Grammar(gbnf: #"root ::= "ab" | "ba""#), VocabularyTrie(tokenizer))
        var first = GrammarState(matcher)
        var second = GrammarState(matcher)
        let (a, b) = try (tokenizer.encode("a")[0], tokenizer.encode("b")[0])
        first.accept(a)
        second.accept(b)
        var mask = TokenMask(count: tokenizer.vocabularySize)
        try first.allow(&mask)
        #expect(mask.contains(b) && !mask.contains(a))
        try second.allow(&mask)
        #expect(mask.contains(a) && !mask.contains(b))
    }

    @Test(
        "what is malformed, left-recursive or endless is refused",
        arguments: [
            ("", "there is no rule 'root'"), ("root ::= x", "there is no rule 'x'"),
            ("root ::= \"a\"\nroot ::= \"b\"", "the rule 'root' is there twice"),
            ("root ::= \"a", "line 1: a literal has no end"), ("root ::= [a", "has no end"),
            ("root ::= [b-a]", "is empty"), ("root ::= (\"a\"", "a group has no ')'"),
            ("root ::= \"a\")", "unexpected ')'"), ("root = \"a\"", "expected '::='"),
            ("root ::= \"a\"{2,1}", "expected {m}"), ("root ::= \"a\"{99999}", "not supported"),
            ("root ::= \"\\q\"", "the escape '\\q'"), ("root ::= root \"a\" | \"b\"", "itself"),
            ("root ::= \"\" x\nx ::= root? root \"a\" | \"\"", "begins with itself"),
            ("root ::= \"a\" root", "has no end"), ("root ::= x\nx ::= x", "has no end"),
            ("\n\n  \u{7F}", "line 3: unexpected"), ("root ::= \"\\ud800\"", "not a character"),
            ("root ::= " + String(repeating: "(", count: 100_000), "nested"),
            ("root ::= \"a\"" + String(repeating: "*", count: 100_000), "more than 4 times"),
            ("root ::= " + String(repeating: "\"a\"{9999} ", count: 120), "too large"),
        ])
    func refusals(_ source: String, _ detail: String) {
        #expect {
            try Grammar(gbnf: source)
        } throws: { error in
            "\(error)".hasPrefix("grammar: ") && "\(error)".contains(detail)
        }
    }

    @Test("rules that may match nothing over and over do not hang")
    func emptyLoops() throws {
        let trie = VocabularyTrie(try Self.tokenizer())
        let sources = [
            "root ::= (\"\")* \"a\"", "root ::= ((\"a\"*)*)*",
            "root ::= x* \nx ::= y?\ny ::= \"b\"?",
            "root ::= x | \"a\"\nx ::= root | \"b\"",
        ]
        for source in sources {
            var state = GrammarState(try Grammar(gbnf: source), trie)
            var mask = TokenMask(count: trie.count)
            try state.allow(&mask)
            #expect(mask.contains(0x61) || mask.contains(0x62))
        }
    }

    @Test("no mutation of a grammar crashes", arguments: 0..<4)
    func fuzz(_ seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let trie = VocabularyTrie(try Self.tokenizer())
        var compiled = 0
        for _ in 0..<250 {
            var scalars = Array(
                Self.grammars[Int.random(in: 0..<Self.grammars.count, using: &generator)]
                    .unicodeScalars)
            for _ in 0..<Int.random(in: 1...3, using: &generator) where !scalars.isEmpty {
                let place = Int.random(in: 0..<scalars.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: scalars.remove(at: place)
                case 1: scalars.swapAt(place, Int.random(in: 0..<scalars.count, using: &generator))
                default:
                    scalars.insert(
                        "()[]{}*+?|\"\\^-.".unicodeScalars.randomElement(using: &generator) ?? "(",
                        at: place)
                }
            }
            var text = String.UnicodeScalarView()
            text.append(contentsOf: scalars)
            guard let grammar = try? Grammar(gbnf: String(text)) else { continue }
            compiled += 1
            var state = GrammarState(grammar, trie)
            var mask = TokenMask(count: trie.count)
            try state.allow(&mask)
            state.accept(0x61)
            try state.allow(&mask)
        }
        #expect(compiled > 10)
    }
}

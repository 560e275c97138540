import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Limits of grammars")
struct GrammarLimitTests {
    private func word(_ number: Int) -> String { "w" + String(number, radix: 36) }

    @Test("thousands of words are a tree, and none of them is lost")
    func manyWords() throws {
        let words = (0..<9000).map(word)
        let quoted = words.map { "\"\($0)\"" }
        let literals = words.map { #""\"" "\#($0)" "\"""# }
        let grammars = [
            try Grammar(gbnf: "root ::= " + literals.joined(separator: " | ")),
            try Grammar(jsonSchema: "{\"enum\":[" + quoted.joined(separator: ",") + "]}"),
            try Grammar(
                jsonSchema: "{\"anyOf\":["
                    + quoted.map { "{\"const\":\($0)}" }.joined(separator: ",") + "]}"),
        ]
        for grammar in grammars {
            var checker = try GrammarChecker(grammar)
            let lost = try stride(from: 0, to: 9000, by: 97).filter { index in
                try !checker.accepts("\"\(words[index])\"")
            }
            #expect(lost.isEmpty)
            #expect(try !grammar.accepts("\"\(word(9000))\"") && !grammar.accepts("\"w\""))
        }
    }

    @Test("alternatives that begin alike keep what follows them")
    func prefixes() throws {
        let texts = ["", "a", "ab", "abc", "abd", "b", "ba", "bab", "é", "è", "ab", "c"]
        let rules = texts.map { "\"\($0)\" x" }.joined(separator: " | ")
        let grammar = try Grammar(gbnf: "root ::= \(rules) | x \"!\"\nx ::= \"1\"?")
        for text in texts {
            #expect(try grammar.accepts(text) && grammar.accepts(text + "1"), "\(text)")
            #expect(try !grammar.accepts(text + "x"))
        }
        #expect(try grammar.accepts("1!") && grammar.accepts("!") && !grammar.accepts("a!"))
    }

    /// Rules that begin in `count` ways which no common beginning joins.
    private func ambiguous(_ count: Int) -> String {
        let rules = (0..<count).map { "r\($0) ::= [a-b] \"\($0)\"" }
        return "root ::= " + (0..<count).map { "r\($0)" }.joined(separator: " | ") + "\n"
            + rules.joined(separator: "\n")
    }

    @Test("as many stacks as the bound are all followed, one more is an error")
    func stacks() throws {
        let most = GrammarAutomaton.maximumStacks
        let grammar = try Grammar(gbnf: ambiguous(most))
        for number in [0, 1, most / 2, most - 1] { #expect(try grammar.accepts("a\(number)")) }
        #expect {
            try Grammar(gbnf: ambiguous(most + 1))
        } throws: { "\($0)".contains("more than \(most) ways") }
    }

    @Test("too many stacks after some tokens are an error, not a lost text")
    func stacksLater() throws {
        let rules = ambiguous(GrammarAutomaton.maximumStacks + 1)
            .replacing("root ::=", with: "later ::=")
        let grammar = try Grammar(gbnf: "root ::= \"a\" later\n" + rules)
        let trie = VocabularyTrie(try GrammarTests.tokenizer())
        var state = GrammarState(grammar, trie)
        state.accept(0x61)
        #expect(!state.isAccepting)
        var mask = TokenMask(count: trie.count)
        #expect(throws: BitNetError.self) { try state.allow(&mask) }
    }

    @Test("a token that costs too much is an error, whatever is known already")
    func cost() throws {
        // Each byte of a long token doubles what may follow; a vocabulary has many such tokens.
        let source =
            "root ::= " + String(repeating: "(a | b)", count: 1) + " root | \"x\"\n"
            + "a ::= [a-z] a?\nb ::= [a-z] b?"
        let trie = VocabularyTrie(try GrammarTests.tokenizer())
        let matcher = GrammarMatcher(try Grammar(gbnf: source), trie)
        var first = GrammarState(matcher)
        var mask = TokenMask(count: trie.count)
        try first.allow(&mask)
        #expect(mask.contains(0x61))
        var automaton = GrammarAutomaton(try Grammar(gbnf: source).program)
        var spent: [Bool] = []
        for _ in 0..<2 {
            automaton.beginToken()
            var failed = false
            do {
                var state = automaton.state(of: try automaton.start())
                for _ in 0..<GrammarAutomaton.maximumCost / 64 {
                    state = try automaton.next(state, 0x61)
                }
            } catch { failed = true }
            spent.append(failed)
        }
        #expect(spent[0] == spent[1])
    }

    @Test("lists and objects inside each other do not multiply", arguments: [1, 16, 30])
    func nesting(_ depth: Int) throws {
        var list = #"{"type":"integer"}"#
        var object = #"{"type":"integer"}"#
        for _ in 0..<depth {
            list = #"{"type":"array","items":\#(list)}"#
            object = #"{"type":"object","properties":{"a":\#(object),"b":{"type":"null"}}}"#
        }
        let lists = try Grammar(jsonSchema: list)
        let objects = try Grammar(jsonSchema: object)
        #expect(lists.program.symbols.count < 200 * (depth + 1))
        #expect(objects.program.symbols.count < 200 * (depth + 1))
        let open = String(repeating: "[", count: depth)
        let close = String(repeating: "]", count: depth)
        #expect(try lists.accepts("\(open)1,2\(close)") && !lists.accepts("[\(open)1\(close)]"))
        let start = String(repeating: #"{"a":"#, count: depth)
        let end = String(repeating: #","b":null}"#, count: depth)
        #expect(try objects.accepts("\(start)7\(end)") && objects.accepts("{}"))
    }

    @Test("rules grow with the number of properties and required names, not with its square")
    func requiredNames() throws {
        func size(_ count: Int) throws -> Int {
            let names = (0..<count).map { "\"\(word($0 + 50_000))\"" }
            let properties = names.map { "\($0):{\"type\":\"null\"}" }.joined(separator: ",")
            let grammar = try Grammar(
                jsonSchema: "{\"properties\":{\(properties)},\"required\":["
                    + names.joined(separator: ",") + "]}")
            if count < 1000 {
                let members = names.map { "\($0):null" }
                #expect(try grammar.accepts("{" + members.joined(separator: ",") + "}"))
                #expect(try !grammar.accepts("{" + members.dropLast().joined(separator: ",") + "}"))
            }
            return grammar.program.symbols.count
        }
        let few = try size(300)
        #expect(try size(6_000) < 22 * few)
    }

    @Test("a thousand optional properties may come in any selection, in order")
    func optionalProperties() throws {
        let names = (0..<1000).map(word)
        let properties = names.map { "\"\($0)\":{\"type\":\"null\"}" }.joined(separator: ",")
        let grammar = try Grammar(
            jsonSchema: "{\"properties\":{\(properties)},\"required\":[\"\(names[500])\"]}")
        func text(_ indices: [Int]) -> String {
            "{" + indices.map { "\"\(names[$0])\":null" }.joined(separator: ", ") + "}"
        }
        for indices in [[500], [0, 500, 999], [1, 2, 3, 500], [499, 500, 501]] {
            #expect(try grammar.accepts(text(indices)), "\(indices)")
        }
        for indices in [[], [0], [501, 500], [500, 500], [999]] {
            #expect(try !grammar.accepts(text(indices)), "\(indices)")
        }
    }

    private func refusal(_ make: () throws(BitNetError) -> Grammar) -> String? {
        failure(make).flatMap { if case .grammar(let detail) = $0 { detail } else { nil } }
    }

    @Test("counts, groups and repetitions have limits, just inside which they work")
    func edges() throws {
        let most = GBNFParser.maximumCount
        #expect(try Grammar(gbnf: "root ::= \"a\"{\(most)}").program.symbols.count > most)
        func group(_ depth: Int) -> String {
            let open = String(repeating: "(", count: depth)
            return "root ::= \(open)\"a\"" + String(repeating: ")", count: depth)
        }
        #expect(try Grammar(gbnf: group(63)).accepts("a"))
        #expect(try Grammar(gbnf: "root ::= \"a\"**+?").accepts("aa"))
        for (text, words) in [
            ("root ::= \"a\"{\(most + 1)}", "more than 10000"),
            ("root ::= \"a\"{1,1000000}", "more than 10000"), (group(64), "deeper than 64"),
            ("root ::= \"a\"**+?+", "more than 4 times"),
            ("root ::= root \"a\" | \"b\"", "begins with itself"),
            ("root ::= a\na ::= b \"x\"\nb ::= \"\" a | \"c\"", "begins with itself"),
            ("root ::= \"a\" root", "has no end"),
            (
                "root ::= [a-z]{10000} x\n"
                    + (0..<110).map { "x\($0) ::= \"a\"{10000}" }
                    .joined(separator: "\n") + "\nx ::= x0", "too large"
            ),
        ] {
            let detail = refusal { () throws(BitNetError) in try Grammar(gbnf: text) }
            #expect(detail?.contains(words) == true, "\(text.prefix(60)): \(detail ?? "accepted")")
        }
    }

    @Test("parts that may be empty, over and over, end", .timeLimit(.minutes(10)))
    func emptyLoops() throws {
        for text in [
            "root ::= (\"\"*)* \"a\"", "root ::= ((\"b\"?)*)+ \"a\"",
            "root ::= x* \"a\"\nx ::= y?\ny ::= x?\n", "root ::= (\"b\"{0,50}){0,50} \"a\"",
        ] {
            do {
                #expect(try Grammar(gbnf: text).accepts("a"), "\(text)")
            } catch {
                guard case .grammar = error else { throw error }
            }
        }
    }

    @Test("long grammars of any kind are read or refused, in linear work", .timeLimit(.minutes(10)))
    func large() throws {
        let count = 1 << 18
        func repeated(_ part: String, of size: Int = 1 << 18) -> String {
            String(repeating: part, count: size / part.utf8.count)
        }
        let texts = [
            "root ::= \"" + repeated("a") + "\"",
            "root ::= " + repeated("\"a\" | ") + "\"a\"", "root ::= " + repeated("("),
            "root ::= " + repeated("[a-b]"), "root ::= [" + repeated("ab") + "]",
            "root ::= " + repeated("a"), repeated("a ::= a\n"), repeated("# x\n"),
            "root ::= " + repeated("\"a\"{9999} "), "root ::= " + repeated("\"a\"*"),
        ]
        for text in texts {
            let effort = Effort()
            do throws(BitNetError) {
                _ = try Grammar(gbnf: text, effort: effort)
            } catch {
                guard case .grammar = error else { throw error }
            }
            #expect(effort.total < 256 * count, "\(text.prefix(30))")
        }
        #expect(try Grammar(gbnf: texts[4]).accepts("b"))
        let most = GrammarProgram.maximumSize
        #expect(
            try Grammar(gbnf: "root ::= \"" + repeated("a", of: most - 1) + "\"").program.symbols
                .count == most)
        for text in ["\"" + repeated("a", of: most) + "\"", repeated("\"aaaaa\" ", of: 2 * most)] {
            #expect(
                refusal { () throws(BitNetError) in try Grammar(gbnf: "root ::= " + text) }?
                    .contains("too large: it has more than the 1048576 places") == true)
        }
        let detail = refusal { () throws(BitNetError) in
            try Grammar(gbnf: repeated(" ", of: Grammar.longestSource + 1))
        }
        #expect(detail?.contains("4194305 bytes, more than the 4194304") == true)
        let schema = refusal { () throws(BitNetError) in
            try Grammar(jsonSchema: repeated(" ", of: Grammar.longestSource + 1))
        }
        #expect(schema?.contains("4194305 bytes, more than the 4194304") == true)
    }

    @Test("schemas are read in work that grows with their length, not with its square")
    func schemaWork() throws {
        func scalar(_ index: Int) -> String { String(UnicodeScalar(0x4E00 + index) ?? "x") }
        let kinds: [(String, (Int) -> String)] = [
            (
                "names of their own",
                { count in
                    let keys = (0..<count).map { "\"\(scalar($0))\":{}" }.joined(separator: ",")
                    return "{\"additionalProperties\":true,\"properties\":{\(keys)}}"
                }
            ),
            (
                "a long name around many",
                { count in
                    let name = String(repeating: "n", count: 20 * count)
                    let keys = (0..<count).map { "\"k\($0)\":{}" }.joined(separator: ",")
                    return "{\"properties\":{\"\(name)\":{\"properties\":{\(keys)}}}}"
                }
            ),
            (
                "values",
                { count in "{\"enum\":[" + (0..<count).map { "\($0)" }.joined(separator: ",") + "]}"
                }
            ),
        ]
        for (name, make) in kinds {
            func steps(_ count: Int) throws -> Int {
                let effort = Effort()
                _ = try Grammar(jsonSchema: make(count), effort: effort)
                return effort.total
            }
            let (one, two) = (try steps(500), try steps(1000))
            #expect(two <= 2 * one + one / 2 + 1000, "\(name): \(one), \(two)")
        }
    }

    @Test("compiling ends soon after it is cancelled")
    func cancelled() throws {
        let words = (0..<40_000).map { "\"\(word($0))\"" }
        let makers: [(String, (Effort) throws(BitNetError) -> Grammar)] = [
            (
                "gbnf",
                { (effort) throws(BitNetError) in
                    try Grammar(gbnf: "root ::= " + words.joined(separator: " | "), effort: effort)
                }
            ),
            (
                "enum",
                { (effort) throws(BitNetError) in
                    try Grammar(
                        jsonSchema: "{\"enum\":[" + words.joined(separator: ",") + "]}",
                        effort: effort)
                }
            ),
            (
                "numbers",
                { (effort) throws(BitNetError) in
                    try Grammar(
                        jsonSchema: #"{"type":"integer","multipleOf":9973,"maximum":1e12}"#,
                        effort: effort)
                }
            ),
            (
                "pattern",
                { (effort) throws(BitNetError) in
                    try Grammar(
                        jsonSchema: #"{"type":"string","pattern":"(a|b|c|d)*a(a|b){11}"}"#,
                        effort: effort)
                }
            ),
        ]
        for (name, make) in makers {
            var asked = 0
            let effort = Effort {
                asked += 1
                return asked > 2
            }
            let error = failure { () throws(BitNetError) in try make(effort) }
            #expect(error == .cancelled, "\(name)")
        }
    }

    @Test("what leads nowhere costs, too: places on the way are counted")
    func hiddenCost() throws {
        // Every byte goes through thousands of rules, of which few places are left.
        let rules = (0..<2000).map { "r\($0) ::= r\($0 + 1)?" }.joined(separator: "\n")
        let grammar = try Grammar(
            gbnf: "root ::= ([a-z] r0)*\n\(rules)\nr2000 ::= \"0\"")
        var automaton = GrammarAutomaton(grammar.program)
        automaton.beginToken()
        var state = automaton.state(of: try automaton.start())
        state = try automaton.next(state, 0x61)
        #expect(automaton.cost > 2000)
        let (once, stacks) = (automaton.cost, automaton.stacks(of: state).count)
        #expect(stacks < 10)
        automaton.beginToken()
        #expect(automaton.cost == 0)
        _ = try automaton.next(automaton.state(of: try automaton.start()), 0x61)
        #expect(automaton.cost == once)
    }
}

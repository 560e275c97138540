import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Every row of the article on limits, and the test that goes to its edge.
@Suite("The article on limits")
struct LimitArticleTests {
    /// Rows by how they begin, and the test: a file of the tests and a function in it.
    private static let tests: [(row: String, file: String, function: String)] = [
        ("JSON (", "Formats/FileLimitTests", "json"), ("JSON (", here, "jsonDepth"),
        ("header of a safetensors file", here, "safetensorsHeader"),
        ("entries of `__metadata__`", "Formats/FileLimitTests", "metadata"),
        ("tensors in a file", "Formats/FileLimitTests", "tensors"),
        ("metadata entries of a GGUF", "Formats/FileLimitTests", "metadata"),
        ("arrays inside each other", "Formats/FileLimitTests", "arrays"),
        ("dimensions of a tensor", "Formats/FileLimitTests", "dimensions"),
        ("`general.alignment`", here, "alignment"),
        ("what comes through a pipe", "Formats/PipeInputTests", "gguf"),
        ("vocabulary, context, hidden", here, "sizes"), ("layers; dimension", here, "sizes"),
        ("tokens of a prompt", "Model/GenerationLimitTests", "tooLong"),
        ("`topLogProbabilities`", here, "options"),
        ("objects and lists", "Formats/FileLimitTests", "decodedParts"),
        ("a file with a vocabulary", "Formats/FileLimitTests", "vocabularies"),
        ("special and user-defined", "Formats/FileLimitTests", "vocabularies"),
        ("text of all added tokens", "Tokenizer/HostileTextTests", "addedTokenLimit"),
        ("ids without a token", here, "holes"),
        ("normalisers, pre-tokenizers", "Tokenizer/HostileTextTests", "stepLimit"),
        ("what a normaliser makes of one", "Formats/FileLimitTests", "tokenizers"),
        ("what a normaliser makes of all", "Tokenizer/TextLimitTests", "growth"),
        ("expressions that cut", "Formats/FileLimitTests", "expressions"),
        ("expressions that cut", "Formats/FileLimitTests", "tokenizers"),
        ("branches that an expression", "Tokenizer/ExpressionTests", "notes"),
        ("a text, before", "Tokenizer/HostileTextTests", "length"),
        ("words that are remembered", "Tokenizer/HostileTextTests", "wordCache"),
        ("source of a chat template", "Tokenizer/HostileTextTests", "templateLength"),
        ("work of a template", "Chat/JinjaLimitTests", "multiplied"),
        ("nesting of statements", here, "templateNesting"),
        ("nesting of calls", here, "templateValues"),
        ("items of a `range`", here, "templateValues"),
        ("source of a ``Grammar``", "Grammar/GrammarLimitTests", "large"),
        ("groups in each other", here, "grammarNesting"),
        ("a count (", "Grammar/GrammarLimitTests", "edges"),
        ("places, repetitions", "Grammar/GrammarLimitTests", "large"),
        ("states of a `pattern`", here, "patternStates"),
        ("ways to go on", "Grammar/GrammarLimitTests", "stacks"),
        ("steps for a token", "Grammar/GrammarLimitTests", "cost"),
        ("masks and states", here, "keptMasks"),
        ("a prompt or a message that", "CommandLine/CommandLineStreamTests", "endless"),
    ]
    private static let here = "Faults/LimitArticleTests"

    @Test("each row has a test that is there, and no test is for a row that is gone")
    func rows() throws {
        let root = ReferenceData.packageRoot
        let article = try String(
            contentsOf: root.appendingPathComponent(
                "Sources/BitNetKit/BitNetKit.docc/Limits.md"), encoding: .utf8)
        let rows = article.split(separator: "\n").filter { $0.hasPrefix("| ") }
            .map { $0.dropFirst(2) }.filter { !$0.hasPrefix("what |") }
        try #require(rows.count > 25)
        for row in rows {
            #expect(Self.tests.contains { row.hasPrefix($0.row) }, "\(row)")
        }
        for test in Self.tests {
            #expect(rows.contains { $0.hasPrefix(test.row) }, "\(test.row)")
            let source = try String(
                contentsOf: root.appendingPathComponent("Tests/BitNetKitTests/\(test.file).swift"),
                encoding: .utf8)
            #expect(source.contains("func \(test.function)("), "\(test.file) \(test.function)")
        }
    }

    /// The largest number up to `end` for which `body` throws nothing; it does for none above.
    private func largest(upTo end: Int, _ body: (Int) throws -> Void) -> Int {
        var (works, fails) = (0, end + 1)
        while works + 1 < fails {
            let middle = (works + fails) / 2
            if (try? body(middle)) != nil { works = middle } else { fails = middle }
        }
        return works
    }

    @Test("JSON has a depth")
    func jsonDepth() {
        let found = largest(upTo: 1000) { depth in
            let text = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
            _ = try JSONValue(parsing: ByteRegion(Array(text.utf8)))
        }
        #expect(found == 128)
    }

    @Test("a safetensors header has a size")
    func safetensorsHeader() throws {
        let folder = try TemporaryFolder()
        for (size, words) in [(100_000_000, "JSON"), (100_000_001, "100000001")] {
            var raw = RawBytes()
            raw.u64(UInt64(size))
            let path = try folder.write("\(size).safetensors", raw.bytes)
            #expect(truncate(path, off_t(size + 8)) == 0)
            let error = failure { () throws(BitNetError) in try SafetensorsFile(opening: path) }
            #expect("\(error as Any)".contains(words))
        }
    }

    @Test("an alignment has a size")
    func alignment() {
        func open(_ value: UInt32) throws(BitNetError) {
            var file = RawGGUF()
            file.entry("general.alignment", u32: value)
            _ = try file.open()
        }
        #expect(failure { () throws(BitNetError) in try open(1 << 30) } == nil)
        #expect(failure { () throws(BitNetError) in try open((1 << 30) + 8) } != nil)
    }

    @Test("each size of a model has an end")
    func sizes() {
        typealias Change = (inout ModelConfiguration, Int) -> Void
        let changes: [(String, most: Int, step: Int, Change)] = [
            ("vocabulary", 1 << 24, 1, { $0.vocabularySize = $1 }),
            ("context", 1 << 24, 1, { $0.contextLength = $1 }),
            ("hidden", 1 << 24, 16, { $0.hiddenSize = $1 }),
            ("feed-forward", 1 << 24, 1, { $0.feedForwardSize = $1 }),
            ("heads", 1 << 18, 1, { $0.headCount = $1 }),
            ("layers", 1024, 1, { $0.layerCount = $1 }),
            ("head", 1024, 2, { $0.headDimension = $1 }),
        ]
        for (name, most, step, change) in changes {
            func check(_ value: Int) throws(BitNetError) {
                var configuration = ModelConfiguration(
                    bitnet: "x", vocabularySize: 256, hiddenSize: 128, feedForwardSize: 128,
                    layerCount: 1, headCount: 2, keyValueHeadCount: 1, contextLength: 8)
                change(&configuration, value)
                try configuration.validate(path: "x")
            }
            #expect(failure { () throws(BitNetError) in try check(most) } == nil, "\(name)")
            #expect(failure { () throws(BitNetError) in try check(most + step) } != nil, "\(name)")
        }
    }

    @Test("probabilities and drafts have a number")
    func options() {
        #expect(
            largest(upTo: 5000) {
                try GenerationOptions(topLogProbabilities: $0).validate()
            } == 1024)
        #expect(
            largest(upTo: 5000) {
                try GenerationOptions(speculation: .promptLookup(maximumDraft: $0)).validate()
            } == 64)
    }

    @Test("ids without a token have a number")
    func holes() throws {
        func tokenizer(_ holes: Int) throws(BitNetError) -> Tokenizer {
            let data = Result {
                try TokenizerFolderTests.json(vocab: ["ab": 256 + holes], merges: [["a", "b"]])
            }
            guard case .success(let json) = data else { fatalError() }
            return try Tokenizer(json: json)
        }
        #expect(try tokenizer(1 << 20).encode("ab") == [256 + (1 << 20)])
        #expect(failure { () throws(BitNetError) in try tokenizer((1 << 20) + 1) } != nil)
    }

    private func render(_ source: String) throws {
        _ = try ChatTemplate(source).render([], addsGenerationPrompt: false)
    }

    @Test("statements, expressions and operations have a depth")
    func templateNesting() {
        let statements = largest(upTo: 500) {
            try render(
                String(repeating: "{% if 1 %}", count: $0)
                    + String(repeating: "{% endif %}", count: $0))
        }
        let groups = largest(upTo: 500) {
            try render(
                "{{ " + String(repeating: "[", count: $0) + String(repeating: "]", count: $0)
                    + " }}")
        }
        for found in [statements, groups] { #expect((38...40).contains(found), "\(found)") }
        let operations = largest(upTo: 500) {
            try render("{{ 1" + String(repeating: " + 1", count: $0) + " }}")
        }
        #expect((62...63).contains(operations), "\(operations)")
    }

    @Test("calls, values, ranges and digits have an end")
    func templateValues() {
        let calls = largest(upTo: 1000) {
            try render(
                "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(\($0)) }}")
        }
        #expect((20...128).contains(calls), "\(calls)")
        let values = largest(upTo: 500) {
            try render(
                "{% set l = namespace(v=[]) %}{% for i in range(\($0)) %}{% set l.v = [l.v] %}"
                    + "{% endfor %}{{ l.v }}")
        }
        #expect((60...64).contains(values), "\(values)")
        #expect(largest(upTo: 200_000) { try render("{{ range(\($0))|length }}") } == 100_000)
        let digits = largest(upTo: 9000) { try render("{{ (10 ** \($0) > 0) }}") }
        #expect((4290...4310).contains(digits), "\(digits)")
    }

    @Test("groups and schemas have a depth")
    func grammarNesting() {
        let groups = largest(upTo: 500) {
            let text =
                String(repeating: "(", count: $0) + "\"a\"" + String(repeating: ")", count: $0)
            _ = try Grammar(gbnf: "root ::= " + text)
        }
        let schemas = largest(upTo: 120) {
            let text =
                String(repeating: #"{"type":"array","items":"#, count: $0) + "{\"type\":\"null\"}"
            _ = try Grammar(jsonSchema: text + String(repeating: "}", count: $0))
        }
        for found in [groups, schemas] { #expect((62...64).contains(found), "\(found)") }
    }

    @Test("the automaton of a pattern has a size")
    func patternStates() {
        // A place for each of the last characters: their number doubles with each.
        let found = largest(upTo: 30) {
            let pattern = "(a|b)*a(a|b){\($0)}c"
            _ = try Grammar(jsonSchema: #"{"type":"string","pattern":"\#(pattern)"}"#)
        }
        #expect((8...14).contains(found), "\(found)")
    }

    @Test("masks that are kept have a number, and a lost one is worked out again")
    func keptMasks() throws {
        let grammar = try Grammar(
            gbnf: "root ::= "
                + (0..<600).map { "\"a\"{\($0 + 1)} \"\($0)\"" }.joined(separator: " | "))
        let trie = VocabularyTrie(try GrammarTests.tokenizer())
        let matcher = GrammarMatcher(grammar, trie)
        var masks: [TokenMask] = []
        for _ in 0..<2 {
            var state = GrammarState(matcher)
            for index in 0..<500 {
                var mask = TokenMask(count: trie.count)
                try state.allow(&mask)
                if masks.count < 500 {
                    masks.append(mask)
                } else {
                    let other = masks[index]
                    #expect((0..<trie.count).allSatisfy { mask.contains($0) == other.contains($0) })
                }
                state.accept(0x61)
            }
        }
    }
}

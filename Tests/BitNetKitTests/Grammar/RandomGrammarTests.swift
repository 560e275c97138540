import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Random grammars against a search through all their texts; BITNET_GRAMMARS says how many.
@Suite("Random grammars")
struct RandomGrammarTests {
    private static let count =
        ProcessInfo.processInfo.environment["BITNET_GRAMMARS"].flatMap { Int($0) } ?? 200

    @Test("allow what a brute-force search allows, or are refused")
    func random() throws {
        let tokenizer = try GrammarTests.tokenizer()
        let trie = VocabularyTrie(tokenizer)
        var random = SplitMix64(seed: UInt64(Self.count))
        var compared = 0
        for _ in 0..<Self.count {
            let source = Self.grammar(&random)
            guard let grammar = try? Grammar(gbnf: source) else { continue }
            compared += 1
            let oracle = GrammarOracle(
                try GBNFParser.rules(of: source), root: "root", length: 4)
            try compare(grammar, oracle, tokenizer, trie, source, &random)
        }
        #expect(compared > Self.count / 10)
    }

    private func compare(
        _ grammar: Grammar, _ oracle: GrammarOracle, _ tokenizer: Tokenizer, _ trie: VocabularyTrie,
        _ source: String, _ random: inout SplitMix64
    ) throws {
        var mask = TokenMask(count: trie.count)
        var state = GrammarState(grammar, trie)
        var text: [UInt8] = []
        // A beginning that is not among those of the short texts may still be one of a longer text.
        for _ in 0..<3 where text.count < 3 {
            // What has too many ways to go on is an error, never a lost text.
            do throws(BitNetError) { try state.allow(&mask) } catch { return }
            #expect(state.isAccepting == oracle.texts.contains(text), "\(text) in \(source)")
            var allowed: [Int] = []
            for token in 0..<trie.count {
                let bytes = try #require(tokenizer.bytes(of: token))
                guard bytes.allSatisfy(GrammarOracle.bytes.contains),
                    oracle.allows(text + bytes)
                else { continue }
                #expect(mask.contains(token), "\(text) \(bytes) in \(source)")
                allowed.append(token)
            }
            guard let token = allowed.randomElement(using: &random) else { return }
            text += try #require(tokenizer.bytes(of: token))
            state.accept(token)
        }
    }

    private static func grammar(_ random: inout SplitMix64) -> String {
        let names = ["root", "x", "y"]
        return names.map { name in
            let choices = (0...random.next() % 3).map { _ in sequence(&random, names, depth: 2) }
            return "\(name) ::= " + choices.joined(separator: " | ")
        }.joined(separator: "\n")
    }

    private static func sequence(
        _ random: inout SplitMix64, _ names: [String], depth: Int
    ) -> String {
        let parts = (0...random.next() % 3).map { _ in part(&random, names, depth: depth) }
        return parts.joined(separator: " ")
    }

    private static func part(
        _ random: inout SplitMix64, _ names: [String], depth: Int
    ) -> String {
        // Few characters, so that a search through all texts is short.
        let simple = [#""a""#, #""b""#, #""ab""#, #""""#, "[ab]", "[a-b]", #""0""#, "[0-1]"]
        let repeats = ["", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,}"]
        let suffix = repeats[Int(random.next() % UInt64(repeats.count))]
        switch random.next() % 4 {
        case 0: return names[Int(random.next() % 3)] + suffix
        case 1 where depth > 0:
            let inner = (0...random.next() % 2).map { _ in
                sequence(&random, names, depth: depth - 1)
            }
            return "(" + inner.joined(separator: " | ") + ")" + suffix
        default: return simple[Int(random.next() % UInt64(simple.count))] + suffix
        }
    }
}

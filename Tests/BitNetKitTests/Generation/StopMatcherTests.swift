import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Stop strings")
struct StopMatcherTests {
    private struct Outcome: Equatable {
        var text: String
        var matched: String?
    }

    /// What the matcher makes of a text that arrives in these pieces.
    private static func run(_ pieces: [String], stops: [String]) -> Outcome {
        var matcher = StopMatcher(stops)
        var text = ""
        for piece in pieces { text += matcher.append(piece) }
        text += matcher.finish()
        return Outcome(text: text, matched: matcher.matched)
    }

    /// The definition: the stop string that is complete first, the longest of those.
    private static func search(_ text: String, stops: [String]) -> Outcome {
        let bytes = Array(text.utf8)
        for end in 0...bytes.count {
            let ending = stops.filter { bytes[..<end].reversed().starts(with: $0.utf8.reversed()) }
            if let stop = ending.max(by: { $0.utf8.count < $1.utf8.count }) {
                let before = bytes[..<(end - stop.utf8.count)]
                return Outcome(text: String(decoding: before, as: UTF8.self), matched: stop)
            }
        }
        return Outcome(text: text, matched: nil)
    }

    @Test("a stop string is found however it is split in two or three")
    func everySplit() {
        let text = Array("abc<|end|>def".unicodeScalars).map(String.init)
        for first in 0...text.count {
            for second in first...text.count {
                let pieces = [
                    text[..<first].joined(), text[first..<second].joined(),
                    text[second...].joined(),
                ]
                #expect(
                    Self.run(pieces, stops: ["<|end|>"]) == Outcome(text: "abc", matched: "<|end|>")
                )
            }
        }
    }

    @Test("random pieces give what a search of the whole text gives")
    func random() {
        var generator = SplitMix64(seed: 7)
        // Few letters, of one to four bytes, make overlaps likely.
        let letters = ["a", "b", "\u{e9}", "\u{1F600}"]
        func word(_ lengths: ClosedRange<Int>) -> [String] {
            (0..<Int.random(in: lengths, using: &generator)).map { _ in
                letters[Int.random(in: 0..<letters.count, using: &generator)]
            }
        }
        var matches = 0
        for _ in 0..<3000 {
            let stops = (0..<Int.random(in: 0...3, using: &generator)).map { _ in
                word(1...5).joined()
            }
            var pieces = [""]
            for letter in word(0...30) {
                if Bool.random(using: &generator) { pieces.append("") }
                pieces[pieces.count - 1] += letter
            }
            let expected = Self.search(pieces.joined(), stops: stops)
            #expect(Self.run(pieces, stops: stops) == expected, "\(pieces), \(stops)")
            if expected.matched != nil { matches += 1 }
        }
        #expect(matches > 500)
    }

    @Test("only text that may start a stop string is held back")
    func holdsBackNoMore() {
        var matcher = StopMatcher(["END", "NOW"])
        #expect(matcher.append("The EN") == "The ")
        #expect(matcher.append("N") == "EN")
        #expect(matcher.append("O!") == "NO!")
        #expect(matcher.append("E") == "")
        #expect(matcher.finish() == "E")
        #expect(matcher.matched == nil)
    }

    @Test("nothing comes after a match")
    func nothingAfterMatch() {
        var matcher = StopMatcher(["."])
        #expect(matcher.append("One. Two") == "One")
        #expect(matcher.append(" Three") == "")
        #expect(matcher.finish() == "")
        #expect(matcher.matched == ".")
    }

    @Test("a restart inside a partial match is not missed")
    func overlaps() {
        #expect(Self.run(["aa", "ab"], stops: ["aab"]) == Outcome(text: "a", matched: "aab"))
        #expect(
            Self.run(["aba", "bac"], stops: ["abac"]) == Outcome(text: "ab", matched: "abac"))
    }

    @Test("of stop strings that end together the longest counts")
    func longest() {
        #expect(Self.run(["x</s>"], stops: [">", "</s>"]) == Outcome(text: "x", matched: "</s>"))
    }
}

import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Pre-tokenizers")
struct PreTokenizerTests {
    private func wordLengths(_ preTokenizer: PreTokenizer, _ text: String) throws -> [Int] {
        let bytes = Array(text.utf8)
        var lengths: [Int] = []
        try preTokenizer.forEachWord(in: bytes, 0..<bytes.count) { lengths.append($0.count) }
        return lengths
    }

    @Test("every scanner cuts as its regular expression does", arguments: PreTokenizer.allCases)
    func expression(_ preTokenizer: PreTokenizer) throws {
        for vector in try TokenizerVectors.load().words {
            #expect(
                try wordLengths(preTokenizer, vector.text) == vector.words[preTokenizer.rawValue],
                "\(vector.text.debugDescription)")
        }
    }

    @Test("a part of a text is cut as if it were the whole")
    func part() throws {
        let bytes = Array("x  yy 's".utf8)
        var words: [Range<Int>] = []
        try PreTokenizer.llama3.forEachWord(in: bytes, 1..<3) { words.append($0) }
        #expect(words == [1..<3])
        words = []
        try PreTokenizer.gpt2.forEachWord(in: bytes, 6..<7) { words.append($0) }
        #expect(words == [6..<7])
    }

    @Test(
        "an expression run as it is written cuts as its scanner", arguments: PreTokenizer.allCases)
    func interpreted(_ preTokenizer: PreTokenizer) throws {
        let cut = WordCut(steps: [
            .split(.expression(try Expression(preTokenizer.expression)), .isolated, inverted: false)
        ])
        for vector in try TokenizerVectors.load().words {
            let bytes = Array(vector.text.utf8)
            var lengths: [Int] = []
            try cut.forEachWord(in: bytes, 0..<bytes.count) { lengths.append($0.count) }
            #expect(
                lengths == vector.words[preTokenizer.rawValue], "\(vector.text.debugDescription)")
        }
    }

    @Test("expressions find their scanner")
    func expressions() throws {
        for preTokenizer in PreTokenizer.allCases {
            #expect(
                try WordCut.Step(expression: preTokenizer.expression) == .scanner(preTokenizer))
        }
    }

    @Test("every named cut is read whole, and found under all its names")
    func names() throws {
        // Steps in the order of `NamedWordCut.all`; an expression that is not read would be lost.
        let steps = [1, 1, 1, 1, 1, 1, 1, 2, 3, 5, 3, 1, 1]
        #expect(NamedWordCut.all.map { $0.cut.steps.count } == steps)
        for named in NamedWordCut.all {
            for name in named.names { #expect(try NamedWordCut.named(name).names == named.names) }
        }
        let names = NamedWordCut.all.flatMap(\.names)
        #expect(Set(names).count == names.count)
        #expect(try NamedWordCut.named("falcon3").cut.scanner == .llama3)
        #expect { try NamedWordCut.named("default") } throws: { "\($0)".contains("'default'") }
    }
}

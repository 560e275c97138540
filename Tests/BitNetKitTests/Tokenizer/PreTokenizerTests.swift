import Foundation
import Testing

@testable import BitNetKit

@Suite("Pre-tokenizers")
struct PreTokenizerTests {
    private func wordLengths(_ preTokenizer: PreTokenizer, _ text: String) -> [Int] {
        let bytes = Array(text.utf8)
        var lengths: [Int] = []
        preTokenizer.forEachWord(in: bytes, 0..<bytes.count) { lengths.append($0.count) }
        return lengths
    }

    @Test("every scanner cuts as its regular expression does", arguments: PreTokenizer.allCases)
    func expression(_ preTokenizer: PreTokenizer) throws {
        for vector in try TokenizerVectors.load().words {
            #expect(
                wordLengths(preTokenizer, vector.text) == vector.words[preTokenizer.rawValue],
                "\(vector.text.debugDescription)")
        }
    }

    @Test("a part of a text is cut as if it were the whole")
    func part() {
        let bytes = Array("x  yy 's".utf8)
        var words: [Range<Int>] = []
        PreTokenizer.llama3.forEachWord(in: bytes, 1..<3) { words.append($0) }
        #expect(words == [1..<3])
        words = []
        PreTokenizer.gpt2.forEachWord(in: bytes, 6..<7) { words.append($0) }
        #expect(words == [6..<7])
    }

    @Test("expressions and GGUF names find their scanner")
    func names() throws {
        for preTokenizer in PreTokenizer.allCases {
            #expect(try PreTokenizer(expression: preTokenizer.expression) == preTokenizer)
            #expect(try PreTokenizer(ggufName: preTokenizer.rawValue) == preTokenizer)
        }
        #expect(try PreTokenizer(ggufName: "falcon3") == .llama3)
    }

    @Test("an unknown expression or name is an error that shows it")
    func unknown() {
        #expect(
            throws: BitNetError.tokenizer(
                detail: #"pre-tokenizer expression '\w+' is not supported"#)
        ) { try PreTokenizer(expression: #"\w+"#) }
        #expect { try PreTokenizer(ggufName: "default") } throws: { "\($0)".contains("'default'") }
    }
}

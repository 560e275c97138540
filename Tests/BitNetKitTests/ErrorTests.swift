import BitNetFiles
import BitNetKit
import Foundation
import Testing

@testable import BitNetTokenizers

@Suite("Errors")
struct ErrorTests {
    @Test("an error's description is one line that names the file")
    func oneLine() {
        let error = BitNetError.malformedFile(path: "model.gguf", detail: "truncated at byte 12")
        #expect("\(error)" == "model.gguf: truncated at byte 12")
    }

    @Test("a file's text is cut in a message, and its path and what to do are whole")
    func cut() {
        let text = String(repeating: "e\u{301}日", count: 100_000)
        let path = "/" + String(repeating: "long/", count: 800) + "model.gguf"
        let errors: [BitNetError] = [
            .malformedFile(path: path, detail: "'\(text)' is no name; give another"),
            .unsupportedFormat(path: path, detail: text, remedy: "give another"),
            .unsupportedFeature(path: path, feature: text, value: text),
            .invalidMetadata(path: path, key: text, detail: "give another"),
            .missingTensor(path: path, tensor: text), .unexpectedTensor(path: path, tensor: text),
            .unsupportedArchitecture(name: text, known: ["llama"]),
            .shapeMismatch(tensor: text, expected: [1], found: [2]),
            .corruptTensor(tensor: text, detail: "give another"),
            .notTernary(tensor: text, relativeError: 1),
            .tokenizer(
                detail: text + "; give "
                    + "another"),
            .chatTemplate(detail: text + "; give another"), .grammar(detail: text),
            .invalidArgument(name: text, detail: "give another"),
            .unsupportedType(type: text, path: text, detail: "give another"),
            .incompleteResponse(text: text, detail: "ended"),
            .undecodableResponse(text: text, detail: text),
            .toolFailed(name: text, detail: "give another"),
            .kernelUnavailable(name: text, reason: "give another"),
        ]
        for error in errors {
            let message = error.description
            let isNamed = message.hasPrefix(path)
            #expect(message.unicodeScalars.count < 1300 + (isNamed ? path.utf8.count : 0))
            #expect(message.contains("..."))
        }
        #expect(errors.count { $0.description.hasPrefix(path) } == 6)
        #expect(errors.count { $0.description.hasSuffix("give another") } >= 7)
    }

    @Test("what is not long stays as it is")
    func short() {
        for text in ["", "a", String(repeating: "é", count: 100)] {
            #expect(text.quoted == "'\(text)'")
        }
        #expect(String(repeating: "é", count: 101).quoted.unicodeScalars.count == 105)
        #expect("abc".cut(to: 2) == "ab..." && "abc".cut(to: 3) == "abc")
    }

    @Test("a long name in a tokenizer.json is shown by its beginning")
    func longNames() throws {
        let long = String(repeating: "(?:x)", count: 10_000)
        let split: [String: Any] = [
            "type": "Split", "behavior": "Isolated", "pattern": ["Regex": long + "(?<=x)"],
        ]
        let replace: [String: Any] = [
            "type": "Replace", "pattern": ["Regex": "x*" + String(repeating: "y*", count: 9000)],
            "content": "",
        ]
        for parts in [
            ["pre_tokenizer": split],
            ["normalizer": replace], ["normalizer": ["type": long]], ["decoder": ["type": long]],
            ["post_processor": ["type": long]],
        ] as [[String: Any]] {
            #expect {
                try Tokenizer(json: TokenizerFolderTests.json(parts: parts))
            } throws: {
                "\($0)".utf8.count < 400
            }
        }
        for vocab in [[long: 3], [long: -1]] {
            #expect {
                try Tokenizer(json: TokenizerFolderTests.json(vocab: vocab))
            } throws: {
                "\($0)".utf8.count < 400
            }
        }
    }
}

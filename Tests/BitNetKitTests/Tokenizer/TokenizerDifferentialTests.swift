import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Random tokenizers and what Hugging Face's tokenizers makes of texts with them, as
/// `Tests/Differential/random_tokenizers.py` writes them.
@Suite("Random tokenizers agree with Hugging Face")
struct TokenizerDifferentialTests {
    /// What a line led to.
    private struct Outcome {
        var compared = 0
        var refused: [String: Int] = [:]
        var differences: [String] = []
    }

    private func compare(_ url: URL) throws -> Outcome {
        var outcome = Outcome()
        for line in try Data(contentsOf: url).split(separator: UInt8(ascii: "\n")) {
            let object = try #require(
                JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
            let data = try JSONSerialization.data(withJSONObject: try #require(object["json"]))
            let cases = try JSONDecoder().decode(
                [TokenizerVariant.Case].self,
                from: JSONSerialization.data(withJSONObject: try #require(object["cases"])))
            let tokenizer: Tokenizer
            do throws(BitNetError) {
                tokenizer = try Tokenizer(json: data)
            } catch {
                outcome.refused[error.description, default: 0] += 1
                continue
            }
            for expected in cases {
                outcome.compared += 1
                let ids = try tokenizer.encode(expected.text, special: true)
                guard ids != expected.ids else { continue }
                let json = String(decoding: data, as: UTF8.self)
                outcome.differences.append(
                    "\(expected.text.debugDescription): \(ids), not \(expected.ids): \(json)")
            }
        }
        return outcome
    }

    @Test("those of a file that was made before")
    func fixture() throws {
        let url = Bundle.module.bundleURL.appendingPathComponent("Fixtures/tokenizer-random.jsonl")
        let outcome = try compare(url)
        #expect(outcome.differences == [] && outcome.refused == [:])
        #expect(outcome.compared > 150)
    }

    @Test("white space that many tokens could take is looked at once", .timeLimit(.minutes(10)))
    func manySpaces() throws {
        for strips in [["rstrip"], ["lstrip"], ["rstrip", "lstrip"]] {
            var added: [String: Any] = ["id": 256, "content": " ", "special": false]
            for name in strips { added[name] = true }
            let tokenizer = try Tokenizer(
                json: TokenizerFolderTests.json(parts: ["added_tokens": [added]]))
            let count = 300_000
            let ids = try tokenizer.encode("x" + String(repeating: " ", count: count) + "x")
            // The first takes all others along; only one that looks to the left is then none.
            let found = strips == ["rstrip", "lstrip"] ? 1 : count
            #expect(ids == [0x78] + [Int](repeating: 256, count: found) + [0x78])
        }
    }

    @Test(
        "those of the file that BITNET_TOKENIZER_CASES names",
        .enabled(if: ProcessInfo.processInfo.environment["BITNET_TOKENIZER_CASES"] != nil))
    func more() throws {
        let path = try #require(ProcessInfo.processInfo.environment["BITNET_TOKENIZER_CASES"])
        let outcome = try compare(URL(fileURLWithPath: path))
        for (error, count) in outcome.refused.sorted(by: { $0.value > $1.value }) {
            print("\(count) refused: \(error)")
        }
        print("\(outcome.compared) texts, \(outcome.differences.count) differences")
        for difference in outcome.differences { Issue.record("\(difference)") }
    }
}

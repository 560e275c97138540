import Foundation
import Testing

@testable import BitNetTokenizers

/// What tokenizers 0.23 makes of the same files, written down by hand from a run of it.
@Suite("Words that are tokens, and tokens that are listed twice")
struct WholeWordTests {
    /// A tokenizer of `a`, `b` and `1` whose words are digits and what is between them, with an added
    /// token `ab`.
    private func tokenizer(
        isOwn: Bool, isSpecial: Bool, isSingle: Bool, isNormalized: Bool, ignoresMerges: Bool
    ) throws -> Tokenizer {
        var vocab = ["a": 0, "b": 1, "1": 2]
        if isOwn { vocab["ab"] = 3 }
        let digits: [String: Any] = [
            "type": "Split", "behavior": "Isolated", "pattern": ["Regex": "[0-9]"],
        ]
        let bytes: [String: Any] = [
            "type": "ByteLevel", "add_prefix_space": false, "use_regex": false,
        ]
        let added: [String: Any] = [
            "id": 3, "content": "ab", "special": isSpecial, "single_word": isSingle,
            "normalized": isNormalized,
        ]
        return try Tokenizer(
            json: JSONSerialization.data(withJSONObject: [
                "model": [
                    "type": "BPE", "vocab": vocab, "merges": [] as [String],
                    "ignore_merges": ignoresMerges,
                ] as [String: Any],
                "added_tokens": [added], "decoder": ["type": "ByteLevel"],
                "pre_tokenizer": ["type": "Sequence", "pretokenizers": [digits, bytes]],
            ]))
    }

    @Test("a special token of the vocabulary is a word's token where special tokens are looked for")
    func specialWords() throws {
        let texts = ["ab", "1ab", "1ab1", "aab"]
        for bits in 0..<32 {
            func flag(_ bit: Int) -> Bool { bits & 1 << bit != 0 }
            let (isOwn, isSpecial, isSingle, ignoresMerges) = (flag(0), flag(1), flag(2), flag(4))
            let tokenizer = try tokenizer(
                isOwn: isOwn, isSpecial: isSpecial, isSingle: isSingle, isNormalized: flag(3),
                ignoresMerges: ignoresMerges)
            let ids = try texts.map { try tokenizer.encode($0, special: true) }
            // As part of a longer word it is not found, but may still be a word.
            let expected: [[Int]] =
                !isSingle
                ? [[3], [2, 3], [2, 3, 2], [0, 3]]
                : isOwn && ignoresMerges
                    ? [[3], [2, 3], [2, 3, 2], [0, 0, 1]]
                    : [[3], [2, 0, 1], [2, 0, 1, 2], [0, 0, 1]]
            #expect(ids == expected, "\(bits)")
            // A user's word is no special token.
            guard isSpecial else { continue }
            for text in texts { #expect(try !tokenizer.encode(text).contains(3), "\(bits)") }
        }
    }

    @Test("of a token that is listed several times the last counts")
    func repeatedKeys() throws {
        func tokenizer(_ vocab: String, _ added: String = "[]") throws -> Tokenizer {
            let json = """
                {"added_tokens": \(added), "pre_tokenizer": {"type": "ByteLevel",
                "add_prefix_space": false}, "decoder": {"type": "ByteLevel"},
                "model": {"type": "BPE", "vocab": \(vocab), "merges": []}}
                """
            return try Tokenizer(json: Data(json.utf8))
        }
        for added in ["[]", #"[{"id": 2, "content": "a", "special": false}]"#] {
            let repeated = try tokenizer(#"{"a": 0, "b": 1, "a": 2}"#, added)
            #expect(try repeated.encode("ab") == [2, 1])
            #expect((0..<3).map { repeated.decode([$0]) } == ["", "b", "a"])
        }
        // Not in the byte alphabet, and the same id again.
        let foreign = try tokenizer(#"{"a": 0, "日": 1, "日": 2}"#)
        #expect(foreign.decode([0, 1, 2]) == "a日")
        #expect(try tokenizer(#"{"a": 0, "a": 0, "b": 1}"#).encode("ba") == [1, 0])
        // There it is chance which of the two the id decodes to.
        #expect {
            _ = try tokenizer(#"{"a": 0, "b": 1, "c": 1}"#)
        } throws: {
            "\($0)".contains("'b' and 'c' both have id 1")
        }
    }

    @Test("an added token of which the normalizer leaves nothing is warned of")
    func emptied() throws {
        for (isNormalized, count) in [(true, 1), (false, 0)] {
            let added: [[String: Any]] = ["<w>", "b", "<w><w>"].enumerated().map {
                ["id": 256 + $0, "content": $1, "special": false, "normalized": isNormalized]
            }
            let strip: [String: Any] = [
                "type": "Replace", "pattern": ["Regex": "[<w>]+"], "content": "",
            ]
            let tokenizer = try Tokenizer(
                json: TokenizerFolderTests.json(
                    parts: ["added_tokens": added, "normalizer": strip]))
            #expect(tokenizer.warnings.count == count)
            for warning in tokenizer.warnings {
                #expect(warning.contains("256 '<w>' and 1 more") && warning.contains("normalized"))
            }
            #expect(try tokenizer.encode("a<w>a").contains(256) == !isNormalized)
        }
    }
}

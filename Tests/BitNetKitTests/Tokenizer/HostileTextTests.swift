import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Texts of any kind take linear work, and can be cancelled")
struct HostileTextTests {
    /// What a text is a run of.
    static let parts = [
        "\u{301}\u{327}", "\u{344}", " ", "a", "aжあ", "\n", "\r\n \t", "7", "\u{1F468}\u{200D}",
        "\u{FFFD}", "'s", "ab ", "\u{2581}", "<", "\u{1100}\u{1161}", "A\u{327}\u{301}",
    ]

    /// A tokenizer of every form that the fixtures have, and of the cuts that GGUF names.
    static let tokenizers = Result { try makeTokenizers() }

    private static func makeTokenizers() throws -> [(name: String, tokenizer: Tokenizer)] {
        let tiny = try #require(TokenizerVariant.object("tokenizer-tiny.json") as? [String: Any])
        let marks = try #require(TokenizerVariant.object("tokenizer-marks.json") as? [String: Any])
        let variants =
            try TokenizerVariant.all(TokenizerVariant.object("tokenizer-cuts.json"), in: tiny)
            + TokenizerVariant.all(
                marks["variants"], in: ["model": try #require(marks["model"])])
        var all: [(String, Tokenizer)] = [("tiny", try TokenizerFixtures.tiny())]
        for variant in variants { all.append((variant.name, try Tokenizer(json: variant.json))) }
        for named in NamedWordCut.all {
            var vocabulary = TokenizerFixtures.vocabulary(merges: [(0x61, 0x61), (0x20, 0x20)])
            vocabulary.pre = named.names[0]
            all.append((named.names[0], try Tokenizer(gguf: vocabulary)))
        }
        for (name, parts) in try normalizers() {
            all.append((name, try Tokenizer(json: TokenizerFolderTests.json(parts: parts))))
        }
        return all
    }

    /// Every kind of normaliser, and added tokens with every flag.
    private static func normalizers() throws -> [(String, [String: Any])] {
        let run = String(repeating: "a", count: 300)
        func replace(_ pattern: [String: String], _ content: String) -> [String: Any] {
            ["type": "Replace", "pattern": pattern, "content": content]
        }
        var all: [(String, [String: Any])] = ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Strip"]
            .map { ($0, ["normalizer": ["type": $0]]) }
        all.append(("Replace", ["normalizer": replace(["String": run + "b"], "x")]))
        all.append(("Replace expression", ["normalizer": replace(["Regex": "a*b"], "x")]))
        all.append(("doubling", ["normalizer": replace(["String": "a"], "aa")]))
        all.append(
            (
                "Split",
                [
                    "pre_tokenizer": [
                        "type": "Sequence",
                        "pretokenizers": [
                            ["type": "Split", "pattern": ["String": run + "b"]],
                            ["type": "ByteLevel", "use_regex": false, "add_prefix_space": false],
                        ],
                    ]
                ]
            ))
        for flag in ["lstrip", "rstrip", "normalized", "single_word"] {
            let tokens = ["a", run + "b", " ", "<\u{301}>"].enumerated().map { index, text in
                ["id": 256 + index, "content": text, "special": false, flag: true] as [String: Any]
            }
            all.append((flag, ["added_tokens": tokens, "normalizer": ["type": "NFC"]]))
        }
        return all
    }

    @Test("twice the text takes twice the steps, for every kind of tokenizer", arguments: parts)
    func linear(_ part: String) throws {
        for (name, tokenizer) in try Self.tokenizers.get() {
            func steps(_ count: Int) throws -> Int {
                let effort = Effort()
                let text = String(repeating: part, count: count)
                _ = try tokenizer.encode(text, special: true, effort: effort)
                return effort.total
            }
            let (one, two) = (try steps(1000), try steps(2000))
            // A little for what is done once, or told in portions.
            #expect(two <= 2 * one + one / 10 + 3 * Effort.portion, "\(name): \(one), \(two)")
            #expect(one > 0 && one < 1000 * 400 * part.utf8.count, "\(name): \(one)")
        }
    }

    @Test(
        "a quarter of a megabyte of each kind ends soon", .timeLimit(.minutes(10)), arguments: parts
    )
    func long(_ part: String) throws {
        let text = String(repeating: part, count: 250_000 / part.utf8.count)
        let tokenizer = try TokenizerFixtures.tiny()
        let ids = try tokenizer.encode(text)
        #expect(tokenizer.decode(ids) == text)
    }

    @Test("a long token that a text nearly has costs nothing for each place")
    func nearlyFound() throws {
        let long = String(repeating: "a", count: 20_000)
        let tokens = [long + "b", "b" + long, "aa"].enumerated().map { index, text in
            ["id": 256 + index, "content": text, "special": index == 1] as [String: Any]
        }
        let tokenizer = try Tokenizer(
            json: TokenizerFolderTests.json(parts: ["added_tokens": tokens]))
        for (text, expected) in [
            (long + long, [Int](repeating: 258, count: 20_000)), (long + "b", [256]),
            ("b" + long + "b", [0x62, 256]),
        ] {
            let effort = Effort()
            let ids = try tokenizer.encode(text, effort: effort)
            #expect(ids == expected)
            #expect(effort.total < 20 * text.utf8.count + 3 * Effort.portion)
        }
        #expect(try tokenizer.encode("b" + long + "b", special: true) == [257, 0x62])
    }

    @Test("added tokens have a limit, just inside which they work")
    func addedTokenLimit() throws {
        func tokenizer(_ size: Int) throws -> AddedTokens {
            let text = [UInt8](repeating: 0x61, count: size / 2)
            return try AddedTokens([
                .init(id: 1, text: text[...], isSpecial: false),
                .init(id: 2, text: ([0x62] + text.dropLast())[...], isSpecial: false),
            ])
        }
        _ = try tokenizer(AddedTokens.mostText)
        #expect {
            try tokenizer(AddedTokens.mostText + 2)
        } throws: {
            "\($0)".contains("2097154 bytes of text, more than the 2097152")
        }
    }

    @Test("a text that is too long is an error, also one that a normaliser makes so long")
    func length() throws {
        try TextLimit.check(length: TextLimit.longest)
        #expect {
            try TextLimit.check(length: TextLimit.longest + 1)
        } throws: {
            "\($0)".contains("1073741825 bytes are more than the 1073741824")
        }
    }

    @Test(
        "steps have a limit, just inside which they work",
        arguments: ["normalizer", "pre_tokenizer"])
    func stepLimit(_ part: String) throws {
        let step: [String: Any] =
            part == "normalizer" ? ["type": "NFC"] : ["type": "Digits", "individual_digits": true]
        func tokenizer(_ count: Int) throws -> Tokenizer {
            let steps = [[String: Any]](repeating: step, count: count)
            let byteLevel: [String: Any] = ["type": "ByteLevel", "add_prefix_space": false]
            let own = part == "normalizer" ? steps : steps.dropLast() + [byteLevel]
            let kind = part == "normalizer" ? "normalizers" : "pretokenizers"
            return try Tokenizer(
                json: TokenizerFolderTests.json(
                    parts: [part: ["type": "Sequence", kind: own] as [String: Any]]))
        }
        #expect(try tokenizer(256).encode("a1").count == 2)
        #expect {
            _ = try tokenizer(257)
        } throws: {
            "\($0)".contains("the \(part) has 257 steps")
        }
        #expect(throws: BitNetError.self) { try tokenizer(60_000) }
    }

    @Test(
        "a Replace that may match nothing is refused, one that may not is used",
        arguments: [
            ("a*", false), ("a?", false), ("(?=a)", false), ("b|", false), ("(?:a?){3}", false),
            ("", false), ("a+", true), ("a?b", true), ("a(?!c)", true), ("b|a", true),
        ])
    func emptyMatches(_ pattern: String, _ isUsed: Bool) throws {
        let step: [String: Any] = [
            "type": "Replace", "pattern": ["Regex": pattern], "content": "x",
        ]
        func tokenizer() throws -> Tokenizer {
            try Tokenizer(json: TokenizerFolderTests.json(parts: ["normalizer": step]))
        }
        if isUsed {
            #expect(try tokenizer().encode("ab").contains(Int(UInt8(ascii: "x"))))
        } else {
            #expect(throws: BitNetError.self) { try tokenizer() }
        }
    }

    @Test("what is kept of words has a bound")
    func wordCache() throws {
        var cache = WordCache(byteCount: 1 << 30)
        for index in 0..<400_000 {
            let word = Array("\(index)".utf8)
            let key = try #require(WordCache.Key(word, 0..<word.count))
            cache.insert(key, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10][...])
        }
        #expect(cache.memory <= (1 << 15) * 24 + (1 << 20) * 4 + 64)
    }
}

@Suite("Encoding can be cancelled")
struct EncodingCancellationTests {
    @Test(
        "encoding ends some thousand steps after it is cancelled", arguments: HostileTextTests.parts
    )
    func steps(_ part: String) throws {
        let text = String(repeating: part, count: 120_000 / part.utf8.count)
        for (name, tokenizer) in try HostileTextTests.tokenizers.get() {
            var asked = 0
            let effort = Effort {
                asked += 1
                return asked > 2
            }
            let error = failure { () throws(BitNetError) in
                try tokenizer.encode(text, effort: effort)
            }
            #expect(error == .cancelled, "\(name)")
            // Finding the end of one word is told at once.
            #expect(effort.total <= text.utf8.count + 4 * Effort.interval, "\(name)")
            #expect(asked == 3, "\(name)")
        }
    }

    @Test("the task's cancellation counts", .timeLimit(.minutes(10)))
    func task() async throws {
        let tokenizer = try TokenizerFixtures.tiny()
        let template = try ChatTemplate(
            "{% for m in messages %}{{ m.content }}{% endfor %}")
        let text = String(repeating: "some words 123 ", count: 100_000)
        let messages = [ChatMessage(.user, text)]
        let bodies: [@Sendable () throws -> Void] = [
            { _ = try tokenizer.encode(text) },
            {
                _ = try tokenizer.encode(
                    messages, template: template, addsGenerationPrompt: false)
            },
            { _ = try Grammar(gbnf: "root ::= \"a\"") },
            { _ = try Grammar(jsonSchema: "{}") },
            { _ = try template.render(messages, addsGenerationPrompt: false) },
        ]
        for body in bodies {
            let task = Task.detached {
                while !Task.isCancelled { await Task.yield() }
                try body()
            }
            task.cancel()
            await #expect(throws: BitNetError.cancelled) { try await task.value }
        }
        // While it runs: nothing but the cancellation ends this.
        let task = Task.detached {
            while true {
                let count = try tokenizer.encode(text).count
                #expect(count > 0)
            }
        }
        try await Task.sleep(for: .milliseconds(50))
        task.cancel()
        await #expect(throws: BitNetError.cancelled) { try await task.value }
    }

    @Test("a template's loop ends after it is cancelled, whatever its errors are caught by")
    func template() throws {
        let source =
            "{% for i in range(90000) %}{{ (messages | map('upper') | list) is defined }}"
            + "{% endfor %}"
        let template = try ChatTemplate(source)
        var asked = 0
        let effort = Effort {
            asked += 1
            return asked > 3
        }
        let error = failure { () throws(BitNetError) in
            try template.render([], addsGenerationPrompt: false, effort: effort)
        }
        #expect(error == .cancelled)
        // The list of all turns is told at once; the turns would take many times as much.
        #expect(effort.total < 1 << 22)
    }

    @Test("a template has a longest source, just inside which it renders")
    func templateLength() throws {
        let most = ChatTemplate.longestSource
        let text = String(repeating: "x", count: most)
        #expect(
            try ChatTemplate(text).render([], addsGenerationPrompt: false).utf8.count == most)
        #expect {
            try ChatTemplate(text + "x")
        } throws: {
            "\($0)".contains("1048577 bytes, more than the 1048576")
        }
    }
}

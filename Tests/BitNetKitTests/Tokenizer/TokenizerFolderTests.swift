import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Folders with the files that may name tokens, and what transformers makes of texts with them, as
/// `Tests/Differential/random_folders.py` writes them.
@Suite("Tokens that the files of a folder name")
struct TokenizerFolderTests {
    /// A `tokenizer.json` of the 256 bytes and `vocab`.
    static func json(
        vocab: [String: Any] = [:], merges: [[String]] = [], parts: [String: Any] = [:],
        model: [String: Any] = [:]
    ) throws -> Data {
        var tokens: [String: Any] = vocab
        for (byte, scalar) in ByteAlphabet.characters.enumerated() { tokens[String(scalar)] = byte }
        let model: [String: Any] = ["type": "BPE", "vocab": tokens, "merges": merges].merging(model)
        { $1 }
        let byteLevel: [String: Any] = ["type": "ByteLevel", "add_prefix_space": false]
        return try JSONSerialization.data(
            withJSONObject: [
                "model": model, "pre_tokenizer": byteLevel, "decoder": ["type": "ByteLevel"],
            ].merging(parts) { $1 })
    }

    private func compare(_ url: URL) throws -> Int {
        var compared = 0
        for line in try Data(contentsOf: url).split(separator: UInt8(ascii: "\n")) {
            let object = try #require(
                JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
            let vocab = try #require(object["vocab"] as? [String: Any])
            func file(_ name: String) throws -> Data? {
                try object[name].map { try JSONSerialization.data(withJSONObject: $0) }
            }
            let tokenizer = try Tokenizer(
                json: Self.json(
                    vocab: vocab, merges: vocab["ab"] == nil ? [] : [["a", "b"]],
                    parts: try #require(object["tokenizer"] as? [String: Any])),
                config: file("tokenizer_config.json"),
                specialTokens: file("special_tokens_map.json"), added: file("added_tokens.json"))
            #expect(tokenizer.endOfText == object["eos"] as? Int)
            for expected in try #require(object["cases"] as? [[String: Any]]) {
                let text = try #require(expected["text"] as? String)
                let ids = try tokenizer.encode(text, special: true)
                #expect(ids == expected["ids"] as? [Int], "\(text): \(object)")
                compared += 1
            }
        }
        return compared
    }

    @Test("ids are those of transformers")
    func fixture() throws {
        let url = Bundle.module.bundleURL.appendingPathComponent(
            "Fixtures/tokenizer-folders.jsonl")
        #expect(try compare(url) == 160)
    }

    @Test(
        "so are those of the file that BITNET_FOLDER_CASES names",
        .enabled(if: ProcessInfo.processInfo.environment["BITNET_FOLDER_CASES"] != nil))
    func more() throws {
        let path = try #require(ProcessInfo.processInfo.environment["BITNET_FOLDER_CASES"])
        print("\(try compare(URL(fileURLWithPath: path))) texts")
    }

    @Test("tokens whose names differ in their normal form alone are two, whichever file names them")
    func normalForms() throws {
        let names = ["z\u{E9}", "ze\u{301}"]
        let text = names.joined(separator: " ")
        let list = "[\(names.map { "\"\($0)\"" }.joined(separator: ", "))]"
        let map = "{\"\(names[0])\": 256, \"\(names[1])\": 257}"
        for tokenizer in [
            try Tokenizer(json: Self.json(), added: Data(map.utf8)),
            try Tokenizer(
                json: Self.json(), config: Data("{\"additional_special_tokens\": \(list)}".utf8)),
        ] {
            #expect(tokenizer.vocabularySize == 258)
            #expect(try tokenizer.encode(text, special: true) == [256, 32, 257])
        }
    }

    @Test("numbers that only Python writes are no obstacle where nobody reads them")
    func notFinite() throws {
        let infinite = Data(#"{"model_max_length": Infinity, "x": NaN, "y": -Infinity}"#.utf8)
        let plain = try Tokenizer(json: Self.json()).encode("ab")
        for tokenizer in [
            try Tokenizer(json: Self.json(), config: infinite),
            try Tokenizer(json: Self.json(), specialTokens: infinite),
        ] { #expect(try tokenizer.encode("ab") == plain) }
    }

    @Test("a token that only the configuration names is none where the model has no row for it")
    func rows() throws {
        let folder = try FolderTokens(
            config: Data(#"{"eos_token": "</s>", "pad_token": "<pad>"}"#.utf8))
        func tokenizer(_ rows: Int) throws -> Tokenizer {
            try Tokenizer(
                json: [UInt8](Self.json()), folder: folder, endTokens: [7], rows: rows)
        }
        #expect(try tokenizer(256).vocabularySize == 256)
        #expect(try tokenizer(256).encode("</s>", special: true).count == 4)
        #expect(try tokenizer(256).endOfText == 7)
        #expect(try tokenizer(257).encode("</s>", special: true) == [256])
        #expect(try tokenizer(257).vocabularySize == 257)
        #expect(try tokenizer(258).id(ofSpecial: "<pad>") == 257)
    }

    @Test("a byte's token that is listed as added keeps its byte", arguments: [true, false])
    func bytes(_ isSpecial: Bool) throws {
        for byte in [0x00, 0x0A, 0x20, 0x41, 0x7F, 0x80, 0xAD, 0xC3, 0xE9, 0xFF] {
            let name = String(ByteAlphabet.characters[byte])
            let added: [String: Any] = ["id": byte, "content": name, "special": isSpecial]
            let tokenizer = try Tokenizer(json: Self.json(parts: ["added_tokens": [added]]))
            // As in a file: the listing as it is, and after conversion.
            for tokenizer in [
                tokenizer, try Tokenizer(gguf: tokenizer.ggufVocabulary(architecture: "llama")),
            ] {
                #expect(tokenizer.bytes(of: byte) == [UInt8(byte)])
                #expect(
                    try tokenizer.encode("\u{0}A \n\u{7F}ü\u{AD}")
                        == Array("\u{0}A \n\u{7F}ü\u{AD}".utf8).map { Int($0) })
                #expect(try tokenizer.encode("x\(name)", special: true) == [0x78, byte])
                #expect(tokenizer.decode(Array("ü\n 日".utf8).map { Int($0) }) == "ü\n 日")
            }
        }
    }

    @Test("merges may use and make tokens that are listed as added")
    func merges() throws {
        let added: [[String: Any]] = [
            ["id": 0x20, "content": "Ġ", "special": false, "normalized": false],
            ["id": 257, "content": "Ġab", "special": true],
        ]
        let tokenizer = try Tokenizer(
            json: Self.json(
                vocab: ["ab": 256, "Ġab": 257], merges: [["a", "b"], ["Ġ", "ab"]],
                parts: ["added_tokens": added]))
        #expect(try tokenizer.encode("x ab") == [0x78, 257])
        #expect(try tokenizer.encode("xĠab", special: true) == [0x78, 257])
        #expect(tokenizer.decode([257]) == " ab")
        let copy = try Tokenizer(gguf: tokenizer.ggufVocabulary(architecture: "llama"))
        #expect(try copy.encode("x ab") == [0x78, 257] && copy.decode([257]) == " ab")
    }

    @Test("holes, repeated merges, version lines and tokens of other alphabets are no obstacle")
    func oddities() throws {
        let tokenizer = try Tokenizer(
            json: Self.json(
                vocab: ["ab": 300, "日": 280, "a b": 281, "ba": 282],
                merges: [["b", "a"], ["a", "b"], ["b", "a"]]))
        #expect(tokenizer.vocabularySize == 301)
        // The last of the repeated merges counts.
        #expect(try tokenizer.encode("bab") == [0x62, 300])
        #expect(try tokenizer.encode("日") == Array("日".utf8).map { Int($0) })
        #expect(tokenizer.decode([280, 281, 300, 299]) == "日a bab")
        let lines = try Tokenizer(
            json: Self.json(
                vocab: ["ab": 256], model: ["merges": ["#version: 0.2", "a b", "#version"]]))
        #expect(try lines.encode("ab") == [256])
    }

    @Test("a hole is a token of a GGUF vocabulary too, and means nothing there")
    func holesInGGUF() throws {
        let tokenizer = try Tokenizer(json: Self.json(vocab: ["ab": 260], merges: [["a", "b"]]))
        let copy = try Tokenizer(gguf: tokenizer.ggufVocabulary(architecture: "llama"))
        #expect(try copy.vocabularySize == 261 && copy.encode("ab") == [260])
        #expect(copy.decode([257, 260]) == "ab")
    }

    @Test("how tokens are found survives conversion, and is warned of")
    func flags() throws {
        let text = "ab <w> c<w>d  <w>\n<w>é"
        for bits in 0..<16 {
            let added: [String: Any] = [
                "id": 256, "content": "<w>", "special": true, "lstrip": bits & 1 != 0,
                "rstrip": bits & 2 != 0, "single_word": bits & 4 != 0,
                "normalized": bits & 8 != 0,
            ]
            for normalizer in [NSNull(), ["type": "NFC"] as Any] {
                var parts: [String: Any] = ["added_tokens": [added], "normalizer": normalizer]
                if !(normalizer is NSNull) {
                    parts["pre_tokenizer"] = [
                        "type": "Sequence",
                        "pretokenizers": [
                            [
                                "type": "Split", "behavior": "Isolated",
                                "pattern": ["Regex": PreTokenizer.qwen2.expression],
                            ],
                            ["type": "ByteLevel", "add_prefix_space": false, "use_regex": false],
                        ],
                    ]
                }
                let tokenizer = try Tokenizer(json: Self.json(parts: parts))
                let vocabulary = try tokenizer.ggufVocabulary(architecture: "llama")
                let copy = try Tokenizer(gguf: vocabulary)
                let ids = try tokenizer.encode(text, special: true)
                #expect(try copy.encode(text, special: true) == ids)
                let keeps = bits & 7 != 0 || bits & 8 != 0 && !(normalizer is NSNull)
                #expect(tokenizer.ggufWarnings(vocabulary).isEmpty == !keeps)
                #expect(vocabulary.metadata.contains { $0.key.hasSuffix("token_flags") } == keeps)
            }
        }
    }

    @Test("the older post-processors frame a text too", arguments: ["Bert", "Roberta"])
    func olderFrames(_ name: String) throws {
        func tokenizer(_ ids: (Int, Int)) throws -> Tokenizer {
            let processor: [String: Any] = [
                "type": name + "Processing", "cls": ["a", ids.0], "sep": ["b", ids.1],
            ]
            return try Tokenizer(json: Self.json(parts: ["post_processor": processor]))
        }
        let framed = try tokenizer((0x61, 0x62))
        #expect(framed.beginOfText == 0x61 && framed.addsBeginOfText)
        #expect(framed.appendedTokens == [0x62])
        #expect { try tokenizer((-1, 0)) } throws: { "\($0)".contains("the id -1") }
    }

    @Test("a post-processor may name ids beyond the vocabulary, as tokenizers takes them")
    func unknownFrames() throws {
        func piece(_ name: String) -> [String: Any] { ["SpecialToken": ["id": name]] }
        func template(_ ids: [Int], _ name: String = "B") throws -> Tokenizer {
            let special: [String: Any] = [
                "B": ["id": "B", "ids": [ids[0]], "tokens": ["B"]],
                "E": ["id": "E", "ids": [ids[1]], "tokens": ["E"]],
            ]
            let processor: [String: Any] = [
                "type": "TemplateProcessing", "special_tokens": special,
                "single": [piece(name), ["Sequence": ["id": "A"]], piece("E")],
            ]
            return try Tokenizer(json: Self.json(parts: ["post_processor": processor]))
        }
        let plain = try template([0x61, 0x62])
        #expect(plain.warnings.isEmpty)
        for id in [plain.vocabularySize, 99_999, Int(UInt32.max)] {
            let framed = try template([id, 0x62])
            #expect(framed.beginOfText == id && framed.appendedTokens == [0x62])
            #expect(framed.warnings.count == 1 && framed.warnings[0].contains("token \(id),"))
            #expect(try framed.encode("ab") == plain.encode("ab"))
            #expect(framed.decode([id, 0x61]) == plain.decode([0x61]))
            #expect(try template([0x61, id]).warnings.count == 1)
            #expect(throws: BitNetError.self) {
                try Tokenizer(gguf: framed.ggufVocabulary(architecture: "llama"))
            }
        }
        for id in [-1, 1 << 32] {
            #expect { try template([id, 0]) } throws: { "\($0)".contains("has the id \(id)") }
        }
        #expect { try template([0, 0], "C") } throws: { "\($0)".contains("'C' is not among") }
    }

    @Test("what GGUF has no words for is refused")
    func refused() throws {
        let template: [String: Any] = [
            "type": "TemplateProcessing",
            "single": [["Sequence": ["id": "A"]], ["SpecialToken": ["id": "E"]]],
            "special_tokens": ["E": ["id": "E", "ids": [5], "tokens": ["E"]]],
        ]
        let appending = try Tokenizer(json: Self.json(parts: ["post_processor": template]))
        #expect {
            try appending.ggufVocabulary(architecture: "llama")
        } throws: {
            "\($0)".contains("tokens [5] after every text")
        }
        func marked(_ model: [String: Any], _ vocab: [String: Any]) throws -> Data {
            let metaspace: [String: Any] = [
                "type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "never",
                "split": false,
            ]
            let base: [String: Any] = ["type": "BPE", "vocab": vocab, "merges": [] as [Any]]
            return try JSONSerialization.data(
                withJSONObject: [
                    "model": base.merging(model) { $1 }, "pre_tokenizer": metaspace,
                    "decoder": metaspace,
                ])
        }
        let letters: [String: Any] = ["<unk>": 0, "a": 1, "\u{2581}": 2]
        for (model, word) in [
            (["ignore_merges": true], "ignore_merges"), (["fuse_unk": true], "no unk_token"),
            (["unk_token": "<unk>", "fuse_unk": false], "fuse_unk false"),
        ] as [([String: Any], String)] {
            let tokenizer = try Tokenizer(json: marked(model, letters))
            #expect {
                try tokenizer.ggufVocabulary(architecture: "llama")
            } throws: {
                "\($0)".contains(word)
            }
        }
    }
}

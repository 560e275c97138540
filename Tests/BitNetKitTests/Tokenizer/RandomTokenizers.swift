import Foundation
import TestSupport

@testable import BitNetFiles
@testable import BitNetTokenizers

/// Random small tokenizers of every kind that is read, most of them of the forms that GGUF has words
/// for, with everything that a token can have.
struct RandomTokenizers {
    private var random: SplitMix64

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    private static let mark = "\u{2581}"
    /// Texts are made of these; not all of them have tokens.
    private static let pieces = [
        "a", "b", "c", "A", " ", "  ", "\n", "\u{A0}", mark, "1", "23", "!", "'s", "é", "e\u{301}",
        "日", "<s>", "<w>", "<t>", "ab", "bc", "abc", "<0x0A>", "_", "Ġ", "ö",
    ]

    private mutating func chance(_ share: Double) -> Bool {
        Double.random(in: 0..<1, using: &random) < share
    }

    /// A number below `count`.
    mutating func below(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }

    private mutating func one<T>(_ values: [T]) -> T { values[below(values.count)] }

    private mutating func some<T>(_ values: [T], _ share: Double) -> [T] {
        var chosen: [T] = []
        for value in values where chance(share) { chosen.append(value) }
        return chosen
    }

    mutating func text() -> String {
        var text = ""
        for _ in 0...below(one([4, 12, 30])) { text += one(Self.pieces) }
        return text
    }

    // MARK: - tokenizer.json

    /// A `tokenizer.json`, and the `tokenizer_config.json` beside it.
    mutating func files() throws -> (json: Data, config: Data) {
        let isMarked = chance(0.5)
        var (tokens, merges) = vocabulary(isMarked)
        let added = addedTokens(&tokens)
        let forms: [(String, Bool)] = [
            (PreTokenizer.llama3.expression, true), (PreTokenizer.llama3.expression, false),
            (PreTokenizer.qwen2.expression, false), (PreTokenizer.gpt2.expression, false),
        ]
        let (expression, ignoresMerges) = one(forms)
        let isOdd = chance(0.1)
        if chance(0.2), let merge = merges.last { merges.append(merge) }
        let bytesArePieces = isMarked && tokens.contains { $0.text.hasPrefix("<0x") }
        var model: [String: Any] = [
            "type": "BPE", "fuse_unk": chance(0.8), "byte_fallback": bytesArePieces,
            "ignore_merges": isMarked ? isOdd : ignoresMerges, "merges": merges,
            "vocab": Dictionary(uniqueKeysWithValues: tokens.map { ($0.text, $0.id) }),
        ]
        if isMarked || isOdd { model["unk_token"] = one(["<unk>", "a"]) }
        let parts: [String: Any] =
            isMarked ? markedParts(isOdd) : byteLevelParts(expression, isOdd)
        let json = parts.merging(["model": model, "added_tokens": added]) { $1 }
        let names = added.compactMap { $0["content"] as? String }
        var config: [String: Any] = [:]
        if chance(0.5), let name = names.first { config["bos_token"] = name }
        if chance(0.5), let name = names.last { config["eos_token"] = name }
        return (
            try JSONSerialization.data(withJSONObject: json),
            try JSONSerialization.data(withJSONObject: config)
        )
    }

    private typealias Token = (text: String, id: Int)

    /// Symbols and random merges of them; ids in any order, and with holes.
    private mutating func vocabulary(_ isMarked: Bool) -> ([Token], [[String]]) {
        var texts: [String]
        if isMarked {
            texts = ["<unk>", Self.mark, "a", "b", "c"]
            texts += some(["A", "é", "日", "<", "s", ">", "1", " ", "w"], 0.5)
            let bytes = (0..<256).map { String(format: "<0x%02X>", $0) }
            if chance(0.6) { texts += chance(0.8) ? bytes : some(bytes, 0.9) }
        } else {
            texts = ByteAlphabet.characters.map { String($0) }
            if chance(0.2) { texts = some(texts, 0.95) + ["a", "b"] }
            // Not spelled in the byte alphabet, or empty.
            texts += some(["日", "a b", "", "<s>", "é日"], 0.1)
        }
        texts = Array(Set(texts)).sorted()
        var merges: [[String]] = []
        let letters = texts.filter { ["a", "b", "c", Self.mark, "Ġ", "Ã", "©", "<"].contains($0) }
        var near = letters
        for _ in 0..<below(10) where !near.isEmpty {
            let (left, right) = (one(near), one(near))
            if !merges.contains([left, right]) { merges.append([left, right]) }
            if !texts.contains(left + right) {
                texts.append(left + right)
                near.append(left + right)
            }
        }
        if isMarked, chance(0.8) { merges = Self.everyMerge(of: texts) }
        if chance(0.3) { texts.shuffle(using: &random) }
        var id = 0
        var tokens: [Token] = []
        for text in texts {
            if chance(0.01) { id += 2 }
            tokens.append((text, id))
            id += 1
        }
        return (tokens, merges)
    }

    /// All pairs that make a token, shorter tokens first, as converters list them.
    private static func everyMerge(of texts: [String]) -> [[String]] {
        let known = Set(texts)
        return texts.filter { !$0.hasPrefix("<0x") && !$0.contains(" ") }
            .sorted { ($0.unicodeScalars.count, $0) < ($1.unicodeScalars.count, $1) }
            .flatMap { text in
                let scalars = Array(text.unicodeScalars)
                return (0..<scalars.count).dropFirst().compactMap { middle -> [String]? in
                    var parts = [String.UnicodeScalarView(), String.UnicodeScalarView()]
                    parts[0] += scalars[..<middle]
                    parts[1] += scalars[middle...]
                    let pair = parts.map { String($0) }
                    return pair.allSatisfy { known.contains($0) } ? pair : nil
                }
            }
    }

    private mutating func addedTokens(_ tokens: inout [Token]) -> [[String: Any]] {
        var texts = some(
            ["<s>", "<w>", "<t>", " ", "ab", "é", "ö", Self.mark, "b", "Ġb", "a\(Self.mark)"], 0.2)
        if chance(0.3), let token = tokens.randomElement(using: &random) {
            texts.append(token.text)
        }
        texts = Array(Set(texts.filter { !$0.isEmpty })).sorted()
        let isPlain = chance(0.4)
        var next = (tokens.map(\.id).max() ?? 0) + 1
        var added: [[String: Any]] = []
        for text in texts {
            var id = tokens.first { $0.text == text }?.id ?? -1
            if id < 0 { (id, next) = (next, next + 1) }
            var token: [String: Any] = ["id": id, "content": text, "special": chance(0.5)]
            for flag in ["lstrip", "rstrip", "single_word", "normalized"] {
                token[flag] = !isPlain && chance(0.25)
            }
            added.append(token)
        }
        return added
    }

    private mutating func byteLevelParts(_ expression: String, _ isOdd: Bool) -> [String: Any] {
        var normalizers: [[String: Any]] = chance(0.5) ? [["type": "NFC"]] : []
        if isOdd { normalizers.append(["type": one(["NFKC", "Lowercase"])]) }
        let split: [String: Any] = [
            "type": "Split", "behavior": isOdd ? "Removed" : "Isolated",
            "pattern": ["Regex": expression],
        ]
        let bytes: [String: Any] = [
            "type": "ByteLevel", "add_prefix_space": isOdd && chance(0.5), "use_regex": false,
        ]
        return [
            "normalizer": normalizers.isEmpty
                ? NSNull() : ["type": "Sequence", "normalizers": normalizers] as Any,
            "pre_tokenizer": ["type": "Sequence", "pretokenizers": [split, bytes]],
            "decoder": ["type": "ByteLevel"],
        ]
    }

    private mutating func markedParts(_ isOdd: Bool) -> [String: Any] {
        let replace: [String: Any] = [
            "type": "Replace", "pattern": ["String": " "], "content": Self.mark,
        ]
        let prepend: [String: Any] = ["type": "Prepend", "prepend": Self.mark]
        let metaspace: [String: Any] = [
            "type": "Metaspace", "replacement": Self.mark, "split": chance(0.5),
            "prepend_scheme": isOdd ? one(["always", "first"]) : "never",
        ]
        let strip: [String: Any] = ["type": "Strip", "content": " ", "start": 1, "stop": 0]
        let undo: [String: Any] = [
            "type": "Replace", "pattern": ["String": Self.mark], "content": " ",
        ]
        var normalizers = [replace]
        let prefixes = chance(0.5)
        if prefixes { normalizers.insert(prepend, at: chance(0.9) ? 0 : 1) }
        if prefixes, isOdd { normalizers.insert(prepend, at: 0) }
        var decoders: [[String: Any]] = [undo, ["type": "ByteFallback"], ["type": "Fuse"]]
        if prefixes != isOdd {
            decoders.append(chance(0.8) ? strip : ["type": "Metaspace", "replacement": Self.mark])
        }
        let hasMetaspace = !prefixes && chance(0.3)
        return [
            "normalizer": hasMetaspace
                ? NSNull() : ["type": "Sequence", "normalizers": normalizers] as Any,
            "pre_tokenizer": hasMetaspace ? metaspace as Any : NSNull(),
            "decoder": ["type": "Sequence", "decoders": decoders],
        ]
    }

    // MARK: - tokenizer.model

    /// A sentencepiece model, and the `tokenizer_config.json` beside it.
    mutating func sentencePiece() throws -> (model: Data, config: Data) {
        var texts = ["<unk>", "<s>", "</s>", "a", "b", Self.mark, "é"]
        for _ in 0..<below(12) { texts.append(one(texts) + one(texts)) }
        texts = texts.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
        var bytes: [UInt8] = []
        func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
            [number << 3 | 2, UInt8(bytes.count)] + bytes
        }
        for (index, text) in texts.enumerated() {
            let type: UInt8 = index == 0 ? 2 : index < 3 ? 3 : chance(0.15) ? 4 : 1
            let score = chance(0.8) ? -Float(index) : Float(below(4))
            let bits = (0..<4).map { UInt8(truncatingIfNeeded: score.bitPattern >> (8 * $0)) }
            bytes += field(1, field(1, Array(text.utf8)) + [2 << 3 | 5] + bits + [3 << 3, type])
        }
        if chance(0.7) {
            for byte in 0..<256 {
                let name = Array(String(format: "<0x%02X>", byte).utf8)
                bytes += field(1, field(1, name) + [3 << 3, 6])
            }
        }
        bytes += field(2, [3 << 3, 2])
        bytes += field(3, [3 << 3, chance(0.5) ? 1 : 0, 4 << 3, 0])
        let added = some(["ab", "a", "<w>", "<s>", "é", "b \(Self.mark)"], 0.3)
        return (Data(bytes), try config(added, after: texts + [], of: bytes.count))
    }

    /// A tiktoken file, and the `tokenizer_config.json` beside it.
    mutating func tiktoken() throws -> (model: Data, config: Data) {
        var tokens: [[UInt8]] = (0..<256).map { [UInt8($0)] }
        let near = Array("abc é".utf8).map { [$0] }
        for _ in 0..<below(20) {
            let grown = tokens.dropFirst(256) + near
            tokens.append(one(Array(grown)) + one(Array(grown)))
        }
        tokens = tokens.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
        let lines = tokens.enumerated().map { "\(Data($1).base64EncodedString()) \($0)\n" }
        let texts = tokens.map { String(decoding: $0, as: UTF8.self) }
        let added = some(["<s>", "<w>", "ö", "ab", "a", " a"], 0.3)
        return (Data(lines.joined().utf8), try config(added, after: texts, of: 0))
    }

    /// A configuration that lists tokens under the ids that they have, or after all others.
    private mutating func config(
        _ added: [String], after texts: [String], of bytes: Int
    ) throws -> Data {
        var entries: [String: Any] = [:]
        var next = texts.count + (bytes > 2000 ? 256 : 0)
        let isPlain = chance(0.4)
        for text in added {
            var token: [String: Any] = ["content": text, "special": chance(0.6)]
            for flag in ["lstrip", "rstrip", "single_word", "normalized"] {
                token[flag] = !isPlain && chance(0.2)
            }
            let known = texts.firstIndex { $0.utf8.elementsEqual(text.utf8) }
            entries["\(known ?? next)"] = token
            if known == nil { next += 1 }
        }
        return try JSONSerialization.data(withJSONObject: ["added_tokens_decoder": entries])
    }
}

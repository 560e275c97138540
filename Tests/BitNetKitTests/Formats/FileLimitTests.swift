import Foundation
import Testing

@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// The limits of the article on limits, each just inside and just outside.
@Suite("Limits of files and tokenizers")
struct FileLimitTests {
    private func expectLimit(
        _ words: String, inside: () throws(BitNetError) -> Void,
        outside: () throws(BitNetError) -> Void
    ) {
        #expect(failure(inside) == nil)
        let error = failure(outside)
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "accepted")")
    }

    @Test("JSON has a size")
    func json() {
        let most = JSONParser.maximumSize
        expectLimit("1073741825 bytes of JSON, more than the 1073741824") {
            () throws(BitNetError) in
            try JSONParser.check(size: most, path: "x")
        } outside: { () throws(BitNetError) in
            try JSONParser.check(size: most + 1, path: "x")
        }
    }

    @Test("a file has a number of tensors")
    func tensors() {
        let most = CheckpointTensor.mostInFile
        func safetensors(_ count: Int, _ more: String = "") throws(BitNetError) {
            let entries = (0..<count).map {
                "\"\($0)\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}"
            }
            let header = "{" + more + entries.joined(separator: ",") + "}"
            let file = try SafetensorsFile(ByteRegion(rawSafetensors(header, data: 0)))
            #expect(file.tensors.count == count)
            #expect(file.tensor(named: "\(count - 1)")?.shape == [0])
        }
        expectLimit("131073 tensors, more than the 131072") { () throws(BitNetError) in
            try safetensors(most, #""__metadata__":{"format":"pt"},"#)
        } outside: { () throws(BitNetError) in
            try safetensors(most + 1)
        }
        func gguf(_ count: Int) throws(BitNetError) {
            var file = RawGGUF()
            for index in 0..<count {
                file.tensor("\(index)", [1], type: 0, offset: UInt64(32 * index))
            }
            file.data = [UInt8](repeating: 0, count: 32 * count)
            #expect(try file.open().tensors.count == count)
        }
        expectLimit("131073 tensors, more than the 131072") { () throws(BitNetError) in
            try gguf(most)
        } outside: { () throws(BitNetError) in
            try gguf(most + 1)
        }
    }

    @Test("metadata has a number of entries")
    func metadata() {
        let most = SafetensorsHeader.mostMetadata
        func safetensors(_ count: Int) throws(BitNetError) {
            let entries = (0..<count).map { "\"\($0)\":\"\"" }.joined(separator: ",")
            let header = "{\"__metadata__\":{\(entries)}}"
            let file = try SafetensorsFile(ByteRegion(rawSafetensors(header, data: 0)))
            #expect(file.metadata.count == count)
        }
        expectLimit("65537 entries, more than 65536") { () throws(BitNetError) in
            try safetensors(most)
        } outside: { () throws(BitNetError) in
            try safetensors(most + 1)
        }
        func gguf(_ count: Int) throws(BitNetError) {
            var file = RawGGUF()
            for index in 0..<count { file.entry("\(index)", type: 0, [7]) }
            #expect(try file.open()["\(count - 1)"]?.int == 7)
        }
        expectLimit("65537 metadata entries, more than the 65536") { () throws(BitNetError) in
            try gguf(GGUFParser.maximumEntries)
        } outside: { () throws(BitNetError) in
            try gguf(GGUFParser.maximumEntries + 1)
        }
    }

    @Test("arrays inside arrays have a number and a depth")
    func arrays() {
        func nested(_ count: Int, depth: Int) throws(BitNetError) {
            var raw = RawBytes()
            for _ in 1..<depth - 1 {
                raw.u32(9)
                raw.u64(1)
            }
            raw.u32(9)
            raw.u64(UInt64(count))
            raw.bytes += [UInt8](repeating: 0, count: 12 * count)
            var file = RawGGUF()
            file.entry("a", type: 9, raw.bytes)
            #expect(try file.open()["a"]?.array != nil)
        }
        expectLimit("more than 65536 arrays inside arrays") { () throws(BitNetError) in
            try nested(65_536, depth: 2)
        } outside: { () throws(BitNetError) in
            try nested(65_537, depth: 2)
        }
        expectLimit("nested too deeply") { () throws(BitNetError) in
            try nested(1, depth: GGUFParser.maximumArrayDepth)
        } outside: { () throws(BitNetError) in
            try nested(1, depth: GGUFParser.maximumArrayDepth + 1)
        }
    }

    @Test("a tensor has a number of dimensions")
    func dimensions() {
        func tensor(_ count: Int) throws(BitNetError) {
            var file = RawGGUF()
            file.tensor("t", [UInt64](repeating: 1, count: count), type: 0, offset: 0)
            file.data = [0, 0, 0, 0]
            #expect(try file.open().tensors[0].shape.count == count)
        }
        expectLimit("5 dimensions; 1 to 4 are allowed") { () throws(BitNetError) in
            try tensor(GGUFParser.maximumDimensions)
        } outside: { () throws(BitNetError) in
            try tensor(GGUFParser.maximumDimensions + 1)
        }
    }

    @Test("what is decoded has a number of parts; what nobody asks for does not count")
    func decodedParts() throws {
        struct Part: Decodable {
            var parts: [[Int]]
        }
        func decode(_ lists: Int, rest: String = "") throws -> Int {
            let text =
                "{\(rest)\"parts\":["
                + [String](repeating: "[]", count: lists)
                .joined(separator: ",") + "]}"
            let part = try readJSON(Part.self, from: Array(text.utf8), named: "x.json")
            return part.parts.count
        }
        // The object and the list around them count, too.
        let most = JSONContents.mostParts - 2
        let others = "\"other\":[" + String(repeating: "{},", count: 1000) + "0],"
        #expect(try decode(most, rest: others) == most)
        #expect {
            try decode(most + 1)
        } throws: {
            "\($0)".contains("more than 131072 objects and lists")
        }
    }

    @Test("a vocabulary has a number of special tokens, and a file for it a size")
    func vocabularies() {
        func vocabulary(_ special: Int) throws(BitNetError) {
            let kinds = [Vocabulary.Kind](repeating: .control, count: special) + [.normal]
            _ = try Vocabulary(spellings: ByteStrings((0...special).map { "x\($0)" }), kinds: kinds)
        }
        expectLimit("more than 131072 special") { () throws(BitNetError) in
            try vocabulary(Vocabulary.mostAdded)
        } outside: { () throws(BitNetError) in
            try vocabulary(Vocabulary.mostAdded + 1)
        }
        expectLimit("1073741825 bytes, more than the 1073741824") { () throws(BitNetError) in
            try ByteStrings.check(ByteStrings.mostBytes, of: "tokenizer.model")
        } outside: { () throws(BitNetError) in
            try ByteStrings.check(ByteStrings.mostBytes + 1, of: "tokenizer.model")
        }
    }

    @Test("normalisers and expressions have a size")
    func tokenizers() {
        func grow(_ factor: Int) throws(BitNetError) {
            let text = [UInt8](repeating: 0x62, count: factor)
            try Normalizer(steps: [.replace([0x61], with: text)]).checkGrowth()
        }
        expectLimit("257 bytes for one") { () throws(BitNetError) in
            try grow(Int(Normalizer.mostGrowth))
        } outside: { () throws(BitNetError) in
            try grow(Int(Normalizer.mostGrowth) + 1)
        }
        func prepend(_ count: Int) throws(BitNetError) {
            let text = [UInt8](repeating: 0x62, count: count)
            try Normalizer(steps: [.prepend(text, .always)]).checkGrowth()
        }
        expectLimit("4097 before a text") { () throws(BitNetError) in
            try prepend(Int(Normalizer.longestPrefix))
        } outside: { () throws(BitNetError) in
            try prepend(Int(Normalizer.longestPrefix) + 1)
        }
        func expression(_ count: Int) throws(BitNetError) {
            _ = try Expression(String(repeating: "a", count: count))
        }
        // The end is an instruction, too.
        expectLimit("is too long") { () throws(BitNetError) in
            try expression(Expression.longestProgram - 1)
        } outside: { () throws(BitNetError) in
            try expression(Expression.longestProgram)
        }
        func branches(_ count: Int) throws(BitNetError) {
            _ = try Expression(String(repeating: "a?", count: count))
        }
        expectLimit("with 257 branches") { () throws(BitNetError) in
            try branches(Expression.mostBranches)
        } outside: { () throws(BitNetError) in
            try branches(Expression.mostBranches + 1)
        }
        expectLimit("this count") { () throws(BitNetError) in
            _ = try Expression("a{1000}")
        } outside: { () throws(BitNetError) in
            _ = try Expression("a{1001}")
        }
        func group(_ depth: Int) throws(BitNetError) {
            _ = try Expression(
                String(repeating: "(", count: depth) + "a" + String(repeating: ")", count: depth))
        }
        expectLimit("a group this deep") { () throws(BitNetError) in
            try group(63)
        } outside: { () throws(BitNetError) in
            try group(64)
        }
    }

    @Test("the expressions of a tokenizer have a size together")
    func expressions() throws {
        func tokenizer(_ count: Int) throws -> Tokenizer {
            let expression = String(repeating: "a?", count: count) + "b"
            let split: [String: Any] = ["type": "Split", "pattern": ["Regex": expression]]
            let byteLevel: [String: Any] = [
                "type": "ByteLevel", "use_regex": false, "add_prefix_space": false,
            ]
            return try Tokenizer(
                json: TokenizerFolderTests.json(parts: [
                    "pre_tokenizer": [
                        "type": "Sequence", "pretokenizers": [split, split, byteLevel],
                    ] as [String: Any],
                    "normalizer": [
                        "type": "Replace", "pattern": ["Regex": expression], "content": "x",
                    ],
                ]))
        }
        #expect(try tokenizer(Expression.mostBranches / 3).encode("aab").count == 1)
        #expect {
            try tokenizer(Expression.mostBranches / 3 + 1)
        } throws: {
            "\($0)".contains("the expressions together")
        }
    }

    @Test("a model has a largest size")
    func model() {
        func check(_ change: (inout ModelConfiguration) -> Void) throws(BitNetError) {
            var configuration = ModelConfiguration(
                bitnet: "x", vocabularySize: 256, hiddenSize: 64, feedForwardSize: 128,
                layerCount: 1, headCount: 2, keyValueHeadCount: 1, contextLength: 8)
            change(&configuration)
            try configuration.validate(path: "x")
        }
        let most = 1 << 24
        expectLimit("16777217 is not in 1...16777216") { () throws(BitNetError) in
            try check { $0.contextLength = most }
        } outside: { () throws(BitNetError) in
            try check { $0.contextLength = most + 1 }
        }
        expectLimit("16777217 is not in 1...16777216") { () throws(BitNetError) in
            try check { $0.vocabularySize = most }
        } outside: { () throws(BitNetError) in
            try check { $0.vocabularySize = most + 1 }
        }
        expectLimit("1025 is not in 1...1024") { () throws(BitNetError) in
            try check { $0.layerCount = 1024 }
        } outside: { () throws(BitNetError) in
            try check { $0.layerCount = 1025 }
        }
    }
}

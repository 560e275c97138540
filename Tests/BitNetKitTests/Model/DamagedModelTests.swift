import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// A model file with missing or wrong bytes is refused or computes finite logits.
@Suite("Damaged models are refused or give finite logits, never a crash")
struct DamagedModelTests {
    /// Loads and runs; true where it was refused.
    private func isRefused(_ url: URL) -> Bool {
        let error = failure { () throws(BitNetError) in
            let rows = try TinyModel.logits(url)
            #expect(rows.allSatisfy { $0.allSatisfy(\.isFinite) })
            return rows
        }
        if let error { #expect(!error.description.contains("\n")) }
        return error != nil
    }

    @Test("every truncated GGUF file is refused", arguments: TinyModel.files)
    func truncatedFile(_ url: URL) throws {
        let folder = try TemporaryFolder()
        let bytes = [UInt8](try Data(contentsOf: url))
        // The last tensor is followed by less than one alignment of padding.
        let lengths =
            Array(stride(from: 0, to: 8_000, by: 61))
            + Array(stride(from: 8_001, to: bytes.count - 32, by: 4_999)) + [bytes.count - 32]
        for length in lengths {
            let path = try folder.write("model.gguf", Array(bytes[..<length]))
            #expect(isRefused(URL(fileURLWithPath: path)), "\(length) bytes")
        }
    }

    @Test("every truncated file of a folder is refused", arguments: TinyModel.folders)
    func truncatedFolder(_ url: URL) throws {
        for name in ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"]
        {
            let folder = try TemporaryFolder()
            _ = try EditableFolder(url).write(to: folder)
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder.file(name))))
            let step = max(1, bytes.count / 60)
            // Up to two bytes may be white space at the end.
            for length in Array(stride(from: 0, to: bytes.count - 2, by: step)) + [bytes.count - 3]
            {
                try folder.write(name, Array(bytes[..<length]))
                #expect(isRefused(URL(fileURLWithPath: folder.path)), "\(name), \(length) bytes")
            }
        }
    }

    /// Positions in a header, and in the data behind it.
    private func positions(
        _ bytes: [UInt8], header: Int, _ random: inout SplitMix64
    ) -> [Int] {
        (0..<160).map { index in
            let range = index % 2 == 0 ? 0..<header : header..<bytes.count
            return Int.random(in: range, using: &random)
        }
    }

    @Test("GGUF files with changed bytes", arguments: TinyModel.files)
    func changedFile(_ url: URL) throws {
        let folder = try TemporaryFolder()
        let bytes = [UInt8](try Data(contentsOf: url))
        var random = SplitMix64(seed: 11)
        var refused = 0
        let places = positions(bytes, header: 6_800, &random)
        for position in places {
            var damaged = bytes
            damaged[position] ^= UInt8(1 << Int.random(in: 0..<8, using: &random))
            let path = try folder.write("model.gguf", damaged)
            if isRefused(URL(fileURLWithPath: path)) { refused += 1 }
        }
        // Most bytes of a header matter, and code 3 is no trit.
        #expect(refused > places.count / 4 && refused < places.count)
    }

    @Test("folders with changed bytes", arguments: TinyModel.folders)
    func changedFolder(_ url: URL) throws {
        let folder = try TemporaryFolder()
        _ = try EditableFolder(url).write(to: folder)
        var random = SplitMix64(seed: 12)
        var refused = 0
        var tried = 0
        for (name, header) in [
            ("model.safetensors", 4_000), ("config.json", 300), ("tokenizer.json", 6_000),
        ] {
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder.file(name))))
            for position in positions(bytes, header: header, &random) {
                var damaged = bytes
                damaged[position] ^= UInt8(1 << Int.random(in: 0..<8, using: &random))
                try folder.write(name, damaged)
                if isRefused(URL(fileURLWithPath: folder.path)) { refused += 1 }
                tried += 1
            }
            try folder.write(name, bytes)
        }
        #expect(refused > tried / 4 && refused < tried)
        #expect(!isRefused(URL(fileURLWithPath: folder.path)))
    }

    @Test("random bytes where weights should be", arguments: TinyModel.all)
    func randomWeights(_ url: URL) throws {
        let isFolder = TinyModel.folders.contains(url)
        let name = isFolder ? "model.safetensors" : "model.gguf"
        let folder = try TemporaryFolder()
        if isFolder { _ = try EditableFolder(url).write(to: folder) }
        let source = isFolder ? URL(fileURLWithPath: folder.file(name)) : url
        let bytes = [UInt8](try Data(contentsOf: source))
        var random = SplitMix64(seed: 13)
        for _ in 0..<12 {
            var damaged = bytes
            let start = Int.random(in: 8_000..<bytes.count, using: &random)
            let length = Int.random(in: 1...5_000, using: &random)
            for position in start..<min(start + length, bytes.count) {
                damaged[position] = UInt8(truncatingIfNeeded: random.next())
            }
            try folder.write(name, damaged)
            _ = isRefused(URL(fileURLWithPath: isFolder ? folder.path : folder.file(name)))
        }
    }
}

/// Numbers that are not finite are found where they would otherwise be hidden by rounding.
@Suite("Numbers that are not finite")
struct NonFiniteTests {
    /// NaN and infinity as bf16.
    static let bad: [[UInt8]] = [[0xC0, 0x7F], [0x80, 0x7F], [0x80, 0xFF]]

    @Test("a norm that is not finite is refused by name", arguments: bad)
    func norms(_ bytes: [UInt8]) throws {
        for name in [
            "model.norm.weight", "model.layers.1.mlp.ffn_sub_norm.weight",
            "model.layers.0.input_layernorm.weight",
        ] {
            let error = try failure(ofFolder: TinyModel.bitnetFolder) { model in
                model[tensor: name].bytes.replaceSubrange(10..<12, with: bytes)
            }
            #expect(error?.isCorruptTensor == true && error?.tensor == name)
        }
        let inner = "model.layers.1.self_attn.o_proj.rms_norm.weight"
        let error = try failure(ofFolder: TinyModel.llamaFolder) { model in
            model[tensor: inner].bytes.replaceSubrange(0..<2, with: bytes)
        }
        #expect(error?.isCorruptTensor == true && error?.tensor == inner)
    }

    @Test("an embedding that is not finite stops the sequence at that token", arguments: bad)
    func embedding(_ bytes: [UInt8]) async throws {
        let folder = try TemporaryFolder()
        var editable = try EditableFolder(TinyModel.bitnetFolder)
        let row = 77 * 128 * 2
        editable[tensor: "model.embed_tokens.weight"].bytes
            .replaceSubrange(row..<row + 2, with: bytes)
        let model = try BitNetModel(loading: try editable.write(to: folder))
        // Finite logits would follow from the last token alone.
        for tokens in [[77], [77, 5], [5, 77], [1, 77, 5, 9]] {
            await #expect(throws: BitNetError.self) { try await model.generate(tokens: tokens) }
            await #expect(throws: BitNetError.self) { try await model.logits(tokens: tokens) }
        }
        var options = GenerationOptions()
        options.maximumResponseTokens = 2
        #expect(try await model.generate(tokens: [5, 6], options: options).tokens.count == 2)
    }

    @Test("a head that is not finite gives an error, not a token", arguments: bad)
    func head(_ bytes: [UInt8]) async throws {
        let folder = try TemporaryFolder()
        var editable = try EditableFolder(TinyModel.bitnetFolder)
        editable[tensor: "lm_head.weight"].bytes.replaceSubrange(512..<514, with: bytes)
        let model = try BitNetModel(loading: try editable.write(to: folder))
        for attempt in [0, 1] {
            do throws(BitNetError) {
                if attempt == 0 {
                    _ = try await model.generate(tokens: [5])
                } else {
                    _ = try await model.logits(tokens: [5, 6], allPositions: true)
                }
                Issue.record("finite")
            } catch {
                #expect(error.isCorruptTensor && error.tensor == "logits")
            }
        }
    }

    @Test(
        "weights so large that activations overflow give an error", arguments: LinearPart.allCases,
        // With norms before `o` and `down`, and without.
        [TinyModel.bitnetGGUF, TinyModel.llamaGGUF])
    func overflow(_ part: LinearPart, _ file: URL) throws {
        // Each alone: after most of them a norm and int8 rounding would hide the overflow.
        let error = try failure(of: file) { model in
            let name = "blk.0.\(part.gguf).weight"
            let codes = model[tensor: name].bytes.count - 32
            model[tensor: name].bytes.replaceSubrange(codes..<codes + 4, with: floatBytes([3e38]))
        }
        #expect(error?.isCorruptTensor == true)
    }
}

import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Files that are well formed and say something untrue about themselves.
@Suite("Mislabelled models are refused by name")
struct MislabelledModelTests {
    @Test("a Llama model that calls itself BitNet lacks its sub-norms")
    func llamaAsBitNet() throws {
        for name in ["bitnet-b1.58", "bitnet-25", "bitnet"] {
            let error = try failure(of: TinyModel.llamaGGUF) { $0.rename(to: name) }
            #expect(error?.isMissingTensor == true)
            #expect(error?.tensor?.hasSuffix("_sub_norm.weight") == true)
            // Renamed in one place only, the keys are missing.
            let half = try failure(of: TinyModel.llamaGGUF) {
                $0["general.architecture"] = .string(name)
            }
            #expect(half?.isInvalidMetadata == true)
        }
        let folder = try failure(ofFolder: TinyModel.llamaFolder) {
            $0.config["architectures"] = ["BitNetForCausalLM"]
        }
        #expect(folder?.key == "quantization_config.use_rms_norm")
    }

    @Test("a BitNet model that calls itself Llama has tensors too many")
    func bitNetAsLlama() throws {
        let error = try failure(of: TinyModel.bitnetGGUF) { $0.rename(to: "llama") }
        #expect(error?.isUnexpectedTensor == true)
        #expect(error?.tensor?.hasSuffix("_sub_norm.weight") == true)
        let folder = try failure(ofFolder: TinyModel.bitnetFolder) {
            $0.config["architectures"] = ["LlamaForCausalLM"]
        }
        #expect(folder?.isUnexpectedTensor == true)
        #expect(folder?.tensor?.contains("_sub_norm") == true)
    }

    @Test("an unknown architecture is named")
    func unknownArchitecture() throws {
        let file = try failure(of: TinyModel.llamaGGUF) { $0.rename(to: "mamba") }
        #expect(file?.description.contains("mamba") == true)
        let folder = try failure(ofFolder: TinyModel.llamaFolder) {
            $0.config["architectures"] = ["MambaForCausalLM"]
        }
        #expect(folder?.description.contains("MambaForCausalLM") == true)
    }

    @Test("a tensor with another type id is refused")
    func typeIDs() throws {
        let folder = try TemporaryFolder()
        let swaps: [(url: URL, tensor: String, from: UInt32, to: [UInt32])] = [
            (TinyModel.bitnetGGUF, "blk.0.attn_q.weight", 36, [0, 1, 30, 34, 35, 37, 38, 39, 42]),
            (TinyModel.bitnetGGUF, "token_embd.weight", 30, [0, 8, 36, 35]),
            (TinyModel.llamaGGUF, "blk.0.attn_q.weight", 35, [0, 1, 34, 36, 42]),
            (TinyModel.llamaGGUF, "output.weight", 14, [13, 8, 1, 999]),
        ]
        for swap in swaps {
            let bytes = [UInt8](try Data(contentsOf: swap.url))
            let place = try #require(typePlace(swap.tensor, in: bytes))
            #expect(bytes[place] == swap.from)
            for id in swap.to {
                var changed = bytes
                changed.replaceSubrange(place..<place + 4, with: littleEndian(id))
                let path = try folder.write("model.gguf", changed)
                let error = failure { () throws(BitNetError) in
                    try TinyModel.logits(URL(fileURLWithPath: path))
                }
                #expect(error?.description.contains(swap.tensor) == true, "\(swap.tensor) as \(id)")
            }
        }
    }

    @Test("types of one size that are swapped give another, finite model, which no file tells")
    func sameSize() throws {
        // F16 and BF16 are told apart by the id alone.
        let folder = try TemporaryFolder()
        var model = try EditableGGUF(TinyModel.bitnetGGUF)
        model[tensor: "token_embd.weight"].type = .f16
        let rows = try TinyModel.logits(try model.write(to: folder))
        #expect(rows.allSatisfy { $0.allSatisfy(\.isFinite) })
        #expect(try TinyModel.logits(TinyModel.bitnetGGUF) != rows)
    }

    /// Where the type id of a tensor is: behind its name, the number of dimensions and those.
    private func typePlace(_ tensor: String, in bytes: [UInt8]) -> Int? {
        var raw = RawBytes()
        raw.string(tensor)
        let end = (0..<bytes.count - raw.bytes.count).first {
            bytes[$0..<$0 + raw.bytes.count].elementsEqual(raw.bytes)
        }
        return end.map { $0 + raw.bytes.count + 4 + 16 }
    }

    private func littleEndian(_ value: UInt32) -> [UInt8] {
        var raw = RawBytes()
        raw.u32(value)
        return raw.bytes
    }

    @Test("code 3 in an I2_S tensor is corruption, at its weight")
    func codeThree() throws {
        for (byte, bits, weight) in [(0, 0xC0, 0), (5, 0x03, 96 + 5), (4_095, 0x30, 16_319)] {
            let error = try failure(of: TinyModel.bitnetGGUF) { model in
                model[tensor: "blk.0.attn_v.weight"].bytes[byte] |= UInt8(bits)
            }
            #expect(error?.isCorruptTensor == true && error?.tensor == "blk.0.attn_v.weight")
            #expect(error?.description.contains("weight \(weight) ") == true)
        }
    }

    @Test("code 3 in a packed matrix is corruption")
    func packedCodeThree() throws {
        for name in ["mlp.down_proj", "self_attn.k_proj"] {
            let tensor = "model.layers.1.\(name).weight"
            let error = try failure(ofFolder: TinyModel.bitnetFolder) { model in
                model[tensor: tensor].bytes[7] |= 0x0C
            }
            #expect(error?.isCorruptTensor == true && error?.tensor == tensor)
        }
    }

    @Test("invalid bytes in TQ1_0 and TQ2_0 blocks are corruption")
    func blocks() throws {
        let name = "blk.1.ffn_up.weight"
        let two = try failure(of: TinyModel.llamaGGUF) { $0[tensor: name].bytes[100] = 0xFF }
        #expect(two?.isCorruptTensor == true && two?.tensor == name)
        // TQ1_0: bytes 128 (all zero trits) and 0 (all minus) are valid, 1 is not.
        for (byte, isValid) in [(UInt8(128), true), (0, true), (1, false)] {
            let one = try failure(of: TinyModel.llamaGGUF) { model in
                let rows = model[tensor: name].shape[0]
                let block = [UInt8](repeating: byte, count: 48) + [127, 127, 127, 127, 0, 0x3C]
                model[tensor: name].type = .tq1_0
                model[tensor: name].bytes = Array(repeatElement(block, count: rows).joined())
            }
            #expect((one == nil) == isValid)
            if !isValid { #expect(one?.isCorruptTensor == true && one?.tensor == name) }
        }
    }

    @Test("bytes after the end and bytes missing at the end are told")
    func fileSize() throws {
        let folder = try TemporaryFolder()
        for url in TinyModel.files {
            let bytes = [UInt8](try Data(contentsOf: url))
            // Zeros are padding.
            let padded = try folder.write(
                "padded.gguf", bytes + [UInt8](repeating: 0, count: 4_096))
            #expect(try TinyModel.haveSameLogits(url, URL(fileURLWithPath: padded)))
            for changed in [bytes + [UInt8](repeating: 1, count: 4_096), Array(bytes.dropLast(64))]
            {
                let path = try folder.write("model.gguf", changed)
                let error = failure { () throws(BitNetError) in
                    try TinyModel.logits(URL(fileURLWithPath: path))
                }
                #expect(error?.isMalformedFile == true)
            }
        }
        for count in [-1, 1] {
            let error = try failure(ofFolder: TinyModel.bitnetFolder) { model in
                let last = model.tensors.count - 1
                model.tensors[last].bytes =
                    count < 0
                    ? model.tensors[last].bytes.dropLast() : model.tensors[last].bytes + [0]
            }
            #expect(error?.isMalformedFile == true)
        }
    }

    @Test("a head in another part of a split file is found")
    func splitHead() throws {
        let folder = try TemporaryFolder()
        let model = try EditableGGUF(TinyModel.llamaGGUF)
        for part in 0..<2 {
            var half = model
            half.tensors = model.tensors.filter { ($0.name == "output.weight") == (part == 1) }
            if part == 1 { half.metadata = [] }
            half["split.count"] = .uint16(2)
            half["split.no"] = .uint16(UInt16(part))
            _ = try half.write(to: folder, "model-0000\(part + 1)-of-00002.gguf")
        }
        let first = URL(fileURLWithPath: folder.file("model-00001-of-00002.gguf"))
        #expect(try TinyModel.haveSameLogits(first, TinyModel.llamaGGUF))
    }
}

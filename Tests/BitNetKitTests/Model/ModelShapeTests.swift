import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Configurations that do not fit the tensors, or are no configuration at all.
@Suite("Wrong shapes are refused before memory is taken")
struct ModelShapeTests {
    /// Every key of `config.json` that is a size, and values that the fixture does not have.
    private static var sizes: [(key: String, values: [Any])] {
        [
            ("hidden_size", [64, 120, 256, 1 << 20]), ("intermediate_size", [64, 161, 1 << 22]),
            ("num_attention_heads", [1, 2, 3, 5, 8, 128]), ("num_key_value_heads", [2, 3, 4, 8]),
            ("head_dim", [16, 31, 33, 64, 2048]), ("vocab_size", [319, 321, 1 << 23]),
            ("num_hidden_layers", [1, 3, 1024, 1025]),
        ]
    }
    private static var impossible: [Any] {
        [0, -1, -128, Int(Int32.max), Int.max, Int.min, 1e300, 0.5, "128", [128], true]
    }

    @Test("sizes in config.json that the tensors do not have", arguments: TinyModel.folders)
    func configSizes(_ url: URL) throws {
        for (key, values) in Self.sizes {
            for value in values + Self.impossible {
                let error = try failure(ofFolder: url) { $0.config[key] = value }
                let isKnown =
                    error?.isInvalidMetadata == true || error?.isShapeMismatch == true
                    || error?.isMissingTensor == true || error?.isUnexpectedTensor == true
                    || error?.isTokenizer == true
                // The Llama fixture has these values.
                let isItsOwn =
                    url == TinyModel.llamaFolder
                    && ((key, value as? Int) == ("hidden_size", 64)
                        || (key, value as? Int) == ("num_key_value_heads", 2)
                        || (key, value as? Int) == ("head_dim", 16))
                #expect(isKnown != isItsOwn, "\(key) = \(value): \(String(describing: error))")
            }
        }
    }

    @Test("sizes in GGUF keys that the tensors do not have", arguments: TinyModel.files)
    func ggufSizes(_ url: URL) throws {
        let keys = [
            "embedding_length", "feed_forward_length", "attention.head_count", "block_count",
            "attention.head_count_kv", "vocab_size", "rope.dimension_count",
            "attention.key_length",
        ]
        let values: [GGUFValue] = [
            .uint32(0), .int32(-1), .uint32(.max), .uint64(.max), .int64(.min), .uint32(24),
            .uint32(1 << 23), .float32(128), .string("128"), .bool(true),
            .array(GGUFArray([4, 4, 4, 4, 4] as [Int32])), .array(GGUFArray([Int32]())),
        ]
        for key in keys {
            for value in values {
                let error = try failure(of: url) { $0["\($0.architecture).\(key)"] = value }
                #expect(error != nil, "\(key) = \(value)")
                #expect(
                    error?.isMalformedFile == false && error?.description.count ?? 0 > 20,
                    "\(key) = \(value): \(String(describing: error))")
            }
        }
    }

    @Test("too many and too few layers name a tensor of the first layer that is wrong")
    func layers() throws {
        for (count, isMissing, layer) in [(1, false, "layers.1."), (3, true, "layers.2.")] {
            let error = try failure(ofFolder: TinyModel.bitnetFolder) {
                $0.config["num_hidden_layers"] = count
            }
            #expect(error?.tensor?.contains(layer) == true)
            #expect((isMissing ? error?.isMissingTensor : error?.isUnexpectedTensor) == true)
        }
        for (count, layer) in [(1, "blk.1."), (3, "blk.2.")] {
            let error = try failure(of: TinyModel.llamaGGUF) {
                $0["llama.block_count"] = .uint32(UInt32(count))
            }
            #expect(error?.tensor?.contains(layer) == true)
        }
    }

    @Test("heads that cannot share key-value heads are told", arguments: [3, 5, 8])
    func heads(_ count: Int) throws {
        let error = try failure(ofFolder: TinyModel.llamaFolder) {
            $0.config["num_key_value_heads"] = count
        }
        #expect(error?.key == "num_key_value_heads")
    }

    @Test("a missing tensor is named", arguments: [0, 1, 7, 12, 25])
    func missing(_ index: Int) throws {
        var name = ""
        let error = try failure(ofFolder: TinyModel.bitnetFolder) {
            name = $0.tensors.remove(at: index).name
        }
        #expect(error?.tensor == name)
        let file = try failure(of: TinyModel.bitnetGGUF) {
            name = $0.tensors.remove(at: index % $0.tensors.count).name
        }
        // Without its head a file is tied, and this one is.
        #expect(file?.tensor == name && file?.isMissingTensor == true)
    }

    @Test("an extra tensor is named; copies of rotary frequencies are not extra")
    func extra() throws {
        let name = "blk.0.attn_q.bias"
        let file = try failure(of: TinyModel.llamaGGUF) {
            $0.tensors.append(
                .init(
                    name: name, type: .f32, shape: [256],
                    bytes: floatBytes(.init(repeating: 0, count: 256))))
        }
        #expect(file?.isUnexpectedTensor == true && file?.tensor == name)
        for (extra, isHarmless) in [
            ("model.layers.0.self_attn.rotary_emb.inv_freq", true),
            ("model.layers.0.self_attn.q_proj.bias", false), ("model.layers.2.mlp.gate", false),
        ] {
            let error = try failure(ofFolder: TinyModel.bitnetFolder) {
                $0.tensors.append(
                    .init(name: extra, dtype: "F32", shape: [1], bytes: floatBytes([0])))
            }
            #expect(isHarmless ? error == nil : error?.tensor == extra)
        }
    }

    @Test("a matrix of the right size and the wrong shape is refused")
    func transposed() throws {
        let name = "model.layers.0.mlp.gate_proj.weight"
        let error = try failure(ofFolder: TinyModel.bitnetFolder) {
            $0[tensor: name].shape.reverse()
        }
        #expect(error?.isShapeMismatch == true && error?.tensor == name)
        let norm = try failure(of: TinyModel.bitnetGGUF) {
            $0[tensor: "blk.0.attn_norm.weight"].shape = [1, 128]
        }
        #expect(norm?.isShapeMismatch == true)
    }

    @Test("an I2_S matrix that is no whole number of blocks is refused")
    func partialBlock() throws {
        for (rows, isWhole) in [(4, false), (8, true), (12, false)] {
            let count = rows * 16
            let bytes = [UInt8](repeating: 0x55, count: count / 4) + floatBytes([1])
            let tensor = try CheckpointTensor(
                name: "w", type: .i2_s, shape: [rows, 16],
                region: ByteRegion(bytes + [UInt8](repeating: 0, count: 28)))
            let source = TernarySource(
                tensor: tensor, rows: rows, columns: 16, scaleTensor: nil, direction: .multiply,
                masters: .requireTernary, interleavedHeads: 0)
            let error = failure { () throws(BitNetError) in
                try source.pack(layout: .t2, pool: Compute.standard.pool)
            }
            #expect(isWhole ? error == nil : error?.isUnsupportedFormat == true)
        }
    }
}

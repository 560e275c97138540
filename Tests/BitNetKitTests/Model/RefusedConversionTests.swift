import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Conversions that would lose something are refused and leave nothing")
struct RefusedConversionTests {
    /// Converts into a folder with a file of that name, which must stay; returns the error.
    private func refusal(
        _ source: URL, to type: ElementType = .i2_s, embedding: ElementType? = nil
    ) throws -> BitNetError? {
        let folder = try TemporaryFolder()
        try folder.write("converted.gguf", "precious")
        let error = failure { () throws(BitNetError) in
            try convert(source, in: folder, to: type, embedding: embedding)
        }
        #expect(try folder.names == ["converted.gguf"])
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: folder.file("converted.gguf")))
                == Data("precious".utf8))
        return error
    }

    private func refusal(
        _ model: EditableFolder, to type: ElementType = .i2_s, embedding: ElementType? = nil
    ) throws -> BitNetError? {
        let folder = try TemporaryFolder()
        return try refusal(try model.write(to: folder), to: type, embedding: embedding)
    }

    @Test(
        "what a format cannot hold is told with the tensor", arguments: [ElementType.tq1_0, .tq2_0])
    func columns(_ type: ElementType) throws {
        for url in [TinyModel.bitnetFolder, TinyModel.bitnetGGUF] {
            let error = try refusal(url, to: type)
            #expect(error?.isUnsupportedFormat == true)
            #expect(error?.description.contains("blk.0.attn_q.weight") == true)
        }
        let embedding = try refusal(TinyModel.bitnetFolder, embedding: .q6_K)
        #expect(embedding?.isUnsupportedFormat == true)
        #expect(embedding?.description.contains("token_embd.weight") == true)
    }

    @Test("types that are not ternary, or cannot be written, are refused")
    func types() throws {
        #expect(try refusal(TinyModel.llamaGGUF, to: .q4_0)?.isInvalidArgument == true)
        for type in [ElementType.q4_K, .i2_s, .i8] {
            #expect(try refusal(TinyModel.llamaGGUF, embedding: type)?.isInvalidArgument == true)
        }
    }

    @Test("damage found after most of the file was written")
    func lateDamage() throws {
        let name = "model.layers.1.mlp.down_proj.weight"
        var model = try llamaAsFolder()
        model[tensor: name].bytes[0] = 0xFF
        let error = try refusal(model)
        #expect(error?.isCorruptTensor == true && error?.tensor == name)
    }

    @Test("a matrix with a scale for every row loads, and no GGUF type holds it")
    func rowScales() throws {
        let folder = try TemporaryFolder()
        let source = try TemporaryFolder()
        let url = try llamaAsFolder(scaleShape: [0]).write(to: folder)
        #expect(try TinyModel.haveSameLogits(url, llamaAsFolder().write(to: source)))
        let error = try refusal(url)
        #expect(error?.isUnsupportedFormat == true)
        #expect(error?.description.contains("blk.0.attn_q.weight") == true)
    }

    @Test("scales that float16 cannot hold need I2_S", arguments: [Float(1e-6), 1e5, 1e-5])
    func halfScales(_ beta: Float) throws {
        var model = try llamaAsFolder()
        model[tensor: "model.layers.0.mlp.up_proj.weight_scale"].bytes = floatBytes([1 / beta])
        for type in [ElementType.tq1_0, .tq2_0] {
            let error = try refusal(model, to: type)
            #expect(error?.isUnsupportedFormat == true)
            #expect(error?.description.contains("blk.0.ffn_up.weight") == true)
        }
        let folder = try TemporaryFolder()
        let source = try TemporaryFolder()
        let url = try model.write(to: source)
        #expect(try TinyModel.haveSameLogits(convert(url, in: folder), url))
    }

    @Test("an embedding that float16 cannot hold is told with its row")
    func embeddings() throws {
        var model = try llamaAsFolder()
        model[tensor: "model.embed_tokens.weight"].bytes.replaceSubrange(
            2_048..<2_052, with: floatBytes([1e6]))
        let error = try refusal(model, embedding: .f16)
        #expect(error?.isUnsupportedFormat == true)
        #expect(error?.description.contains("row 2 of tensor 'token_embd.weight'") == true)
    }

    @Test("graphs that GGUF's names do not tell apart are refused by their setting")
    func graphs() throws {
        #expect(try refusal(TinyModel.llamaFolder)?.key == "use_rms_norm in a GGUF file")
        var model = try llamaAsFolder()
        model.config["hidden_act"] = "relu2"
        #expect(try refusal(model)?.key == "hidden_act in a GGUF file")
    }

    @Test("more end tokens than GGUF has keys for are refused")
    func endTokens() throws {
        var model = try EditableFolder(TinyModel.bitnetFolder)
        model.config["eos_token_id"] = [313, 1, 2]
        let source = try TemporaryFolder()
        let folder = try TemporaryFolder()
        let url = try convert(try model.write(to: source), in: folder)
        #expect(try Tokenizer.load(from: url).endTokens.isSuperset(of: [313, 1, 2]))
        model.config["eos_token_id"] = [313, 1, 2, 3]
        #expect(try refusal(model)?.isTokenizer == true)
    }

    @Test("sources that do not load are not converted")
    func sources() throws {
        var model = try EditableFolder(TinyModel.bitnetFolder)
        model.files["tokenizer.json"] = nil
        #expect(try refusal(model)?.isTokenizer == true)
        model = try EditableFolder(TinyModel.bitnetFolder)
        model.tensors.append(.init(name: "bias", dtype: "F32", shape: [1], bytes: floatBytes([0])))
        #expect(try refusal(model)?.isUnexpectedTensor == true)
        model = try EditableFolder(TinyModel.bitnetFolder)
        model[tensor: "model.embed_tokens.weight"].dtype = "U8"
        model[tensor: "model.embed_tokens.weight"].bytes.removeLast(320 * 128)
        #expect(try refusal(model)?.isUnsupportedFormat == true)
    }

    @Test("a target that is a folder, or in none, is refused")
    func targets() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(
            atPath: folder.file("dir"), withIntermediateDirectories: false)
        for name in ["dir", "none/x.gguf"] {
            let error = failure { () throws(BitNetError) in
                try convert(TinyModel.bitnetGGUF, in: folder, name: name)
            }
            #expect(error?.isUnwritable == true)
            #expect(try folder.names == ["dir"])
        }
    }

    @Test("a file can be converted onto itself")
    func onto() throws {
        let folder = try TemporaryFolder()
        let url = try EditableGGUF(TinyModel.llamaGGUF).write(to: folder, "converted.gguf")
        let before = try TinyModel.logits(url)
        let isSame = try TinyModel.logits(convert(url, in: folder, to: .tq1_0)) == before
        #expect(isSame)
        #expect(try folder.names == ["converted.gguf"])
    }
}

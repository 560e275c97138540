import Foundation
import Testing

@testable import BitNetFiles
@testable import BitNetKit
@testable import TernaryCompute

@Suite("Which matrix is the LM head")
struct LMHeadTyingTests {
    private let key = "tie_word_embeddings"
    private let head = "lm_head.weight"

    private func model(_ change: (inout EditableFolder) -> Void) throws -> BitNetModel {
        let folder = try TemporaryFolder()
        var model = try EditableFolder(TinyModel.bitnetFolder)
        change(&model)
        return try BitNetModel(loading: try model.write(to: folder))
    }

    private func logits(_ model: BitNetModel) throws -> [[Float]] {
        let tokens = TinyModel.tokens
        return try InferenceContext(model.transformer, contextLength: tokens.count, cache: .f32)
            .allLogits(tokens)
    }

    /// The model with the embedding as its head, by itself and in `type`.
    private func copied(as dtype: String, _ model: inout EditableFolder) {
        let embedding = model[tensor: "model.embed_tokens.weight"]
        model[tensor: head].dtype = dtype
        model[tensor: head].bytes =
            dtype == embedding.dtype
            ? embedding.bytes
            : stride(from: 0, to: embedding.bytes.count, by: 2).flatMap {
                [0, 0, embedding.bytes[$0], embedding.bytes[$0 + 1]]
            }
    }

    @Test("without the key a head in the file is used, as the class has it")
    func absent() throws {
        let untied = try logits(try model { $0.config[key] = false })
        let absent = try model { $0.config[key] = nil }
        #expect(try logits(absent) == untied)
        #expect(!absent.configuration.isLMHeadTied && absent.warnings.isEmpty)
    }

    @Test("a head that the file says is none is used with a warning, if it is another matrix")
    func otherMatrix() throws {
        let untied = try logits(try model { $0.config[key] = false })
        let said = try model { $0.config[key] = true }
        #expect(try logits(said) == untied)
        #expect(said.warnings.count { $0.contains(head) } == 1)

        let (source, target) = (try TemporaryFolder(), try TemporaryFolder())
        var folder = try EditableFolder(TinyModel.bitnetFolder)
        folder.config[key] = true
        let url = URL(fileURLWithPath: target.file("x.gguf"))
        let report = try BitNetConverter.convert(from: try folder.write(to: source), to: url)
        #expect(report.warnings.count { $0.contains(head) } == 1)
        #expect(try TinyModel.logits(url) == untied)
    }

    @Test("a copy of the embedding says nothing new", arguments: ["BF16", "F32"])
    func copy(_ dtype: String) throws {
        let tied = try model { model in
            model.config[key] = true
            model.tensors.removeAll { $0.name == head }
        }
        #expect(tied.configuration.isLMHeadTied)
        let isCopied = try model { model in
            model.config[key] = true
            copied(as: dtype, &model)
        }
        #expect(isCopied.configuration.isLMHeadTied && isCopied.warnings.isEmpty)
        #expect(try logits(isCopied) == logits(tied))
        let almost = try model { model in
            model.config[key] = true
            copied(as: dtype, &model)
            let last = model[tensor: head].bytes.count - 1
            model[tensor: head].bytes[last] ^= 0x80
        }
        #expect(!almost.configuration.isLMHeadTied && almost.warnings.count == 1)
    }

    @Test("a head that is nowhere is told by what the file says of it")
    func missing() throws {
        let absent = try failure(ofFolder: TinyModel.bitnetFolder) { model in
            model.config[key] = nil
            model.tensors.removeAll { $0.name == head }
        }
        #expect(absent?.key == key)
        #expect(absent?.description.contains(head) == true)
        let untied = try failure(ofFolder: TinyModel.bitnetFolder) { model in
            model.config[key] = false
            model.tensors.removeAll { $0.name == head }
        }
        #expect(untied?.isMissingTensor == true && untied?.tensor == head)
    }

    @Test("a model of a class without a head needs none", arguments: [nil, false, true])
    func bare(_ tied: Bool?) throws {
        let folder = try TemporaryFolder()
        var model = try EditableFolder(Fixtures.url("gemma3"))
        model.config[key] = tied
        let loaded = try BitNetModel(loading: try model.write(to: folder))
        #expect(loaded.configuration.isLMHeadTied && loaded.warnings.isEmpty)
    }
}

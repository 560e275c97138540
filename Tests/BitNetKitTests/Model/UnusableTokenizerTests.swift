import Foundation
import Testing

@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers

/// A tokenizer that cannot be read, or that is another model's, stops nobody who needs no text.
@Suite("Models whose tokenizer cannot be used")
struct UnusableTokenizerTests {
    /// Contents of a folder's files; nil removes one.
    static let folderFaults: [(file: String, content: String?)] = [
        ("tokenizer.json", nil), ("tokenizer.json", "{\"model\": {"), ("tokenizer.json", "[]"),
        ("tokenizer.json", #"{"model": {"type": "WordPiece", "vocab": {"a": 0}}}"#),
        ("tokenizer_config.json", "{"), ("tokenizer_config.json", "[]"),
        ("special_tokens_map.json", "[1"), ("added_tokens.json", #"{"a": "b"}"#),
    ]

    static let ggufFaults: [(key: String, value: GGUFValue?)] = [
        ("tokenizer.ggml.tokens", nil), ("tokenizer.ggml.model", nil),
        ("tokenizer.ggml.model", .string("weird")), ("tokenizer.ggml.pre", .string("weird-pre")),
    ]

    private func check(_ url: URL, like whole: URL, _ fault: String) async throws {
        let model = try await BitNetModel.load(url)
        #expect(model.warnings.count { $0.contains("but not with text") } == 1, "\(fault)")
        #expect(throws: BitNetError.self, "\(fault)") { try model.tokenizer }
        let context = try InferenceContext(model.transformer, contextLength: 8, cache: .f32)
        #expect(try context.allLogits(TinyModel.tokens) == TinyModel.logits(whole), "\(fault)")
        await #expect(throws: BitNetError.self, "\(fault)") { try await model.generate("a") }
        await #expect(throws: BitNetError.self, "\(fault)") {
            try await model.generate(tokens: TinyModel.tokens)
        }
        await #expect(throws: BitNetError.self, "\(fault)") {
            try await BitNetSession(model: model).respond(to: "a")
        }
    }

    @Test("folders compute with tokens, warn, and say why when there is text")
    func folders() async throws {
        for fault in Self.folderFaults {
            let folder = try TemporaryFolder()
            var model = try EditableFolder(TinyModel.bitnetFolder)
            // Where this is there, the other two say nothing.
            if fault.file.hasSuffix("tokens.json") || fault.file.hasSuffix("map.json") {
                model.files["tokenizer_config.json"] = nil
            }
            model.files[fault.file] = fault.content.map { [UInt8]($0.utf8) }
            try await check(
                try model.write(to: folder), like: TinyModel.bitnetFolder, "\(fault)")
        }
    }

    @Test(
        "a generation_config.json that cannot be read is left out, as in transformers, and warned of",
        arguments: ["", "[", "{\"eos_token_id\": nan}"])
    func generationConfig(_ content: String) async throws {
        let folder = try TemporaryFolder()
        var model = try EditableFolder(TinyModel.bitnetFolder)
        model.files["generation_config.json"] = [UInt8](content.utf8)
        let loaded = try await BitNetModel.load(try model.write(to: folder))
        #expect(loaded.warnings.count == 1)
        #expect(loaded.warnings[0].contains("generation_config.json: "))
        #expect(loaded.warnings[0].contains("end tokens"))
        var options = GenerationOptions()
        options.maximumResponseTokens = 1
        #expect(try await loaded.generate("a", options: options).tokens.count <= 1)
    }

    @Test("so do GGUF files")
    func files() async throws {
        for fault in Self.ggufFaults {
            let folder = try TemporaryFolder()
            var model = try EditableGGUF(TinyModel.bitnetGGUF)
            model[fault.key] = fault.value
            try await check(try model.write(to: folder), like: TinyModel.bitnetGGUF, "\(fault)")
        }
    }
}

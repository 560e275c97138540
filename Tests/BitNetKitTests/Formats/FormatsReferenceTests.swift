import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// The reference files, by path; types are in the names (`<ternary>-embd-<type>.gguf`).
let referenceGGUFs = [
    "bitnet-tied/gguf/i2_s-embd-f16.gguf", "bitnet-tied/gguf/i2_s-embd-q6_k.gguf",
    "bitnet-tied/gguf/tq1_0-embd-q8_0.gguf", "bitnet-tied/gguf/tq2_0-embd-f16.gguf",
    "bitnet-untied/gguf/f16-embd-f32.gguf", "1bitllm-style/gguf/f16-embd-bf16.gguf",
    "1bitllm-style/gguf/i2_s-embd-bf16.gguf", "llama-bitlinear/gguf/i2_s-embd-f16.gguf",
    "llama-bitlinear/gguf/tq2_0-embd-q4_0.gguf", "embedding-qwen3/gguf/i2_s-embd-f16.gguf",
]

let referenceFolders = [
    "bitnet-tied/packed", "bitnet-untied/packed", "bitnet-untied/online", "1bitllm-style/online",
    "llama-bitlinear/packed", "llama-rmsnorm/packed", "embedding-qwen3/online",
]

/// What a configuration says about shapes.
private struct Sizes {
    let hidden, feedForward, layers, queries, keys, vocabulary: Int

    init(_ config: JSONValue) throws {
        func size(_ key: String) throws -> Int? { try config.int(key, in: "config.json") }
        hidden = try #require(try size("hidden_size"))
        feedForward = try #require(try size("intermediate_size"))
        layers = try #require(try size("num_hidden_layers"))
        vocabulary = try #require(try size("vocab_size"))
        let heads = try #require(try size("num_attention_heads"))
        let keyHeads = try size("num_key_value_heads") ?? heads
        let headSize = try size("head_dim") ?? hidden / heads
        queries = heads * headSize
        keys = keyHeads * headSize
    }

    /// `[rows, columns]` by the last word of a GGUF or Hugging Face name.
    func shape(ofLinear word: String) -> [Int]? {
        switch word {
        case "attn_q", "q_proj": [queries, hidden]
        case "attn_k", "attn_v", "k_proj", "v_proj": [keys, hidden]
        case "attn_output", "o_proj": [hidden, queries]
        case "ffn_gate", "ffn_up", "gate_proj", "up_proj": [feedForward, hidden]
        case "ffn_down", "down_proj": [hidden, feedForward]
        default: nil
        }
    }
}

@Suite(
    "Reference checkpoints open as their configuration says",
    .enabled(if: ReferenceData.isAvailable, "reference data not found"))
struct FormatsReferenceTests {
    private func path(_ name: String) throws -> String {
        try #require(ReferenceData.url(name)).path
    }

    private func sizes(besides gguf: String) throws -> Sizes {
        let model = gguf.split(separator: "/")[0]
        let folder = try #require(referenceFolders.first { $0.hasPrefix("\(model)/") })
        return try Sizes(try HuggingFaceFolder(opening: try path(folder)).config)
    }

    @Test("GGUF tensors have the names, shapes and types", arguments: referenceGGUFs)
    func gguf(name: String) throws {
        let sizes = try sizes(besides: name)
        let file = try GGUFFile(opening: try path(name))
        let words = name.split(separator: "/")[2].split(separator: ".")[0].split(separator: "-")
        let linearType = try #require(ElementType(rawValue: words[0].uppercased()))
        let embeddingType = try #require(ElementType(rawValue: words[2].uppercased()))
        var linears = 0
        for tensor in file.tensors {
            let word = tensor.name.split(separator: ".").dropLast().last.map { String($0) } ?? ""
            if let shape = sizes.shape(ofLinear: word) {
                #expect(tensor.shape == shape, "\(tensor.name)")
                #expect(tensor.type == linearType, "\(tensor.name)")
                linears += 1
                if linearType == .i2_s { try expectTernary(tensor) }
            } else if tensor.name == "token_embd.weight" {
                #expect(tensor.shape == [sizes.vocabulary, sizes.hidden])
                #expect(tensor.type == embeddingType)
            } else if word.hasSuffix("norm") || word.hasSuffix("norm_in") {
                #expect(tensor.shape.count == 1, "\(tensor.name)")
            }
        }
        #expect(linears == 7 * sizes.layers)
        #expect(file.tensor(named: "output_norm.weight")?.shape == [sizes.hidden])
        let architecture = try file.requiredString("general.architecture")
        #expect(try file.requiredInt("\(architecture).block_count") == sizes.layers)
        #expect(try file.strings("tokenizer.ggml.tokens")?.count == sizes.vocabulary)
        #expect(try file.ints("tokenizer.ggml.token_type")?.count == sizes.vocabulary)
    }

    /// No code 3 among the codes, and a positive scale after them: the bytes are where they should
    /// be.
    private func expectTernary(_ tensor: CheckpointTensor) throws {
        let bytes = try tensor.region.bytes
        let codes = bytes[..<(tensor.elementCount / 4)]
        #expect(codes.allSatisfy { $0 & ($0 >> 1) & 0x55 == 0 }, "\(tensor.name)")
        let bits = bytes[codes.count..<codes.count + 4].reversed().reduce(0 as UInt32) {
            $0 << 8 | UInt32($1)
        }
        let scale = Float(bitPattern: bits)
        #expect(scale > 0 && scale.isFinite, "\(tensor.name)")
    }

    @Test("Hugging Face tensors have the shapes and types", arguments: referenceFolders)
    func huggingFace(name: String) throws {
        let checkpoint = try Checkpoint(opening: try path(name))
        guard case .huggingFace(let folder) = checkpoint.metadata else {
            Issue.record("not a folder")
            return
        }
        let sizes = try Sizes(folder.config)
        let packed = name.hasSuffix("packed")
        var linears = 0
        for tensor in checkpoint.tensors where tensor.name.hasSuffix("_proj.weight") {
            let word = String(tensor.name.split(separator: ".").dropLast().last ?? "")
            let shape = try #require(sizes.shape(ofLinear: word))
            #expect(tensor.shape == (packed ? [shape[0] / 4, shape[1]] : shape), "\(tensor.name)")
            #expect(tensor.type == (packed ? .packedTernary : .bf16), "\(tensor.name)")
            linears += 1
        }
        #expect(linears == 7 * sizes.layers)
        let embedding = checkpoint.tensorNames.first { $0.hasSuffix("embed_tokens.weight") }
        let tensor = checkpoint.tensor(named: try #require(embedding))
        #expect(tensor?.shape == [sizes.vocabulary, sizes.hidden])
        #expect(folder.files.exists("tokenizer.json"))
    }

    @Test("a reference file that is written again has the same bytes", arguments: referenceGGUFs)
    func rewritten(name: String) throws {
        let folder = try TemporaryFolder()
        let path = try path(name)
        try GGUFWriterTests.copy(
            try GGUFFile(opening: path), to: folder.file("copy.gguf"), part: 100_000)
        let original = try Data(contentsOf: URL(fileURLWithPath: path))
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder.file("copy.gguf"))) == original)
    }

    @Test("real vocabularies open: 128,256 tokens, 280,147 merges, scores")
    func vocabularies() throws {
        let llama3 = try GGUFFile(opening: try path("tokenizers/ggml-vocab-llama-bpe.gguf"))
        #expect(llama3.tensors.isEmpty)
        #expect(try llama3.strings("tokenizer.ggml.tokens")?.count == 128_256)
        let merges = try #require(try llama3.strings("tokenizer.ggml.merges"))
        #expect(merges.count == 280_147)
        #expect(merges[0] == "Ġ Ġ")
        let llama2 = try GGUFFile(opening: try path("tokenizers/ggml-vocab-llama-spm.gguf"))
        #expect(try llama2.floats("tokenizer.ggml.scores")?.count == 32_000)
        #expect(try llama2.strings("tokenizer.ggml.tokens")?[1] == "<s>")
    }
}

import BitNetSampleModel
import Foundation
import TestSupport

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Tokenizers and vectors the tokenizer tests share.
enum TokenizerFixtures {
    /// A file of the test bundle.
    static func data(_ name: String) throws -> Data {
        let url = Bundle.module.bundleURL.appendingPathComponent("Fixtures/\(name)")
        return try Data(contentsOf: url)
    }

    /// A 320-token tokenizer with Llama 3's word cuts.
    static func tiny() throws -> Tokenizer {
        try Tokenizer(json: data("tokenizer-tiny.json"))
    }

    /// Llama 3's vocabulary from tokenizer.json; built once, it is large.
    static let llama3: Tokenizer? = ReferenceData.url("tokenizers/llama3-tokenizer.json").flatMap {
        try? Tokenizer(json: Data(contentsOf: $0))
    }

    /// Llama 3's vocabulary from a GGUF file.
    static let llama3GGUF: Tokenizer? = ReferenceData.url("tokenizers/ggml-vocab-llama-bpe.gguf")
        .flatMap { GGUFVocabulary(contentsOf: $0) }
        .flatMap { try? Tokenizer(gguf: $0) }

    /// Llama 3's vocabulary from tiktoken's ranks.
    static let llama3Tiktoken: Tokenizer? = ReferenceData.url("tokenizers/llama3-tokenizer.model")
        .flatMap { try? Tokenizer(model: Data(contentsOf: $0)) }

    /// The vocabulary of the sample model.
    static let sampleVocabulary = (try? BitNetSampleModel.url).flatMap {
        GGUFVocabulary(contentsOf: $0)
    }

    /// Every line of a JSONL file.
    static func lines<T: Decodable>(_ url: URL, as type: T.Type) throws -> [T] {
        try Data(contentsOf: url).split(separator: UInt8(ascii: "\n")).map {
            try JSONDecoder().decode(T.self, from: Data($0))
        }
    }

    /// A byte-level vocabulary of the 256 bytes and what `merges`, pairs of ids, make.
    static func vocabulary(merges: [(Int, Int)]) -> GGUFVocabulary {
        var spellings = ByteAlphabet.characters.map { String($0) }
        var lines: [String] = []
        for (left, right) in merges {
            lines.append("\(spellings[left]) \(spellings[right])")
            spellings.append(spellings[left] + spellings[right])
        }
        return GGUFVocabulary(
            model: "gpt2", pre: "gpt-2", architecture: "test", tokens: ByteStrings(spellings),
            merges: ByteStrings(lines))
    }
}

/// `Fixtures/tokenizer-vectors.json`.
struct TokenizerVectors: Decodable {
    struct Words: Decodable {
        let text: String
        let words: [String: [Int]]
    }
    struct Replaced: Decodable {
        let bytes: String
        let text: String
    }
    let words: [Words]
    let replaced: [Replaced]

    static func load() throws -> TokenizerVectors {
        try JSONDecoder().decode(
            TokenizerVectors.self, from: TokenizerFixtures.data("tokenizer-vectors.json"))
    }
}

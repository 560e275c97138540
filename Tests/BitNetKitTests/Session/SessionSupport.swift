import BitNetSampleModel
import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Models that sessions are tested with: one that continues a text, and one whose tokenizer has a
/// chat template.
enum SessionModel: String, CaseIterable, Sendable {
    case sample
    case chat

    func load() async throws -> BitNetModel {
        switch self {
        case .sample: try await .sample()
        case .chat: try await .load(Fixtures.url("reference/bitnet-untied/packed"))
        }
    }
}

/// What a user says in ten turns.
let tenPrompts = [
    "Once upon a time", " The cat", " Then", " A bird", " \"Hello,\"", " One day", " Tom", " She",
    " They", " The end",
]

extension BitNetSession {
    /// What a fresh prompt with the whole conversation, and `prompt` as the next turn, gives.
    func fresh(
        _ prompt: String, _ options: GenerationOptions
    ) async throws -> GenerationResult {
        let tokens = try model.tokens(
            of: messages + [ChatMessage(.user, prompt)], addsGenerationPrompt: true)
        var options = options
        options.kvCache = cache
        return try await model.generate(tokens: tokens, options: options)
    }
}

extension SessionMemory {
    /// Logits after the tokens in the cache, of which only the last one is computed.
    func logits() throws(BitNetError) -> [Float] {
        let last = tokens[tokens.count - 1]
        forget(after: tokens.count - 1)
        try forward([last], isCancelled: { false })
        return withLogits { row in row.indices.map { row[$0] } }
    }
}

extension BitNetModel {
    /// Logits after `tokens` as a prompt of their own.
    func freshLogits(
        _ tokens: [Int], cache: KVCachePrecision
    ) throws(BitNetError) -> [Float] {
        let context = try InferenceContext(
            self.transformer, contextLength: tokens.count, cache: cache)
        try context.forward(tokens)
        return context.withLogits { row in row.indices.map { row[$0] } }
    }
}

/// A file name that nothing uses, in a folder for temporary files.
func temporaryFile() -> URL {
    FileManager.default.temporaryDirectory
        .appendingPathComponent("bitnet-session-\(UInt64.random(in: 0 ... .max))")
}

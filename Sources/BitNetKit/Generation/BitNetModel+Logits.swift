/// Logits of a sequence, and the tokens they belong to.
public struct SequenceLogits: Sendable, Hashable, Codable {
    /// The sequence, a begin-of-text token included.
    public let tokens: [Int]
    /// `[positions][vocabularySize]`: the logits after each position, or after the last one only.
    public let logits: [[Float]]
}

extension BitNetModel {
    /// The logits after the last of `tokens`, or after each of them.
    ///
    /// Computed with an F32 cache, so that they can be compared with a reference.
    ///
    /// - Parameters:
    ///   - tokens: at least one id, taken as they are.
    ///   - allPositions: whether the logits after every token are wanted.
    /// - Throws: `BitNetError.invalidArgument` if there are no tokens or one is not in the vocabulary,
    ///   `.contextWindowExceeded` if there are too many, `.cancelled` if the task is cancelled,
    ///   `.outOfMemory`.
    public func logits(
        tokens: [Int], allPositions: Bool = false
    ) async throws(BitNetError) -> SequenceLogits {
        guard !tokens.isEmpty else {
            throw .invalidArgument(name: "tokens", detail: "there are none")
        }
        return try await logits(of: .tokens(tokens), allPositions: allPositions)
    }

    /// The logits after `prompt`, or after each of its tokens; the tokens are those that
    /// `generate(_:options:processors:)` would start from.
    ///
    /// - Throws: as `logits(tokens:allPositions:)`; an empty prompt becomes a begin-of-text token
    ///   where the model has one.
    public func logits(
        _ prompt: String, allPositions: Bool = false
    ) async throws(BitNetError) -> SequenceLogits {
        try await logits(of: .text(prompt), allPositions: allPositions)
    }

    private func logits(
        of prompt: Prompt, allPositions: Bool
    ) async throws(BitNetError) -> SequenceLogits {
        let cancellation = Cancellation()
        let result = await cancellation.follow {
            await onQueue {
                Result { () throws(BitNetError) in
                    try self.computeLogits(of: prompt, allPositions: allPositions) {
                        cancellation.isRequested
                    }
                }
            }
        }
        return try result.get()
    }

    private func computeLogits(
        of prompt: Prompt, allPositions: Bool, isCancelled: @escaping () -> Bool
    ) throws(BitNetError) -> SequenceLogits {
        let tokens = try prompt.tokens(
            for: self, limit: contextLimit, effort: Effort(isCancelled: isCancelled))
        guard tokens.count <= contextLimit else {
            throw .contextWindowExceeded(limit: contextLimit, requested: tokens.count)
        }
        let context = try InferenceContext(
            transformer, contextLength: tokens.count, cache: .f32)
        var logits: [[Float]] = []
        if allPositions {
            try context.forward(tokens, isCancelled: isCancelled) { _, row in
                logits.append(Self.copy(row))
                return true
            }
        } else {
            try context.forward(tokens, isCancelled: isCancelled)
            logits = [context.withLogits(Self.copy)]
        }
        return SequenceLogits(tokens: tokens, logits: logits)
    }

    private static func copy(_ row: Span<Float>) -> [Float] {
        row.indices.map { row[$0] }
    }
}

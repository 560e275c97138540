/// Why a response ended.
public enum StopReason: Sendable, Hashable {
    /// The model produced one of its end tokens (end of text, end of turn).
    case endOfText
    /// The response contained this stop string.
    case stopString(String)
    /// The response has `GenerationOptions.maximumResponseTokens` tokens.
    case length
    /// Prompt and response fill the context.
    case contextFull
    /// The task that asked for tokens was cancelled.
    case cancelled
}

/// What a response cost.
public struct GenerationStatistics: Sendable, Hashable {
    /// Tokens of the prompt, a begin-of-text token included.
    public let promptTokens: Int
    /// Prompt tokens that needed no computation because they were in the cache already.
    public internal(set) var cachedPromptTokens: Int
    /// Tokens of the response; an end token is not counted.
    public let generatedTokens: Int
    /// Single-token passes through the model. The first token of a response needs none, it comes
    /// out of the prefill; finding an end token takes one without a token to show for it.
    public let decodedTokens: Int
    /// Time from the prompt's text to its logits, setting up the cache included.
    public internal(set) var prefill: Duration
    /// Time spent choosing and decoding tokens; not the time the caller took between them.
    public let decode: Duration

    /// Prompt tokens computed per second; 0 if there were none.
    public var prefillTokensPerSecond: Double {
        Self.rate(promptTokens - cachedPromptTokens, prefill)
    }

    /// Single-token passes per second; 0 if there were none.
    public var decodeTokensPerSecond: Double { Self.rate(decodedTokens, decode) }

    private static func rate(_ count: Int, _ time: Duration) -> Double {
        let seconds = time / .seconds(1)
        return count > 0 && seconds > 0 ? Double(count) / seconds : 0
    }
}

extension GenerationStatistics: CustomStringConvertible {
    /// Tokens, seconds and tokens per second of prompt and response, on one line.
    public var description: String {
        func part(_ count: Int, _ time: Duration, _ rate: Double) -> String {
            let milliseconds = Int((time / .milliseconds(1)).rounded())
            return "\(count) tokens in \(milliseconds) ms (\(Int(rate.rounded())) tokens/s)"
        }
        return "prompt \(part(promptTokens, prefill, prefillTokensPerSecond)), "
            + "response \(part(generatedTokens, decode, decodeTokensPerSecond))"
    }
}

/// A whole response.
public struct GenerationResult: Sendable, Hashable {
    /// The response without the prompt, and without the stop string that may have ended it.
    public let text: String
    /// The response's tokens without an end token. Where a stop string ended the response they
    /// reach up to the token that completed it.
    public let tokens: [Int]
    /// Why the response ended.
    public let stopReason: StopReason
    /// What the response cost.
    public let statistics: GenerationStatistics
}

/// One step of a response. Every token event is followed by the text it completed, if any; the last
/// event of a stream is `finished`.
public enum GenerationEvent: Sendable, Hashable {
    /// More text: whole characters, and nothing that may belong to a stop string.
    case text(String)
    /// The next token, and the natural logarithm of its probability before any sampling step if
    /// `GenerationOptions.includesLogProbabilities` asks for it.
    case token(id: Int, logProbability: Float?)
    /// The end of the response.
    case finished(StopReason, GenerationStatistics)
}

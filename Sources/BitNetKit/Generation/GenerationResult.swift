internal import Foundation

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

/// What a response cost: tokens and time of its prompt and of the tokens after its first one.
public struct GenerationStatistics: Sendable, Hashable, Codable {
    /// Tokens of the prompt, a begin-of-text token included.
    public let promptTokens: Int
    /// Prompt tokens that needed no computation because they were in the cache already.
    public internal(set) var cachedPromptTokens: Int
    /// Tokens of the response; an end token is not counted.
    public let generatedTokens: Int
    /// Tokens chosen after passes that follow the prompt's. The first token of a response is none of
    /// them, it comes out of the prefill; an end token is one, without a token to show for it.
    public let decodedTokens: Int
    /// Passes through the model after the prompt's: as many as `decodedTokens`, unless drafts of
    /// `GenerationOptions.speculation` spared some.
    public let decodePasses: Int
    /// Tokens that went through the model on speculation.
    public let draftedTokens: Int
    /// How many of them were what the response went on with; each spared a pass.
    public let acceptedDraftTokens: Int
    /// Time that the model took for the prompt tokens it computed: its passes, neither tokenizing nor
    /// setting up the cache.
    public internal(set) var prefill: Duration
    /// Time of the passes after the prompt's and of the choices that follow them: from the first token
    /// of the response to its end, without the time the caller took between tokens.
    public let decode: Duration
    /// Zeros in the feed-forward networks after the prompt and what was left out for them, if
    /// `GenerationOptions.includesSparsity` asks for it.
    public let sparsity: FeedForwardSparsity?

    /// `decodePasses`: as many as `decodedTokens` if nil.
    init(
        promptTokens: Int, cachedPromptTokens: Int, generatedTokens: Int, decodedTokens: Int,
        decodePasses: Int? = nil, draftedTokens: Int = 0, acceptedDraftTokens: Int = 0,
        prefill: Duration, decode: Duration, sparsity: FeedForwardSparsity? = nil
    ) {
        self.promptTokens = promptTokens
        self.cachedPromptTokens = cachedPromptTokens
        self.generatedTokens = generatedTokens
        self.decodedTokens = decodedTokens
        self.decodePasses = decodePasses ?? decodedTokens
        self.draftedTokens = draftedTokens
        self.acceptedDraftTokens = acceptedDraftTokens
        self.prefill = prefill
        self.decode = decode
        self.sparsity = sparsity
    }

    /// Prompt tokens computed per second of `prefill`; 0 if there were none.
    public var prefillTokensPerSecond: Double {
        Self.rate(promptTokens - cachedPromptTokens, prefill)
    }

    /// `decodedTokens` per second of `decode`; 0 if there were none. The first token of a response is in
    /// neither: it comes out of the prefill. `ModelBenchmark` of BitNetBench counts in the same way.
    public var decodeTokensPerSecond: Double { Self.rate(decodedTokens, decode) }

    private static func rate(_ count: Int, _ time: Duration) -> Double {
        let seconds = time / .seconds(1)
        return count > 0 && seconds > 0 ? Double(count) / seconds : 0
    }
}

extension GenerationStatistics: CustomStringConvertible {
    /// Tokens, seconds and tokens per second of prompt and response, on one line: `prompt 5 tokens in
    /// 0.0123 s (406.5 tokens/s), response 8 tokens, 7 decoded in 0.120 s (58.3 tokens/s)`.
    public var description: String {
        func work(_ time: Duration, _ rate: Double) -> String {
            rate > 0 ? String(format: " in \(time.asSeconds) (%.1f tokens/s)", rate) : ""
        }
        var parts = ["prompt \(counted(promptTokens, "token"))"]
        if cachedPromptTokens > 0 {
            parts.append("\(cachedPromptTokens) of them cached")
            parts.append("\(promptTokens - cachedPromptTokens)")
        }
        parts[parts.count - 1] += work(prefill, prefillTokensPerSecond)
        parts.append("response \(counted(generatedTokens, "token"))")
        if decodedTokens > 0 {
            parts.append("\(decodedTokens) decoded" + work(decode, decodeTokensPerSecond))
        }
        if draftedTokens > 0 {
            parts.append(
                "\(acceptedDraftTokens) of \(counted(draftedTokens, "drafted token")) accepted, "
                    + counted(decodePasses, "pass", "passes"))
        }
        return parts.joined(separator: ", ")
    }
}

/// A whole response.
public struct GenerationResult: Sendable, Hashable, Codable {
    /// The response without the prompt, and without the stop string that may have ended it.
    public let text: String
    /// The response's tokens without an end token. Where a stop string ended the response they
    /// reach up to the token that completed it.
    public let tokens: [Int]
    /// Why the response ended.
    public let stopReason: StopReason
    /// What the response cost.
    public let statistics: GenerationStatistics
    /// Of each token, if `GenerationOptions.topLogProbabilities` asks for them; else empty.
    public let logProbabilities: [LogProbabilities]

    init(
        text: String, tokens: [Int], stopReason: StopReason, statistics: GenerationStatistics,
        logProbabilities: [LogProbabilities] = []
    ) {
        self.text = text
        self.tokens = tokens
        self.stopReason = stopReason
        self.statistics = statistics
        self.logProbabilities = logProbabilities
    }
}

/// One step of a response. Every token event is followed by the text it completed, if any; the last
/// event of a stream is `finished`.
///
/// In JSON an object with one member: `{"text": "once"}`, `{"token": {"id": 5}}`, and
/// `{"finished": {"stopReason": "length", "statistics": {...}}}`.
public enum GenerationEvent: Sendable, Hashable {
    /// More text: whole characters, and nothing that may belong to a stop string.
    case text(String)
    /// The next token, and how probable it and the likeliest ones were if
    /// `GenerationOptions.topLogProbabilities` asks for that.
    case token(id: Int, logProbabilities: LogProbabilities?)
    /// The end of the response.
    case finished(StopReason, GenerationStatistics)
}

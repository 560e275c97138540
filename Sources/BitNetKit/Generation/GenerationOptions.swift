/// How a response is chosen from the model's logits, and when it ends.
///
/// `GenerationOptions()` is ``greedy``: always the likeliest token. ``text`` and ``chat`` are what the
/// program `bitnet` does without options, which draws tokens at random.
///
/// ```swift
/// var options = GenerationOptions(
///     sampling: .random(temperature: 0.8, topP: 0.95, seed: 1), maximumResponseTokens: 200)
/// options.stop = ["\n\n"]
/// ```
public struct GenerationOptions: Sendable, Hashable {
    /// How the next token is chosen.
    public enum Sampling: Sendable, Hashable, Codable {
        /// The token with the largest logit; the lowest id if several are equal.
        case greedy
        /// A token drawn at random from the softmax of the logits divided by `temperature`.
        ///
        /// The steps run in the order of Hugging Face's logits processors: logit bias, repetition
        /// penalty, presence and frequency penalties, custom processors, temperature, top-k, top-p,
        /// min-p. The same seed gives the same tokens on every platform.
        /// - `temperature`: above 0; 0 is the same as `greedy`.
        /// - `topK`: only the `topK` likeliest tokens, at least 1. On ties the lower id stays.
        /// - `topP`: only the likeliest tokens that together reach this probability, in (0, 1].
        /// - `minP`: only tokens at least this probable relative to the likeliest one, in [0, 1].
        /// - `seed`: nil draws a new seed for each response.
        case random(
            temperature: Float, topK: Int? = nil, topP: Float? = nil, minP: Float? = nil,
            seed: UInt64? = nil)
    }

    /// How several tokens are taken through the model in one pass.
    ///
    /// A guess at the next tokens goes through the model behind the last one; each token is then
    /// chosen from its own logits, and as long as the guess was right the next logits are there
    /// already. The response is the same as without, token for token, whatever the sampling.
    public enum Speculation: Sendable, Hashable, Codable {
        /// Guesses what followed the latest earlier occurrence of the last `ngram` tokens, in prompt
        /// or response (prompt look-up decoding).
        /// - `maximumDraft`: the most tokens guessed at once, in 1...64.
        /// - `ngram`: at least 1. More finds fewer and better guesses.
        case promptLookup(maximumDraft: Int = 7, ngram: Int = 3)
    }

    /// How the next token is chosen.
    public var sampling: Sampling = .greedy
    /// The most tokens a response may have; nil for as many as fit in the context.
    public var maximumResponseTokens: Int?
    /// Texts that end the response where the first of them is complete; they are not part of it.
    public var stop: [String] = []
    /// Makes tokens seen before less likely: positive logits are divided by it, negative ones
    /// multiplied (CTRL, arXiv:1909.05858). Above 0; nil and 1 change nothing.
    public var repetitionPenalty: Float?
    /// How many of the latest tokens, prompt included, the penalty looks at; nil for all of them.
    public var repetitionWindow: Int?
    /// What is added to the logits of these tokens first of all, by id; minus infinity makes a token
    /// impossible.
    public var logitBias: [Int: Float] = [:]
    /// What a token's logit loses once the response has it. Any finite number; 0 changes nothing.
    public var presencePenalty: Float = 0
    /// What a token's logit loses for each time the response has it. Any finite number; 0 changes
    /// nothing.
    public var frequencyPenalty: Float = 0
    /// Prompt and response together have at most this many tokens; nil for the model's own limit.
    public var contextLength: Int?
    /// How keys and values of earlier tokens are kept.
    public var kvCache: KVCachePrecision = .f16
    /// Gives each token event the log probabilities of its token and of this many of the likeliest
    /// ones, in 0...1024; nil for none at all.
    public var topLogProbabilities: Int?
    /// How several tokens are taken through the model in one pass; nil for one token a pass.
    public var speculation: Speculation?
    /// Whether the statistics tell how much of the feed-forward networks' work was with zeros.
    public var includesSparsity = false
    /// What the whole response must be; nil for any text. The response ends where nothing can follow,
    /// and only there or where the grammar is complete can it end by itself.
    public var grammar: Grammar?

    /// Options that differ from the defaults in what is given: greedy, as many tokens as fit, no stop
    /// strings, no penalty.
    public init(
        sampling: Sampling = .greedy, maximumResponseTokens: Int? = nil, stop: [String] = [],
        repetitionPenalty: Float? = nil, repetitionWindow: Int? = nil,
        logitBias: [Int: Float] = [:], presencePenalty: Float = 0, frequencyPenalty: Float = 0,
        contextLength: Int? = nil, kvCache: KVCachePrecision = .f16,
        topLogProbabilities: Int? = nil, speculation: Speculation? = nil,
        includesSparsity: Bool = false, grammar: Grammar? = nil
    ) {
        self.sampling = sampling
        self.maximumResponseTokens = maximumResponseTokens
        self.stop = stop
        self.repetitionPenalty = repetitionPenalty
        self.repetitionWindow = repetitionWindow
        self.logitBias = logitBias
        self.presencePenalty = presencePenalty
        self.frequencyPenalty = frequencyPenalty
        self.contextLength = contextLength
        self.kvCache = kvCache
        self.topLogProbabilities = topLogProbabilities
        self.speculation = speculation
        self.includesSparsity = includesSparsity
        self.grammar = grammar
    }

    /// What a call without options does, and `bitnet generate --temperature 0`: greedy, no other step
    /// before the choice, as many tokens as fit. The same response each time.
    public static let greedy = GenerationOptions()

    /// What `bitnet generate` does without options: tokens drawn at random at temperature 0.8 from the
    /// likeliest that together reach 0.95, at most 400 of them.
    public static let text = GenerationOptions(
        sampling: .random(temperature: 0.8, topP: 0.95), maximumResponseTokens: 400)

    /// What `bitnet chat` does without options: as `text`.
    public static let chat = text

    /// Checks every value. A response does that before it begins, and checks that the tokens of
    /// `logitBias` are in the vocabulary.
    ///
    /// - Throws: `BitNetError.invalidArgument`, named after the option, if a value is out of range.
    public func validate() throws(BitNetError) {
        if case .random(let temperature, let topK, let topP, let minP, _) = sampling {
            try Self.check(
                "temperature", temperature.isFinite && temperature >= 0,
                "\(temperature) is not a number from 0 upwards")
            try Self.check("topK", topK.map { $0 >= 1 }, "must be at least 1")
            try Self.check(
                "topP", topP.map { $0 > 0 && $0 <= 1 }, "must be above 0 and at most 1")
            try Self.check("minP", minP.map { $0 >= 0 && $0 <= 1 }, "must be between 0 and 1")
        }
        try Self.check(
            "maximumResponseTokens", maximumResponseTokens.map { $0 >= 0 },
            "must not be negative")
        try Self.check("stop", !stop.contains(""), "a stop string must not be empty")
        try Self.check("contextLength", contextLength.map { $0 >= 1 }, "must be at least 1")
        try Self.check(
            "topLogProbabilities", topLogProbabilities.map { (0...1024).contains($0) },
            "must be between 0 and 1024")
        if case .promptLookup(let maximumDraft, let ngram) = speculation {
            try Self.check(
                "maximumDraft", (1...64).contains(maximumDraft), "must be between 1 and 64")
            try Self.check("ngram", ngram >= 1, "must be at least 1")
        }
        try validatePenalties()
    }

    private func validatePenalties() throws(BitNetError) {
        try Self.check(
            "repetitionPenalty", repetitionPenalty.map { $0.isFinite && $0 > 0 },
            "must be a number above 0")
        try Self.check(
            "repetitionWindow", repetitionWindow.map { $0 >= 1 }, "must be at least 1")
        try Self.check("presencePenalty", presencePenalty.isFinite, "must be a finite number")
        try Self.check("frequencyPenalty", frequencyPenalty.isFinite, "must be a finite number")
        try Self.check(
            "logitBias", logitBias.values.allSatisfy { $0 < .infinity },
            "must be numbers or minus infinity")
    }

    /// Checks that the model has the tokens that options name.
    func validate(vocabularySize: Int) throws(BitNetError) {
        if let odd = logitBias.keys.filter({ !(0..<vocabularySize).contains($0) }).min() {
            throw .invalidArgument(
                name: "logitBias",
                detail: "token \(odd) is not in the vocabulary of \(vocabularySize) tokens")
        }
    }

    private static func check(
        _ name: String, _ isValid: Bool?, _ detail: @autoclosure () -> String
    ) throws(BitNetError) {
        guard isValid ?? true else { throw .invalidArgument(name: name, detail: detail()) }
    }
}

extension GenerationOptions {
    /// What the sampler looks at. Everything but greedy and top-k choices needs the whole
    /// distribution.
    var logitsNeeded: LogitsNeed {
        if topLogProbabilities != nil { return .all }
        var top = 1
        if case .random(let temperature, let topK, _, _, _) = sampling, temperature > 0 {
            guard let topK else { return .all }
            top = topK
        }
        if let factor = repetitionPenalty, factor != 1 {
            // A penalty above 1 lowers at most the window's tokens: behind them as many more are
            // enough. One below 1 can raise any token to the top.
            guard factor > 1, let window = repetitionWindow else { return .all }
            top = top.addingReportingOverflow(window).overflow ? .max : top + window
        }
        return top <= LMHeadScan.largestTop ? .top(top) : .all
    }
}

extension TokenSource {
    /// Says what the choices to come look at; a source may leave out other logits (-infinity).
    func setLogitsNeeded(_ need: LogitsNeed) {}
}

/// Chooses the next token from logits.
///
/// The steps follow the order of Hugging Face's logits processors: logit bias, repetition penalty,
/// (presence and frequency penalties), custom processors, the constraint's mask, temperature, top-k,
/// top-p, min-p, then one draw. Everything is computed in double precision with a portable `exp` and
/// a fixed order, so a seed gives the same tokens on every platform. Scratch memory is reused: after
/// the first token nothing is allocated.
struct Sampler {
    private let sampling: GenerationOptions.Sampling
    private let bias: [Int: Float]
    private var repetition: RepetitionPenalty?
    private var occurrence: OccurrencePenalty?
    private let processors: [LogitProcessor]
    /// Says which tokens may come next; nil for all of them.
    var constraint: (any TokenConstraint)?
    private var generator: SeededGenerator

    private var selection = TokenSelection()
    private var mask = TokenMask(count: 0)
    /// What processors see.
    private var processed: [Float] = []
    /// Tokens of the response.
    private var accepted = 0

    /// `options` must have been validated.
    init(_ options: GenerationOptions, processors: [LogitProcessor] = []) {
        sampling = options.sampling
        bias = options.logitBias
        if let factor = options.repetitionPenalty, factor != 1 {
            repetition = RepetitionPenalty(
                factor: Double(factor), window: options.repetitionWindow ?? .max)
        }
        if options.presencePenalty != 0 || options.frequencyPenalty != 0 {
            occurrence = OccurrencePenalty(
                presence: Double(options.presencePenalty),
                frequency: Double(options.frequencyPenalty))
        }
        self.processors = processors
        var seed: UInt64?
        if case .random(_, _, _, _, let given) = options.sampling { seed = given }
        generator = SeededGenerator(seed: seed ?? .random(in: .min ... .max))
    }

    /// Whether something may raise a token to the top from anywhere: a choice then looks at all
    /// logits, also with `greedy` or top-k.
    var isSteered: Bool {
        !bias.isEmpty || occurrence != nil || !processors.isEmpty || constraint != nil
    }

    /// Tells about a token of the prompt.
    mutating func acceptPrompt(_ token: Int) {
        repetition?.accept(token)
    }

    /// Tells about a token of the response.
    mutating func accept(_ token: Int) {
        repetition?.accept(token)
        occurrence?.accept(token)
        constraint?.accept(token)
        accepted += 1
    }

    /// The next token's id, `tokens` being all those so far.
    ///
    /// - Throws: `BitNetError.corruptTensor` if a logit is not finite, `.invalidArgument` if a
    ///   processor makes one NaN or plus infinity, `.noAllowedToken` if no token is left.
    mutating func next(
        _ logits: Span<Float>, after tokens: [Int] = []
    ) throws(BitNetError) -> Int {
        try Self.checkFinite(logits)
        guard case .random(let temperature, let topK, let topP, let minP, _) = sampling,
            temperature > 0
        else { return try likeliest(logits, after: tokens) }

        try score(logits, after: tokens)
        return selection.draw(
            temperature: Double(temperature), topK: topK, topP: Double(topP ?? 1),
            minP: Double(minP ?? 0), from: &generator)
    }

    private static func checkFinite(_ logits: Span<Float>) throws(BitNetError) {
        guard !logits.isEmpty else {
            throw .corruptTensor(tensor: "logits", detail: "there are none")
        }
        // -infinity is a token that cannot be chosen; there must be another.
        var canChoose = false
        for index in logits.indices {
            if logits[index].isFinite {
                canChoose = true
            } else if logits[index] != -.infinity {
                throw .corruptTensor(
                    tensor: "logits",
                    detail: "\(logits[index]) for token \(index); the model's weights are damaged")
            }
        }
        if !canChoose {
            throw .corruptTensor(tensor: "logits", detail: "all of them are -infinity")
        }
    }

    private mutating func likeliest(
        _ logits: Span<Float>, after tokens: [Int]
    ) throws(BitNetError) -> Int {
        if !isSteered && repetition == nil { return Self.argmax(logits) }
        try score(logits, after: tokens)
        return Self.argmax(selection.weights.span)
    }

    private static func argmax<Value: Comparable & BitwiseCopyable>(_ values: Span<Value>) -> Int {
        var best = 0
        for index in values.indices where values[index] > values[best] { best = index }
        return best
    }

    /// Fills the selection with the logits after every step before the temperature.
    private mutating func score(
        _ logits: Span<Float>, after tokens: [Int]
    ) throws(BitNetError) {
        selection.weights.removeAll(keepingCapacity: true)
        for index in logits.indices { selection.weights.append(Double(logits[index])) }
        for (token, amount) in bias where selection.weights.indices.contains(token) {
            selection.weights[token] += Double(amount)
        }
        repetition?.apply(to: &selection.weights)
        occurrence?.apply(to: &selection.weights)
        try process(after: tokens)
        try applyMask()
        guard selection.weights.contains(where: { $0 > -.infinity }) else {
            throw .noAllowedToken(position: accepted)
        }
    }

    /// Runs the processors on the scores, rounded to single precision.
    private mutating func process(after tokens: [Int]) throws(BitNetError) {
        if processors.isEmpty { return }
        processed.removeAll(keepingCapacity: true)
        // An extreme penalty leaves the range of a float, and must not look like a ban.
        let largest = Double(Float.greatestFiniteMagnitude)
        for score in selection.weights {
            processed.append(score == -.infinity ? -.infinity : Float(clamp(score, largest)))
        }
        for processor in processors {
            var logits = processed.mutableSpan
            processor(tokens, &logits)
        }
        for (token, logit) in processed.enumerated() {
            guard logit < .infinity else {
                throw .invalidArgument(
                    name: "processors", detail: "one made the logit of token \(token) \(logit)")
            }
            selection.weights[token] = Double(logit)
        }
    }

    private mutating func applyMask() throws(BitNetError) {
        guard constraint != nil else { return }
        if mask.count != selection.weights.count {
            mask = TokenMask(count: selection.weights.count)
        }
        try constraint?.allow(&mask)
        for token in selection.weights.indices where !mask.contains(token) {
            selection.weights[token] = -.infinity
        }
    }
}

private func clamp(_ value: Double, _ largest: Double) -> Double {
    min(max(value, -largest), largest)
}

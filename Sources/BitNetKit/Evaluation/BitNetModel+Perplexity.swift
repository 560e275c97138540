extension BitNetModel {
    /// How well the model predicts a text.
    ///
    /// The text's tokens are those that a prompt would have, a begin-of-text token included.
    ///
    /// - Parameters:
    ///   - text: more than one token of it.
    ///   - options: how the text is cut into windows, and how keys and values are cached.
    ///   - progress: called with the share of the tokens that are done, in [0, 1].
    /// - Throws: `BitNetError.invalidArgument` for a text that is too short or windows that do not fit
    ///   the model, `.tokenizer`, `.corruptTensor` where numbers are not finite, `.cancelled`,
    ///   `.outOfMemory`.
    public func perplexity(
        of text: String, options: PerplexityOptions = PerplexityOptions(),
        progress: (@Sendable (Double) -> Void)? = nil
    ) async throws(BitNetError) -> Perplexity {
        try await perplexity(of: .text(text), options, progress)
    }

    /// The same for tokens, taken as they are.
    public func perplexity(
        tokens: [Int], options: PerplexityOptions = PerplexityOptions(),
        progress: (@Sendable (Double) -> Void)? = nil
    ) async throws(BitNetError) -> Perplexity {
        try await perplexity(of: .tokens(tokens), options, progress)
    }

    /// How the predictions of `other` differ from this model's on a text, whose tokens are this
    /// model's.
    ///
    /// - Parameters:
    ///   - other: a model with the same vocabulary; nil for this one, which makes sense with another
    ///     head or cache.
    ///   - text: more than one token of it.
    ///   - options: how the text is cut into windows, and how this model's keys and values are cached.
    ///   - lmHead: how the other's LM head is held, for this comparison only; nil to leave it.
    ///     Two-stage heads compute the likeliest tokens alone and cannot be compared so.
    ///   - cache: how the other's keys and values are cached; nil for the same as in `options`.
    ///   - progress: called with the share of the tokens that are done, in [0, 1].
    /// - Throws: as `perplexity(of:options:progress:)`, and `.invalidArgument` for models whose
    ///   vocabularies are not as large.
    public func comparePredictions(
        with other: BitNetModel? = nil, on text: String,
        options: PerplexityOptions = PerplexityOptions(), lmHead: LMHeadStorage? = nil,
        cache: KVCachePrecision? = nil, progress: (@Sendable (Double) -> Void)? = nil
    ) async throws(BitNetError) -> PredictionComparison {
        let other = other ?? self
        guard other.configuration.vocabularySize == configuration.vocabularySize else {
            throw .invalidArgument(
                name: "against",
                detail: "vocabularies of \(configuration.vocabularySize) and "
                    + "\(other.configuration.vocabularySize) tokens cannot be compared")
        }
        var transformer = other.transformer
        if let lmHead {
            guard lmHead == .asStored || lmHead.elementType != nil else {
                throw .invalidArgument(
                    name: "LM head",
                    detail: "\(lmHead.rawValue) computes the likeliest tokens alone; compare with "
                        + "a type")
            }
            try transformer.hold(lmHead: lmHead)
        }
        let (target, limit) = (
            transformer, min(configuration.contextLength, other.configuration.contextLength)
        )
        return try await evaluating { model, isCancelled throws(BitNetError) in
            let tokens = try model.tokens(of: .text(text), isCancelled)
            let windows = try TextWindows(of: tokens.count, options, limit: limit)
            return try Evaluation(tokens, windows, isCancelled, progress).compare(
                try Reader(model.transformer, windows, options.cache),
                try Reader(target, windows, cache ?? options.cache))
        }
    }

    private func perplexity(
        of prompt: Prompt, _ options: PerplexityOptions, _ progress: (@Sendable (Double) -> Void)?
    ) async throws(BitNetError) -> Perplexity {
        try await evaluating { model, isCancelled throws(BitNetError) in
            let tokens = try model.tokens(of: prompt, isCancelled)
            let windows = try TextWindows(
                of: tokens.count, options, limit: model.configuration.contextLength)
            return try Evaluation(tokens, windows, isCancelled, progress).perplexity(
                try Reader(model.transformer, windows, options.cache))
        }
    }

    private func tokens(
        of prompt: Prompt, _ isCancelled: @escaping () -> Bool
    ) throws(BitNetError) -> [Int] {
        try prompt.tokens(for: self, effort: Effort(isCancelled: isCancelled))
    }

    /// Runs `body` on the model's queue; cancelling the task is seen by its second argument.
    func evaluating<R: Sendable>(
        _ body: @escaping @Sendable (BitNetModel, @escaping () -> Bool) throws(BitNetError) -> R
    ) async throws(BitNetError) -> R {
        let cancellation = Cancellation()
        let result = await cancellation.follow {
            await onQueue {
                Result { () throws(BitNetError) in try body(self) { cancellation.isRequested } }
            }
        }
        return try result.get()
    }
}

/// A sequence of one model that is read window by window.
struct Reader {
    private let context: InferenceContext

    init(
        _ transformer: Transformer, _ windows: TextWindows, _ cache: KVCachePrecision
    ) throws(BitNetError) {
        context = try InferenceContext(
            transformer, contextLength: min(windows.context, windows.count), cache: cache)
    }

    func begin() { context.rewind(to: 0) }

    /// Reads tokens whose predictions nobody wants.
    func skip(_ tokens: ArraySlice<Int>, _ isCancelled: () -> Bool) throws(BitNetError) {
        try context.read(Array(tokens), isCancelled: isCancelled)
    }

    /// Reads tokens and calls `see` with the index and the prediction after each.
    func read(
        _ tokens: ArraySlice<Int>, _ isCancelled: () -> Bool,
        _ see: (Int, Prediction) -> Void
    ) throws(BitNetError) {
        try context.forward(Array(tokens), isCancelled: isCancelled) { index, logits in
            see(index, Prediction(logits))
            return true
        }
    }
}

/// Predicts a text window by window.
struct Evaluation {
    private let tokens: [Int]
    private let windows: TextWindows
    private let isCancelled: () -> Bool
    private let progress: (@Sendable (Double) -> Void)?
    /// Tokens whose predictions are in memory at once: those of a large vocabulary are 1 MB each.
    private static let batch = 16

    init(
        _ tokens: [Int], _ windows: TextWindows, _ isCancelled: @escaping () -> Bool,
        _ progress: (@Sendable (Double) -> Void)?
    ) {
        self.tokens = tokens
        self.windows = windows
        self.isCancelled = isCancelled
        self.progress = progress
    }

    func perplexity(_ reader: Reader) throws(BitNetError) -> Perplexity {
        var losses = Moments()
        try forEachBatch([reader], size: InferenceContext.batchLength) { part throws(BitNetError) in
            try reader.read(tokens[part], isCancelled) { index, prediction in
                losses.add(prediction.loss(of: tokens[part.lowerBound + index + 1]))
            }
        }
        return Perplexity(losses, windows)
    }

    func compare(_ base: Reader, _ other: Reader) throws(BitNetError) -> PredictionComparison {
        var (baseLosses, otherLosses, divergences) = (Moments(), Moments(), Moments())
        var (largest, agreed) = (0.0, 0)
        try forEachBatch([base, other], size: Self.batch) { part throws(BitNetError) in
            var predictions: [Prediction] = []
            try base.read(tokens[part], isCancelled) { predictions.append($1) }
            try other.read(tokens[part], isCancelled) { index, second in
                let first = predictions[index]
                let token = tokens[part.lowerBound + index + 1]
                baseLosses.add(first.loss(of: token))
                otherLosses.add(second.loss(of: token))
                let divergence = first.divergence(of: second)
                divergences.add(divergence)
                largest = max(largest, divergence)
                agreed += first.top == second.top ? 1 : 0
            }
        }
        return PredictionComparison(
            base: Perplexity(baseLosses, windows), other: Perplexity(otherLosses, windows),
            meanDivergence: divergences.mean, standardError: divergences.standardError,
            largestDivergence: largest,
            topAgreement: Double(agreed) / Double(max(1, divergences.count)))
    }

    /// Calls `body` with the tokens after which a prediction counts, in parts.
    private func forEachBatch(
        _ readers: [Reader], size: Int, _ body: (Range<Int>) throws(BitNetError) -> Void
    ) throws(BitNetError) {
        for window in windows.all {
            let first = window.counted - 1
            for reader in readers {
                reader.begin()
                try reader.skip(tokens[window.tokens.lowerBound..<first], isCancelled)
            }
            let end = window.tokens.upperBound - 1
            for begin in stride(from: first, to: end, by: size) {
                try body(begin..<min(begin + size, end))
                progress?(Double(min(begin + size, end)) / Double(tokens.count))
            }
        }
        progress?(1)
    }
}

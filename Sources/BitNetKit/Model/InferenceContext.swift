/// One sequence being decoded: its KV cache and scratch memory. Blocking; one user at a time.
///
/// Tokens go in one by one or in batches, and give the same bits either way.
final class InferenceContext {
    let model: BitNetModel
    /// Tokens that fit.
    let contextLength: Int
    private var cache: KVCache
    private let workspace: Workspace
    /// Of a two-stage head.
    let headScratch: HeadScratch?
    private var logitsNeeded = LogitsNeed.all

    /// Tokens of one forward pass through all layers while a prompt is read.
    static let batchLength = 128

    /// - Parameter capacity: tokens that the cache has room for at first, up to `contextLength`, to
    ///   which it grows when needed; nil for all of them.
    /// - Throws: `BitNetError.invalidArgument` for an empty context, `.outOfMemory`.
    convenience init(
        model: BitNetModel, contextLength: Int, cache precision: KVCachePrecision,
        capacity: Int? = nil
    ) throws(BitNetError) {
        guard contextLength > 0 else {
            throw .invalidArgument(name: "context length", detail: "must be positive")
        }
        let cache = try KVCache(
            model.configuration, capacity: min(capacity ?? contextLength, contextLength),
            precision: precision)
        try self.init(model: model, contextLength: contextLength, cache)
    }

    private init(
        model: BitNetModel, contextLength: Int, _ cache: consuming KVCache
    ) throws(BitNetError) {
        self.model = model
        self.contextLength = contextLength
        self.cache = cache
        workspace = try Workspace(
            model.configuration, batch: min(InferenceContext.batchLength, contextLength),
            contextLength: contextLength, threads: model.compute.pool.threads,
            gemmScratch: model.gemmScratchSize)
        headScratch = try model.headScan.map { (scan) throws(BitNetError) in
            try HeadScratch(scan, threads: model.compute.pool.threads)
        }
    }

    /// An independent context with the same tokens in its cache; there are no logits until the next
    /// `prefill`.
    ///
    /// - Throws: `BitNetError.outOfMemory`.
    func fork() throws(BitNetError) -> InferenceContext {
        let room = min(contextLength, max(position, 1) + InferenceContext.batchLength)
        return try InferenceContext(
            model: model, contextLength: contextLength,
            KVCache(copying: cache, capacity: max(room, position)))
    }

    /// Tokens in the cache.
    var position: Int { cache.position }

    /// Appends `tokens`; afterwards `withLogits` has those of the last one.
    ///
    /// - Throws: `BitNetError.contextWindowExceeded`, `.invalidArgument` for an id outside the
    ///   vocabulary, `.cancelled` (asked before every layer; whole batches done so far stay),
    ///   `.corruptTensor` where the model computes numbers that are not finite.
    func prefill(
        _ tokens: [Int], isCancelled: () -> Bool = { false }
    ) throws(BitNetError) {
        try read(tokens, isCancelled: isCancelled)
        guard !tokens.isEmpty else { return }
        try computeLogits(row: (tokens.count - 1) % workspace.batch, need: logitsNeeded)
    }

    /// The same, calling `eachLogits` with the index and the logits of one token after the other
    /// until it returns false; the logits of the rest are not computed.
    func prefill(
        _ tokens: [Int], isCancelled: () -> Bool = { false },
        eachLogits: (Int, Span<Float>) -> Bool
    ) throws(BitNetError) {
        try check(tokens)
        var isWanted = true
        for start in stride(from: 0, to: tokens.count, by: workspace.batch) {
            let end = min(start + workspace.batch, tokens.count)
            try forward(tokens[start..<end], isCancelled: isCancelled)
            for index in start..<end where isWanted {
                try computeLogits(row: index - start, need: logitsNeeded)
                isWanted = workspace.logits.withSpan { eachLogits(index, $0) }
            }
        }
    }

    /// Starts to count zeros in the feed-forward networks, and what is left out for them, from none,
    /// or stops.
    func countZeros(_ isOn: Bool) {
        workspace.counts = isOn ? FeedForwardCounts(layers: model.blocks.count) : nil
    }

    /// What was counted since; nil if that is off or nothing was computed.
    var sparsity: FeedForwardSparsity? {
        workspace.counts.flatMap { FeedForwardSparsity($0, model.configuration.feedForwardSize) }
    }

    /// Appends `tokens` without computing any logits: for all of a prompt but its end.
    ///
    /// - Throws: as `prefill(_:isCancelled:)`.
    func read(_ tokens: [Int], isCancelled: () -> Bool = { false }) throws(BitNetError) {
        try check(tokens)
        var start = 0
        while start < tokens.count {
            let end = min(start + workspace.batch, tokens.count)
            try forward(tokens[start..<end], isCancelled: isCancelled)
            start = end
        }
    }

    /// Appends `tokens`, at least one, and returns the state of the last one that the head would
    /// see: after the final norm, `[hidden]`.
    ///
    /// - Throws: as `prefill(_:isCancelled:)`.
    func finalState(
        after tokens: [Int], isCancelled: () -> Bool
    ) throws(BitNetError) -> [Float] {
        try read(tokens, isCancelled: isCancelled)
        let state = normalizedState(row: (tokens.count - 1) % workspace.batch)
        guard state.isFinite else { throw notFinite("final norm") }
        return state.array
    }

    /// How keys and values are stored.
    var precision: KVCachePrecision { cache.precision }

    /// The bytes of every key and value in the cache.
    var filledParts: [CacheBytes] { cache.filledParts }

    /// Makes room for `count` positions and counts them as filled: what they hold is then written
    /// through `filledParts`.
    func restore(position count: Int) throws(BitNetError) {
        try reserve(count)
        cache.set(position: count)
    }

    /// Makes the cache hold at least `count` positions; doubling keeps copying rare.
    private func reserve(_ count: Int) throws(BitNetError) {
        guard count > cache.capacity else { return }
        let capacity = min(contextLength, max(count, cache.capacity * 2))
        cache = try KVCache(copying: cache, capacity: capacity)
    }

    /// Forgets the tokens from `position` on; there are no logits until the next `prefill`.
    func rewind(to position: Int) {
        precondition(position <= self.position)
        cache.set(position: position)
    }

    /// Goes on as if `count` tokens had been read, with noise for what they would have left in the
    /// cache: for benchmarks.
    func pretendToHaveRead(_ count: Int) throws(BitNetError) {
        try reserve(count)
        try cache.fillWithNoise(count, kernels: model.kernels)
    }

    /// Logits of the last token, `[vocabulary]`.
    func withLogits<R, E: Error>(_ body: (Span<Float>) throws(E) -> R) throws(E) -> R {
        try workspace.logits.withSpan(body)
    }

    /// With a two-stage head, logits that are not needed may be -infinity.
    func setLogitsNeeded(_ need: LogitsNeed) { logitsNeeded = need }

    /// Sets a function that sees every intermediate result; for tests against a reference.
    func probe(_ body: @escaping (_ layer: Int, _ name: String, _ values: Activations) -> Void) {
        workspace.probe = body
    }

    private func check(_ tokens: [Int]) throws(BitNetError) {
        guard tokens.count <= contextLength - position else {
            throw .contextWindowExceeded(limit: contextLength, requested: position + tokens.count)
        }
        let vocabulary = model.configuration.vocabularySize
        if let odd = tokens.first(where: { $0 < 0 || $0 >= vocabulary }) {
            throw .invalidArgument(
                name: "tokens", detail: "\(odd) is not in the vocabulary of \(vocabulary)")
        }
        try reserve(position + tokens.count)
    }

    /// Embedding and all layers for up to a batch of tokens; leaves the residual stream.
    private func forward(
        _ tokens: ArraySlice<Int>, isCancelled: () -> Bool
    ) throws(BitNetError) {
        let x = workspace.residual(tokens.count)
        workspace.quantized.clearDamage()
        for (row, token) in tokens.enumerated() {
            model.embedding.decodeRow(token, into: x[row])
            x[row].scale(by: model.configuration.embeddingScale)
            guard x[row].canBeNormalized else {
                throw .corruptTensor(
                    tensor: "embedding", detail: "the row of token \(token) is not finite")
            }
            model.rotary.fill(
                position: position + row, cos: workspace.cos(row), sin: workspace.sin(row))
            model.localRotary?.fill(
                position: position + row, cos: workspace.localCos(row),
                sin: workspace.localSin(row))
        }
        workspace.probe?(-1, "embed", x)
        for (layer, block) in model.blocks.enumerated() {
            if isCancelled() { throw .cancelled }
            block(x, layer: layer, cache: cache, workspace: workspace, compute: model.compute)
            if workspace.quantized.isDamaged { throw notFinite("layer \(layer)") }
        }
        // Layers only add to the residual stream: what overflowed in any of them shows here.
        for row in 0..<tokens.count where !x[row].canBeNormalized {
            throw notFinite("last layer")
        }
        cache.advance(by: tokens.count)
    }

    /// Final norm and LM head for one row of the residual stream.
    private func computeLogits(row: Int, need: LogitsNeed) throws(BitNetError) {
        let normed = normalizedState(row: row)
        if case .top(let top) = need, let scan = model.headScan, let headScratch {
            model.compute.multiply(
                model.head, scan: scan, top: top, normed, scratch: headScratch,
                into: workspace.logits)
            guard headScratch.isFinite(workspace.logits) else { throw notFinite("logits") }
        } else {
            model.compute.multiply(model.head, normed, into: workspace.logits)
            guard workspace.logits.isFinite else { throw notFinite("logits") }
        }
    }

    /// Final norm of one row of the residual stream.
    private func normalizedState(row: Int) -> BufferView<Float> {
        let normed = workspace.normed(row + 1)[row]
        model.finalNorm.apply(
            workspace.residual(row + 1)[row], into: normed, kernels: model.compute.kernels)
        workspace.probe?(-1, "final_norm", Activations(normed, rows: 1, columns: normed.count))
        return normed
    }

    private func notFinite(_ place: String) -> BitNetError {
        .corruptTensor(
            tensor: place, detail: "computed numbers are not finite; the weights are damaged")
    }
}

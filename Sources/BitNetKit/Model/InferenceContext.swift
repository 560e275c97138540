/// One sequence being decoded: its KV cache and scratch memory. Blocking; one user at a time.
///
/// Tokens go in one by one or in batches, and give the same bits either way.
package final class InferenceContext {
    package let transformer: Transformer
    /// Tokens that fit.
    let contextLength: Int
    private var cache: KVCache
    private let workspace: Workspace
    /// Of a two-stage LM head.
    let lmHeadScratch: LMHeadScratch?
    private var logitsNeeded = LogitsNeed.all

    /// Tokens of one forward pass through all layers while a prompt is read. Each pass takes all
    /// weights apart again: with 512 a prompt took 0.93 of the time that it took with 128 (2B-4T, Zen
    /// 5), for 45 MB more of scratch.
    static let batchLength = 512

    /// - Parameter capacity: tokens that the cache has room for at first, up to `contextLength`, to
    ///   which it grows when needed; nil for all of them.
    /// - Throws: `BitNetError.invalidArgument` for an empty context, `.outOfMemory`.
    package convenience init(
        _ transformer: Transformer, contextLength: Int, cache precision: KVCachePrecision,
        capacity: Int? = nil
    ) throws(BitNetError) {
        guard contextLength > 0 else {
            throw .invalidArgument(name: "context length", detail: "must be positive")
        }
        let cache = try KVCache(
            transformer.configuration, capacity: min(capacity ?? contextLength, contextLength),
            precision: precision)
        try self.init(transformer, contextLength: contextLength, cache)
    }

    private init(
        _ transformer: Transformer, contextLength: Int, _ cache: consuming KVCache
    ) throws(BitNetError) {
        self.transformer = transformer
        self.contextLength = contextLength
        self.cache = cache
        workspace = try Workspace(
            transformer.configuration, batch: min(InferenceContext.batchLength, contextLength),
            contextLength: contextLength, threads: transformer.compute.pool.threads,
            gemmScratch: transformer.gemmScratchSize)
        lmHeadScratch = try transformer.lmHeadScan.map { (scan) throws(BitNetError) in
            try LMHeadScratch(scan, threads: transformer.compute.pool.threads)
        }
    }

    /// An independent context with the same tokens in its cache; there are no logits until the next
    /// `forward`.
    ///
    /// - Throws: `BitNetError.outOfMemory`.
    func fork() throws(BitNetError) -> InferenceContext {
        let room = min(contextLength, max(position, 1) + InferenceContext.batchLength)
        return try InferenceContext(
            transformer, contextLength: contextLength,
            KVCache(copying: cache, capacity: max(room, position)))
    }

    /// Tokens in the cache.
    var position: Int { cache.position }

    /// Appends `tokens`; afterwards `withLogits` has those of the last one.
    ///
    /// - Throws: `BitNetError.contextWindowExceeded`, `.invalidArgument` for an id outside the
    ///   vocabulary, `.cancelled` (asked before every layer; whole batches done so far stay),
    ///   `.corruptTensor` where the model computes numbers that are not finite.
    package func forward(
        _ tokens: [Int], isCancelled: () -> Bool = { false }
    ) throws(BitNetError) {
        try read(tokens, isCancelled: isCancelled)
        guard !tokens.isEmpty else { return }
        try computeLogits(row: (tokens.count - 1) % workspace.batch, need: logitsNeeded)
    }

    /// The same, calling `eachLogits` with the index and the logits of one token after the other
    /// until it returns false; the logits of the rest are not computed.
    package func forward(
        _ tokens: [Int], isCancelled: () -> Bool = { false },
        eachLogits: (Int, Span<Float>) -> Bool
    ) throws(BitNetError) {
        try check(tokens)
        var isWanted = true
        for start in stride(from: 0, to: tokens.count, by: workspace.batch) {
            let end = min(start + workspace.batch, tokens.count)
            try runLayers(tokens[start..<end], isCancelled: isCancelled)
            for index in start..<end where isWanted {
                try computeLogits(row: index - start, need: logitsNeeded)
                isWanted = workspace.logits.withSpan { eachLogits(index, $0) }
            }
        }
    }

    /// Starts to count zeros in the feed-forward networks, and what is left out for them, from none,
    /// or stops.
    package func countZeros(_ isOn: Bool) {
        workspace.counts = isOn ? FeedForwardCounts(layers: transformer.blocks.count) : nil
    }

    /// What was counted since; nil if that is off or nothing was computed.
    package var sparsity: FeedForwardSparsity? {
        workspace.counts.flatMap {
            FeedForwardSparsity(
                $0, transformer.configuration.feedForwardSize, silent: transformer.silentNeurons)
        }
    }

    /// Appends `tokens` without computing any logits: for all of a prompt but its end.
    ///
    /// - Parameter progress: how far the prompt is that `tokens` are a part of; nil where they are
    ///   all of it.
    /// - Throws: as `forward(_:isCancelled:)`.
    package func read(
        _ tokens: [Int], progress: PrefillProgress? = nil, isCancelled: () -> Bool = { false }
    ) throws(BitNetError) {
        try check(tokens)
        var progress = progress ?? PrefillProgress(of: tokens.count)
        var start = 0
        while start < tokens.count {
            let end = min(start + workspace.batch, tokens.count)
            try runLayers(tokens[start..<end], isCancelled: isCancelled) { done, all in
                progress.report(start + (end - start) * done / all)
            }
            start = end
        }
    }

    /// Appends `tokens`, at least one, and returns the state of the last one that the LM head would
    /// see: after the final norm, `[hidden]`.
    ///
    /// - Throws: as `forward(_:isCancelled:)`.
    func finalState(
        after tokens: [Int], isCancelled: () -> Bool
    ) throws(BitNetError) -> [Float] {
        try read(tokens, isCancelled: isCancelled)
        let state = normalizedState(row: (tokens.count - 1) % workspace.batch)
        guard state.isFinite else { throw notFinite("final norm") }
        return state.array
    }

    /// The same for several sequences, which go through the model together and see nothing of each
    /// other: the states after each, with the bits it has alone. The context must be empty and hold
    /// all of them, and they must fit one pass.
    ///
    /// - Throws: as `forward(_:isCancelled:)`.
    func finalStates(
        afterEach sequences: [[Int]], isCancelled: () -> Bool
    ) throws(BitNetError) -> [[Float]] {
        let tokens = sequences.flatMap(\.self)
        try check(tokens)
        precondition(position == 0 && tokens.count <= workspace.batch)
        var start = 0
        for sequence in sequences {
            workspace.sequences.append(start..<start + sequence.count)
            start += sequence.count
        }
        defer { workspace.sequences = [] }
        try runLayers(tokens[...], isCancelled: isCancelled)
        var states: [[Float]] = []
        for rows in workspace.sequences {
            let state = normalizedState(row: rows.upperBound - 1)
            guard state.isFinite else { throw notFinite("final norm") }
            states.append(state.array)
        }
        return states
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

    /// Forgets the tokens from `position` on; there are no logits until the next `forward`.
    package func rewind(to position: Int) {
        precondition(position <= self.position)
        cache.set(position: position)
    }

    /// Appends `count` positions with keys and values that did not come from tokens; `store` is called
    /// for each layer and position, and stores both.
    ///
    /// - Throws: `BitNetError.contextWindowExceeded`, `.outOfMemory`.
    package func append(
        _ count: Int, store: (KVCache.Layer, _ layer: Int, _ position: Int) -> Void
    ) throws(BitNetError) {
        let start = position
        guard count <= contextLength - start else {
            throw .contextWindowExceeded(limit: contextLength, requested: start + count)
        }
        try reserve(start + count)
        for layer in transformer.blocks.indices {
            for position in start..<start + count { store(cache.layer(layer), layer, position) }
        }
        cache.advance(by: count)
    }

    /// Logits of the last token, `[vocabulary]`.
    func withLogits<R, E: Error>(_ body: (Span<Float>) throws(E) -> R) throws(E) -> R {
        try workspace.logits.withSpan(body)
    }

    /// With a two-stage LM head, logits that are not needed may be -infinity.
    package func setLogitsNeeded(_ need: LogitsNeed) { logitsNeeded = need }

    /// Sets what sees every intermediate result from now on.
    package func probe(with see: @escaping ActivationProbe.Observer) {
        workspace.probe = ActivationProbe(see)
    }

    private func check(_ tokens: [Int]) throws(BitNetError) {
        guard tokens.count <= contextLength - position else {
            throw .contextWindowExceeded(limit: contextLength, requested: position + tokens.count)
        }
        let vocabulary = transformer.configuration.vocabularySize
        if let odd = tokens.first(where: { $0 < 0 || $0 >= vocabulary }) {
            throw .invalidArgument(
                name: "tokens", detail: "\(odd) is not in the vocabulary of \(vocabulary)")
        }
        try reserve(position + tokens.count)
    }

    /// Embedding and all layers for up to a batch of tokens; leaves the residual stream. `report` is
    /// told after each layer how many are done, of how many.
    private func runLayers(
        _ tokens: ArraySlice<Int>, isCancelled: () -> Bool,
        report: (_ done: Int, _ all: Int) -> Void = { _, _ in }
    ) throws(BitNetError) {
        let x = workspace.residual(tokens.count)
        workspace.quantized.clearDamage()
        let positions = workspace.sequences.flatMap { 0..<$0.count }
        for (row, token) in tokens.enumerated() {
            let position = positions.isEmpty ? position + row : positions[row]
            transformer.embedding.decodeRow(token, into: x[row])
            x[row].scale(by: transformer.configuration.embeddingScale)
            guard x[row].canBeNormalized else {
                throw .corruptTensor(
                    tensor: "embedding", detail: "the row of token \(token) is not finite")
            }
            transformer.rotary.fill(
                position: position, cos: workspace.cos(row), sin: workspace.sin(row))
            transformer.localRotary?.fill(
                position: position, cos: workspace.localCos(row),
                sin: workspace.localSin(row))
        }
        workspace.probe?(.embedding, x)
        for (layer, block) in transformer.blocks.enumerated() {
            if isCancelled() { throw .cancelled }
            block(x, layer: layer, cache: cache, workspace: workspace, compute: transformer.compute)
            if workspace.quantized.isDamaged { throw notFinite("layer \(layer)") }
            report(layer + 1, transformer.blocks.count)
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
        if case .top(let top) = need, let scan = transformer.lmHeadScan, let lmHeadScratch {
            transformer.compute.multiply(
                transformer.lmHead, scan: scan, top: top, normed, scratch: lmHeadScratch,
                into: workspace.logits)
            guard lmHeadScratch.isFinite(workspace.logits) else { throw notFinite("logits") }
        } else {
            transformer.compute.multiply(transformer.lmHead, normed, into: workspace.logits)
            guard workspace.logits.isFinite else { throw notFinite("logits") }
        }
    }

    /// Final norm of one row of the residual stream.
    private func normalizedState(row: Int) -> BufferView<Float> {
        let normed = workspace.normed(row + 1)[row]
        transformer.finalNorm.apply(
            workspace.residual(row + 1)[row], into: normed, kernels: transformer.compute.kernels)
        workspace.probe?(
            .finalNorm, Activations(normed, rows: 1, columns: normed.count))
        return normed
    }

    private func notFinite(_ place: String) -> BitNetError {
        .corruptTensor(
            tensor: place, detail: "computed numbers are not finite; the weights are damaged")
    }
}

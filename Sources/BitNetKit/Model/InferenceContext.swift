/// One sequence being decoded: its KV cache and scratch memory. Blocking; one user at a time.
///
/// Tokens go in one by one or in batches, and give the same bits either way.
final class InferenceContext {
    let model: BitNetModel
    /// Tokens that fit.
    let contextLength: Int
    private var cache: KVCache
    private let workspace: Workspace

    /// Tokens of one forward pass through all layers while a prompt is read.
    static let batchLength = 128

    /// - Throws: `BitNetError.invalidArgument` for an empty context, `.outOfMemory`.
    init(
        model: BitNetModel, contextLength: Int, cache precision: KVCachePrecision
    ) throws(BitNetError) {
        guard contextLength > 0 else {
            throw .invalidArgument(name: "context length", detail: "must be positive")
        }
        self.model = model
        self.contextLength = contextLength
        cache = try KVCache(model.configuration, capacity: contextLength, precision: precision)
        workspace = try Workspace(
            model.configuration, batch: min(InferenceContext.batchLength, contextLength),
            contextLength: contextLength, threads: model.compute.pool.threads,
            gemmScratch: model.gemmScratchSize)
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
        try prefill(tokens, allLogits: nil, isCancelled: isCancelled)
    }

    /// The same, calling `allLogits` with the index and the logits of every token.
    func prefill(
        _ tokens: [Int], allLogits: ((Int, Span<Float>) -> Void)?,
        isCancelled: () -> Bool = { false }
    ) throws(BitNetError) {
        try check(tokens)
        var start = 0
        while start < tokens.count {
            let end = min(start + workspace.batch, tokens.count)
            try forward(tokens[start..<end], isCancelled: isCancelled)
            if let allLogits {
                for index in start..<end {
                    try computeLogits(row: index - start)
                    workspace.logits.withSpan { allLogits(index, $0) }
                }
            } else if end == tokens.count {
                try computeLogits(row: end - start - 1)
            }
            start = end
        }
    }

    /// Forgets the tokens from `position` on; there are no logits until the next `prefill`.
    func rewind(to position: Int) {
        precondition(position <= self.position)
        cache.set(position: position)
    }

    /// Goes on as if `position` tokens had been read, without reading them: for benchmarks, which do
    /// not care what the cache holds.
    func pretend(position: Int) { cache.set(position: position) }

    /// Logits of the last token, `[vocabulary]`.
    func withLogits<R, E: Error>(_ body: (Span<Float>) throws(E) -> R) throws(E) -> R {
        try workspace.logits.withSpan(body)
    }

    /// What the feed-forward network of every layer has left out so far.
    var skippedWork: [SkippedWork] { workspace.skipping.layers.map(\.work) }

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
    }

    /// Embedding and all layers for up to a batch of tokens; leaves the residual stream.
    private func forward(
        _ tokens: ArraySlice<Int>, isCancelled: () -> Bool
    ) throws(BitNetError) {
        let x = workspace.residual(tokens.count)
        workspace.quantized.clearDamage()
        for (row, token) in tokens.enumerated() {
            model.embedding.decodeRow(token, into: x[row])
            guard x[row].canBeNormalized else {
                throw .corruptTensor(
                    tensor: "embedding", detail: "the row of token \(token) is not finite")
            }
            model.rotary.fill(
                position: position + row, cos: workspace.cos(row), sin: workspace.sin(row))
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
    private func computeLogits(row: Int) throws(BitNetError) {
        let normed = workspace.normed(row + 1)[row]
        model.finalNorm.apply(
            workspace.residual(row + 1)[row], into: normed, kernels: model.compute.kernels)
        workspace.probe?(-1, "final_norm", Activations(normed, rows: 1, columns: normed.count))
        model.compute.multiply(model.head, normed, into: workspace.logits)
        guard workspace.logits.isFinite else { throw notFinite("logits") }
    }

    private func notFinite(_ place: String) -> BitNetError {
        .corruptTensor(
            tensor: place, detail: "computed numbers are not finite; the weights are damaged")
    }
}

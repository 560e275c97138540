/// What running a model will take, found without loading it.
///
/// ```swift
/// let plan = try BitNetModel.plan(url, context: 16_384)
/// print(plan.memory.total, plan.maximumContext(within: 4 << 30) ?? 0)
/// ```
public struct ModelPlan: Sendable, Hashable, Codable {
    /// Memory in bytes, by what it is for.
    public struct Memory: Sendable, Hashable, Codable {
        /// What the process holds without the model's weights: itself, the file's directory and the
        /// tokenizer. Measured while the plan was made.
        public let process: Int
        /// Packed ternary weights.
        public let ternary: Int
        /// The embedding; it is the LM head too where that is tied and held the same way.
        public let embedding: Int
        /// The LM head where it is not the embedding.
        public let lmHead: Int
        /// What is held beside the LM head to find its likeliest rows: bounds of the rows of a Q8_0,
        /// Q6_K or Q4_0 head, or the smaller copy that a two-stage head scans.
        public let scan: Int
        /// What ternary weights, embedding and LM head take beyond their bytes: whole pages of 2 MB.
        public let pages: Int
        /// Keys and values of the whole context.
        public let keyValues: Int
        /// Activations and scores of one sequence.
        public let scratch: Int
        /// What loading holds besides weights and is freed before a sequence runs.
        public let loading: Int

        /// What is there all the time, whatever the context.
        var weights: Int { process + ternary + embedding + lmHead + scan + pages }

        /// The most at any time: while the model loads, or while it runs.
        public var total: Int {
            weights + max(loading, keyValues + scratch)
        }
    }

    /// What is read to find the likeliest rows of an LM head.
    public enum Scan: String, Sendable, Hashable, Codable {
        /// The head itself, and bounds of its rows.
        case bounds
        /// A copy of it in int8, or in 4.5 bits a weight.
        case int8, int4
    }

    /// The model's name, or its file's.
    public let name: String
    /// Tokens of the context that is planned for, and those the model was trained to take.
    public let context, trainedContext: Int
    /// How the likeliest rows of the LM head are found; nil where all are computed.
    public let scan: Scan?
    /// How keys and values are cached, a raw value of `KVCachePrecision`.
    public let cache: String
    /// How ternary weights are packed, a raw value of `TernaryLayout`.
    public let layout: String
    /// Threads, each of which has scratch of its own.
    public let threads: Int
    /// Ternary weights, and elements of the embedding and an LM head of its own.
    public let ternaryWeights, denseWeights: Int
    /// The memory.
    public let memory: Memory
    /// Bytes of weights that are read for every token; of the LM head those that a greedy choice
    /// reads.
    public let weightBytesPerToken: Int
    /// Bytes of keys and values for each token of the context: decoding reads those of all tokens so
    /// far for each new one.
    public let keyValueBytesPerToken: Int
    /// Bytes of scratch for each token of the context.
    public let scratchBytesPerToken: Int
    /// Bytes of all weights as FP16.
    public let fp16Bytes: Int
    /// Numbers that a token's activations have on their way through the layers.
    let activationsPerToken: Int
    let layers: Int

    /// The most tokens of context that fit in `bytes`, up to those the model was trained to take; nil
    /// where none do.
    public func maximumContext(within bytes: Int) -> Int? {
        let fixed = memory.total(context: 0, of: self)
        let perToken = keyValueBytesPerToken + scratchBytesPerToken
        guard bytes >= fixed + perToken else { return nil }
        return min(trainedContext, (bytes - fixed) / max(1, perToken))
    }

    /// Bytes of memory with another context.
    public func totalMemory(context: Int) -> Int { memory.total(context: context, of: self) }
}

extension ModelPlan.Memory {
    fileprivate func total(context: Int, of plan: ModelPlan) -> Int {
        let change = context - plan.context
        let running =
            keyValues + scratch + change
            * (plan.keyValueBytesPerToken + plan.scratchBytesPerToken)
        return weights + max(loading, running)
    }
}

/// The expected speed of a model.
public struct PlannedSpeed: Sendable, Hashable, Codable {
    /// Tokens a second with an empty context, and with a full one.
    public let tokensPerSecond, tokensPerSecondAtFullContext: Double
    /// Whether what was measured for it was compiled with optimisation: kernels of a debug build are
    /// as fast, but what lies between them is not.
    public let isOptimized: Bool
}

extension ModelPlan {
    /// How fast tokens will be decoded, by what was measured on this machine.
    ///
    /// A token reads all ternary weights at `weightsPerSecond`, or at `bytesPerSecond` where that
    /// takes longer, LM head, keys and values at `bytesPerSecond`, and passes its activations through
    /// some steps that threads begin and end together. That holds for models much larger than the
    /// caches.
    ///
    /// - Parameters:
    ///   - weightsPerSecond: ternary weights a second from memory, in this plan's layout.
    ///   - bytesPerSecond: bytes a second from memory.
    ///   - jobSeconds: what an empty job of all threads takes from start to end.
    ///   - isOptimized: whether that was measured by code compiled with optimisation.
    public func speed(
        weightsPerSecond: Double, bytesPerSecond: Double, jobSeconds: Double,
        isOptimized: Bool = true
    ) -> PlannedSpeed {
        // What kernels were measured with may have been in a large cache.
        let ternary = max(
            Double(ternaryWeights) / weightsPerSecond, Double(memory.ternary) / bytesPerSecond)
        let head = Double(weightBytesPerToken - memory.ternary) / bytesPerSecond
        // Eight jobs a layer; a nanosecond a number for norms, rounding and activation functions.
        let rest =
            Double(layers) * 8 * jobSeconds + Double(activationsPerToken) * 1e-9 / Double(threads)
        let empty = ternary + head + rest
        let full = empty + Double(context) * Double(keyValueBytesPerToken) / bytesPerSecond
        return PlannedSpeed(
            tokensPerSecond: 1 / empty, tokensPerSecondAtFullContext: 1 / full,
            isOptimized: isOptimized)
    }
}

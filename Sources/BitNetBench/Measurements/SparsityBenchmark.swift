/// Text written with zeros left out by automatic choice, always and not at all, at more and more
/// zeros: whether the choice is the better one of the two, everywhere.
///
/// ```swift
/// let benchmark = SparsityBenchmark(options: LoadOptions(threads: 1))
/// for row in try benchmark.run(zeroShares: [0, 0.5, 0.9]) {
///     print(row.zeroShare, row.alwaysRatio, row.automaticRatio)
/// }
/// ```
///
/// Weights are random. Blocking, for seconds to minutes.
public struct SparsityBenchmark: Sendable {
    /// The speeds at one share of zeros.
    public struct Row: Sendable, Hashable, Codable {
        /// Share of zeros that was asked for, in 0...1.
        public let zeroShare: Double
        /// Share of gates that were 0 after the activation, in 0...1.
        public let gateZeroShare: Double
        /// Share of the int8 inputs of `down` that were 0, in 0...1.
        public let downZeroShare: Double
        /// Threads that shared each product.
        public let threads: Int
        /// Tokens a second with nothing left out.
        public let off: Spread
        /// Tokens a second with everything left out that can be.
        public let always: Spread
        /// Tokens a second with the choice that a model makes when it is loaded.
        public let automatic: Spread
        /// How many times as fast as ``off`` `always` is: the median of those of every turn.
        public let alwaysRatio: Double
        /// How many times as fast as ``off`` `automatic` is: the median of those of every turn.
        public let automaticRatio: Double

        /// What `automatic` reaches of the better of the other two, 1 for all of it.
        public var choice: Double { automaticRatio / max(alwaysRatio, 1) }
    }

    /// Eight layers of bitnet-2b-4t, which are larger than caches, and a small vocabulary.
    public static let usualShape = ModelShape(
        hiddenSize: 2560, feedForwardSize: 6912, layerCount: 8, headCount: 20,
        keyValueHeadCount: 5, vocabularySize: 256)

    private let shape: ModelShape
    private let options: LoadOptions

    /// What to measure; it is checked when it is.
    ///
    /// - Parameters:
    ///   - shape: sizes of the model.
    ///   - options: threads, kernels and layout.
    public init(_ shape: ModelShape = usualShape, options: LoadOptions = LoadOptions()) {
        self.shape = shape
        self.options = options
    }

    /// Measures at every share, the three in turn.
    ///
    /// - Parameters:
    ///   - zeroShares: zeros to impose on gates and on the inputs of `down`, each in 0...1.
    ///   - repetitions: turns, at least one.
    ///   - report: gets every row as soon as it is measured.
    /// - Returns: all rows.
    /// - Throws: `BitNetError.invalidArgument`, also for a shape that makes no graph,
    ///   `.kernelUnavailable`, `.outOfMemory`, `.cancelled` when the current task is.
    @discardableResult
    public func run(
        zeroShares: [Double], repetitions: Int = 9, report: (Row) -> Void = { _ in }
    ) throws(BitNetError) -> [Row] {
        let plain = try Transformer(
            random: shape, lmHead: shape.denseType, layout: options.layout,
            compute: try options.compute, seed: 3)
        var rows: [Row] = []
        for share in zeroShares {
            if Task.isCancelled { throw .cancelled }
            let model = try plain.imposing(ZeroShares(gate: share, down: share))
            let row = try row(share, model, repetitions: max(repetitions, 1))
            report(row)
            rows.append(row)
        }
        return rows
    }

    private func row(
        _ share: Double, _ model: Transformer, repetitions: Int
    ) throws(BitNetError) -> Row {
        var runs: [Run] = []
        for sparsity in [Sparsity.off, .always, .automatic] {
            runs.append(try Run(model, sparsity))
        }
        let met = try runs[0].zeros()
        var speeds = [[Double]](repeating: [], count: runs.count)
        for turn in 0..<repetitions {
            // Another one begins each time.
            for place in runs.indices {
                let index = (turn + place) % runs.count
                speeds[index].append(try runs[index].speed())
            }
        }
        func ratio(_ index: Int) -> Double {
            Spread(zip(speeds[index], speeds[0]).map { $0 / $1 }).median
        }
        return Row(
            zeroShare: share, gateZeroShare: met.gate, downZeroShare: met.down,
            threads: model.compute.pool.threads, off: Spread(speeds[0]), always: Spread(speeds[1]),
            automatic: Spread(speeds[2]), alwaysRatio: ratio(1), automaticRatio: ratio(2))
    }
}

/// A model that leaves out zeros in one way, and a place to write in.
private struct Run {
    private let context: InferenceContext
    private let tokens: [Int]

    init(_ model: Transformer, _ sparsity: Sparsity) throws(BitNetError) {
        var model = model
        try model.arrangeWeights(sparsity)
        tokens = model.configuration.fixedTokens(8)
        context = try InferenceContext(model, contextLength: tokens.count, cache: .f16)
        context.setLogitsNeeded(.top(1))
        _ = try speed()
    }

    /// Tokens a second.
    func speed() throws(BitNetError) -> Double {
        context.rewind(to: 0)
        let time = try seconds { () throws(BitNetError) in
            for token in tokens { try context.forward([token]) }
        }
        return Double(tokens.count) / time
    }

    /// Shares of the zeros that the tokens meet.
    func zeros() throws(BitNetError) -> (gate: Double, down: Double) {
        context.countZeros(true)
        defer { context.countZeros(false) }
        _ = try speed()
        return (context.sparsity?.gateZeroShare ?? 0, context.sparsity?.downZeroShare ?? 0)
    }
}

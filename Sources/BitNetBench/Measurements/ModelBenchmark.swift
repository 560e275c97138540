/// Speed of a whole model: reading prompts (`pp`) and writing text (`tg`), next to what the machine
/// could do at best.
package struct ModelBenchmark: Sendable {
    /// One thing to measure.
    package enum Test: Sendable, Hashable, CustomStringConvertible {
        /// A prompt of this many tokens.
        case prefill(Int)
        /// This many tokens, one after the other, behind `depth` earlier ones.
        case decode(Int, depth: Int)

        package var description: String {
            switch self {
            case .prefill(let count): "pp\(count)"
            case .decode(let count, 0): "tg\(count)"
            case .decode(let count, let depth): "tg\(count)@\(depth)"
            }
        }
    }

    /// One measured line.
    package struct Row: Sendable, Codable {
        package let test: String
        package let threads: Int
        package let isa: String
        package let layout: String
        package let head: String
        package let tokensPerSecond: Spread
        /// Weights, head and KV cache read for each token decoded; of a prompt, for all of it.
        package let bytesPerToken: Int
        /// Share of the memory bandwidth measured in this run.
        package let bandwidthShare: Double
        /// Share of the int8 products a second measured in this run, ternary layers only.
        package let int8PeakShare: Double
        package let peakBytes: Int
        package let loadSeconds: Double
        /// Zeros in the feed-forward networks and what was left out for them, counted while warming
        /// up: what is timed does not count.
        package let sparsity: FeedForwardSparsity?
    }

    private let model: BitNetModel
    private let loadSeconds: Double

    package init(_ model: BitNetModel, loadSeconds: Double) {
        self.model = model
        self.loadSeconds = loadSeconds
    }

    /// Warms up with every test, then takes `repetitions` rounds of all tests in turn with the
    /// machine's limits measured in between: what else the machine does then weighs on all of them.
    ///
    /// - Parameter report: is told what comes next.
    package func run(
        _ tests: [Test], repetitions: Int, report: (String) -> Void
    ) throws(BitNetError) -> (rows: [Row], limits: MachineLimits) {
        var runs: [Run] = []
        for test in tests {
            report("warming up: \(test)")
            runs.append(try Run(test, model))
        }
        // Before the buffer for measuring bandwidth comes on top of it.
        let peakBytes = MachineLimits.peakMemory
        var samples: [MachineLimits] = []
        let rounds = max(repetitions, 1)
        for round in 0..<rounds {
            if round % max(rounds / 5, 1) == 0 {
                report("round \(round + 1) of \(rounds)")
                samples.append(
                    try MachineLimits.measure(
                        kernels: model.kernels, threads: model.threads, repetitions: 3))
            }
            for index in runs.indices { try runs[index].repeat() }
        }
        let limits = MachineLimits(medianOf: samples)
        return (runs.map { row($0, limits: limits, peakBytes: peakBytes) }, limits)
    }

    private func row(_ run: Run, limits: MachineLimits, peakBytes: Int) -> Row {
        let speed = Spread(run.speeds)
        let weights = model.byteCount.ternary - bytesSkipped(run.sparsity)
        let head = model.transformer.lmHeadBytesRead
        let c = model.configuration
        let keyValue = c.layerCount * c.keyValueHeadCount * c.headDimension * 2 * 2
        var bytes = weights + head + (run.depth + run.count / 2) * keyValue
        if case .prefill = run.test { bytes = weights + head }
        let passes = if case .prefill(let count) = run.test { Double(count) } else { 1.0 }
        let products = Double(c.ternaryWeightCount) * speed.median
        return Row(
            test: "\(run.test)", threads: model.threads, isa: model.kernels.name,
            layout: model.layout.rawValue, head: model.transformer.lmHeadName,
            tokensPerSecond: speed,
            bytesPerToken: bytes,
            bandwidthShare: Double(bytes) * speed.median / passes / limits.bytesPerSecond,
            int8PeakShare: products / limits.int8PerSecond, peakBytes: peakBytes,
            loadSeconds: loadSeconds, sparsity: run.sparsity)
    }

    /// Bytes of weights that a pass did not read, on average.
    private func bytesSkipped(_ sparsity: FeedForwardSparsity?) -> Int {
        guard let sparsity else { return 0 }
        let all = model.transformer.blocks.reduce(0) { $0 + $1.feedForward.byteCount }
        let share = Double(sparsity.bytesRead) / Double(sparsity.bytesDense)
        return Int(Double(all) * (1 - share))
    }
}

/// One test: the context it runs in, and how fast it was each time.
private struct Run {
    let test: ModelBenchmark.Test
    let count: Int
    let depth: Int
    let sparsity: FeedForwardSparsity?
    private(set) var speeds: [Double] = []
    private let context: InferenceContext
    private let tokens: [Int]

    /// Runs the test once, which is not timed: it counts zeros.
    init(_ test: ModelBenchmark.Test, _ model: BitNetModel) throws(BitNetError) {
        self.test = test
        (count, depth) =
            switch test {
            case .prefill(let count): (count, 0)
            case .decode(let count, let depth): (count, depth)
            }
        context = try InferenceContext(
            model.transformer, contextLength: max(depth + count, 1), cache: .f16)
        context.setLogitsNeeded(.top(1))
        let vocabulary = model.configuration.vocabularySize
        tokens = (0..<count).map { ($0 * 7919 + 11) % vocabulary }
        try context.appendNoise(depth)
        context.countZeros(true)
        try Run.read(tokens, test, context)
        sparsity = context.sparsity
        context.countZeros(false)
    }

    /// Runs the test once more; a token before it brings back what fits a cache.
    mutating func `repeat`() throws(BitNetError) {
        context.rewind(to: depth)
        try context.read([tokens[0]])
        context.rewind(to: depth)
        let time = try seconds { () throws(BitNetError) in try Run.read(tokens, test, context) }
        speeds.append(Double(count) / time)
    }

    private static func read(
        _ tokens: [Int], _ test: ModelBenchmark.Test, _ context: InferenceContext
    ) throws(BitNetError) {
        switch test {
        case .prefill: try context.forward(tokens)
        case .decode: for token in tokens { try context.forward([token]) }
        }
    }
}

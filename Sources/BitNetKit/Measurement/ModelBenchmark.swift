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
    private let limits: MachineLimits
    private let loadSeconds: Double

    package init(_ model: BitNetModel, limits: MachineLimits, loadSeconds: Double) {
        self.model = model
        self.limits = limits
        self.loadSeconds = loadSeconds
    }

    /// Runs one test `repetitions` times after a warm-up.
    package func run(_ test: Test, repetitions: Int) throws(BitNetError) -> Row {
        let (count, depth) =
            switch test {
            case .prefill(let count): (count, 0)
            case .decode(let count, let depth): (count, depth)
            }
        let context = try InferenceContext(
            model: model, contextLength: max(depth + count, 1), cache: .f16)
        context.setLogitsNeeded(.top(1))
        let vocabulary = model.configuration.vocabularySize
        let tokens = (0..<count).map { ($0 * 7919 + 11) % vocabulary }
        var speeds: [Double] = []
        var sparsity: FeedForwardSparsity?
        for repetition in 0...repetitions {
            context.countZeros(repetition == 0)
            context.pretend(position: depth)
            let time = try seconds { () throws(BitNetError) in
                switch test {
                case .prefill: try context.prefill(tokens)
                case .decode: for token in tokens { try context.prefill([token]) }
                }
            }
            if repetition > 0 { speeds.append(Double(count) / time) }
            sparsity = context.sparsity ?? sparsity
        }
        return row(
            test, speed: Spread(speeds), depth: depth, count: count, sparsity: sparsity)
    }

    private func row(
        _ test: Test, speed: Spread, depth: Int, count: Int, sparsity: FeedForwardSparsity?
    ) -> Row {
        let weights = model.byteCount.ternary - bytesSkipped(sparsity)
        let head = model.headBytesRead
        let c = model.configuration
        let keyValue = c.layerCount * c.keyValueHeadCount * c.headDimension * 2 * 2
        var bytes = weights + head + (depth + count / 2) * keyValue
        if case .prefill = test { bytes = weights + head }
        let passes = if case .prefill(let count) = test { Double(count) } else { 1.0 }
        let products = Double(c.ternaryWeightCount) * speed.median
        return Row(
            test: "\(test)", threads: model.threads, isa: model.kernels.name,
            layout: model.layout.rawValue, head: model.headName, tokensPerSecond: speed,
            bytesPerToken: bytes,
            bandwidthShare: Double(bytes) * speed.median / passes / limits.bytesPerSecond,
            int8PeakShare: products / limits.int8PerSecond, peakBytes: MachineLimits.peakMemory,
            loadSeconds: loadSeconds, sparsity: sparsity)
    }

    /// Bytes of weights that a pass did not read, on average.
    private func bytesSkipped(_ sparsity: FeedForwardSparsity?) -> Int {
        guard let sparsity else { return 0 }
        let all = model.blocks.reduce(0) { $0 + $1.feedForward.byteCount }
        let share = Double(sparsity.bytesRead) / Double(sparsity.bytesDense)
        return Int(Double(all) * (1 - share))
    }
}

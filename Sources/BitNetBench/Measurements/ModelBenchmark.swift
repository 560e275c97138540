/// Speed of a whole model: reading prompts (`pp`) and writing text (`tg`), next to what the machine
/// could do at best.
///
/// ```swift
/// let model = try await BitNetModel.load(url)
/// let report = try ModelBenchmark(model).run([.prefill(512), .decode(64)])
/// for row in report.rows { print(row.test, row.tokensPerSecond.median) }
/// ```
///
/// Blocking, for as long as the tokens take.
public struct ModelBenchmark: Sendable {
    /// One thing to measure.
    public enum Test: Sendable, Hashable, CustomStringConvertible {
        /// A prompt of this many tokens.
        case prefill(Int)
        /// This many tokens, one after the other, behind `depth` earlier ones.
        case decode(Int, depth: Int = 0)

        /// A short name: `pp512`, `tg64` or, behind 2048 tokens, `tg64@2048`.
        public var description: String {
            switch self {
            case .prefill(let count): "pp\(count)"
            case .decode(let count, 0): "tg\(count)"
            case .decode(let count, let depth): "tg\(count)@\(depth)"
            }
        }
    }

    /// The result of one test.
    public struct Row: Sendable, Hashable, Codable {
        /// The test's short name: `pp512`, `tg64`, `tg64@2048`.
        public let test: String
        /// Threads that the model computes with.
        public let threads: Int
        /// The model's kernel set, for example `avx2`.
        public let isa: String
        /// The packed layout of its ternary matrices, a raw value of `TernaryLayout`.
        public let layout: String
        /// How its LM head is stored and scanned.
        public let head: String
        /// Tokens read or written a second, over all repetitions. A token written is one pass behind
        /// the tokens before it, as in `GenerationStatistics.decodeTokensPerSecond`; here nothing is
        /// chosen in between.
        public let tokensPerSecond: Spread
        /// Bytes of weights, LM head and KV cache read for each token decoded; of a prompt, for all of it.
        public let bytesPerToken: Int
        /// Share of the memory bandwidth measured in this run.
        public let bandwidthShare: Double
        /// Share of the int8 products a second measured in this run, ternary layers only. AVX2, which
        /// looks up sums instead of multiplying, can come to more than 1.
        public let int8PeakShare: Double
        /// Energy of one token read or written, above what the machine takes at rest.
        public let energyPerToken: EnergyReading
        /// The most memory this process had used before anything was timed, in bytes.
        public let peakBytes: Int
        /// What loading took, where the caller has measured it.
        public let loadSeconds: Double?
        /// Zeros in the feed-forward networks and what was left out for them, counted while warming
        /// up: what is timed does not count.
        public let sparsity: FeedForwardSparsity?
    }

    /// The results of all tests, and what the machine could do meanwhile.
    public struct Report: Sendable, Hashable, Codable {
        /// One for each test, in the tests' order.
        public let rows: [Row]
        /// Medians of what was measured between the rounds, with the model's threads.
        public let limits: MachineLimits
    }

    private let model: BitNetModel
    private let loadSeconds: Double?
    private let meter: EnergyMeter?

    /// A model to measure.
    ///
    /// - Parameters:
    ///   - model: the model, as loaded.
    ///   - loadSeconds: what loading it took, to be repeated in every row.
    ///   - meter: measures the energy of tokens; nil for this machine's counters.
    public init(_ model: BitNetModel, loadSeconds: Double? = nil, meter: EnergyMeter? = nil) {
        self.model = model
        self.loadSeconds = loadSeconds
        self.meter = meter
    }

    /// Warms up with every test, then takes `repetitions` rounds of all tests in turn with the
    /// machine's limits measured in between: what else the machine does then weighs on all of them.
    ///
    /// - Parameters:
    ///   - tests: what to measure, each of at least 1 token.
    ///   - repetitions: how often, at least once.
    ///   - progress: gets a line of text about what comes next.
    /// - Throws: `BitNetError.invalidArgument` for no test, one of no token or more than 2^24,
    ///   `.outOfMemory` (the KV cache of each test, and 512 MB to measure bandwidth).
    public func run(
        _ tests: [Test], repetitions: Int = 5, progress: (String) -> Void = { _ in }
    ) throws(BitNetError) -> Report {
        let measured = try takeTurns(repetitions, of: tests, progress: progress) { _ in }
        return Report(rows: measured.map(row), limits: measured.limits)
    }

    /// As `run`, and in every round another engine has its turn at the same tests.
    ///
    /// ```swift
    /// let comparison = try ModelBenchmark(model).compare([.prefill(512)]) { tests in
    ///     try tests.map(speedOfTheOther)
    /// }
    /// print(comparison.rows[0].ratio.median)
    /// ```
    ///
    /// - Parameters:
    ///   - tests: what to measure, each of at least 1 token.
    ///   - rounds: how often, at least once.
    ///   - progress: gets a line of text about what comes next.
    ///   - other: runs the tests with the other engine, once each, and returns the tokens a second
    ///     of each, in the tests' order. It should use as many threads as the model.
    /// - Throws: as `run`; `.invalidArgument` if `other` returns another number of speeds, or one
    ///   that is not positive; what `other` throws.
    public func compare(
        _ tests: [Test], rounds: Int = 3, progress: (String) -> Void = { _ in },
        with other: ([Test]) throws(BitNetError) -> [Double]
    ) throws(BitNetError) -> EngineComparison {
        var theirs = Array(repeating: [Double](), count: tests.count)
        let measured = try takeTurns(rounds, of: tests, progress: progress) {
            (round) throws(BitNetError) in
            progress("round \(round): the other engine")
            let speeds = try other(tests)
            try require(
                speeds.count == tests.count && speeds.allSatisfy { $0 > 0 && $0.isFinite },
                "other", "for \(counted(tests.count, "test")) the speeds are \(speeds)")
            for (test, speed) in speeds.enumerated() { theirs[test].append(speed) }
        }
        let rows = zip(measured.runs, theirs).map { (run, theirs) in
            EngineComparison.Row(
                ours: row(run, measured), theirs: Spread(theirs),
                ratio: Spread(zip(run.speeds, theirs).map { $0 / $1 }))
        }
        return EngineComparison(rows: rows, limits: measured.limits)
    }

    /// What all rounds have given.
    private struct Measured {
        var runs: [Run]
        let limits: MachineLimits
        let peakBytes: Int

        func map<Row>(_ row: (Run, Measured) -> Row) -> [Row] { runs.map { row($0, self) } }
    }

    /// Runs all tests in turn, round by round; `last` comes at the end of each round.
    private func takeTurns(
        _ repetitions: Int, of tests: [Test], progress: (String) -> Void,
        last: (_ round: Int) throws(BitNetError) -> Void
    ) throws(BitNetError) -> Measured {
        try require(!tests.isEmpty, "tests", "there are none to measure")
        for test in tests {
            try require(
                test.count >= 1 && test.depth >= 0 && max(test.count, test.depth) <= 1 << 24,
                "test", "\(test) is not of 1 to 2^24 tokens behind as many")
        }
        // Before anything keeps the machine busy.
        let meter = meter ?? EnergyMeter()
        var runs: [Run] = []
        for test in tests {
            progress("warming up: \(test)")
            runs.append(try Run(test, model, meter))
        }
        // Before the buffer for measuring bandwidth comes on top of it.
        let peakBytes = MachineLimits.peakMemory
        var samples: [MachineLimits] = []
        let rounds = max(repetitions, 1)
        for round in 0..<rounds {
            if round % max(rounds / 5, 1) == 0 {
                progress("round \(round + 1) of \(rounds)")
                samples.append(
                    try MachineLimits.measure(
                        kernels: model.kernels, threads: model.threads, repetitions: 3))
            }
            for index in runs.indices { try runs[index].repeat() }
            try last(round + 1)
        }
        return Measured(
            runs: runs, limits: MachineLimits(medianOf: samples), peakBytes: peakBytes)
    }

    private func row(_ run: Run, _ measured: Measured) -> Row {
        let limits = measured.limits
        let speed = Spread(run.speeds)
        let weights = model.byteCount.ternary - bytesSkipped(run.sparsity)
        let head = model.transformer.lmHeadBytesRead
        let c = model.configuration
        let keyValue = c.cachedElements * 2
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
            int8PeakShare: products / limits.int8PerSecond,
            energyPerToken: run.energy.reading.divided(by: Double(run.count * run.speeds.count)),
            peakBytes: measured.peakBytes,
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

extension ModelBenchmark.Test {
    /// Tokens to read or write.
    public var count: Int {
        switch self {
        case .prefill(let count), .decode(let count, _): count
        }
    }

    /// Tokens before them.
    public var depth: Int {
        if case .decode(_, let depth) = self { depth } else { 0 }
    }

    /// What is to be said of tests that are longer than any text of a model that was trained to take
    /// so many tokens; nil where none is. What is measured of them is right all the same.
    package static func warning(about tests: [Self], trainedContext: Int) -> String? {
        let longer = tests.filter { $0.count + $0.depth > trainedContext }
        guard !longer.isEmpty else { return nil }
        let names = longer.map(\.description).joined(separator: ", ")
        return "\(names): more than the \(trainedContext.grouped) tokens that the model was "
            + "trained to take; the speed is right, but no sequence of it can be as long"
    }
}

/// One test: the context it runs in, and how fast it was each time.
private struct Run {
    let test: ModelBenchmark.Test
    let count: Int
    let depth: Int
    let sparsity: FeedForwardSparsity?
    private(set) var speeds: [Double] = []
    private(set) var energy: EnergyCount
    private let context: InferenceContext
    private let tokens: [Int]

    /// Runs the test once, which is not timed: it counts zeros.
    init(
        _ test: ModelBenchmark.Test, _ model: BitNetModel, _ meter: EnergyMeter
    ) throws(BitNetError) {
        self.test = test
        energy = EnergyCount(meter)
        (count, depth) = (test.count, test.depth)
        context = try InferenceContext(
            model.transformer, contextLength: depth + count, cache: .f16)
        context.setLogitsNeeded(.top(1))
        tokens = model.configuration.fixedTokens(count)
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
        energy.begin()
        let time = try seconds { () throws(BitNetError) in try Run.read(tokens, test, context) }
        energy.end()
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

/// A model's speeds beside those of another engine, measured in turn: see `ModelBenchmark.compare`.
public struct EngineComparison: Sendable, Hashable, Codable {
    /// One test.
    public struct Row: Sendable, Hashable, Codable {
        /// Our result, with its shares of the machine's limits.
        public let ours: ModelBenchmark.Row
        /// The other engine's tokens a second, over all rounds.
        public let theirs: Spread
        /// How many times as fast as the other engine ours was, round by round.
        public let ratio: Spread
    }

    /// One for each test, in the tests' order.
    public let rows: [Row]
    /// Medians of what the machine could do in the same rounds, with the model's threads.
    public let limits: MachineLimits
}

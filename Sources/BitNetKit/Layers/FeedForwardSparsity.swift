/// How much of the feed-forward networks' work met zeros, counted exactly.
///
/// Where a gate is 0 after the activation, the row of `up` does not matter; where the input of
/// `down` is rounded to 0, its column does not. With squared ReLU that is most of them.
public struct FeedForwardSparsity: Sendable, Hashable, Codable {
    /// The zeros of one layer.
    public struct Layer: Sendable, Hashable, Codable {
        /// Share of gates that are 0 after the activation, in 0...1.
        public let gateZeroShare: Double
        /// Share of the int8 inputs of `down` that are 0, in 0...1.
        public let downZeroShare: Double
    }

    /// Tokens counted: those that went through the model after the prompt, also on speculation.
    public let tokens: Int
    /// The layers, from the first to the last.
    public let layers: [Layer]

    /// Share of all gates that are 0 after the activation, in 0...1.
    public let gateZeroShare: Double
    /// Share of all int8 inputs of `down` that are 0, in 0...1.
    public let downZeroShare: Double
}

extension FeedForwardSparsity {
    /// Shares of what was counted in layers of `neurons`; nil if that is nothing.
    init?(_ counts: ZeroCounts, _ neurons: Int) {
        guard let tokens = counts.layers.last?.tokens, tokens > 0 else { return nil }
        self.tokens = tokens
        let total = Double(tokens * neurons)
        layers = counts.layers.map { layer in
            Layer(
                gateZeroShare: Double(layer.gates) / total,
                downZeroShare: Double(layer.downInputs) / total)
        }
        let count = Double(layers.count)
        gateZeroShare = layers.reduce(0) { $0 + $1.gateZeroShare } / count
        downZeroShare = layers.reduce(0) { $0 + $1.downZeroShare } / count
    }
}

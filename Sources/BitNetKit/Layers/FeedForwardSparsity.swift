/// How much of the feed-forward networks' work was with zeros, and how much was left out for them,
/// counted exactly.
///
/// Where a gate is 0 after the activation, the row of `up` does not matter; where the input of
/// `down` is rounded to 0, its column does not. With squared ReLU that is most of them. Whether they
/// are left out is chosen by ``LoadOptions/sparsity``; prompts and other passes of many tokens are
/// computed densely.
///
/// ```swift
/// let options = GenerationOptions(includesSparsity: true)
/// let statistics = try await model.generate("Once upon a time", options: options).statistics
/// if let sparsity = statistics.sparsity { print(sparsity.gateZeroShare, sparsity.upSkippedShare) }
/// ```
public struct FeedForwardSparsity: Sendable, Hashable, Codable {
    /// The work of one layer.
    public struct Layer: Sendable, Hashable, Codable {
        /// Share of neurons that were left out when the model was loaded, in 0...1
        /// (``BitNetModel/silentNeurons``). They count as zeros below, and not as left out.
        public let silentShare: Double
        /// Share of gates that are 0 after the activation, in 0...1.
        public let gateZeroShare: Double
        /// Share of the int8 inputs of `down` that are 0, in 0...1.
        public let downZeroShare: Double
        /// Share of the rows of `up` that were left out, in 0...1.
        public let upSkippedShare: Double
        /// Share of the columns of `down` that were left out, in 0...1.
        public let downSkippedShare: Double
        /// Bytes of packed weights of `gate`, `up` and `down` that were read for all tokens. A pass
        /// of several tokens reads a matrix once, but what is not left out once for each token.
        public let bytesRead: Int
        /// Bytes that the same passes would have read of the model in memory, had they left out
        /// nothing.
        public let bytesDense: Int
    }

    /// Tokens counted: those that went through the model after the prompt, also on speculation.
    public let tokens: Int
    /// The layers, from the first to the last.
    public let layers: [Layer]

    /// Share of all neurons that were left out when the model was loaded, in 0...1.
    public let silentShare: Double
    /// Share of all gates that are 0 after the activation, in 0...1.
    public let gateZeroShare: Double
    /// Share of all int8 inputs of `down` that are 0, in 0...1.
    public let downZeroShare: Double
    /// Share of all rows of `up` that were left out, in 0...1.
    public let upSkippedShare: Double
    /// Share of all columns of `down` that were left out, in 0...1.
    public let downSkippedShare: Double
    /// Bytes of packed weights of all layers that were read for all tokens.
    public let bytesRead: Int
    /// Bytes that the same passes would have read of the model in memory, had they left out nothing.
    public let bytesDense: Int
}

extension FeedForwardSparsity {
    /// Shares of what was counted in layers of `neurons`; nil if that is nothing.
    init?(_ counts: FeedForwardCounts, _ neurons: Int, silent: [Int]) {
        guard let tokens = counts.layers.last?.tokens, tokens > 0 else { return nil }
        let layers = zip(counts.layers, silent).map { counts, silent in
            Layer(
                counts, total: Double(tokens * neurons),
                silentShare: Double(silent) / Double(neurons))
        }
        // Layers are of the same size.
        func mean(_ share: (Layer) -> Double) -> Double {
            layers.reduce(0) { $0 + share($1) } / Double(layers.count)
        }
        self.tokens = tokens
        self.layers = layers
        silentShare = mean(\.silentShare)
        gateZeroShare = mean(\.gateZeroShare)
        downZeroShare = mean(\.downZeroShare)
        upSkippedShare = mean(\.upSkippedShare)
        downSkippedShare = mean(\.downSkippedShare)
        bytesRead = layers.reduce(0) { $0 + $1.bytesRead }
        bytesDense = layers.reduce(0) { $0 + $1.bytesDense }
    }
}

extension FeedForwardSparsity.Layer {
    /// - Parameter total: neurons times tokens.
    fileprivate init(_ counts: FeedForwardCounts.Layer, total: Double, silentShare: Double) {
        self.silentShare = silentShare
        gateZeroShare = Double(counts.zeroGates) / total
        downZeroShare = Double(counts.zeroInputs) / total
        upSkippedShare = Double(counts.skippedRows) / total
        downSkippedShare = Double(counts.skippedColumns) / total
        bytesRead = counts.bytesRead
        bytesDense = counts.bytesDense
    }
}

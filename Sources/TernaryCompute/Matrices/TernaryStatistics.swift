/// How often each trit occurs in a matrix.
public struct TernaryStatistics: Sendable, Hashable, Codable {
    /// Number of -1, 0 and +1.
    public let negatives, zeros, positives: Int

    package init(negatives: Int, zeros: Int, positives: Int) {
        self.negatives = negatives
        self.zeros = zeros
        self.positives = positives
    }

    /// Number of weights.
    public var count: Int { negatives + zeros + positives }

    /// Share of zeros, in [0, 1].
    public var zeroShare: Double { Double(zeros) / Double(count) }
}

extension TernaryMatrix {
    /// Counts the trits.
    public func statistics() -> TernaryStatistics {
        var counts = (negative: 0, zero: 0, positive: 0)
        for row in 0..<rows {
            for trit in trits(ofRow: row) {
                if trit < 0 { counts.negative += 1 } else if trit > 0 { counts.positive += 1 }
            }
        }
        counts.zero = rows * columns - counts.negative - counts.positive
        return TernaryStatistics(
            negatives: counts.negative, zeros: counts.zero, positives: counts.positive)
    }
}

extension TernaryStatistics: CustomStringConvertible {
    /// How often each trit occurs, on one line.
    public var description: String {
        "\(negatives) of -1, \(zeros) of 0, \(positives) of +1"
    }
}

/// Makes tokens of the response less likely to come again: each loses a fixed amount if it has
/// occurred at all (presence) and another for every occurrence (frequency).
struct OccurrencePenalty {
    private let presence: Double
    private let frequency: Double
    /// How often each token occurs in the response.
    private var occurrences: [Int: Int] = [:]

    init(presence: Double, frequency: Double) {
        self.presence = presence
        self.frequency = frequency
    }

    /// Takes the next token of the response.
    mutating func accept(_ token: Int) {
        occurrences[token, default: 0] += 1
    }

    /// Applies the penalty; tokens without a score are ignored.
    func apply(to scores: inout [Double]) {
        for (token, count) in occurrences where scores.indices.contains(token) {
            scores[token] -= presence + frequency * Double(count)
        }
    }
}

/// Makes tokens seen before less likely (CTRL, arXiv:1909.05858): a positive score is divided by the
/// factor, a negative one multiplied, once per token however often it was seen.
struct RepetitionPenalty {
    private let factor: Double
    private let window: Int
    /// The latest tokens, at most `window`; a ring once it is full, `oldest` its start.
    private var recent: [Int] = []
    private var oldest = 0
    /// How often each token occurs in `recent`.
    private var occurrences: [Int: Int] = [:]

    /// `window`: how many of the latest tokens count, at least 1.
    init(factor: Double, window: Int) {
        self.factor = factor
        self.window = window
    }

    /// Takes the next token of the prompt or the response.
    mutating func accept(_ token: Int) {
        occurrences[token, default: 0] += 1
        if recent.count < window {
            recent.append(token)
            return
        }
        let forgotten = recent[oldest]
        recent[oldest] = token
        oldest = (oldest + 1) % window
        let rest = occurrences[forgotten, default: 0] - 1
        occurrences[forgotten] = rest > 0 ? rest : nil
    }

    /// Applies the penalty; tokens without a score are ignored.
    func apply(to scores: inout [Double]) {
        for token in occurrences.keys where scores.indices.contains(token) {
            scores[token] = scores[token] > 0 ? scores[token] / factor : scores[token] * factor
        }
    }
}

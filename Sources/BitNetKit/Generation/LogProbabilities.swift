internal import Foundation

/// How probable the model holds a token and the likeliest alternatives: natural logarithms of the
/// softmax of the model's logits, before any bias, penalty, mask or temperature.
public struct LogProbabilities: Sendable, Hashable, Codable {
    /// A token that could have been next.
    public struct Candidate: Sendable, Hashable, Codable {
        /// The token's id.
        public let token: Int
        /// The natural logarithm of its probability, at most 0.
        public let logProbability: Float
    }

    /// The natural logarithm of the probability of the token that was chosen.
    public let chosen: Float
    /// The likeliest tokens, the likeliest first, the lower id first among equals: as many as
    /// `GenerationOptions.topLogProbabilities` asks for, or the whole vocabulary if it has fewer.
    public let top: [Candidate]
}

extension LogProbabilities {
    /// Those of `token` and of the `count` likeliest tokens; `token` must have a logit.
    init(of token: Int, top count: Int, _ logits: Span<Float>) {
        var maximum = -Double.infinity
        for index in logits.indices { maximum = max(maximum, Double(logits[index])) }
        var sum = 0.0
        for index in logits.indices { sum += portableExp(Double(logits[index]) - maximum) }
        let logSum = log(sum)
        chosen = Float(Double(logits[token]) - maximum - logSum)
        top = Self.likeliest(count, logits).map {
            Candidate(
                token: $0, logProbability: Float(Double(logits[$0]) - maximum - logSum))
        }
    }

    /// The tokens with the largest logits, in order.
    private static func likeliest(_ count: Int, _ logits: Span<Float>) -> [Int] {
        guard count > 0 else { return [] }
        var best: [Int] = []
        best.reserveCapacity(min(count, logits.count) + 1)
        for id in logits.indices {
            if best.count == count, logits[id] <= logits[best[count - 1]] { continue }
            // Ids come in order: an equal one goes behind those that are there.
            var place = best.count
            while place > 0, logits[best[place - 1]] < logits[id] { place -= 1 }
            best.insert(id, at: place)
            if best.count > count { best.removeLast() }
        }
        return best
    }
}

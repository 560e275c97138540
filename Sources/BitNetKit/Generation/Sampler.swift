import Foundation

/// Chooses the next token from logits.
///
/// The steps follow the order of Hugging Face's logits processors: repetition penalty, temperature,
/// top-k, top-p, min-p, then one draw. Everything is computed in double precision with a portable
/// `exp` and a fixed order, so a seed gives the same tokens on every platform. Scratch memory is
/// reused: after the first token nothing is allocated.
struct Sampler {
    private let sampling: GenerationOptions.Sampling
    private var penalty: RepetitionPenalty?
    private var generator: SeededGenerator
    /// Per token: first its score, then its unnormalised probability relative to the likeliest.
    private var weights: [Double] = []
    /// Token ids: a heap with the likeliest first, then those taken from it, the likeliest last.
    private var ids: [Int32] = []
    /// How many tokens there are, and how much they weigh, by powers of two.
    private var octaves = [Octave](repeating: Octave(), count: 64)

    /// `options` must have been validated.
    init(_ options: GenerationOptions) {
        sampling = options.sampling
        if let factor = options.repetitionPenalty, factor != 1 {
            penalty = RepetitionPenalty(
                factor: Double(factor), window: options.repetitionWindow ?? .max)
        }
        var seed: UInt64?
        if case .random(_, _, _, _, let given) = options.sampling { seed = given }
        generator = SeededGenerator(seed: seed ?? .random(in: .min ... .max))
    }

    /// Tells the repetition penalty about a token of the prompt or the response.
    mutating func accept(_ token: Int) {
        penalty?.accept(token)
    }

    /// The next token's id. Throws if a logit is not finite.
    mutating func next(_ logits: Span<Float>) throws(BitNetError) -> Int {
        try Self.checkFinite(logits)
        guard case .random(let temperature, let topK, let topP, let minP, _) = sampling,
            temperature > 0
        else { return likeliest(logits) }

        score(logits)
        let total = exponentiate(temperature: Double(temperature))
        let count = select(
            topK: min(topK ?? .max, weights.count), topP: Double(topP ?? 1), total: total)
        return draw(fromLast: count, floor: Double(minP ?? 0))
    }

    /// The natural logarithm of the softmax of `logits` at `token`, before any penalty.
    func logProbability(of token: Int, _ logits: Span<Float>) -> Float {
        var maximum = -Double.infinity
        for index in logits.indices { maximum = max(maximum, Double(logits[index])) }
        var sum = 0.0
        for index in logits.indices { sum += portableExp(Double(logits[index]) - maximum) }
        return Float(Double(logits[token]) - maximum - log(sum))
    }

    private static func checkFinite(_ logits: Span<Float>) throws(BitNetError) {
        guard !logits.isEmpty else {
            throw .corruptTensor(tensor: "logits", detail: "there are none")
        }
        // -infinity is a token that cannot be chosen; there must be another.
        var canChoose = false
        for index in logits.indices {
            if logits[index].isFinite {
                canChoose = true
            } else if logits[index] != -.infinity {
                throw .corruptTensor(
                    tensor: "logits",
                    detail: "\(logits[index]) for token \(index); the model's weights are damaged")
            }
        }
        if !canChoose {
            throw .corruptTensor(tensor: "logits", detail: "all of them are -infinity")
        }
    }

    private mutating func likeliest(_ logits: Span<Float>) -> Int {
        if penalty != nil {
            score(logits)
            return Self.argmax(weights.span)
        }
        return Self.argmax(logits)
    }

    private static func argmax<Value: Comparable & BitwiseCopyable>(_ values: Span<Value>) -> Int {
        var best = 0
        for index in values.indices where values[index] > values[best] { best = index }
        return best
    }

    /// Fills `weights` with the logits after the repetition penalty.
    private mutating func score(_ logits: Span<Float>) {
        weights.removeAll(keepingCapacity: true)
        for index in logits.indices { weights.append(Double(logits[index])) }
        penalty?.apply(to: &weights)
    }

    /// Turns scores into softmax numerators, the largest being 1, and returns their sum.
    private mutating func exponentiate(temperature: Double) -> Double {
        let maximum = weights.reduce(-.infinity, max)
        var total = 0.0
        for index in weights.indices {
            // The difference first: it is exact at the maximum however small the temperature is.
            weights[index] = portableExp((weights[index] - maximum) / temperature)
            total += weights[index]
        }
        return total
    }

    /// Puts the tokens that survive top-k, then top-p, at the end of `ids`; returns how many.
    private mutating func select(topK: Int, topP: Double, total: Double) -> Int {
        var goal = topP * total
        let isAll = topK == weights.count
        if isAll && topP == 1 {
            ids.removeAll(keepingCapacity: true)
            ids.append(contentsOf: 0..<Int32(truncatingIfNeeded: weights.count))
            return ids.count
        }
        gather(topK: isAll ? nil : topK, goal: goal)
        makeHeap()
        // With top-k, top-p looks at the probabilities among those k only.
        if !isAll {
            var mass = 0.0
            for taken in 0..<topK { mass += takeLikeliest(of: ids.count - taken) }
            if topP == 1 { return topK }
            goal = topP * mass
        }
        let most = isAll ? ids.count : topK
        var count = 0
        var mass = 0.0
        repeat {
            if isAll { _ = takeLikeliest(of: ids.count - count) }
            count += 1
            mass += weights[Int(ids[ids.count - count])]
        } while count < most && mass < goal
        return count
    }

    /// Fills `ids` with a superset of the likeliest `topK` tokens, or else of the likeliest that
    /// together weigh `goal`, in the order of ids.
    ///
    /// Weights are sorted into octaves [2^-i, 2^(1-i)) first: most of a vocabulary lies far below
    /// the likeliest token and need not enter the heap.
    private mutating func gather(topK: Int?, goal: Double) {
        for index in octaves.indices { octaves[index] = Octave() }
        for weight in weights {
            let index = Octave.index(of: weight)
            octaves[index].count += 1
            octaves[index].mass += weight
        }
        var last = 0
        var sum = Octave()
        while last < octaves.count - 1 {
            sum.count += octaves[last].count
            sum.mass += octaves[last].mass
            if topK.map({ sum.count >= $0 }) ?? (sum.mass >= goal) { break }
            last += 1
        }
        ids.removeAll(keepingCapacity: true)
        for (id, weight) in weights.enumerated() where Octave.index(of: weight) <= last {
            ids.append(Int32(truncatingIfNeeded: id))
        }
    }

    /// The tokens whose weights lie within one power of two.
    private struct Octave {
        var count = 0
        var mass = 0.0

        /// The octave of a weight in [0, 1]; the last one takes everything below.
        static func index(of weight: Double) -> Int {
            min(1023 - Int(weight.exponentBitPattern), 63)
        }
    }

    /// Draws among the last `count` of `ids` that weigh at least `floor`.
    private mutating func draw(fromLast count: Int, floor: Double) -> Int {
        let candidates = ids.suffix(count)
        var total = 0.0
        for id in candidates where weights[Int(id)] >= floor { total += weights[Int(id)] }
        let target = generator.nextUnit() * total
        var mass = 0.0
        var chosen = 0
        for id in candidates where weights[Int(id)] >= floor && weights[Int(id)] > 0 {
            chosen = Int(id)
            mass += weights[chosen]
            if mass > target { break }
        }
        return chosen
    }

    // MARK: - Heap of ids, the likeliest first, the lower id first among equals

    private mutating func makeHeap() {
        for root in stride(from: ids.count / 2 - 1, through: 0, by: -1) {
            siftDown(root, count: ids.count)
        }
    }

    /// Swaps the likeliest of a heap of `count` ids to its end and returns its weight.
    private mutating func takeLikeliest(of count: Int) -> Double {
        ids.swapAt(0, count - 1)
        siftDown(0, count: count - 1)
        return weights[Int(ids[count - 1])]
    }

    private mutating func siftDown(_ start: Int, count: Int) {
        var parent = start
        while true {
            var first = parent
            let left = 2 * parent + 1
            if left < count && isLikelier(ids[left], ids[first]) { first = left }
            let right = left + 1
            if right < count && isLikelier(ids[right], ids[first]) { first = right }
            if first == parent { return }
            ids.swapAt(parent, first)
            parent = first
        }
    }

    private func isLikelier(_ a: Int32, _ b: Int32) -> Bool {
        let difference = weights[Int(a)] - weights[Int(b)]
        return difference > 0 || (difference == 0 && a < b)
    }
}

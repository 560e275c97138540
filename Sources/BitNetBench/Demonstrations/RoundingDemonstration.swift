#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Why an ordinary network cannot be converted: a small one is trained with float weights, and
/// rounding these to trits ruins it; the same network, trained with shadow weights that are rounded
/// in every step, keeps most of what the float one can do. The fewer neurons there are, the less it
/// keeps: a small network has few switches to say a number with.
///
/// The task is to tell four classes of random points apart: whether their first two numbers have the
/// same sign, and whether their last two have. Rounding is that of BitNet: `round(w / mean|w|)` for
/// each matrix, with its mean as the scale.
///
/// ```swift
/// let result = try RoundingDemonstration.run(seed: 1)
/// print(result.float, result.rounded, result.shadow)
/// ```
public struct RoundingDemonstration: Sendable, Hashable, Codable {
    /// Share of points that were not trained on and get their class, in [0, 1]: of the float network,
    /// of its weights rounded, and of a network that was trained with rounded weights.
    public let float, rounded, shadow: Double
    /// The same for guessing the most frequent class.
    public let chance: Double
    /// Squared error of rounding the float network's weights, relative to the squared weights.
    public let roundingError: Double
    /// Epochs of training, seed of points and weights, and neurons of each of the two hidden layers.
    public let epochs: Int
    public let seed: UInt64
    public let hidden: Int

    /// Trains both networks, which takes about a second in an optimised build.
    ///
    /// - Parameters:
    ///   - seed: seed of points and weights.
    ///   - epochs: how often each point is trained on.
    ///   - hidden: neurons of each of the two hidden layers, 1 to 256.
    /// - Throws: `BitNetError.invalidArgument`.
    public static func run(
        seed: UInt64 = 1, epochs: Int = 40, hidden: Int = 32
    ) throws(BitNetError) -> RoundingDemonstration {
        try require((1...256).contains(hidden), "hidden", "\(hidden) is not in 1...256")
        try require((1...1000).contains(epochs), "epochs", "\(epochs) is not in 1...1000")
        var random = SeededGenerator(seed: seed)
        let train = Points(1024, &random)
        let test = Points(1024, &random)
        let start = SmallNetwork(hidden: hidden, &random)
        var float = start
        float.train(train, epochs: epochs, isTernary: false)
        var shadow = start
        shadow.train(train, epochs: epochs, isTernary: true)
        let most = (0..<SmallNetwork.classes).map { label in test.labels.count { $0 == label } }
        return RoundingDemonstration(
            float: float.accuracy(test), rounded: float.rounded.accuracy(test),
            shadow: shadow.rounded.accuracy(test),
            chance: Double(most.max() ?? 0) / Double(test.labels.count),
            roundingError: float.roundingError, epochs: epochs, seed: seed, hidden: hidden)
    }
}

/// Points and their classes.
private struct Points {
    var inputs: [Float] = []
    var labels: [Int] = []

    init(_ count: Int, _ random: inout SeededGenerator) {
        for _ in 0..<count {
            let point = (0..<SmallNetwork.inputs).map { _ in random.gaussian() }
            inputs += point
            labels.append(
                (point[0] * point[1] > 0 ? 2 : 0) + (point[2] * point[3] > 0 ? 1 : 0))
        }
    }

    func point(_ index: Int) -> [Float] {
        Array(inputs[index * SmallNetwork.inputs..<(index + 1) * SmallNetwork.inputs])
    }
}

/// Three matrices with ReLU between them.
private struct SmallNetwork {
    static let inputs = 4
    static let classes = 4

    /// The outputs of each matrix before ReLU, and what comes back for them.
    struct States {
        var outputs: [[Float]]
        var errors: [[Float]]

        init(_ network: SmallNetwork) {
            outputs = network.shapes.map { [Float](repeating: 0, count: $0.0) }
            errors = outputs
        }
    }

    private let shapes: [(Int, Int)]
    private var matrices: [[Float]]

    init(hidden: Int, _ random: inout SeededGenerator) {
        shapes = [(hidden, Self.inputs), (hidden, hidden), (Self.classes, hidden)]
        matrices = shapes.map { rows, columns in
            let scale = (2 / Float(columns)).squareRoot()
            return (0..<rows * columns).map { _ in random.gaussian() * scale }
        }
    }

    /// With every matrix rounded to trits, times the mean magnitude.
    var rounded: SmallNetwork {
        var copy = self
        copy.matrices = matrices.map { weights in
            let mean = weights.reduce(0) { $0 + abs($1) } / Float(weights.count)
            return weights.map { max(-1, min(1, ($0 / mean).rounded(.toNearestOrEven))) * mean }
        }
        return copy
    }

    var roundingError: Double {
        var (error, total) = (0.0, 0.0)
        for (weight, trit) in zip(matrices.joined(), rounded.matrices.joined()) {
            error += Double((weight - trit) * (weight - trit))
            total += Double(weight * weight)
        }
        return error / total
    }

    func accuracy(_ points: Points) -> Double {
        var states = States(self)
        let right = points.labels.indices.count {
            classify(points.point($0), &states) == points.labels[$0]
        }
        return Double(right) / Double(points.labels.count)
    }

    func classify(_ point: [Float], _ states: inout States) -> Int {
        run(point, &states)
        let scores = states.outputs[2]
        return scores.indices.max { scores[$0] < scores[$1] } ?? 0
    }

    private func run(_ point: [Float], _ states: inout States) {
        var input = point
        for layer in 0..<3 {
            let (rows, columns) = shapes[layer]
            matrices[layer].withUnsafeBufferPointer { w in
                input.withUnsafeBufferPointer { x in
                    for row in 0..<rows {
                        var sum: Float = 0
                        for column in 0..<columns { sum += w[row * columns + column] * x[column] }
                        states.outputs[layer][row] = sum
                    }
                }
            }
            input = states.outputs[layer].map { max($0, 0) }
        }
    }

    /// Stochastic gradient descent on the cross-entropy, a point at a time, with a rate that falls to
    /// 0. Ternary: the gradients of the rounded weights change the weights behind them (the
    /// straight-through estimator).
    mutating func train(_ points: Points, epochs: Int, isTernary: Bool) {
        var states = States(self)
        let steps = epochs * points.labels.count
        for step in 0..<steps {
            let index = step % points.labels.count
            let rate = 0.02 * (1 - Float(step) / Float(steps))
            // Rounding anew for each point would take most of the time; every eighth is as good.
            if isTernary && step % 8 == 0 { snapped = rounded.matrices }
            learn(
                points.point(index), points.labels[index], rate: rate,
                using: isTernary ? snapped : nil, &states)
        }
    }

    /// The rounded weights that training computes with.
    private var snapped: [[Float]] = []

    private mutating func learn(
        _ point: [Float], _ label: Int, rate: Float, using weights: [[Float]]?,
        _ states: inout States
    ) {
        var network = self
        if let weights { network.matrices = weights }
        network.run(point, &states)
        let scores = states.outputs[2]
        let largest = scores.max() ?? 0
        let exponentials = scores.map { exp($0 - largest) }
        let sum = exponentials.reduce(0, +)
        for row in scores.indices {
            states.errors[2][row] = exponentials[row] / sum - (row == label ? 1 : 0)
        }
        for layer in (0..<3).reversed() {
            let (rows, columns) = shapes[layer]
            let input = layer == 0 ? point : states.outputs[layer - 1].map { max($0, 0) }
            if layer > 0 {
                for column in 0..<columns {
                    var sum: Float = 0
                    if states.outputs[layer - 1][column] > 0 {
                        for row in 0..<rows {
                            sum +=
                                network.matrices[layer][row * columns + column]
                                * states.errors[layer][row]
                        }
                    }
                    states.errors[layer - 1][column] = sum
                }
            }
            let errors = states.errors[layer]
            matrices[layer].withUnsafeMutableBufferPointer { w in
                for row in 0..<rows where errors[row] != 0 {
                    let change = rate * errors[row]
                    for column in 0..<columns {
                        w[row * columns + column] -= change * input[column]
                    }
                }
            }
        }
    }
}

extension SeededGenerator {
    /// A number of the normal distribution.
    mutating func gaussian() -> Float {
        let u = Double(next() >> 11) * 0x1p-53
        let v = Double(next() >> 11) * 0x1p-53
        return Float((-2 * log(1 - u)).squareRoot() * cos(2 * .pi * v))
    }
}

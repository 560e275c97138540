public import BitNetKit

/// What a model is trained on: windows of tokens, the same ones whenever they are asked for, so
/// that a training can go on where it was interrupted.
public protocol TrainingSource: Sendable {
    /// The windows of a step.
    ///
    /// - Parameters:
    ///   - step: the first is 0.
    ///   - count: how many windows.
    ///   - length: tokens of each window; all but the first are predicted from those before them.
    func windows(step: Int, count: Int, length: Int) throws(BitNetError) -> [[Int32]]

    /// Windows that no step has, of `length` tokens each, to measure progress on; empty if none are
    /// held out.
    func validationWindows(length: Int) throws(BitNetError) -> [[Int32]]
}

/// Training data from tokens in memory: windows that do not overlap, in an order of their own, and
/// begin elsewhere, in each epoch.
public struct TokenArray: TrainingSource {
    private let tokens: [Int32]
    private let validation: [Int32]
    private let seed: UInt64

    /// - Parameters:
    ///   - tokens: the text to learn.
    ///   - validation: text to measure progress on.
    ///   - seed: of the order of windows.
    public init(_ tokens: [Int32], validation: [Int32] = [], seed: UInt64 = 1) {
        self.tokens = tokens
        self.validation = validation
        self.seed = seed
    }

    /// See ``TrainingSource/windows(step:count:length:)``. Fewer tokens than a window has are
    /// `BitNetError.invalidArgument`.
    public func windows(step: Int, count: Int, length: Int) throws(BitNetError) -> [[Int32]] {
        guard tokens.count >= length, length >= 2 else {
            throw .invalidArgument(
                name: "tokens", detail: "\(tokens.count) are fewer than a window's \(length)")
        }
        // The last token of a window is the first of the next one.
        let perEpoch = max(1, (tokens.count - 1) / (length - 1) - 1)
        return (0..<count).map { index in
            let (epoch, place) = (step * count + index).quotientAndRemainder(
                dividingBy: perEpoch)
            var generator = SeededGenerator(
                seed: seed &+ UInt64(truncatingIfNeeded: epoch) &* 0x9E37_79B9)
            let slack = tokens.count - perEpoch * (length - 1) - 1
            let first = Int(generator.next() % UInt64(min(slack, length - 2) + 1))
            let order = Order(count: perEpoch, generator: &generator)
            let start = first + order[place] * (length - 1)
            return Array(tokens[start..<start + length])
        }
    }

    /// See ``TrainingSource/validationWindows(length:)``.
    public func validationWindows(length: Int) -> [[Int32]] {
        guard length >= 2 else { return [] }
        return stride(from: 0, to: max(0, validation.count - length + 1), by: length - 1).map {
            Array(validation[$0..<$0 + length])
        }
    }

    /// A permutation of `0..<count` that takes no memory: `a * i + b` with an `a` that shares no
    /// factor with `count`.
    private struct Order {
        let count, factor, start: Int

        init(count: Int, generator: inout SeededGenerator) {
            self.count = count
            var factor = 1
            repeat {
                factor = Int(generator.next() % UInt64(count)) | 1
            } while Order.commonFactor(factor, count) != 1
            self.factor = factor
            start = Int(generator.next() % UInt64(count))
        }

        subscript(index: Int) -> Int {
            let wide = index.multipliedFullWidth(by: factor)
            let product = count.dividingFullWidth(wide).remainder
            return (product + start) % count
        }

        private static func commonFactor(_ a: Int, _ b: Int) -> Int {
            var (a, b) = (a, b)
            while b != 0 { (a, b) = (b, a % b) }
            return a
        }
    }
}

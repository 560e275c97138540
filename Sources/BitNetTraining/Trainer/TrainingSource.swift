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

    /// Windows that no step has, of `length` tokens or fewer, to measure progress on; none if nothing
    /// is held out.
    ///
    /// - Parameters:
    ///   - length: the most tokens of a window.
    ///   - limit: the most windows, spread evenly over all.
    func validationWindows(length: Int, limit: Int) throws(BitNetError) -> HeldOutWindows

    /// Tells this data from other data, and from the same text in other windows: a checkpoint keeps
    /// it, and training goes on with no other.
    var fingerprint: String { get }
}

/// Windows that are held out.
public struct HeldOutWindows: Sendable {
    /// The windows, of two tokens at least.
    public var windows: [[Int32]]
    /// How many bytes of text the predicted tokens stand for; 0 where nobody knows.
    public var byteCount: Int

    /// - Parameters:
    ///   - windows: of two tokens at least.
    ///   - byteCount: how many bytes of text all tokens but each window's first stand for.
    public init(windows: [[Int32]], byteCount: Int = 0) {
        self.windows = windows
        self.byteCount = byteCount
    }

    /// Tokens that are predicted.
    var tokenCount: Int { windows.reduce(0) { $0 + $1.count - 1 } }
}

/// How good a model is at text that it has not been trained on.
public struct ValidationReport: Sendable, Hashable, Codable {
    /// Steps of training before it.
    public var step: Int
    /// Mean loss of the tokens, in nats.
    public var loss: Double
    /// Tokens that were predicted.
    public var tokens: Int
    /// Bits for each byte of text, which can be compared between tokenizers; nil where nobody knows
    /// how many bytes there are.
    public var bitsPerByte: Double?
}

/// At most `limit` of the numbers below `count`, as far apart as they can be.
func evenly(_ limit: Int, of count: Int) -> [Int] {
    count <= limit ? Array(0..<count) : (0..<limit).map { $0 * count / limit }
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

    /// See ``TrainingSource/validationWindows(length:limit:)``.
    public func validationWindows(length: Int, limit: Int) -> HeldOutWindows {
        guard length >= 2, limit > 0 else { return HeldOutWindows(windows: []) }
        let starts = Array(
            stride(from: 0, to: max(0, validation.count - length + 1), by: length - 1))
        return HeldOutWindows(
            windows: evenly(limit, of: starts.count).map {
                Array(validation[starts[$0]..<starts[$0] + length])
            })
    }

    /// See ``TrainingSource/fingerprint``.
    public var fingerprint: String {
        // FNV-1a over all tokens.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325 ^ seed
        for token in tokens {
            hash = (hash ^ UInt64(UInt32(bitPattern: token))) &* 0x100_0000_01B3
        }
        return String(hash, radix: 16)
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

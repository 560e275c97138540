internal import Foundation

/// How well a model predicts a text: the mean of -log p(token | tokens before it).
///
/// ```swift
/// let result = try await model.perplexity(of: text)
/// print(result.perplexity, "+-", result.standardError * result.perplexity)
/// ```
public struct Perplexity: Sendable, Hashable, Codable {
    /// Tokens of the text that were predicted: all but the first of the text, and the first of each
    /// window that shares nothing with the one before.
    public let tokens: Int
    /// The mean loss, in nats a token.
    public let meanLoss: Double
    /// The standard error of `meanLoss`, as if the losses of tokens did not depend on each other.
    public let standardError: Double
    /// Tokens of a window, and tokens from the start of one to that of the next.
    public let context, stride: Int

    /// `exp(meanLoss)`: out of how many equally likely tokens the model seems to choose.
    public var perplexity: Double { exp(meanLoss) }

    init(_ losses: Moments, _ windows: TextWindows) {
        tokens = losses.count
        meanLoss = losses.mean
        standardError = losses.standardError
        context = windows.context
        stride = windows.stride
    }
}

/// How a text is cut into windows, and how keys and values are cached.
public struct PerplexityOptions: Sendable, Hashable {
    /// Tokens that a prediction can see at most; nil for the model's context, or 2048 where that is
    /// longer.
    public var context: Int?
    /// Tokens from the start of one window to that of the next; nil for `context`, so that windows
    /// share nothing. A smaller one gives every token more to go by, and takes longer.
    public var stride: Int?
    /// How keys and values are cached.
    public var cache: KVCachePrecision

    /// Options that differ from the defaults in what is given.
    public init(context: Int? = nil, stride: Int? = nil, cache: KVCachePrecision = .f16) {
        self.context = context
        self.stride = stride
        self.cache = cache
    }
}

extension PerplexityOptions: Codable {
    private enum CodingKeys: String, CodingKey {
        case context, stride, cache
    }

    /// Reads options of which every part may be absent and then has its default.
    public init(from decoder: any Decoder) throws {
        self.init()
        let container = try decoder.container(keyedBy: CodingKeys.self)
        context = try container.decodeIfPresent(Int.self, forKey: .context) ?? context
        stride = try container.decodeIfPresent(Int.self, forKey: .stride) ?? stride
        cache = try container.decodeIfPresent(KVCachePrecision.self, forKey: .cache) ?? cache
    }
}

/// How one model's predictions differ from another's on a text, or those of one model with another
/// LM head or KV cache.
public struct PredictionComparison: Sendable, Hashable, Codable {
    /// The model that is the measure, and the other one.
    public let base, other: Perplexity
    /// Mean Kullback-Leibler divergence of the other's predictions from the base's, in nats a token.
    public let meanDivergence: Double
    /// The standard error of `meanDivergence`.
    public let standardError: Double
    /// The largest divergence of a prediction.
    public let largestDivergence: Double
    /// Share of predictions whose likeliest token is the same, in [0, 1].
    public let topAgreement: Double
}

// MARK: - Windows

/// The windows that a text is read in.
///
/// As transformers' guide to perplexity has it: each window of `context` tokens counts the tokens
/// that no window before it has counted, the first token of a window never.
struct TextWindows: Sendable {
    let context: Int
    let stride: Int
    /// Tokens of the text.
    let count: Int

    init(
        of count: Int, _ options: PerplexityOptions, limit: Int
    ) throws(BitNetError) {
        let context = options.context ?? min(limit, 2048)
        guard (2...limit).contains(context) else {
            throw .invalidArgument(
                name: "context", detail: "\(context) is not in 2...\(limit), the model's context")
        }
        let stride = options.stride ?? context
        guard (1...context).contains(stride) else {
            throw .invalidArgument(
                name: "stride", detail: "\(stride) is not in 1...\(context), the context")
        }
        guard count >= 2 else {
            throw .invalidArgument(
                name: "text",
                detail:
                    "it is \(counted(count, "token")); to predict one there must be "
                    + "another before it")
        }
        self.context = context
        self.stride = stride
        self.count = count
    }

    /// A window's tokens, and from where on they count.
    struct Window {
        let tokens: Range<Int>
        let counted: Int
    }

    var all: [Window] {
        var windows: [Window] = []
        var end = 0
        for begin in Swift.stride(from: 0, to: count, by: stride) where end < count {
            let next = min(begin + context, count)
            windows.append(Window(tokens: begin..<next, counted: max(end, begin + 1)))
            end = next
        }
        return windows
    }
}

/// Mean and spread of numbers that come one by one.
struct Moments {
    private(set) var count = 0
    private(set) var mean = 0.0
    private var squares = 0.0

    /// Welford's update.
    mutating func add(_ value: Double) {
        count += 1
        let difference = value - mean
        mean += difference / Double(count)
        squares += difference * (value - mean)
    }

    /// Of the mean; 0 for fewer than two numbers.
    var standardError: Double {
        count < 2 ? 0 : (squares / Double(count - 1) / Double(count)).squareRoot()
    }
}

// MARK: - Predictions

/// A prediction as logarithms of probabilities.
struct Prediction {
    /// The logits less the largest of them.
    private var shifted: [Double]
    private let logSum: Double
    /// The likeliest token, the lower id among equals.
    let top: Int

    init(_ logits: Span<Float>) {
        var top = 0
        for index in logits.indices where logits[index] > logits[top] { top = index }
        let largest = Double(logits[top])
        var sum = 0.0
        var shifted: [Double] = []
        shifted.reserveCapacity(logits.count)
        for index in logits.indices {
            let value = Double(logits[index]) - largest
            shifted.append(value)
            sum += portableExp(value)
        }
        self.shifted = shifted
        self.top = top
        logSum = log(sum)
    }

    /// -log p(token).
    func loss(of token: Int) -> Double { logSum - shifted[token] }

    /// Kullback-Leibler divergence of `other` from this prediction, at least 0 but for rounding.
    func divergence(of other: Prediction) -> Double {
        var sum = 0.0
        for index in shifted.indices {
            let logP = shifted[index] - logSum
            let logQ = other.shifted[index] - other.logSum
            sum += portableExp(logP) * (logP - logQ)
        }
        return max(0, sum)
    }
}

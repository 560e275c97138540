public import BitNetKit

/// The shape of a model to train: the BitNet b1.58 graph of 2B-4T (RMSNorm, rotary embedding,
/// grouped-query attention, sub-norms, squared ReLU, tied embedding) in some size.
///
/// ```swift
/// var shape = NetworkShape.small
/// shape.vocabularySize = tokenizer.vocabularySize
/// ```
public struct NetworkShape: Sendable, Hashable, Codable {
    /// Width of the residual stream, a multiple of 16 times `headCount`.
    public var hiddenSize: Int
    /// Width inside the feed-forward network, a multiple of 16.
    public var feedForwardSize: Int
    /// Transformer blocks.
    public var layerCount: Int
    /// Query heads of each block.
    public var headCount: Int
    /// Key-value heads; divides `headCount`.
    public var keyValueHeadCount: Int
    /// Tokens that the embedding and the LM head know.
    public var vocabularySize: Int
    /// Tokens of a training window, and the most that the model is made for.
    public var contextLength: Int
    /// Epsilon of the RMSNorms.
    public var normEpsilon: Float
    /// Base of the rotary frequencies, theta.
    public var ropeBase: Float

    /// A shape; sizes are in elements.
    public init(
        hiddenSize: Int, feedForwardSize: Int, layerCount: Int, headCount: Int,
        keyValueHeadCount: Int, vocabularySize: Int, contextLength: Int,
        normEpsilon: Float = 1e-5, ropeBase: Float = 10_000
    ) {
        self.hiddenSize = hiddenSize
        self.feedForwardSize = feedForwardSize
        self.layerCount = layerCount
        self.headCount = headCount
        self.keyValueHeadCount = keyValueHeadCount
        self.vocabularySize = vocabularySize
        self.contextLength = contextLength
        self.normEpsilon = normEpsilon
        self.ropeBase = ropeBase
    }

    /// 0.5 M parameters: learns visibly in two minutes.
    public static let tiny = NetworkShape(
        hiddenSize: 128, feedForwardSize: 384, layerCount: 2, headCount: 4, keyValueHeadCount: 2,
        vocabularySize: 1024, contextLength: 128)

    /// 5.25 M parameters: tells simple stories after some hours on two cores.
    public static let small = NetworkShape(
        hiddenSize: 256, feedForwardSize: 768, layerCount: 6, headCount: 4, keyValueHeadCount: 2,
        vocabularySize: 2048, contextLength: 256)

    /// Elements of one head.
    public var headDimension: Int { hiddenSize / max(headCount, 1) }

    /// Number of parameters, the embedding once.
    public var parameterCount: Int {
        ParameterLayout(self).tensors.reduce(0) { $0 + $1.shape.reduce(1, *) }
    }

    /// Floats of all heads' keys, or values, of one token.
    var keyValueSize: Int { keyValueHeadCount * headDimension }

    /// Checks that the numbers make a graph that can be trained.
    ///
    /// - Throws: `BitNetError.invalidArgument`, which names the number.
    public func validate() throws(BitNetError) {
        let sizes = [
            ("hiddenSize", hiddenSize, 1 << 16), ("feedForwardSize", feedForwardSize, 1 << 18),
            ("layerCount", layerCount, 1 << 10), ("headCount", headCount, 1 << 10),
            ("keyValueHeadCount", keyValueHeadCount, 1 << 10),
            ("vocabularySize", vocabularySize, 1 << 20), ("contextLength", contextLength, 1 << 16),
        ]
        for (name, size, limit) in sizes {
            try require(
                size >= 1 && size <= limit, name, "\(size) is not in 1 ... \(limit)")
        }
        try require(
            hiddenSize % (16 * headCount) == 0, "hiddenSize",
            "\(hiddenSize) is not a multiple of 16 times \(headCount) heads")
        try require(
            headCount % keyValueHeadCount == 0, "keyValueHeadCount",
            "\(keyValueHeadCount) does not divide \(headCount) heads")
        try require(
            feedForwardSize % 16 == 0, "feedForwardSize",
            "\(feedForwardSize) is not a multiple of 16")
        try require(
            normEpsilon > 0 && normEpsilon.isFinite, "normEpsilon", "\(normEpsilon) is not usable")
        try require(ropeBase >= 1 && ropeBase.isFinite, "ropeBase", "\(ropeBase) is not usable")
    }
}

/// Throws `BitNetError.invalidArgument` for the number called `name`, unless `holds`.
func require(
    _ holds: Bool, _ name: String, _ detail: @autoclosure () -> String
) throws(BitNetError) {
    if !holds { throw .invalidArgument(name: name, detail: detail()) }
}

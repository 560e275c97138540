/// The shape of a model and everything its graph depends on, as read from its file. Sizes are in
/// elements.
public struct ModelConfiguration: Sendable, Hashable {
    /// The model graph.
    public enum Architecture: String, Sendable, Hashable, CaseIterable {
        /// BitNet b1.58 with sub-norms: microsoft's 2B-4T (squared ReLU) and 1bitLLM's (SiLU).
        case bitnet
        /// Llama with ternary linear layers: Llama3-8B-1.58, Falcon3, Falcon-E, TriLM. TriLM was
        /// trained with ternary weights and float activations; here its activations are rounded to
        /// int8 like those of the others, which is an approximation of that model.
        case llama
        /// Qwen3, as a BitNet embedding with a norm before every linear layer.
        case qwen3
        /// Gemma3 (text), as a BitNet embedding with a norm before every linear layer.
        case gemma3
    }

    /// What `weight_scale` of a packed Hugging Face tensor means.
    public enum ScaleDirection: String, Sendable, Hashable {
        /// `W = trits * weight_scale` (`linear_class: autobitlinear`).
        case multiply
        /// `W = trits / weight_scale` (`linear_class: bitlinear`, or absent).
        case divide
    }

    /// The model's name, or its file's.
    public internal(set) var name: String
    /// The model graph.
    public internal(set) var architecture: Architecture
    /// Tokens the embedding and the LM head know.
    public internal(set) var vocabularySize: Int
    /// Width of the residual stream.
    public internal(set) var hiddenSize: Int
    /// Width inside the feed-forward network.
    public internal(set) var feedForwardSize: Int
    /// Transformer blocks.
    public internal(set) var layerCount: Int
    /// Query heads of each block.
    public internal(set) var headCount: Int
    /// Key-value heads; query heads share them in contiguous groups.
    public internal(set) var keyValueHeadCount: Int
    /// Elements of one head; need not be `hiddenSize / headCount`.
    public internal(set) var headDimension: Int
    /// Tokens the model was trained to take.
    public internal(set) var contextLength: Int
    /// Epsilon of the RMSNorms.
    public internal(set) var normEpsilon: Float
    /// Epsilon of the norms inside linear layers, where the model has them.
    public internal(set) var linearNormEpsilon: Float
    /// Base of the rotary frequencies, theta.
    public internal(set) var ropeBase: Float
    /// The non-linearity of the feed-forward network's gate.
    public internal(set) var activation: Activation
    /// Whether every linear layer normalises its own input.
    public internal(set) var hasLinearNorms: Bool
    /// Whether the LM head is the embedding.
    public internal(set) var isLMHeadTied: Bool
    /// What packed scales mean; only Hugging Face folders leave that open.
    public internal(set) var scaleDirection: ScaleDirection
    /// Whether float weights are rounded to trits (absmean); otherwise they must be ternary already.
    public internal(set) var quantizesMasters: Bool
    /// Tokens that end and begin a text, as far as the configuration or the default of its class
    /// says: part of what a saved session recognises its model by. Generation goes by the tokenizer.
    var endTokens: [Int]
    var beginToken: Int?
    /// Scaling of the rotary frequencies, in folders of Llama 3.1 and later.
    public internal(set) var ropeScaling: RopeScaling?
    /// What takes the place of the head's size in the attention scale `1 / sqrt(headDimension)`.
    public internal(set) var queryScalar: Float?
    /// Layers that attend to the last tokens only, and with their own rotary base.
    public internal(set) var slidingAttention: SlidingAttention?

    /// Whether attention and feed-forward have a norm before their last linear layer.
    public var hasSubNorms: Bool { architecture == .bitnet }
    /// Whether each query and key head is normalised.
    public var hasHeadNorms: Bool { architecture == .qwen3 || architecture == .gemma3 }
    /// Whether attention and feed-forward are normalised before they join the residual stream.
    public var hasPostNorms: Bool { architecture == .gemma3 }
    /// What embeddings are multiplied by: `sqrt(hiddenSize)` in Gemma models, rounded to float32 as
    /// transformers rounds it in a float32 model (its bfloat16 models round it to bfloat16).
    public var embeddingScale: Float {
        architecture == .gemma3 ? Float(Double(hiddenSize).squareRoot()) : 1
    }
}

extension ModelConfiguration {
    /// The graph of BitNet b1.58 2B-4T in another shape: squared ReLU, sub-norms.
    package init(
        bitnet name: String, vocabularySize: Int, hiddenSize: Int, feedForwardSize: Int,
        layerCount: Int, headCount: Int, keyValueHeadCount: Int, contextLength: Int,
        isLMHeadTied: Bool = true
    ) {
        self.init(
            name: name, architecture: .bitnet, vocabularySize: vocabularySize,
            hiddenSize: hiddenSize, feedForwardSize: feedForwardSize, layerCount: layerCount,
            headCount: headCount, keyValueHeadCount: keyValueHeadCount,
            headDimension: hiddenSize / max(headCount, 1), contextLength: contextLength,
            normEpsilon: 1e-5, linearNormEpsilon: 1e-5, ropeBase: 500_000,
            activation: .squaredReLU, hasLinearNorms: false, isLMHeadTied: isLMHeadTied,
            scaleDirection: .multiply, quantizesMasters: false, endTokens: [], beginToken: nil)
    }
}

extension ModelConfiguration: CustomStringConvertible {
    /// Name and sizes, on one line.
    public var description: String {
        "\(name): \(architecture.rawValue), \(layerCount) layers, hidden \(hiddenSize), "
            + "feed-forward \(feedForwardSize), \(headCount) heads of \(headDimension) with "
            + "\(keyValueHeadCount) key-value heads, vocabulary \(vocabularySize), "
            + "context \(contextLength)"
    }
}

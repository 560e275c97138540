extension ModelConfiguration {
    /// Reads `config.json` (transformers 4 and 5 spelling).
    ///
    /// - Throws: `BitNetError.unsupportedArchitecture`, `.unsupportedFeature` for settings that would
    ///   change the results and are not implemented, `.invalidMetadata`.
    init(huggingFace config: JSONValue, name: String, path: String) throws(BitNetError) {
        let reader = try ConfigReader(config, path: path)
        let (architecture, defaults) = (reader.architecture, reader.defaults)
        let heads = try reader.int("num_attention_heads", default: defaults.headCount)
        guard heads > 0 else { throw reader.invalid("num_attention_heads", "\(heads)") }
        try reader.refuseUnknownGraph()
        let hidden = try reader.int("hidden_size", default: defaults.hiddenSize)
        let quantization = try reader.quantization()
        let vocabularySize = try reader.int("vocab_size", default: defaults.vocabularySize)
        // An id that is no token never comes; loading warns of it.
        let isToken = { (id: Int) in id >= 0 && id < vocabularySize }
        let scaling = try reader.ropeScaling()
        let epsilon = try reader.float("rms_norm_eps", default: defaults.normEpsilon)

        self.init(
            name: name, architecture: architecture,
            vocabularySize: vocabularySize, hiddenSize: hidden,
            feedForwardSize: try reader.int("intermediate_size", default: defaults.feedForwardSize),
            layerCount: try reader.int(ConfigReader.layerCount, default: defaults.layerCount),
            headCount: heads,
            keyValueHeadCount: try reader.keyValueHeads(of: heads),
            headDimension: try reader.headDimension(hidden / heads),
            contextLength: try reader.int(
                "max_position_embeddings", default: defaults.contextLength),
            normEpsilon: epsilon,
            linearNormEpsilon: quantization.normEpsilon ?? epsilon,
            ropeBase: try reader.ropeBase(),
            activation: try reader.activation(),
            hasLinearNorms: quantization.hasLinearNorms,
            isLMHeadTied: try reader.isLMHeadTied(),
            scaleDirection: quantization.direction,
            quantizesMasters: quantization.quantizesMasters,
            endTokens: reader.tokens("eos_token_id", default: defaults.endToken)
                .filter(isToken),
            beginToken: reader.tokens("bos_token_id", default: defaults.beginToken)
                .filter(isToken).first,
            ropeScaling: scaling,
            queryScalar: try reader.queryScalar(),
            slidingAttention: try reader.slidingAttention())
    }
}

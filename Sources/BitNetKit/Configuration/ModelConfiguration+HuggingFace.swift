extension ModelConfiguration {
    /// Reads `config.json` (transformers 4 and 5 spelling).
    ///
    /// - Throws: `BitNetError.unsupportedArchitecture`, `.unsupportedFeature` for settings that would
    ///   change the results and are not implemented, `.invalidMetadata`.
    init(huggingFace config: JSONValue, name: String, path: String) throws(BitNetError) {
        let reader = ConfigReader(config: config, path: path)
        let architecture = try reader.architecture()
        try reader.refuseUnknownGraph(architecture)
        let hidden = try reader.int("hidden_size")
        let heads = try reader.int("num_attention_heads")
        guard heads > 0 else { throw reader.invalid("num_attention_heads", "\(heads)") }
        let quantization = try reader.quantization(architecture)
        let vocabularySize = try reader.int("vocab_size")
        // An id that is no token never comes; loading warns of it.
        let isToken = { (id: Int) in id >= 0 && id < vocabularySize }
        let epsilon = try reader.float("rms_norm_eps", default: 1e-6)

        self.init(
            name: name, architecture: architecture,
            vocabularySize: vocabularySize, hiddenSize: hidden,
            feedForwardSize: try reader.int("intermediate_size"),
            layerCount: try reader.int("num_hidden_layers"), headCount: heads,
            keyValueHeadCount: try config.int("num_key_value_heads", in: path) ?? heads,
            headDimension: try reader.headDimension(architecture, hidden / heads),
            contextLength: try config.int("max_position_embeddings", in: path) ?? 2048,
            normEpsilon: epsilon,
            linearNormEpsilon: quantization.normEpsilon ?? epsilon,
            ropeBase: try reader.ropeBase(architecture),
            activation: try reader.activation(architecture),
            hasLinearNorms: quantization.hasLinearNorms,
            isLMHeadTied: try reader.isLMHeadTied(architecture),
            scaleDirection: quantization.direction,
            quantizesMasters: quantization.quantizesMasters,
            endTokens: try reader.tokens("eos_token_id").filter(isToken),
            beginToken: try reader.tokens("bos_token_id").filter(isToken).first,
            ropeScaling: try reader.ropeScaling(),
            queryScalar: try reader.queryScalar(architecture),
            slidingAttention: try reader.slidingAttention(architecture))
        try validate(path: path)
    }
}

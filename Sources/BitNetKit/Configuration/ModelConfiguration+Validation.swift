extension ModelConfiguration {
    /// The keys of the numbers in a file, for errors.
    private struct Keys {
        /// The architecture's name in a GGUF file; nil for `config.json`.
        let prefix: String?

        /// A number's key: that of a GGUF file without the architecture's name, that of `config.json`.
        func callAsFunction(_ gguf: String, _ huggingFace: String) -> String {
            prefix.map { "\($0).\(gguf)" } ?? huggingFace
        }
    }

    /// No size overflows an Int, and float32 counts positions exactly. Whether the tensors have these
    /// sizes is checked before anything of that size is allocated.
    private static let limit = 1 << 24

    /// Checks that the numbers make a graph.
    ///
    /// - Parameters:
    ///   - path: the file, named in errors.
    ///   - prefix: what the keys of a GGUF file begin with; nil for those of `config.json`.
    package func validate(path: String, prefix: String? = nil) throws(BitNetError) {
        let keys = Keys(prefix: prefix)
        func require(_ holds: Bool, _ key: String, _ detail: String) throws(BitNetError) {
            if !holds { throw .invalidMetadata(path: path, key: key, detail: detail) }
        }
        for (key, value, most) in sizes(keys) {
            try require((1...most).contains(value), key, "\(value) is not in 1...\(most)")
        }
        let heads = keys("attention.head_count", "num_attention_heads")
        try require(
            headCount % keyValueHeadCount == 0,
            keys("attention.head_count_kv", "num_key_value_heads"),
            "\(headCount) heads cannot share \(keyValueHeadCount) key-value heads")
        try require(
            hiddenSize % 16 == 0, keys("embedding_length", "hidden_size"),
            "\(hiddenSize) is not a multiple of 16")
        try require(
            headDimension % 2 == 0, keys("attention.key_length", "head_dim"),
            "\(headDimension) is not even: the rotation takes pairs")
        try require(
            headCount * headDimension <= Self.limit, heads,
            "\(headCount) heads of \(headDimension) are wider than \(Self.limit)")
        let epsilons = [
            (keys("attention.layer_norm_rms_epsilon", "rms_norm_eps"), normEpsilon),
            (
                keys("attention.layer_norm_rms_epsilon", "quantization_config.rms_norm_eps"),
                linearNormEpsilon
            ),
        ]
        for (key, epsilon) in epsilons {
            try require(
                epsilon.isFinite && epsilon >= 0, key,
                "\(epsilon) is not a finite number of 0 or more")
        }
        try require(
            ropeBase.isFinite && ropeBase > 0, keys("rope.freq_base", "rope_theta"),
            "\(ropeBase) is not a finite number above 0")
        if let queryScalar {
            try require(
                queryScalar.isFinite && queryScalar > 0, "query_pre_attn_scalar",
                "\(queryScalar) is not a finite number above 0")
        }
        try ropeScaling?.validate(path: path)
        try slidingAttention?.validate(layers: layerCount, path: path)
    }

    /// Sizes with their keys and the most that they may be.
    private func sizes(_ keys: Keys) -> [(key: String, value: Int, most: Int)] {
        [
            ("vocab_size", "vocab_size", vocabularySize, Self.limit),
            ("embedding_length", "hidden_size", hiddenSize, Self.limit),
            ("feed_forward_length", "intermediate_size", feedForwardSize, Self.limit),
            ("block_count", "num_hidden_layers", layerCount, 1024),
            ("attention.head_count", "num_attention_heads", headCount, Self.limit),
            ("attention.head_count_kv", "num_key_value_heads", keyValueHeadCount, Self.limit),
            ("attention.key_length", "head_dim", headDimension, 1024),
            ("context_length", "max_position_embeddings", contextLength, Self.limit),
        ].map { (keys($0, $1), $2, $3) }
    }
}

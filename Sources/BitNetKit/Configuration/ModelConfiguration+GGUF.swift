extension ModelConfiguration {
    /// Reads the metadata of a GGUF file; `checkpoint` has its tensors, those of
    /// the other parts of a split file included.
    ///
    /// - Throws: `BitNetError.unsupportedArchitecture`, `.unsupportedFeature` for keys that would
    ///   change the results and are not implemented, `.invalidMetadata`.
    init(gguf: GGUFFile, of checkpoint: Checkpoint, name: String) throws(BitNetError) {
        let declared = try gguf.requiredString("general.architecture")
        guard let graph = ggufGraphs[declared] else {
            throw .unsupportedArchitecture(name: declared, known: ggufGraphs.keys.sorted())
        }
        let reader = GGUFConfigReader(gguf: gguf, checkpoint: checkpoint, prefix: declared)
        try reader.refuseUnknownKeys(graph.architecture)
        let hidden = try reader.int("embedding_length")
        let heads = try reader.int("attention.head_count")
        guard heads > 0 else { throw reader.invalid("attention.head_count", "is \(heads)") }
        let headDimension = try reader.optionalInt("attention.key_length") ?? hidden / heads
        try reader.refuseOtherHeadSizes(headDimension)

        let epsilon = try reader.float("attention.layer_norm_rms_epsilon")
        let layers = try reader.int("block_count")
        // Plain Qwen3 and BitNet embeddings have one name.
        let hasLinearNorms =
            (graph.architecture == .qwen3 || graph.architecture == .gemma3)
            && checkpoint.tensor(named: TensorNames.gguf.linearNorms(.query, 0)[0]) != nil
        self.init(
            name: try gguf.string("general.name") ?? name, architecture: graph.architecture,
            vocabularySize: try reader.vocabularySize(), hiddenSize: hidden,
            feedForwardSize: try reader.int("feed_forward_length"),
            layerCount: layers, headCount: heads,
            keyValueHeadCount: try reader.optionalInt("attention.head_count_kv") ?? heads,
            headDimension: headDimension,
            contextLength: try reader.optionalInt("context_length") ?? 2048,
            normEpsilon: epsilon, linearNormEpsilon: epsilon,
            ropeBase: try reader.optionalFloat("rope.freq_base") ?? 10_000,
            activation: graph.activation, hasLinearNorms: hasLinearNorms,
            isHeadTied: checkpoint.tensor(named: "output.weight") == nil, scaleDirection: .multiply,
            quantizesMasters: graph.architecture == .bitnet || hasLinearNorms,
            endTokens: try gguf.int("tokenizer.ggml.eos_token_id").map { [$0] } ?? [],
            beginToken: try gguf.int("tokenizer.ggml.bos_token_id"),
            slidingAttention: try reader.slidingAttention(graph.architecture, layers: layers))
        try validate(path: gguf.path)
        try reader.refuseMislabelled(self)
    }
}

/// The graph that each architecture name stands for. `bitnet` means SiLU: every writer of that name
/// has it, and 2B-4T files call themselves `bitnet-b1.58` or `bitnet-25`.
private let ggufGraphs:
    [String: (architecture: ModelConfiguration.Architecture, activation: Activation)] = [
        "bitnet-b1.58": (.bitnet, .squaredReLU),
        "bitnet-25": (.bitnet, .squaredReLU),
        "bitnet": (.bitnet, .silu),
        "llama": (.llama, .silu),
        "qwen3": (.qwen3, .silu),
        "gemma3": (.gemma3, .gelu),
    ]

/// Typed access to `<architecture>.*` keys.
private struct GGUFConfigReader {
    let gguf: GGUFFile
    let checkpoint: Checkpoint
    let prefix: String

    func invalid(_ key: String, _ detail: String) -> BitNetError {
        .invalidMetadata(path: gguf.path, key: "\(prefix).\(key)", detail: detail)
    }

    func optionalInt(_ key: String) throws(BitNetError) -> Int? {
        try gguf.int("\(prefix).\(key)")
    }

    func optionalFloat(_ key: String) throws(BitNetError) -> Float? {
        try gguf.float("\(prefix).\(key)").map { Float($0) }
    }

    func int(_ key: String) throws(BitNetError) -> Int {
        try gguf.requiredInt("\(prefix).\(key)")
    }

    func float(_ key: String) throws(BitNetError) -> Float {
        Float(try gguf.requiredFloat("\(prefix).\(key)"))
    }

    /// The declared vocabulary, else the rows of the embedding.
    func vocabularySize() throws(BitNetError) -> Int {
        if let size = try optionalInt("vocab_size") { return size }
        return try checkpoint.requiredTensor(named: TensorNames.gguf.embedding).shape.first ?? 0
    }

    /// Heads whose keys, values and rotated part differ in size have another graph.
    func refuseOtherHeadSizes(_ headDimension: Int) throws(BitNetError) {
        for key in ["attention.value_length", "rope.dimension_count"] {
            if let value = try optionalInt(key), value != headDimension {
                throw .unsupportedFeature(
                    path: gguf.path, feature: "\(prefix).\(key)", value: "\(value)")
            }
        }
        let type = try gguf.string("\(prefix).rope.scaling.type") ?? "linear"
        guard type != "none" else { return }
        let factor = try optionalFloat("rope.scaling.factor") ?? 1
        guard type == "linear", factor == 1 else {
            throw .unsupportedFeature(
                path: gguf.path, feature: "\(prefix).rope.scaling", value: "\(type), \(factor)")
        }
    }

    /// Layers with a window, which Gemma3 files name by its size; llama.cpp knows the rest: each sixth
    /// layer sees everything, the others have the base 10000.
    func slidingAttention(
        _ architecture: ModelConfiguration.Architecture, layers: Int
    ) throws(BitNetError) -> SlidingAttention? {
        guard architecture == .gemma3, layers <= 1024,
            let window = try optionalInt("attention.sliding_window"), window != 0
        else { return nil }
        let period = try optionalInt("attention.sliding_window_pattern") ?? 6
        guard period > 0 else {
            throw invalid("attention.sliding_window_pattern", "is \(period)")
        }
        return SlidingAttention(
            window: window, ropeBase: try optionalFloat("rope.freq_base_swa") ?? 10_000,
            layers: SlidingAttention.layers(layers, period: period))
    }

    /// llama.cpp's converter knows `bitnet` only, which means SiLU, and gives that name to BitNet
    /// b1.58 2B-4T as well, which was trained with squared ReLU.
    func refuseMislabelled(_ c: ModelConfiguration) throws(BitNetError) {
        let is2B =
            c.hiddenSize == 2560 && c.feedForwardSize == 6912 && c.layerCount == 30
            && c.headCount == 20 && c.keyValueHeadCount == 5
        guard prefix == "bitnet", is2B else { return }
        throw .invalidMetadata(
            path: gguf.path, key: "general.architecture",
            detail: "is 'bitnet', which means SiLU, but the sizes are those of BitNet b1.58 2B-4T, "
                + "which has squared ReLU; convert the original checkpoint with `bitnet convert`")
    }

    /// Any other key of the architecture may change the graph, and nobody would notice.
    func refuseUnknownKeys(
        _ architecture: ModelConfiguration.Architecture
    ) throws(BitNetError) {
        var known: Set<String> = [
            "vocab_size", "context_length", "embedding_length", "block_count",
            "feed_forward_length", "attention.head_count", "attention.head_count_kv",
            "attention.layer_norm_rms_epsilon", "attention.key_length", "attention.value_length",
            "rope.freq_base", "rope.dimension_count", "rope.scaling.type", "rope.scaling.factor",
            "rope.scaling.original_context_length", "pooling_type", "tensor_data_layout",
        ]
        if architecture == .gemma3 {
            known.formUnion([
                "attention.sliding_window", "attention.sliding_window_pattern",
                "rope.freq_base_swa",
            ])
        }
        for key in gguf.metadata.map(\.key) where key.hasPrefix(prefix + ".") {
            if !known.contains(String(key.dropFirst(prefix.count + 1))) {
                throw .unsupportedFeature(path: gguf.path, feature: key, value: "set")
            }
        }
    }
}

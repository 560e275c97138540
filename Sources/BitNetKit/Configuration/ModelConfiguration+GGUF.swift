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
        let hidden = try reader.int("embedding_length")
        let heads = try reader.int("attention.head_count")
        guard heads > 0 else { throw reader.invalid("attention.head_count", "is \(heads)") }
        let headDimension = try reader.optionalInt("attention.key_length") ?? hidden / heads
        try reader.refuseOtherHeadSizes(headDimension)
        try reader.refuseUnknownKeys(graph.architecture, headDimension: headDimension)

        let epsilon = try reader.float("attention.layer_norm_rms_epsilon")
        let layers = try reader.int("block_count")
        // Plain Qwen3 and BitNet embeddings have one name.
        let hasLinearNorms =
            (graph.architecture == .qwen3 || graph.architecture == .gemma3)
            && checkpoint.tensor(named: TensorNames.gguf.linearNorms(.query, 0)[0]) != nil
        self.init(
            name: gguf["general.name"]?.repairedText ?? name, architecture: graph.architecture,
            vocabularySize: try reader.vocabularySize(), hiddenSize: hidden,
            feedForwardSize: try reader.int("feed_forward_length"),
            layerCount: layers, headCount: heads,
            keyValueHeadCount: try reader.optionalInt("attention.head_count_kv") ?? heads,
            headDimension: headDimension,
            contextLength: try reader.optionalInt("context_length") ?? 2048,
            normEpsilon: epsilon, linearNormEpsilon: epsilon,
            ropeBase: try reader.optionalFloat("rope.freq_base") ?? 10_000,
            activation: try reader.activation() ?? graph.activation, hasLinearNorms: hasLinearNorms,
            isLMHeadTied: checkpoint.tensor(named: "output.weight") == nil,
            scaleDirection: .multiply,
            quantizesMasters: graph.architecture == .bitnet || hasLinearNorms,
            endTokens: try reader.token("eos").map { [$0] } ?? [],
            beginToken: try reader.token("bos"),
            slidingAttention: try reader.slidingAttention(graph.architecture, layers: layers))
        try validate(path: gguf.path, prefix: declared)
        if try reader.activation() == nil { try reader.refuseMislabelled(self) }
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
struct GGUFConfigReader {
    let gguf: GGUFFile
    let checkpoint: Checkpoint
    let prefix: String

    func invalid(_ key: String, _ detail: String) -> BitNetError {
        .invalidMetadata(path: gguf.path, key: "\(prefix).\(key)", detail: detail)
    }

    func optionalInt(_ key: String) throws(BitNetError) -> Int? {
        if let value = try perLayer(key)?.int { return value }
        return try gguf.int("\(prefix).\(key)")
    }

    /// A number of any type.
    func optionalFloat(_ key: String) throws(BitNetError) -> Float? {
        let value = try perLayer(key) ?? gguf["\(prefix).\(key)"]
        if let value = value?.int.map({ Float($0) }) ?? value?.double.map({ Float($0) }) {
            return value
        }
        return try gguf.float("\(prefix).\(key)").map { Float($0) }
    }

    /// A setting that is given once for each layer: the same for all of them, or it is not
    /// supported. Nil where it is no array.
    private func perLayer(_ key: String) throws(BitNetError) -> GGUFValue? {
        guard key != Self.layerCount, let value = gguf["\(prefix).\(key)"],
            let array = value.array, array.ints ?? array.doubles.map({ $0.map { _ in 0 } }) != nil
        else { return nil }
        let layers = try int(Self.layerCount)
        guard array.count == layers else {
            throw invalid(key, "\(array.count) values for \(layers) layers")
        }
        if case .array = value.single {
            throw .unsupportedFeature(
                path: gguf.path, feature: "\(prefix).\(key)", value: value.shown)
        }
        return value.single
    }

    static let layerCount = "block_count"

    func int(_ key: String) throws(BitNetError) -> Int {
        guard let value = try optionalInt(key) else { throw invalid(key, "the key is missing") }
        return value
    }

    func float(_ key: String) throws(BitNetError) -> Float {
        guard let value = try optionalFloat(key) else { throw invalid(key, "the key is missing") }
        return value
    }

    /// The id of a special token, if it is one of a token.
    func token(_ name: String) throws(BitNetError) -> Int? {
        let tokens = try gguf.strings("tokenizer.ggml.tokens")?.count
        let rows = try vocabularySize()
        return gguf.specialToken(name)?.token(below: tokens ?? rows)
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
        // The second is the older name; 0 is none, as in llama.cpp.
        let current = try optionalFloat("rope.scaling.factor")
        let older = try optionalFloat("rope.scale_linear")
        let factor = current ?? older ?? 1
        guard type == "linear", factor == 1 || factor == 0 else {
            let factorName = current == nil ? "rope.scale_linear" : "rope.scaling.factor"
            let (name, value) =
                type == "linear" ? (factorName, "\(factor)") : ("rope.scaling.type", type.quoted)
            throw .unsupportedFeature(
                path: gguf.path, feature: "\(prefix).\(name)", value: value)
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
}

extension Conversion {
    var architectureName: String {
        switch configuration.architecture {
        case .bitnet: configuration.activation == .squaredReLU ? "bitnet-b1.58" : "bitnet"
        case .llama: "llama"
        case .qwen3: "qwen3"
        }
    }

    /// Everything in the header but the tensors.
    func metadata() throws(BitNetError) -> [GGUFFile.Entry] {
        let c = configuration
        let fileTypes: [ElementType: UInt32] = [.i2_s: 40, .tq1_0: 36, .tq2_0: 37]
        let prefix = architectureName
        func number(_ key: String, _ value: Int) -> GGUFFile.Entry {
            .init("\(prefix).\(key)", .uint32(UInt32(value)))
        }
        let entries: [GGUFFile.Entry] = [
            .init("general.architecture", .string(prefix)),
            .init("general.name", .string(c.name)),
            .init("general.file_type", .uint32(fileTypes[options.ternary] ?? 0)),
            .init("general.quantization_version", .uint32(2)),
            number("vocab_size", c.vocabularySize),
            number("context_length", c.contextLength),
            number("embedding_length", c.hiddenSize),
            number("block_count", c.layerCount),
            number("feed_forward_length", c.feedForwardSize),
            number("rope.dimension_count", c.headDimension),
            number("attention.head_count", c.headCount),
            number("attention.head_count_kv", c.keyValueHeadCount),
            number("attention.key_length", c.headDimension),
            number("attention.value_length", c.headDimension),
            .init("\(prefix).attention.layer_norm_rms_epsilon", .float32(c.normEpsilon)),
            .init("\(prefix).rope.freq_base", .float32(c.ropeBase)),
        ]
        return entries + (try poolingMetadata()) + (try tokenizerMetadata())
    }

    /// How an embedding model makes one vector of many, where a GGUF source says so.
    private func poolingMetadata() throws(BitNetError) -> [GGUFFile.Entry] {
        guard case .gguf(let file) = checkpoint.metadata,
            let source = try file.string("general.architecture"),
            let pooling = file["\(source).pooling_type"]
        else { return [] }
        return [.init("\(architectureName).pooling_type", pooling)]
    }

    /// A GGUF source keeps its own words; a folder's tokenizer is written out.
    private func tokenizerMetadata() throws(BitNetError) -> [GGUFFile.Entry] {
        switch checkpoint.metadata {
        case .gguf(let file):
            return file.metadata.filter { $0.key.hasPrefix("tokenizer.") }
        case .huggingFace(let folder):
            let tokenizer = try Tokenizer(checkpoint)
            try tokenizer.check(fits: configuration, path: checkpoint.path)
            let vocabulary = try tokenizer.ggufVocabulary(architecture: architectureName)
            try checkEnds(of: tokenizer, in: vocabulary)
            var entries = vocabulary.metadata
            if let template = folder.tokenizerConfig?.object?["chat_template"]?.string {
                entries.append(.init("tokenizer.chat_template", .string(template)))
            }
            return entries
        }
    }

    /// GGUF has keys for three end tokens; others are known by their names, or would be lost.
    private func checkEnds(
        of tokenizer: Tokenizer, in vocabulary: GGUFVocabulary
    ) throws(BitNetError) {
        var stored = vocabulary
        stored.additionalEnds = Array(stored.additionalEnds.prefix(2))
        let lost = tokenizer.endTokens.subtracting(try Tokenizer(gguf: stored).endTokens)
        if let id = lost.min() {
            throw .tokenizer(
                detail:
                    "\(checkpoint.path): end token \(id) is one more than a GGUF file can name; "
                    + "remove it from eos_token_id or generate with it as a stop string")
        }
    }
}

extension ModelConfiguration {
    /// Refuses a graph that the architecture names and keys of GGUF cannot tell from another one.
    func checkGGUFHoldsGraph(path: String) throws(BitNetError) {
        func refuse(_ feature: String, _ value: String) -> BitNetError {
            .unsupportedFeature(path: path, feature: "\(feature) in a GGUF file", value: value)
        }
        if hasLinearNorms != (architecture == .qwen3) {
            throw refuse("use_rms_norm", "\(hasLinearNorms)")
        }
        if hasLinearNorms, linearNormEpsilon != normEpsilon {
            throw refuse("quantization_config.rms_norm_eps", "\(linearNormEpsilon)")
        }
        if architecture != .bitnet, activation != .silu {
            throw refuse("hidden_act", activation.rawValue)
        }
    }
}

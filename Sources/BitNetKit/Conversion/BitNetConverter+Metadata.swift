extension Conversion {
    var architectureName: String {
        switch configuration.architecture {
        case .bitnet: configuration.activation == .squaredReLU ? "bitnet-b1.58" : "bitnet"
        case .llama: "llama"
        case .qwen3: "qwen3"
        case .gemma3: "gemma3"
        }
    }

    /// Everything in the header but the tensors, and what was changed on purpose.
    func metadata() throws(BitNetError) -> (entries: [GGUFFile.Entry], warnings: [String]) {
        let c = configuration
        let fileTypes: [ElementType: UInt32] = [
            .i2_s: 40, .tq1_0: 36, .tq2_0: 37, .f32: 0, .f16: 1, .bf16: 32, .q8_0: 7, .q6_K: 18,
        ]
        let prefix = architectureName
        func number(_ key: String, _ value: Int) -> GGUFFile.Entry {
            .init("\(prefix).\(key)", .uint32(UInt32(value)))
        }
        var entries: [GGUFFile.Entry] = [
            .init("general.architecture", .string(prefix)),
            .init("general.name", .string(options.name ?? c.name)),
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
        if let sliding = c.slidingAttention {
            entries.append(number("attention.sliding_window", sliding.window))
            entries.append(number("attention.sliding_window_pattern", sliding.period ?? 0))
            entries.append(.init("\(prefix).rope.freq_base_swa", .float32(sliding.ropeBase)))
        }
        if case .huggingFace = checkpoint.metadata, c.hasLinearNorms {
            // BitNet embeddings make one vector of many by their last token.
            entries.append(number("pooling_type", 3))
        }
        var tokenizer = try tokenizerMetadata()
        let warnings = try replacePlaceholder(in: &tokenizer.entries) + droppedTemplate()
        entries += tokenizer.entries
        let dropped = try keepOtherKeys(in: &entries)
        return (entries, warnings + tokenizer.warnings + dropped)
    }

    /// A GGUF source keeps its own words; a folder's tokenizer is written out.
    private func tokenizerMetadata() throws(BitNetError) -> (
        entries: [GGUFFile.Entry], warnings: [String]
    ) {
        switch checkpoint.metadata {
        case .gguf(let file):
            var entries = file.metadata.filter { $0.key.hasPrefix("tokenizer.") }
            let key = "tokenizer.ggml.pre"
            // Other programs take another cut where the key is missing.
            if file[key] == nil, try file.string("tokenizer.ggml.model") == "gpt2" {
                let tokenizer = try Tokenizer(checkpoint, rows: configuration.vocabularySize)
                entries.append(.init(key, .string(try tokenizer.ggufPre())))
            }
            return (entries, [])
        case .huggingFace(let folder):
            let tokenizer = try Tokenizer(checkpoint, rows: configuration.vocabularySize)
            try tokenizer.check(fits: configuration.vocabularySize, path: checkpoint.path)
            let vocabulary = try tokenizer.ggufVocabulary(architecture: architectureName)
            try checkEnds(of: tokenizer, in: vocabulary)
            var entries = vocabulary.metadata
            if let template = try ChatTemplate.Origin(folder).text {
                entries.append(.init("tokenizer.chat_template", .string(template)))
            }
            return (entries, tokenizer.warnings + tokenizer.ggufWarnings(vocabulary))
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
        if hasLinearNorms, architecture != .qwen3, architecture != .gemma3 {
            throw refuse("use_rms_norm", "\(hasLinearNorms)")
        }
        if architecture == .gemma3, !hasLinearNorms { throw refuse("use_rms_norm", "false") }
        if hasLinearNorms, linearNormEpsilon != normEpsilon {
            throw refuse("quantization_config.rms_norm_eps", "\(linearNormEpsilon)")
        }
        let activations: [Activation] =
            switch architecture {
            case .bitnet: [.squaredReLU, .silu]
            case .gemma3: [.gelu]
            case .llama, .qwen3: [.silu]
            }
        guard activations.contains(activation) else {
            throw refuse("hidden_act", activation.rawValue)
        }
        if let queryScalar, queryScalar != Float(headDimension) {
            throw refuse("query_pre_attn_scalar", "\(queryScalar)")
        }
        if let sliding = slidingAttention, sliding.period == nil {
            throw refuse("layer_types", "without a period")
        }
    }
}

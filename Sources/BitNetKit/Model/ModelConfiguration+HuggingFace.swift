extension ModelConfiguration {
    /// Reads `config.json` (transformers 4 and 5 spelling).
    ///
    /// - Throws: `BitNetError.unsupportedArchitecture`, `.unsupportedFeature` for settings that would
    ///   change the results and are not implemented, `.invalidMetadata`.
    init(huggingFace config: JSONValue, name: String, path: String) throws(BitNetError) {
        let reader = ConfigReader(config: config, path: path)
        let architecture = try reader.architecture()
        try reader.refuseUnknownGraph()
        let hidden = try reader.int("hidden_size")
        let heads = try reader.int("num_attention_heads")
        guard heads > 0 else { throw reader.invalid("num_attention_heads", "\(heads)") }
        let quantization = try reader.quantization(architecture)
        let epsilon = try reader.float("rms_norm_eps", default: 1e-6)

        self.init(
            name: name, architecture: architecture,
            vocabularySize: try reader.int("vocab_size"), hiddenSize: hidden,
            feedForwardSize: try reader.int("intermediate_size"),
            layerCount: try reader.int("num_hidden_layers"), headCount: heads,
            keyValueHeadCount: try config.int("num_key_value_heads", in: path) ?? heads,
            headDimension: try config.int("head_dim", in: path) ?? hidden / heads,
            contextLength: try config.int("max_position_embeddings", in: path) ?? 2048,
            normEpsilon: epsilon,
            linearNormEpsilon: quantization.normEpsilon ?? epsilon,
            ropeBase: try reader.ropeBase(architecture),
            activation: try reader.activation(architecture),
            hasLinearNorms: quantization.hasLinearNorms,
            isHeadTied: try reader.isHeadTied(architecture),
            scaleDirection: quantization.direction,
            quantizesMasters: quantization.quantizesMasters,
            endTokens: try reader.tokens("eos_token_id"),
            beginToken: try reader.tokens("bos_token_id").first)
        try validate(path: path)
    }
}

/// Typed access to `config.json` with errors that name the file and the key.
private struct ConfigReader {
    let config: JSONValue
    let path: String

    struct Quantization {
        var direction = ModelConfiguration.ScaleDirection.multiply
        var quantizesMasters = false
        var hasLinearNorms = false
        var normEpsilon: Float?
    }

    func invalid(_ key: String, _ detail: String) -> BitNetError {
        .invalidMetadata(path: path, key: key, detail: detail)
    }

    func int(_ key: String) throws(BitNetError) -> Int {
        guard let value = try config.int(key, in: path) else { throw invalid(key, "is missing") }
        return value
    }

    func float(_ key: String, default value: Float) throws(BitNetError) -> Float {
        try config.double(key, in: path).map { Float($0) } ?? value
    }

    /// A token id, a list of them, or nothing.
    func tokens(_ key: String) throws(BitNetError) -> [Int] {
        if let list = config.object?[key]?.array { return list.compactMap(\.int) }
        return try config.int(key, in: path).map { [$0] } ?? []
    }

    func architecture() throws(BitNetError) -> ModelConfiguration.Architecture {
        let names = try config.array("architectures", in: path)?.compactMap(\.string) ?? []
        let modelType = try config.string("model_type", in: path)
        switch names.first ?? modelType ?? "" {
        case "BitNetForCausalLM", "BitnetForCausalLM", "bitnet": return .bitnet
        case "LlamaForCausalLM", "llama": return .llama
        case "Qwen3Model", "Qwen3ForCausalLM", "qwen3": return .qwen3
        case let other:
            throw .unsupportedArchitecture(
                name: other,
                known: [
                    "BitNetForCausalLM", "BitnetForCausalLM", "LlamaForCausalLM",
                    "Qwen3Model (BitNet embeddings)",
                ])
        }
    }

    /// Settings that this library's graphs do not have: refused unless they are off.
    func refuseUnknownGraph() throws(BitNetError) {
        let off: [JSONValue] = [.null, .bool(false)]
        let unsupported = [
            "attention_bias", "mlp_bias", "use_sliding_window", "attn_logit_softcapping",
            "final_logit_softcapping", "num_local_experts", "num_experts", "embedding_multiplier",
            "residual_multiplier", "attention_multiplier", "logits_scaling", "logit_scale",
        ]
        for key in unsupported {
            if let value = config.object?[key], !off.contains(value) {
                throw .unsupportedFeature(path: path, feature: key, value: "\(value)")
            }
        }
        let layers = try config.array("layer_types", in: path) ?? []
        if let other = layers.first(where: { $0 != .string("full_attention") }) {
            throw .unsupportedFeature(path: path, feature: "layer_types", value: "\(other)")
        }
        try refusePartialRotation(config, "")
        for key in ["rope_scaling", "rope_parameters"] {
            guard let rope = try config.object(key, in: path) else { continue }
            try refusePartialRotation(rope, key + ".")
            let names = [try rope.string("rope_type", in: path), try rope.string("type", in: path)]
            let type = names.compactMap(\.self).first ?? "linear"
            let factor = try rope.double("factor", in: path) ?? 1
            // "default" is no scaling, whatever the factor says.
            if type == "default" || type == "linear" && factor == 1 { continue }
            throw .unsupportedFeature(
                path: path, feature: "\(key).rope_type", value: "\(type), factor \(factor)")
        }
    }

    private func refusePartialRotation(
        _ settings: JSONValue, _ prefix: String
    ) throws(BitNetError) {
        if let factor = try settings.double("partial_rotary_factor", in: path), factor != 1 {
            throw .unsupportedFeature(
                path: path, feature: "\(prefix)partial_rotary_factor", value: "\(factor)")
        }
    }

    func ropeBase(_ architecture: ModelConfiguration.Architecture) throws(BitNetError) -> Float {
        let parameters = try config.object("rope_parameters", in: path) ?? .null
        let nested = try parameters.double("rope_theta", in: path)
        if let base = try config.double("rope_theta", in: path) ?? nested { return Float(base) }
        return architecture == .bitnet ? 500_000 : 10_000
    }

    func activation(
        _ architecture: ModelConfiguration.Architecture
    ) throws(BitNetError) -> Activation {
        guard let name = try config.string("hidden_act", in: path) else {
            return architecture == .bitnet ? .squaredReLU : .silu
        }
        switch name {
        case "relu2": return .squaredReLU
        case "silu", "swish": return .silu
        default: throw .unsupportedFeature(path: path, feature: "hidden_act", value: name)
        }
    }

    func isHeadTied(_ architecture: ModelConfiguration.Architecture) throws(BitNetError) -> Bool {
        if let tied = try config.bool("tie_word_embeddings", in: path) { return tied }
        return architecture != .llama
    }

    /// Reads `quantization_config`. Without one, BitNet models hold master weights
    /// and the others must hold weights that are ternary already.
    func quantization(
        _ architecture: ModelConfiguration.Architecture
    ) throws(BitNetError) -> Quantization {
        var result = Quantization()
        guard let settings = try config.object("quantization_config", in: path) else {
            result.quantizesMasters = architecture != .llama
            result.hasLinearNorms = architecture == .qwen3
            return result
        }
        let method = try settings.string("quant_method", in: path)
        guard method == "bitnet" else {
            throw .unsupportedFeature(
                path: path, feature: "quantization_config.quant_method", value: method ?? "none")
        }
        let skipped = try settings.array("modules_to_not_convert", in: path) ?? []
        if let other = skipped.compactMap(\.string).first(where: { $0 != "lm_head" }) {
            throw .unsupportedFeature(
                path: path, feature: "quantization_config.modules_to_not_convert", value: other)
        }
        let linearClass = try settings.string("linear_class", in: path) ?? "bitlinear"
        switch linearClass {
        case "autobitlinear":
            let mode = try settings.string("quantization_mode", in: path) ?? "offline"
            guard mode == "online" || mode == "offline" else {
                throw .unsupportedFeature(
                    path: path, feature: "quantization_config.quantization_mode", value: mode)
            }
            result.quantizesMasters = mode == "online"
        case "bitlinear":
            result.direction = .divide
        default:
            throw .unsupportedFeature(
                path: path, feature: "quantization_config.linear_class", value: linearClass)
        }
        result.hasLinearNorms = try settings.bool("use_rms_norm", in: path) ?? false
        if architecture == .bitnet && result.hasLinearNorms {
            // No such model is known: it would have two norms in a row.
            throw .unsupportedFeature(
                path: path, feature: "quantization_config.use_rms_norm", value: "true")
        }
        result.normEpsilon = try settings.double("rms_norm_eps", in: path).map { Float($0) } ?? 1e-6
        return result
    }
}

/// Typed access to `config.json` with errors that name the file and the key.
struct ConfigReader {
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
        case "Gemma3TextModel", "Gemma3ForCausalLM", "gemma3_text": return .gemma3
        case let other:
            throw .unsupportedArchitecture(
                name: other,
                known: [
                    "BitNetForCausalLM", "BitnetForCausalLM", "LlamaForCausalLM",
                    "Qwen3Model and Gemma3TextModel (BitNet embeddings)",
                ])
        }
    }

    /// Settings that this library's graphs do not have: refused unless they are off.
    func refuseUnknownGraph(
        _ architecture: ModelConfiguration.Architecture
    ) throws(BitNetError) {
        let off: [JSONValue] = [.null, .bool(false)]
        let unsupported = [
            "attention_bias", "mlp_bias", "use_sliding_window", "attn_logit_softcapping",
            "final_logit_softcapping", "num_local_experts", "num_experts", "embedding_multiplier",
            "residual_multiplier", "attention_multiplier", "logits_scaling", "logit_scale",
            "use_bidirectional_attention",
        ]
        for key in unsupported {
            if let value = config.object?[key], !off.contains(value) {
                throw .unsupportedFeature(path: path, feature: key, value: "\(value)")
            }
        }
        if architecture != .gemma3 {
            let layers = try config.array("layer_types", in: path) ?? []
            if let other = layers.first(where: { $0 != .string("full_attention") }) {
                throw .unsupportedFeature(path: path, feature: "layer_types", value: "\(other)")
            }
        }
        try refusePartialRotation(config, "")
        for (key, rope) in try ropeSettings() {
            try refusePartialRotation(rope, key + ".")
            let type = try ropeType(rope)
            let factor = try rope.double("factor", in: path) ?? 1
            let isLlama3 = type == "llama3" && architecture != .gemma3
            // "default" is no scaling, whatever the factor says.
            if type == "default" || type == "linear" && factor == 1 || isLlama3 { continue }
            throw .unsupportedFeature(
                path: path, feature: "\(key).rope_type", value: "\(type), factor \(factor)")
        }
    }

    /// The rotary settings under any of their names; Gemma3 has some for each kind of layer.
    func ropeSettings() throws(BitNetError) -> [(key: String, value: JSONValue)] {
        var settings: [(key: String, value: JSONValue)] = []
        for key in ["rope_scaling", "rope_parameters"] {
            guard let rope = try config.object(key, in: path) else { continue }
            let kinds = ["full_attention", "sliding_attention"]
            let nested = kinds.filter { rope[$0]?.object != nil }
            if nested.isEmpty { settings.append((key, rope)) }
            for kind in nested { settings.append(("\(key).\(kind)", rope[kind] ?? .null)) }
        }
        return settings
    }

    private func ropeType(_ rope: JSONValue) throws(BitNetError) -> String {
        let names = [try rope.string("rope_type", in: path), try rope.string("type", in: path)]
        return names.compactMap(\.self).first ?? "linear"
    }

    /// `rope_type: llama3`, where the file has it.
    func ropeScaling() throws(BitNetError) -> RopeScaling? {
        for (key, rope) in try ropeSettings() {
            guard try ropeType(rope) == "llama3" else { continue }
            func number(_ name: String) throws(BitNetError) -> Float {
                guard let value = try rope.double(name, in: path) else {
                    throw invalid("\(key).\(name)", "is missing")
                }
                return Float(value)
            }
            let name = "original_max_position_embeddings"
            let nested = try rope.int(name, in: path)
            let flat = try config.int(name, in: path)
            guard let context = nested ?? flat else {
                throw invalid("\(key).\(name)", "is missing")
            }
            return RopeScaling(
                factor: try number("factor"), lowFrequencyFactor: try number("low_freq_factor"),
                highFrequencyFactor: try number("high_freq_factor"),
                originalContextLength: context)
        }
        return nil
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
        if let base = try config.double("rope_theta", in: path) { return Float(base) }
        for (key, rope) in try ropeSettings() where !key.hasSuffix("sliding_attention") {
            if let base = try rope.double("rope_theta", in: path) { return Float(base) }
        }
        switch architecture {
        case .bitnet: return 500_000
        case .gemma3: return 1_000_000
        case .llama, .qwen3: return 10_000
        }
    }

    func activation(
        _ architecture: ModelConfiguration.Architecture
    ) throws(BitNetError) -> Activation {
        let key = architecture == .gemma3 ? "hidden_activation" : "hidden_act"
        guard let name = try config.string(key, in: path) else {
            switch architecture {
            case .bitnet: return .squaredReLU
            case .gemma3: return .gelu
            case .llama, .qwen3: return .silu
            }
        }
        guard let activation = Activation(name: name) else {
            throw .unsupportedFeature(path: path, feature: key, value: name)
        }
        return activation
    }

    func isLMHeadTied(_ architecture: ModelConfiguration.Architecture) throws(BitNetError) -> Bool {
        if let tied = try config.bool("tie_word_embeddings", in: path) { return tied }
        return architecture != .llama
    }
}

// Settings that this library's graphs do not have: refused unless their values change nothing.
extension ConfigReader {
    func refuseUnknownGraph() throws(BitNetError) {
        let keys = [
            "attention_bias", "mlp_bias", "attn_logit_softcapping", "final_logit_softcapping",
            "num_local_experts", "num_experts", "embedding_multiplier", "residual_multiplier",
            "attention_multiplier", "logits_scaling", "logit_scale", "use_bidirectional_attention",
        ]
        for key in keys {
            if let value = config[key], try isNeutral(key, value.single) == false {
                throw unsupported(key, value)
            }
        }
        if architecture != .gemma3 { try refuseWindows() }
        try refusePartialRotation(config, "")
        for (key, rope) in try ropeSettings() { try refuseScaling(key, rope) }
    }

    /// Whether a setting says what is true of the graph without it.
    private func isNeutral(_ key: String, _ value: JSONValue) throws(BitNetError) -> Bool {
        switch key {
        case "embedding_multiplier", "residual_multiplier", "logits_scaling", "logit_scale":
            return value.double == 1 || value == .null || value == .bool(false)
        case "attention_multiplier":
            guard let number = value.double else { return value.isOff }
            let heads = try int("num_attention_heads", default: defaults.headCount)
            let hidden = try int("hidden_size", default: defaults.hiddenSize)
            let dimension = try headDimension(hidden / max(1, heads))
            let size = try queryScalar() ?? Float(dimension)
            return abs(number * Double(size).squareRoot() - 1) < 1e-5
        default:
            return value.isOff
        }
    }

    /// Layers that see the last tokens only, in graphs without such layers. A window as long as the
    /// context hides nothing.
    private func refuseWindows() throws(BitNetError) {
        let types = try config.array("layer_types", in: path)
        let context = try int("max_position_embeddings", default: defaults.contextLength)
        let window = config["sliding_window"]?.single.double
        if let window, window >= Double(context) { return }
        if let other = types?.first(where: { $0 != .string("full_attention") }) {
            throw unsupported("layer_types", other)
        }
        let key = "use_sliding_window"
        guard let use = config[key], !use.isOff else { return }
        guard architecture == .qwen3, use == .bool(true) else { throw unsupported(key, use) }
        // The first layers see everything, by the class all up to the 28th.
        let full = try int("max_window_layers", default: 28)
        let layers = try int(Self.layerCount, default: defaults.layerCount)
        let isNull = config["sliding_window"] == .null
        if types == nil, !isNull, full < layers { throw unsupported(key, use) }
    }

    private func refusePartialRotation(
        _ settings: JSONValue, _ prefix: String
    ) throws(BitNetError) {
        let key = "partial_rotary_factor"
        if let factor = try settings.double(key, in: path), factor != 1 {
            throw unsupported(prefix + key, .double(factor))
        }
    }
}

// MARK: - Rotary settings

extension ConfigReader {
    private func refuseScaling(_ key: String, _ rope: JSONValue) throws(BitNetError) {
        try refusePartialRotation(rope, key + ".")
        let type = try ropeType(rope)
        let factor = try rope.double("factor", in: path) ?? 1
        let isLlama3 = type == "llama3" && architecture != .gemma3
        // "default" is no scaling, whatever the factor says.
        if type == "default" || (type ?? "linear") == "linear" && factor == 1 || isLlama3 { return }
        throw .unsupportedFeature(
            path: path, feature: "\(key).rope_type",
            value: "\(type.map { "'\($0)'" } ?? "none"), factor \(factor)")
    }

    /// The rotary settings under any of their names, the one that counts first; Gemma3 has some for
    /// each kind of layer.
    func ropeSettings() throws(BitNetError) -> [(key: String, value: JSONValue)] {
        var settings: [(key: String, value: JSONValue)] = []
        for key in ["rope_scaling", "rope_parameters"] {
            guard let rope = try config.object(key, in: path), !rope.isOff else { continue }
            let kinds = ["full_attention", "sliding_attention"]
            let nested = kinds.filter { rope[$0]?.object != nil }
            if nested.isEmpty { settings.append((key, rope)) }
            for kind in nested { settings.append(("\(key).\(kind)", rope[kind] ?? .null)) }
        }
        return settings
    }

    private func ropeType(_ rope: JSONValue) throws(BitNetError) -> String? {
        let names = [try rope.string("rope_type", in: path), try rope.string("type", in: path)]
        return names.compactMap(\.self).first
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
            let context = try int("max_position_embeddings", default: defaults.contextLength)
            return RopeScaling(
                factor: try number("factor"), lowFrequencyFactor: try number("low_freq_factor"),
                highFrequencyFactor: try number("high_freq_factor"),
                originalContextLength: nested ?? flat ?? context)
        }
        return nil
    }

    /// The base of layers that see everything. The one among the rotary settings counts more than
    /// the key by itself, and the older name of the settings more than the newer one.
    func ropeBase() throws(BitNetError) -> Float {
        let settings = try ropeSettings().filter { !$0.key.hasSuffix("sliding_attention") }
        let flat = try config.double("rope_theta", in: path).map { Float($0) }
        for (place, (key, rope)) in settings.enumerated() {
            guard let base = try base(rope, key) else { continue }
            // transformers drops the newer settings where the file has both, and has Gemma3 read a
            // base only where it is given for a kind of layer.
            let isDropped = architecture == .gemma3 ? key == "rope_parameters" : place > 0
            let read = flat ?? defaults.ropeBase
            if isDropped, base != read {
                throw invalid(
                    "\(key).rope_theta",
                    "is \(base), but \(defaults.name) does not read it there and takes \(read); "
                        + (architecture == .gemma3
                            ? "move it into rope_parameters.full_attention"
                            : "remove rope_scaling, or give it this rope_theta"))
            }
            return base
        }
        return try float("rope_theta", default: defaults.ropeBase)
    }

    /// The base of the layers with a window.
    func slidingRopeBase() throws(BitNetError) -> Float {
        let key = "rope_parameters"
        if let rope = try config.object(key, in: path)?["sliding_attention"],
            let base = try base(rope, key + ".sliding_attention")
        {
            return base
        }
        return try float("rope_local_base_freq", default: 10_000)
    }

    private func base(_ rope: JSONValue, _ key: String) throws(BitNetError) -> Float? {
        guard let value = rope["rope_theta"] else { return nil }
        if value == .null { throw invalid("\(key).rope_theta", "is null; give a number") }
        return try rope.double("rope_theta", in: path).map { Float($0) }
    }
}

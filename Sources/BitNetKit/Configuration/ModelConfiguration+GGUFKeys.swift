// Keys of an architecture that this library's graphs do not have, which pass where they say so.
extension GGUFConfigReader {
    /// Keys that are read, or that say nothing about the graph.
    private static let known: Set<String> = [
        "vocab_size", "context_length", "embedding_length", "block_count",
        "feed_forward_length", "attention.head_count", "attention.head_count_kv",
        "attention.layer_norm_rms_epsilon", "attention.key_length", "attention.value_length",
        "rope.freq_base", "rope.dimension_count", "rope.scaling.type", "rope.scaling.factor",
        "rope.scale_linear", "rope.scaling.original_context_length", "rope.scaling.finetuned",
        "pooling_type", "tensor_data_layout",
    ]
    private static let knownOfGemma: Set<String> = [
        "attention.sliding_window", "attention.sliding_window_pattern", "rope.freq_base_swa",
    ]
    /// Names under which files of several programs say which activation function they have.
    private static let activationKeys = [
        "hidden_act", "hidden_activation", "activation_function", "feed_forward.activation",
    ]

    /// Refuses any other key, unless its value is the neutral one: it may change the graph, and
    /// nobody would notice.
    func refuseUnknownKeys(
        _ architecture: ModelConfiguration.Architecture, headDimension: Int
    ) throws(BitNetError) {
        var known = Self.known.union(Self.activationKeys)
        if architecture == .gemma3 { known.formUnion(Self.knownOfGemma) }
        let start = Array("\(prefix).".utf8)
        for entry in gguf.metadata where entry.key.utf8.starts(with: start) {
            let key = String(decoding: entry.key.utf8.dropFirst(start.count), as: UTF8.self)
            if known.contains(key) { continue }
            guard try isNeutral(key, entry.value, headDimension: headDimension) else {
                throw .unsupportedFeature(
                    path: gguf.path, feature: entry.key, value: entry.value.shown)
            }
        }
    }

    /// Whether a key says what is true of the graph without it: that something is off, or what
    /// llama.cpp does where the key is absent.
    private func isNeutral(
        _ key: String, _ value: GGUFValue, headDimension: Int
    ) throws(BitNetError) -> Bool {
        let single = value.single
        let number = single.double ?? single.int.map { Double($0) }
        switch key {
        case "attention.causal":
            return single.bool ?? (number == 1)
        case "rope.scaling.attn_factor":
            return number == 1
        case "rope.scaling.yarn_ext_factor", "rope.scaling.yarn_attn_factor",
            "rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow",
            "rope.scaling.yarn_log_multiplier":
            // Another type of scaling than YaRN does not read them, and YaRN is refused.
            return true
        case "logit_scale", "residual_scale", "embedding_scale", "attention.output_scale",
            "expert_weights_scale":
            return number == 0 || number == 1
        case "attention.scale":
            guard let number, number != 0 else { return number == 0 }
            return abs(number * Double(headDimension).squareRoot() - 1) < 1e-5
        case "attention.sliding_window":
            // A window that holds the whole context hides nothing.
            let context = try optionalInt("context_length") ?? 2048
            return number == 0 || number.map { $0 >= Double(context) } ?? false
        case "rope.freq_base_swa":
            let base = try optionalFloat("rope.freq_base") ?? 10_000
            return number.map { Float($0) == base } ?? false
        case "attention.key_length_swa", "attention.value_length_swa", "rope.dimension_count_swa":
            return number == Double(headDimension)
        case "interleave_moe_layer_step", "moe_every_n_layers":
            return value.isOff || hasNoExperts
        default:
            return value.isOff || (key.utf8.starts(with: "expert_".utf8) && hasNoExperts)
        }
    }

    /// Whether the file says that there are no experts: what else it says of them is then unread.
    private var hasNoExperts: Bool { gguf["\(prefix).expert_count"]?.isOff ?? false }

    /// The activation function that the file names, if it does.
    func activation() throws(BitNetError) -> Activation? {
        for key in Self.activationKeys {
            guard let name = try gguf.string("\(prefix).\(key)") else { continue }
            guard let activation = Activation(name: name) else {
                throw .unsupportedFeature(
                    path: gguf.path, feature: "\(prefix).\(key)", value: "\(name.quoted)")
            }
            return activation
        }
        return nil
    }
}

extension Activation {
    /// The function that configurations call `name`, if it is one of these.
    init?(name: String) {
        switch name {
        case Activation.gelu.rawValue: self = .gelu
        case "relu2": self = .squaredReLU
        case "silu", "swish": self = .silu
        default: return nil
        }
    }
}

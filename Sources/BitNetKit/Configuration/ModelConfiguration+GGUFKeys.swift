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
        if hasNoExperts, Self.words(of: key).contains(where: Self.ofExperts.contains) {
            return true
        }
        if Self.isProvenance(key, value) { return true }
        let single = value.single
        let number = single.double ?? single.int.map { Double($0) }
        switch key {
        case "attention.causal":
            return single.bool ?? (number == 1)
        case "rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor":
            // llama.cpp multiplies sines and cosines by both, whatever the type of scaling.
            return number == 1
        case "rope.scaling.yarn_ext_factor":
            // Less than 0 stands for the type's own, which is 0 for all but YaRN.
            return number.map { $0 <= 0 } ?? false
        case "rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow",
            "rope.scaling.yarn_log_multiplier":
            // They are read where the one before is not 0.
            return number != nil
        case "logit_scale", "residual_scale", "embedding_scale", "attention.output_scale":
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
        case "expert_weights_scale":
            return number == 0 || number == 1
        default:
            return value.isOff
        }
    }

    /// Words of keys about experts.
    private static let ofExperts: Set<String> = ["expert", "experts", "moe"]
    /// Words of keys that say where a file comes from.
    private static let ofProvenance: Set<String> = [
        "author", "authors", "basename", "by", "citation", "comment", "commit", "converter",
        "copyright", "created", "creator", "dataset", "datasets", "date", "description", "doi",
        "exporter", "file", "filename", "finetune", "finetuned", "generator", "hash", "homepage",
        "host", "language", "languages", "license", "link", "name", "note", "notes", "organization",
        "origin", "provenance", "publisher", "quantizer", "repo", "repository", "sha256", "source",
        "sources", "tag", "tags", "time", "timestamp", "title", "tool", "uri", "url", "urls",
        "uuid",
        "with", "writer",
    ]
    /// Words of keys that say how something is computed.
    private static let ofGraph: Set<String> = [
        "act", "activation", "attention", "attn", "block", "embedding", "expert", "experts", "ffn",
        "feed", "forward", "func", "function", "gating", "head", "kernel", "layer", "layers",
        "logit",
        "loss", "mask", "mlp", "method", "mode", "moe", "norm", "pooling", "position", "residual",
        "rope", "router", "scale", "scaling", "ssm", "type",
    ]

    private static func words(of key: String) -> [String] {
        key.lowercased().split { $0 == "." || $0 == "_" || $0 == "-" }.map(String.init)
    }

    /// Whether a key has words that tell where the file comes from: no program computes with those.
    private static func isProvenance(_ key: String, _ value: GGUFValue) -> Bool {
        guard value.repairedText != nil || value.array?.strings != nil else { return false }
        let words = words(of: key)
        return words.contains(where: ofProvenance.contains)
            && !words.contains(where: ofGraph.contains)
    }

    /// Whether the file says that there are no experts: what else it says of them is then unread.
    private var hasNoExperts: Bool { gguf["\(prefix).expert_count"]?.isOff ?? false }

    /// The activation function that the file names, if it does.
    func activation() throws(BitNetError) -> Activation? {
        var first: (key: String, activation: Activation)?
        for key in Self.activationKeys {
            guard let name = try gguf.string("\(prefix).\(key)") else { continue }
            guard let activation = Activation(name: name) else {
                throw .unsupportedFeature(
                    path: gguf.path, feature: "\(prefix).\(key)", value: "\(name.quoted)")
            }
            if let first, first.activation != activation {
                throw invalid(
                    key,
                    "is \(name.quoted), but \(prefix).\(first.key) names "
                        + "'\(first.activation.rawValue)'; remove the one that is wrong")
            }
            first = first ?? (key, activation)
        }
        return first?.activation
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

/// Typed access to `config.json` with errors that name the file and the key.
struct ConfigReader {
    let config: JSONValue
    let path: String
    let architecture: ModelConfiguration.Architecture
    let defaults: ConfigDefaults

    init(_ config: JSONValue, path: String) throws(BitNetError) {
        self.config = config
        self.path = path
        architecture = try Self.architecture(of: config, path: path)
        defaults = ConfigDefaults(config, architecture)
    }

    struct Quantization {
        var direction = ModelConfiguration.ScaleDirection.multiply
        var quantizesMasters = false
        var hasLinearNorms = false
        var normEpsilon: Float?
    }

    private static func architecture(
        of config: JSONValue, path: String
    ) throws(BitNetError) -> ModelConfiguration.Architecture {
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

    /// Names under which configurations of several classes say which activation function they have.
    private static let activationKeys = ["hidden_act", "hidden_activation", "activation_function"]

    /// The one of them that the class reads.
    private var activationKey: String {
        architecture == .gemma3 ? "hidden_activation" : "hidden_act"
    }

    func activation() throws(BitNetError) -> Activation {
        let key = activationKey
        guard let name = try string(key) else { return defaults.activation }
        guard let activation = Activation(name: name) else {
            throw unsupported(key, .string(name))
        }
        return activation
    }

    /// What there is to say where a key that the class does not read names another function than the
    /// one that is computed.
    func activationWarnings() throws(BitNetError) -> [String] {
        let used = try activation()
        let said = try string(activationKey).map(\.quoted)
        return Self.activationKeys.compactMap { key in
            guard key != activationKey, let other = config[key]?.single, other != .null,
                other.string.flatMap(Activation.init(name:)) != used
            else { return nil }
            return "\(key) is \(other.shown) in config.json, but \(defaults.name) reads "
                + "\(activationKey), which is \(said ?? "not there and means '\(used.rawValue)'"): "
                + "that is computed; make both the same, or remove \(key)"
        }
    }

    func keyValueHeads(of heads: Int) throws(BitNetError) -> Int {
        let absent = defaults.keyValueHeadCount ?? heads
        return try int("num_key_value_heads", absent: absent, none: heads)
    }

    func headDimension(_ quotient: Int) throws(BitNetError) -> Int {
        let absent = defaults.headDimension ?? quotient
        return try int("head_dim", absent: absent, none: quotient)
    }

    /// Whether the file, or the class where it says nothing, makes the embedding the LM head.
    func isLMHeadTied() throws(BitNetError) -> Bool {
        try bool("tie_word_embeddings", default: defaults.isLMHeadTied)
    }

    /// Whether the model is of a class without an LM head.
    var isBareModel: Bool {
        config["architectures"]?.array?.first?.string?.hasSuffix("Model") ?? false
    }
}

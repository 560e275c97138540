/// What a configuration class has where `config.json` says nothing: those of transformers, and that
/// of 1bitLLM's models, which is Llama's under another name.
struct ConfigDefaults: Sendable {
    /// The class, for messages.
    let name: String
    let vocabularySize: Int
    let hiddenSize: Int
    let feedForwardSize: Int
    let layerCount: Int
    let headCount: Int
    /// Nil stands for as many as heads.
    let keyValueHeadCount: Int?
    /// Nil stands for the width of the residual stream divided among the heads.
    let headDimension: Int?
    let contextLength: Int
    let normEpsilon: Float
    let ropeBase: Float
    let activation: Activation
    var isLMHeadTied = false
    let beginToken: Int?
    let endToken: Int?
    /// Keys whose null is a value of its own; the others take none.
    let nullable: Set<String>

    static let bitnet = ConfigDefaults(
        name: "BitNetConfig", vocabularySize: 128_256, hiddenSize: 2560, feedForwardSize: 6912,
        layerCount: 30, headCount: 20, keyValueHeadCount: 5, headDimension: nil,
        contextLength: 2048, normEpsilon: 1e-5, ropeBase: 500_000, activation: .squaredReLU,
        beginToken: 128_000, endToken: 128_001, nullable: ["num_key_value_heads", "head_dim"])

    static let llama = ConfigDefaults(llama: "LlamaConfig")
    static let bitnet1bitLLM = ConfigDefaults(llama: "1bitLLM's BitnetConfig")

    static let qwen3 = ConfigDefaults(
        name: "Qwen3Config", vocabularySize: 151_936, hiddenSize: 4096, feedForwardSize: 22_016,
        layerCount: 32, headCount: 32, keyValueHeadCount: 32, headDimension: 128,
        contextLength: 32_768, normEpsilon: 1e-6, ropeBase: 10_000, activation: .silu,
        beginToken: nil, endToken: nil, nullable: ["num_key_value_heads"])

    static let gemma3 = ConfigDefaults(
        name: "Gemma3TextConfig", vocabularySize: 262_208, hiddenSize: 2304, feedForwardSize: 9216,
        layerCount: 26, headCount: 8, keyValueHeadCount: 4, headDimension: 256,
        contextLength: 131_072, normEpsilon: 1e-6, ropeBase: 1_000_000, activation: .gelu,
        isLMHeadTied: true, beginToken: 2, endToken: 1, nullable: [])
}

extension ConfigDefaults {
    private init(llama name: String) {
        self.init(
            name: name, vocabularySize: 32_000, hiddenSize: 4096, feedForwardSize: 11_008,
            layerCount: 32, headCount: 32, keyValueHeadCount: nil, headDimension: nil,
            contextLength: 2048, normEpsilon: 1e-6, ropeBase: 10_000, activation: .silu,
            beginToken: 1, endToken: 2, nullable: ["num_key_value_heads", "head_dim"])
    }

    /// Those of the class that reads a configuration: `architectures` names the graph, and
    /// `model_type` tells 1bitLLM's class from that of transformers.
    init(_ config: JSONValue, _ architecture: ModelConfiguration.Architecture) {
        switch architecture {
        case .llama: self = .llama
        case .qwen3: self = .qwen3
        case .gemma3: self = .gemma3
        case .bitnet:
            let isItsName = config["architectures"]?.array?.first == .string("BitnetForCausalLM")
            let isBitNet = config["model_type"] == .string("bitnet")
            // Only that class has this key.
            let is1bitLLM = isItsName && (!isBitNet || config["weight_bits"] != nil)
            self = is1bitLLM ? .bitnet1bitLLM : .bitnet
        }
    }
}

/// The ternary matrices of a layer, by their Hugging Face module.
package enum LinearPart: String, CaseIterable, Sendable {
    case query = "self_attn.q_proj"
    case key = "self_attn.k_proj"
    case value = "self_attn.v_proj"
    case output = "self_attn.o_proj"
    case gate = "mlp.gate_proj"
    case up = "mlp.up_proj"
    case down = "mlp.down_proj"

    /// The name in a GGUF file.
    var gguf: String {
        switch self {
        case .query: "attn_q"
        case .key: "attn_k"
        case .value: "attn_v"
        case .output: "attn_output"
        case .gate: "ffn_gate"
        case .up: "ffn_up"
        case .down: "ffn_down"
        }
    }

    /// The norm that BitNet models have before this matrix.
    package var subNorm: NormPart? {
        switch self {
        case .output: .attentionSub
        case .down: .feedForwardSub
        default: nil
        }
    }
}

/// The norms of a layer, apart from those inside each linear layer.
package enum NormPart: CaseIterable, Sendable {
    case attentionInput, feedForwardInput, attentionSub, feedForwardSub
    case attentionPost, feedForwardPost, queryHead, keyHead

    /// The name in a GGUF file.
    var gguf: String {
        switch self {
        case .attentionInput: "attn_norm"
        case .attentionSub: "attn_sub_norm"
        case .feedForwardInput: "ffn_norm"
        case .feedForwardSub: "ffn_sub_norm"
        case .queryHead: "attn_q_norm"
        case .keyHead: "attn_k_norm"
        case .attentionPost: "post_attention_norm"
        case .feedForwardPost: "post_ffw_norm"
        }
    }

    /// The names in Hugging Face folders; 1bitLLM's models have their own for the sub-norms, and
    /// where there are norms after attention, the one before the feed-forward network has another.
    func huggingFace(hasPostNorms: Bool) -> [String] {
        switch self {
        case .attentionInput: ["input_layernorm"]
        case .attentionSub: ["self_attn.attn_sub_norm", "self_attn.inner_attn_ln"]
        case .feedForwardInput:
            [hasPostNorms ? "pre_feedforward_layernorm" : "post_attention_layernorm"]
        case .feedForwardSub: ["mlp.ffn_sub_norm", "mlp.ffn_layernorm"]
        case .queryHead: ["self_attn.q_norm"]
        case .keyHead: ["self_attn.k_norm"]
        case .attentionPost: ["post_attention_layernorm"]
        case .feedForwardPost: ["post_feedforward_layernorm"]
        }
    }
}

extension ModelConfiguration {
    /// `[rows, columns]` of a layer's matrix.
    package func shape(of part: LinearPart) -> [Int] {
        let wide = headCount * headDimension
        let narrow = keyValueHeadCount * headDimension
        return switch part {
        case .query: [wide, hiddenSize]
        case .key, .value: [narrow, hiddenSize]
        case .output: [hiddenSize, wide]
        case .gate, .up: [feedForwardSize, hiddenSize]
        case .down: [hiddenSize, feedForwardSize]
        }
    }

    /// Elements of a layer's norm; nil where the graph does not have it.
    package func size(of part: NormPart) -> Int? {
        switch part {
        case .attentionInput, .feedForwardInput: hiddenSize
        case .attentionSub: hasSubNorms ? headCount * headDimension : nil
        case .feedForwardSub: hasSubNorms ? feedForwardSize : nil
        case .queryHead, .keyHead: hasHeadNorms ? headDimension : nil
        case .attentionPost, .feedForwardPost: hasPostNorms ? hiddenSize : nil
        }
    }

    /// Weights of all ternary matrices.
    package var ternaryWeightCount: Int {
        layerCount * LinearPart.allCases.reduce(0) { $0 + shape(of: $1).reduce(1, *) }
    }

    /// Heads among the rows of a matrix whose output is rotated, else 0.
    func rotatedHeads(of part: LinearPart) -> Int {
        switch part {
        case .query: headCount
        case .key: keyValueHeadCount
        default: 0
        }
    }
}

/// What tensors are called in a GGUF file and in a Hugging Face folder.
///
/// Functions that give several names list the ones writers have used for the same thing.
struct TensorNames: Sendable {
    let isGGUF: Bool
    /// Names of embedding models lack the leading `model.`.
    private let prefix: String
    private let hasPostNorms: Bool

    /// The names in a GGUF file.
    static let gguf = TensorNames(isGGUF: true, prefix: "", hasPostNorms: false)

    private init(isGGUF: Bool, prefix: String, hasPostNorms: Bool) {
        self.isGGUF = isGGUF
        self.prefix = prefix
        self.hasPostNorms = hasPostNorms
    }

    init(_ checkpoint: Checkpoint, hasPostNorms: Bool = false) {
        switch checkpoint.metadata {
        case .gguf:
            self = .gguf
        case .huggingFace:
            let isBare = checkpoint.tensor(named: "embed_tokens.weight") != nil
            self.init(isGGUF: false, prefix: isBare ? "" : "model.", hasPostNorms: hasPostNorms)
        }
    }

    var embedding: String { isGGUF ? "token_embd.weight" : "\(prefix)embed_tokens.weight" }
    var finalNorm: String { isGGUF ? "output_norm.weight" : "\(prefix)norm.weight" }
    var lmHead: String { isGGUF ? "output.weight" : "lm_head.weight" }
    /// What rotary frequencies are divided by, where a file says so.
    var ropeDivisors: String { "rope_freqs.weight" }

    private func module(_ part: LinearPart, _ layer: Int) -> String {
        isGGUF ? "blk.\(layer).\(part.gguf)" : "\(prefix)layers.\(layer).\(part.rawValue)"
    }

    func weight(_ part: LinearPart, _ layer: Int) -> String { module(part, layer) + ".weight" }

    /// The scale of a packed Hugging Face matrix, or of some old GGUF matrices.
    func scales(_ part: LinearPart, _ layer: Int) -> [String] {
        let name = module(part, layer)
        return isGGUF ? ["\(name).scale", "\(name).weight_scale"] : ["\(name).weight_scale"]
    }

    /// The norm inside a linear layer.
    func linearNorms(_ part: LinearPart, _ layer: Int) -> [String] {
        let name = module(part, layer)
        return isGGUF
            ? ["\(name)_norm_in.weight"] : ["\(name).rms_norm.weight", "\(name).norm.weight"]
    }

    func norm(_ part: NormPart, _ layer: Int) -> [String] {
        isGGUF
            ? ["blk.\(layer).\(part.gguf).weight"]
            : part.huggingFace(hasPostNorms: hasPostNorms).map {
                "\(prefix)layers.\(layer).\($0).weight"
            }
    }
}

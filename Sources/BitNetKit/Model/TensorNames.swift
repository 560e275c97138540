/// What the tensors of a layer are called in a GGUF file and in a Hugging Face folder.
///
/// `part` names follow the Hugging Face modules: `self_attn.q_proj`, `mlp.down_proj`, ...
struct TensorNames: Sendable {
    let isGGUF: Bool
    /// Names of embedding models lack the leading `model.`.
    let prefix: String

    init(_ checkpoint: Checkpoint) {
        if case .gguf = checkpoint.metadata { isGGUF = true } else { isGGUF = false }
        prefix = checkpoint.tensor(named: "embed_tokens.weight") == nil ? "model." : ""
    }

    var embedding: String { isGGUF ? "token_embd.weight" : "\(prefix)embed_tokens.weight" }
    var finalNorm: String { isGGUF ? "output_norm.weight" : "\(prefix)norm.weight" }
    var head: String { isGGUF ? "output.weight" : "lm_head.weight" }
    /// What rotary frequencies are divided by, where a file says so.
    var ropeDivisors: String { "rope_freqs.weight" }

    /// The name of a layer's part, without `.weight`.
    func part(_ part: String, layer: Int) -> String {
        if isGGUF { return "blk.\(layer).\(ggufParts[part] ?? part)" }
        return "\(prefix)layers.\(layer).\(part)"
    }

    func weight(_ part: String, layer: Int) -> String {
        self.part(part, layer: layer) + ".weight"
    }

    /// The scale that belongs to a packed Hugging Face matrix, or to some old GGUF matrices.
    func scales(_ part: String, layer: Int) -> [String] {
        let name = self.part(part, layer: layer)
        return isGGUF ? ["\(name).scale", "\(name).weight_scale"] : ["\(name).weight_scale"]
    }

    /// The norm inside a linear layer.
    func linearNorms(_ part: String, layer: Int) -> [String] {
        let name = self.part(part, layer: layer)
        return isGGUF ? ["\(name)_norm_in.weight"] : ["\(name).rms_norm.weight", "\(name).norm.weight"]
    }

    /// The norm over all heads before the output projection.
    func attentionSubNorms(layer: Int) -> [String] {
        isGGUF
            ? ["blk.\(layer).attn_sub_norm.weight"]
            : [
                weight("self_attn.attn_sub_norm", layer: layer),
                weight("self_attn.inner_attn_ln", layer: layer),
            ]
    }

    /// The norm before the down projection.
    func feedForwardSubNorms(layer: Int) -> [String] {
        isGGUF
            ? ["blk.\(layer).ffn_sub_norm.weight"]
            : [
                weight("mlp.ffn_sub_norm", layer: layer),
                weight("mlp.ffn_layernorm", layer: layer),
            ]
    }
}

private let ggufParts = [
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
]

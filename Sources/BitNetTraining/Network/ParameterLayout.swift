/// Where every parameter lies in one flat buffer of floats, by its name in checkpoints.
///
/// Matrices that share an input lie one after the other, so that their products can be one: query,
/// key, value; gate, up. Every size is a multiple of 16 floats but that of the last tensor.
struct ParameterLayout: Sendable {
    /// One tensor of the model.
    struct Entry: Sendable {
        let name: String
        let shape: [Int]
        let offset: Int
        /// Whether it is rounded to trits.
        let isTernary: Bool

        var count: Int { shape.reduce(1, *) }
        var range: Range<Int> { offset..<offset + count }
    }

    private(set) var tensors: [Entry] = []
    /// Floats of all tensors.
    private(set) var count = 0
    private var positions: [String: Int] = [:]

    init(_ shape: NetworkShape) {
        let (hidden, inner) = (shape.hiddenSize, shape.feedForwardSize)
        for layer in 0..<shape.layerCount {
            func name(_ part: String) -> String { "model.layers.\(layer).\(part).weight" }
            add(name("input_layernorm"), [hidden])
            add(name("self_attn.q_proj"), [hidden, hidden])
            add(name("self_attn.k_proj"), [shape.keyValueSize, hidden])
            add(name("self_attn.v_proj"), [shape.keyValueSize, hidden])
            add(name("self_attn.attn_sub_norm"), [hidden])
            add(name("self_attn.o_proj"), [hidden, hidden])
            add(name("post_attention_layernorm"), [hidden])
            add(name("mlp.gate_proj"), [inner, hidden])
            add(name("mlp.up_proj"), [inner, hidden])
            add(name("mlp.ffn_sub_norm"), [inner])
            add(name("mlp.down_proj"), [hidden, inner])
        }
        add("model.norm.weight", [hidden])
        add("model.embed_tokens.weight", [shape.vocabularySize, hidden], isTernary: false)
    }

    private mutating func add(_ name: String, _ shape: [Int], isTernary: Bool = true) {
        positions[name] = tensors.count
        tensors.append(
            Entry(name: name, shape: shape, offset: count, isTernary: isTernary && shape.count == 2)
        )
        count += shape.reduce(1, *)
    }

    /// The tensor called `name`, which exists.
    subscript(name: String) -> Entry { tensors[positions[name]!] }

    /// The tensor called `name`, if there is one.
    func entry(named name: String) -> Entry? { positions[name].map { tensors[$0] } }
}

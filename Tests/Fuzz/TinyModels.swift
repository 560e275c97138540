// The smallest models that load and generate, made anew for every run.

@testable import BitNetTokenizers

enum TinyModel {
    static let hidden = 32
    static let feedForward = 64
    static let heads = 2
    static let headDimension = 16
    static let specials = ["<|im_start|>", "<|im_end|>", "<s>", "<w>"]
    static let chatML =
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        + "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"

    /// All bytes, a few words made of them, then the special tokens.
    static let words: [(left: String, right: String)] = [
        ("t", "h"), ("th", "e"), (" ", "the"), ("a", "b"), ("{", "\""), ("\"", ":"),
    ]
    static let tokens: [String] =
        (0...255).map { ByteAlphabet.encode([UInt8($0)]) }
        + words.map { ByteAlphabet.encode(Array(($0.left + $0.right).utf8)) } + specials

    /// `[rows, columns]` of the matrices of a layer, by their names in a GGUF file.
    static let matrices: [(gguf: String, huggingFace: String, rows: Int, columns: Int)] = [
        ("attn_q", "self_attn.q_proj", hidden, hidden),
        ("attn_k", "self_attn.k_proj", headDimension, hidden),
        ("attn_v", "self_attn.v_proj", headDimension, hidden),
        ("attn_output", "self_attn.o_proj", hidden, hidden),
        ("ffn_gate", "mlp.gate_proj", feedForward, hidden),
        ("ffn_up", "mlp.up_proj", feedForward, hidden),
        ("ffn_down", "mlp.down_proj", hidden, feedForward),
    ]
    static let norms: [(gguf: String, huggingFace: String, count: Int)] = [
        ("attn_norm", "input_layernorm", hidden),
        ("ffn_norm", "post_attention_layernorm", hidden),
        ("attn_sub_norm", "self_attn.attn_sub_norm", hidden),
        ("ffn_sub_norm", "mlp.ffn_sub_norm", feedForward),
    ]

    /// Four trits a byte, none of them the fourth code.
    static func trits(_ count: Int, _ random: inout FuzzRandom) -> [UInt8] {
        (0..<count / 4).map { _ in
            (0..<4).reduce(0) { byte, _ in byte << 2 | UInt8(random.below(3)) }
        }
    }

    static func floats(_ values: [Float]) -> [UInt8] {
        var raw = RawBytes()
        for value in values { raw.number(value.bitPattern) }
        return raw.bytes
    }
}

// MARK: - GGUF

extension RawGGUF {
    mutating func entry(_ key: String, type: UInt32, _ value: [UInt8]) {
        entries.append(Entry(key: Array(key.utf8), type: type, value: value))
    }

    mutating func entry(_ key: String, _ value: UInt32) {
        var raw = RawBytes()
        raw.number(value)
        entry(key, type: 4, raw.bytes)
    }

    mutating func entry(_ key: String, _ text: String) {
        var raw = RawBytes()
        raw.string(Array(text.utf8))
        entry(key, type: 8, raw.bytes)
    }

    mutating func entry(_ key: String, _ values: [String]) {
        var raw = RawBytes()
        raw.number(UInt32(8))
        raw.number(UInt64(values.count))
        for value in values { raw.string(Array(value.utf8)) }
        entry(key, type: 9, raw.bytes)
    }

    mutating func entry(_ key: String, _ values: [Int32]) {
        var raw = RawBytes()
        raw.number(UInt32(5))
        raw.number(UInt64(values.count))
        for value in values { raw.number(value) }
        entry(key, type: 9, raw.bytes)
    }

    mutating func tensor(_ name: String, _ shape: [Int], type: UInt32, _ data: [UInt8]) {
        tensors.append(
            Tensor(
                name: Array(name.utf8), dimensions: shape.reversed().map { UInt64($0) },
                type: type, offset: nil, data: data))
    }

    /// A model that loads; `isTernary` or else its matrices are F32 with the same values.
    static func tinyModel(architecture: String, isTernary: Bool = true) -> RawGGUF {
        var file = RawGGUF()
        file.entry("general.architecture", architecture)
        for (key, value) in [
            ("embedding_length", TinyModel.hidden), ("feed_forward_length", TinyModel.feedForward),
            ("block_count", 1), ("attention.head_count", TinyModel.heads),
            ("attention.head_count_kv", 1), ("context_length", 64),
        ] { file.entry("\(architecture).\(key)", UInt32(value)) }
        file.entry(
            "\(architecture).attention.layer_norm_rms_epsilon", type: 6, TinyModel.floats([1e-5]))
        file.vocabulary()
        file.weights(hasSubNorms: architecture.hasPrefix("bitnet"), isTernary: isTernary)
        return file
    }

    private mutating func vocabulary() {
        let count = TinyModel.tokens.count
        let first = count - TinyModel.specials.count
        entry("tokenizer.ggml.model", "gpt2")
        entry("tokenizer.ggml.pre", "llama-bpe")
        entry("tokenizer.ggml.tokens", TinyModel.tokens)
        entry("tokenizer.ggml.token_type", (0..<count).map { $0 < first ? 1 : 3 })
        entry(
            "tokenizer.ggml.merges",
            TinyModel.words.map {
                "\(ByteAlphabet.encode(Array($0.left.utf8))) "
                    + ByteAlphabet.encode(Array($0.right.utf8))
            })
        entry("tokenizer.ggml.bos_token_id", UInt32(first + 2))
        entry("tokenizer.ggml.eos_token_id", UInt32(first + 1))
        entry("tokenizer.chat_template", TinyModel.chatML)
    }

    private mutating func weights(hasSubNorms: Bool, isTernary: Bool) {
        var random = FuzzRandom(seed: 1)
        let rows = TinyModel.tokens.count
        let embedding = (0..<rows * TinyModel.hidden).map { _ in Float(random.below(15) - 7) / 8 }
        var raw = RawBytes()
        for value in embedding { raw.number(UInt16(truncatingIfNeeded: value.bitPattern >> 16)) }
        tensor("token_embd.weight", [rows, TinyModel.hidden], type: 30, raw.bytes)
        for norm in TinyModel.norms where hasSubNorms || !norm.gguf.contains("sub") {
            let ones = [Float](repeating: 1, count: norm.count)
            tensor("blk.0.\(norm.gguf).weight", [norm.count], type: 0, TinyModel.floats(ones))
        }
        for matrix in TinyModel.matrices {
            let (name, count) = ("blk.0.\(matrix.gguf).weight", matrix.rows * matrix.columns)
            let shape = [matrix.rows, matrix.columns]
            if isTernary {
                let scale = TinyModel.floats([0.5, 0, 0, 0, 0, 0, 0, 0])
                tensor(name, shape, type: 36, TinyModel.trits(count, &random) + scale)
            } else {
                let values = (0..<count).map { _ in Float(random.below(3) - 1) / 2 }
                tensor(name, shape, type: 0, TinyModel.floats(values))
            }
        }
        let ones = [Float](repeating: 1, count: TinyModel.hidden)
        tensor("output_norm.weight", [TinyModel.hidden], type: 0, TinyModel.floats(ones))
    }
}

// MARK: - Hugging Face

extension TinyModel {
    static let config = """
        {"architectures": ["BitNetForCausalLM"], "model_type": "bitnet", "hidden_act": "relu2",
         "hidden_size": 32, "intermediate_size": 64, "max_position_embeddings": 64,
         "num_attention_heads": 2, "num_key_value_heads": 1, "num_hidden_layers": 1,
         "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "tie_word_embeddings": true,
         "vocab_size": \(tokens.count), "eos_token_id": \(tokens.count - 3),
         "quantization_config": {"quant_method": "bitnet", "linear_class": "autobitlinear",
         "quantization_mode": "offline"}}
        """

    /// The header and the data of a safetensors file.
    static func safetensors() -> (header: [UInt8], data: [UInt8]) {
        var random = FuzzRandom(seed: 2)
        var (members, data): ([String], [UInt8]) = ([], [])
        func add(_ name: String, _ type: String, _ shape: [Int], _ bytes: [UInt8]) {
            members.append(
                "\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape),"
                    + "\"data_offsets\":[\(data.count),\(data.count + bytes.count)]}")
            data += bytes
        }
        func half(_ values: [Float]) -> [UInt8] {
            values.flatMap { value in
                [UInt8(truncatingIfNeeded: value.bitPattern >> 16), UInt8(value.bitPattern >> 24)]
            }
        }
        let embedding = (0..<tokens.count * hidden).map { _ in Float(random.below(15) - 7) / 8 }
        add("model.embed_tokens.weight", "BF16", [tokens.count, hidden], half(embedding))
        for norm in norms {
            let name = "model.layers.0.\(norm.huggingFace).weight"
            add(name, "BF16", [norm.count], half(Array(repeating: 1, count: norm.count)))
        }
        for matrix in matrices {
            let name = "model.layers.0.\(matrix.huggingFace).weight"
            let trits = trits(matrix.rows * matrix.columns, &random)
            add(name, "U8", [matrix.rows / 4, matrix.columns], trits)
            add(name + "_scale", "BF16", [1], half([2]))
        }
        add("model.norm.weight", "BF16", [hidden], half(Array(repeating: 1, count: hidden)))
        return (Array("{\(members.joined(separator: ","))}".utf8), data)
    }

    /// A `tokenizer.json` with the tokens of the models here.
    static let tokenizerJSON: String = {
        func quoted(_ text: String) -> String { text.jsonLiteral(isASCII: true) }
        let plain = tokens.dropLast(specials.count)
        let vocabulary = plain.enumerated().map { "\(quoted($1)):\($0)" }
        let merges = words.map {
            quoted(
                "\(ByteAlphabet.encode(Array($0.left.utf8))) "
                    + ByteAlphabet.encode(Array($0.right.utf8)))
        }
        let added = specials.enumerated().map { index, text in
            "{\"id\":\(plain.count + index),\"content\":\(quoted(text)),\"single_word\":false,"
                + "\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":true}"
        }
        return """
            {"version":"1.0","truncation":null,"padding":null,
            "added_tokens":[\(added.joined(separator: ","))],"normalizer":null,
            "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,
            "use_regex":true},"post_processor":null,"decoder":{"type":"ByteLevel",
            "add_prefix_space":true,"trim_offsets":true,"use_regex":true},
            "model":{"type":"BPE","dropout":null,"unk_token":null,
            "continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":false,
            "byte_fallback":false,"vocab":{\(vocabulary.joined(separator: ","))},
            "merges":[\(merges.joined(separator: ","))]}}
            """
    }()
}

/// Hugging Face's `tokenizer.json`: what this library reads of it.
///
/// Components keep their type and the fields this library knows, so that one it does not support can
/// be named.
struct TokenizerJSON: Decodable {
    var normalizer: Component?
    var preTokenizer: Component?
    var postProcessor: Component?
    var decoder: Component?
    var addedTokens: [AddedToken]?
    var model: Model

    enum CodingKeys: String, CodingKey {
        case normalizer, decoder, model
        case preTokenizer = "pre_tokenizer"
        case postProcessor = "post_processor"
        case addedTokens = "added_tokens"
    }

    /// A token beside the vocabulary.
    struct AddedToken: Decodable {
        var id: Int
        var content: String
        var singleWord: Bool?
        var lstrip: Bool?
        var rstrip: Bool?
        var normalized: Bool?
        var special: Bool?

        enum CodingKeys: String, CodingKey {
            case id, content, lstrip, rstrip, normalized, special
            case singleWord = "single_word"
        }
    }

    /// Vocabulary and merges.
    struct Model: Decodable {
        var vocab: [String: Int]
        var merges: ByteStrings
        var ignoreMerges: Bool?
        var unknownToken: String?

        enum CodingKeys: String, CodingKey {
            case type, vocab, merges, dropout
            case ignoreMerges = "ignore_merges"
            case unknownToken = "unk_token"
            case byteFallback = "byte_fallback"
            case prefix = "continuing_subword_prefix"
            case suffix = "end_of_word_suffix"
        }
    }
}

extension TokenizerJSON.Model {
    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        // Early files do not say; only byte pair encoding has merges.
        let type = try values.decodeIfPresent(String.self, forKey: .type)
        guard type == "BPE" || type == nil && values.contains(.merges) else {
            throw BitNetError.tokenizer(
                detail: "model type '\(type ?? "none")' is not supported; supported: BPE")
        }
        if try values.decodeIfPresent(Bool.self, forKey: .byteFallback) == true {
            throw BitNetError.tokenizer(
                detail: "byte_fallback (sentencepiece-style byte pair encoding) is not supported")
        }
        if let dropout = try values.decodeIfPresent(Double.self, forKey: .dropout), dropout != 0 {
            throw BitNetError.tokenizer(detail: "dropout \(dropout) is not supported")
        }
        for key in [CodingKeys.prefix, .suffix] {
            let text = try values.decodeIfPresent(String.self, forKey: key) ?? ""
            guard text.isEmpty else {
                throw BitNetError.tokenizer(detail: "\(key.stringValue) '\(text)' is not supported")
            }
        }
        ignoreMerges = try values.decodeIfPresent(Bool.self, forKey: .ignoreMerges)
        unknownToken = try values.decodeIfPresent(String.self, forKey: .unknownToken)
        vocab = try values.decode([String: Int].self, forKey: .vocab)
        merges = try Self.merges(in: values)
    }

    /// Merges as "a b", or as ["a", "b"] as tokenizers 0.20 and later write them.
    private static func merges(
        in values: KeyedDecodingContainer<CodingKeys>
    ) throws -> ByteStrings {
        if let lines = try? values.decode([String].self, forKey: .merges) {
            return ByteStrings(lines)
        }
        var merges = ByteStrings()
        for (rank, pair) in try values.decode([[String]].self, forKey: .merges).enumerated() {
            guard pair.count == 2 else {
                throw BitNetError.tokenizer(detail: "merge \(rank) \(pair) is not two tokens")
            }
            merges.append(Array(pair[0].utf8) + [0x20] + Array(pair[1].utf8))
        }
        return merges
    }
}

extension TokenizerJSON {
    /// A normaliser, pre-tokenizer, post-processor or decoder.
    struct Component: Decodable {
        var type: String
        /// The parts of a `Sequence`.
        var parts: [Component] = []
        /// `Split`.
        var pattern: Pattern?
        var behavior: String?
        var invert: Bool?
        /// `ByteLevel`; Hugging Face's default for both is true.
        var addPrefixSpace: Bool?
        var useRegex: Bool?
        /// `TemplateProcessing`.
        var single: [TemplatePiece] = []
        var specialTokens: [String: TemplateToken] = [:]

        enum CodingKeys: String, CodingKey {
            case type, pretokenizers, processors, decoders, normalizers
            case pattern, behavior, invert, single
            case addPrefixSpace = "add_prefix_space"
            case useRegex = "use_regex"
            case specialTokens = "special_tokens"
        }

        /// This component, or the parts of a sequence, sequences inside it taken apart.
        var flattened: [Component] {
            type == "Sequence" ? parts.flatMap(\.flattened) : [self]
        }
    }

    /// What a `Split` splits at.
    struct Pattern: Decodable {
        var regex: String?
        var string: String?

        enum CodingKeys: String, CodingKey {
            case regex = "Regex"
            case string = "String"
        }
    }

    /// A token or the text in a `TemplateProcessing`.
    struct TemplatePiece: Decodable {
        var specialToken: Name?
        var sequence: Name?

        enum CodingKeys: String, CodingKey {
            case specialToken = "SpecialToken"
            case sequence = "Sequence"
        }

        struct Name: Decodable {
            var id: String
        }
    }

    /// The ids behind a template's token.
    struct TemplateToken: Decodable {
        var ids: [Int]
    }
}

extension TokenizerJSON.Component {
    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        type = try values.decode(String.self, forKey: .type)
        switch type {
        case "Sequence":
            for key in [CodingKeys.pretokenizers, .processors, .decoders, .normalizers] {
                parts += try values.decodeIfPresent([Self].self, forKey: key) ?? []
            }
        case "Split":
            pattern = try values.decode(TokenizerJSON.Pattern.self, forKey: .pattern)
            behavior = try values.decodeIfPresent(String.self, forKey: .behavior)
            invert = try values.decodeIfPresent(Bool.self, forKey: .invert)
        case "ByteLevel":
            addPrefixSpace = try values.decodeIfPresent(Bool.self, forKey: .addPrefixSpace)
            useRegex = try values.decodeIfPresent(Bool.self, forKey: .useRegex)
        case "TemplateProcessing":
            single = try values.decode([TokenizerJSON.TemplatePiece].self, forKey: .single)
            specialTokens = try values.decode(
                [String: TokenizerJSON.TemplateToken].self, forKey: .specialTokens)
        default: break
        }
    }
}

/// Hugging Face's `tokenizer_config.json`: what this library reads of it.
struct TokenizerConfigJSON: Decodable {
    var bosToken: Token?
    var eosToken: Token?
    var addBosToken: Bool?
    var addEosToken: Bool?

    enum CodingKeys: String, CodingKey {
        case bosToken = "bos_token"
        case eosToken = "eos_token"
        case addBosToken = "add_bos_token"
        case addEosToken = "add_eos_token"
    }

    /// A token as a string, or as an object with its `content`.
    struct Token: Decodable {
        var content: String

        enum CodingKeys: CodingKey {
            case content
        }

        init(from decoder: any Decoder) throws {
            if let text = try? decoder.singleValueContainer().decode(String.self) {
                content = text
            } else {
                let values = try decoder.container(keyedBy: CodingKeys.self)
                content = try values.decode(String.self, forKey: .content)
            }
        }
    }
}

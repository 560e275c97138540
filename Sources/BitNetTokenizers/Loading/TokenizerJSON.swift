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
    struct AddedToken: Decodable, Equatable {
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

        /// Contents are compared byte by byte: tokens may differ in their normal form alone.
        static func == (a: AddedToken, b: AddedToken) -> Bool {
            a.id == b.id && a.content.utf8.elementsEqual(b.content.utf8)
                && a.singleWord == b.singleWord && a.lstrip == b.lstrip && a.rstrip == b.rstrip
                && a.normalized == b.normalized && a.special == b.special
        }
    }

    /// How tokens are made, without vocabulary and merges, which `TokenizerJSONScanner` takes out.
    struct Model: Decodable {
        var ignoreMerges: Bool?
        var unknownToken: String?
        var fuseUnknown: Bool?
        var byteFallback: Bool?

        enum CodingKeys: String, CodingKey {
            case type, vocab, merges, dropout
            case ignoreMerges = "ignore_merges"
            case unknownToken = "unk_token"
            case fuseUnknown = "fuse_unk"
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
                detail: "model type \((type ?? "none").quoted) is not supported; supported: BPE")
        }
        if let dropout = try values.decodeIfPresent(Double.self, forKey: .dropout), dropout != 0 {
            throw BitNetError.tokenizer(detail: "dropout \(dropout) is not supported")
        }
        for key in [CodingKeys.prefix, .suffix] {
            let text = try values.decodeIfPresent(String.self, forKey: key) ?? ""
            guard text.isEmpty else {
                throw BitNetError.tokenizer(
                    detail: "\(key.stringValue) \(text.quoted) is not "
                        + "supported")
            }
        }
        ignoreMerges = try values.decodeIfPresent(Bool.self, forKey: .ignoreMerges)
        unknownToken = try values.decodeIfPresent(String.self, forKey: .unknownToken)
        fuseUnknown = try values.decodeIfPresent(Bool.self, forKey: .fuseUnknown)
        byteFallback = try values.decodeIfPresent(Bool.self, forKey: .byteFallback)
        // Only the types; the scanner has taken the contents.
        _ = try values.decode([String: Int].self, forKey: .vocab)
        _ = try values.decode([String].self, forKey: .merges)
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
        /// `ByteLevel`; Hugging Face's default for both is true. `Metaspace` has the first, too.
        var addPrefixSpace: Bool?
        var useRegex: Bool?
        /// `Metaspace`.
        var replacement: String?
        var prependScheme: String?
        var split: Bool?
        /// `Prepend`, `Replace`, and the decoder `Strip`.
        var prepend: String?
        var content: String?
        var start: Int?
        var stop: Int?
        /// The normaliser `Strip`.
        var stripLeft: Bool?
        var stripRight: Bool?
        /// `Digits`.
        var individualDigits: Bool?
        /// `TemplateProcessing`.
        var single: [TemplatePiece] = []
        var specialTokens: [String: TemplateToken] = [:]
        /// `BertProcessing`, `RobertaProcessing`: the ids before and after a text.
        var ends: [Int]?

        enum CodingKeys: String, CodingKey {
            case type, pretokenizers, processors, decoders, normalizers
            case pattern, behavior, invert, single, replacement, split, prepend, content
            case start, stop, cls, sep
            case prependScheme = "prepend_scheme"
            case stripLeft = "strip_left"
            case stripRight = "strip_right"
            case individualDigits = "individual_digits"
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

    /// A token's text and its id, one after the other.
    struct NamedID: Decodable {
        var id: Int

        init(from decoder: any Decoder) throws {
            var values = try decoder.unkeyedContainer()
            _ = try values.decode(String.self)
            id = try values.decode(Int.self)
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
        case "Split", "Replace":
            pattern = try values.decode(TokenizerJSON.Pattern.self, forKey: .pattern)
        case "ByteLevel":
            useRegex = try values.decodeIfPresent(Bool.self, forKey: .useRegex)
        case "Metaspace":
            replacement = try values.decode(String.self, forKey: .replacement)
            prependScheme = try values.decodeIfPresent(String.self, forKey: .prependScheme)
            split = try values.decodeIfPresent(Bool.self, forKey: .split)
        case "Prepend": prepend = try values.decode(String.self, forKey: .prepend)
        case "Strip":
            start = try values.decodeIfPresent(Int.self, forKey: .start)
            stop = try values.decodeIfPresent(Int.self, forKey: .stop)
            stripLeft = try values.decodeIfPresent(Bool.self, forKey: .stripLeft)
            stripRight = try values.decodeIfPresent(Bool.self, forKey: .stripRight)
        case "Digits":
            individualDigits = try values.decodeIfPresent(Bool.self, forKey: .individualDigits)
        case "TemplateProcessing":
            single = try values.decode([TokenizerJSON.TemplatePiece].self, forKey: .single)
            specialTokens = try values.decode(
                [String: TokenizerJSON.TemplateToken].self, forKey: .specialTokens)
        case "BertProcessing", "RobertaProcessing":
            ends = [
                try values.decode(TokenizerJSON.NamedID.self, forKey: .cls).id,
                try values.decode(TokenizerJSON.NamedID.self, forKey: .sep).id,
            ]
        default: break
        }
        behavior = try values.decodeIfPresent(String.self, forKey: .behavior)
        invert = try values.decodeIfPresent(Bool.self, forKey: .invert)
        content = try values.decodeIfPresent(String.self, forKey: .content)
        addPrefixSpace = try values.decodeIfPresent(Bool.self, forKey: .addPrefixSpace)
    }
}

extension TokenizerJSON.AddedToken {
    /// How the token is found in a text.
    var flags: AddedTokens.Flags {
        var flags: AddedTokens.Flags = []
        // As transformers and tokenizers have it where it is not said.
        if normalized ?? (special != true) { flags.insert(.normalized) }
        if lstrip == true { flags.insert(.stripsLeft) }
        if rstrip == true { flags.insert(.stripsRight) }
        if singleWord == true { flags.insert(.singleWord) }
        return flags
    }
}

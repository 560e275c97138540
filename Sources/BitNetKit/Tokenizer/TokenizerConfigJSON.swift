/// Hugging Face's `tokenizer_config.json`, or `special_tokens_map.json`, which has part of the same:
/// what this library reads of it.
struct TokenizerConfigJSON: Decodable {
    var bosToken: Token?
    var eosToken: Token?
    /// The special tokens that are named for what they are for, in the order in which transformers
    /// adds those that are new: `bos_token`, `eos_token` and so on, then lists of more.
    var named: [Token] = []
    var addBosToken: Bool?
    var addEosToken: Bool?
    /// Tokens beside those of the vocabulary's own file, by id.
    var addedTokens: [String: AddedToken]?

    /// A token beside the vocabulary, by its id.
    struct AddedToken: Decodable {
        var content: String
        var singleWord: Bool?
        var lstrip: Bool?
        var rstrip: Bool?
        var normalized: Bool?
        var special: Bool?

        enum CodingKeys: String, CodingKey {
            case content, lstrip, rstrip, normalized, special
            case singleWord = "single_word"
        }

        /// The token as `tokenizer.json` has it, with transformers' default for `normalized`.
        func token(id: Int) -> TokenizerJSON.AddedToken {
            TokenizerJSON.AddedToken(
                id: id, content: content, singleWord: singleWord, lstrip: lstrip,
                rstrip: rstrip, normalized: normalized ?? (special != true), special: special)
        }
    }

    /// A token as a string, or as an object with its `content` and how it is found.
    struct Token: Decodable {
        var content: String
        /// What the object says; nil for a string.
        private var details: AddedToken?

        init(from decoder: any Decoder) throws {
            if let text = try? decoder.singleValueContainer().decode(String.self) {
                content = text
            } else {
                let details = try AddedToken(from: decoder)
                (content, self.details) = (details.content, details)
            }
        }

        /// The token as it is added to a vocabulary that has none with this text.
        var special: TokenizerJSON.AddedToken {
            var token =
                details?.token(id: -1)
                ?? TokenizerJSON.AddedToken(id: -1, content: content, normalized: false)
            token.special = true
            return token
        }
    }

    private struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }

        init(_ name: String) { stringValue = name }
        init?(stringValue: String) { self.init(stringValue) }
        init?(intValue: Int) { nil }
    }

    private static let names = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"]

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
        bosToken = try values.decodeIfPresent(Token.self, forKey: Key("bos_token"))
        eosToken = try values.decodeIfPresent(Token.self, forKey: Key("eos_token"))
        addBosToken = try values.decodeIfPresent(Bool.self, forKey: Key("add_bos_token"))
        addEosToken = try values.decodeIfPresent(Bool.self, forKey: Key("add_eos_token"))
        addedTokens = try values.decodeIfPresent(
            [String: AddedToken].self, forKey: Key("added_tokens_decoder"))
        // What is not a token under these names is of no use here, and no obstacle.
        func token(_ key: String) -> Token? { try? values.decode(Token.self, forKey: Key(key)) }
        let known = Self.names.map { $0 + "_token" }
        let more = values.allKeys.map(\.stringValue)
            .filter { $0.hasSuffix("_token") && !known.contains($0) }
        named = (known + more.sorted()).compactMap(token)
        for list in ["extra_special_tokens", "additional_special_tokens"].map(Key.init) {
            if let tokens = try? values.decode([Token].self, forKey: list) {
                named += tokens
            } else if let tokens = try? values.decode([String: Token].self, forKey: list) {
                named += tokens.sorted { $0.key < $1.key }.map(\.value)
            }
        }
    }
}

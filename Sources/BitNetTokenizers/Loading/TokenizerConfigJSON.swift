/// Hugging Face's `tokenizer_config.json`, or `special_tokens_map.json`, which has part of the same:
/// what this library reads of it.
struct TokenizerConfigJSON: Decodable {
    var bosToken: Token?
    var eosToken: Token?
    /// The special tokens that are named for what they are for, by `bos_token` and so on.
    var named: [String: Token] = [:]
    /// More special tokens, if there is a list of them.
    var extra: [Token]?
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

        /// The token as `tokenizer.json` has it.
        func token(id: Int) -> TokenizerJSON.AddedToken {
            TokenizerJSON.AddedToken(
                id: id, content: content, singleWord: singleWord, lstrip: lstrip,
                rstrip: rstrip, normalized: normalized, special: special)
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

        /// The token as it is added to a vocabulary.
        var special: TokenizerJSON.AddedToken {
            var token = details?.token(id: -1) ?? TokenizerJSON.AddedToken(id: -1, content: content)
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

    /// The names that every model has, in the order in which transformers adds new tokens.
    private static let names = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"].map {
        $0 + "_token"
    }

    /// The named tokens in the order in which transformers adds new ones.
    var namedInOrder: [Token] {
        let more = named.keys.filter { !Self.names.contains($0) }.sorted()
        return (Self.names + more).compactMap { named[$0] }
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
        bosToken = try values.decodeIfPresent(Token.self, forKey: Key("bos_token"))
        eosToken = try values.decodeIfPresent(Token.self, forKey: Key("eos_token"))
        addBosToken = try values.decodeIfPresent(Bool.self, forKey: Key("add_bos_token"))
        addEosToken = try values.decodeIfPresent(Bool.self, forKey: Key("add_eos_token"))
        addedTokens = try values.decodeIfPresent(
            [String: AddedToken].self, forKey: Key("added_tokens_decoder"))
        // What is not a token under these names is of no use here, and no obstacle.
        for key in values.allKeys where key.stringValue.hasSuffix("_token") {
            named[key.stringValue] = try? values.decode(Token.self, forKey: key)
        }
        let lists = ["extra_special_tokens", "additional_special_tokens"].map(Key.init)
        extra = lists.lazy.compactMap { try? values.decode([Token].self, forKey: $0) }.first
        if let more = try? values.decode([String: Token].self, forKey: lists[0]) {
            named.merge(more) { $1 }
        }
    }
}

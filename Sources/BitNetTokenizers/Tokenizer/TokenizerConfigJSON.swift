/// Hugging Face's `tokenizer_config.json`: what this library reads of it.
struct TokenizerConfigJSON: Decodable {
    var bosToken: Token?
    var eosToken: Token?
    var addBosToken: Bool?
    var addEosToken: Bool?
    /// Tokens beside those of the vocabulary's own file, by id.
    var addedTokens: [String: AddedToken]?

    enum CodingKeys: String, CodingKey {
        case bosToken = "bos_token"
        case eosToken = "eos_token"
        case addBosToken = "add_bos_token"
        case addEosToken = "add_eos_token"
        case addedTokens = "added_tokens_decoder"
    }

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

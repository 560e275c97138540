/// The id of a special token as a model's metadata has it.
///
/// That may be anything: where there is no such token, writers leave the key out, or write null, -1
/// or the largest number of some type. Whoever reads it takes what is the id of a token, and leaves
/// out the rest with a word.
package struct SpecialTokenID: Sendable {
    /// The key that names it.
    package let key: String
    /// The value in a message.
    package let shown: String
    /// The number; nil for what is no whole number, or one that `Int` does not hold.
    package let id: Int?

    /// The id, if it is one of `count` tokens.
    package func token(below count: Int) -> Int? {
        id.flatMap { $0 >= 0 && $0 < count ? $0 : nil }
    }
}

extension GGUFFile {
    /// The value of `tokenizer.ggml.NAME_token_id`, nil where there is none.
    package func specialToken(_ name: String) -> SpecialTokenID? {
        let key = "tokenizer.ggml.\(name)_token_id"
        return self[key].map { SpecialTokenID(key: key, shown: $0.shown, id: $0.int) }
    }
}

extension JSONValue {
    /// The value of `key`, or the elements of a list; none for null.
    package func specialTokens(_ key: String) -> [SpecialTokenID] {
        guard let value = self[key], value != .null else { return [] }
        let values = value.array.map { Array($0) } ?? [value]
        return values.map { SpecialTokenID(key: key, shown: $0.shown, id: $0.int) }
    }
}

/// A vocabulary as a GGUF file has it: the values of its `tokenizer.ggml.*` keys.
package struct GGUFVocabulary: Sendable {
    /// `tokenizer.ggml.model`: `gpt2` is byte-level byte pair encoding, `llama` sentencepiece.
    package var model: String
    /// `tokenizer.ggml.pre`: how text is cut into words.
    package var pre: String?
    /// `general.architecture`.
    package var architecture: String
    /// `tokenizer.ggml.tokens`: normal tokens in GPT-2's byte alphabet, others as plain text.
    package var tokens: ByteStrings
    /// `tokenizer.ggml.merges`: two tokens with a space between, best first.
    package var merges: ByteStrings
    /// `tokenizer.ggml.token_type`: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused,
    /// 6 byte.
    package var tokenTypes: [Int32]?
    /// `tokenizer.ggml.scores`: sentencepiece merges the pair with the highest first.
    package var scores: [Float]?
    /// `tokenizer.ggml.add_space_prefix`: whether sentencepiece puts a space before a text.
    package var addsSpacePrefix: Bool?
    /// `tokenizer.bitnetkit.added_token_flags` by token: how tokens are found in a text
    /// (`AddedTokens.Flags`), and `isMember` or `isNoMember`. A key of this package: GGUF itself has
    /// none for it.
    package var tokenFlags: [Int: Int] = [:]
    /// `tokenizer.bitnetkit.leading_space`: what becomes of a space where a decoded text begins,
    /// where that is not what `addsSpacePrefix` implies. Another key of this package.
    package var leadingSpace: String?
    /// `tokenizer.ggml.unknown_token_id`.
    package var unknown: Int?
    /// `tokenizer.ggml.bos_token_id`.
    package var beginOfText: Int?
    /// `tokenizer.ggml.eos_token_id`.
    package var endOfText: Int?
    /// `tokenizer.ggml.eot_token_id` and other tokens that end a turn.
    package var additionalEnds: [Int]
    /// `tokenizer.ggml.add_bos_token`.
    package var addsBeginOfText: Bool?
    /// `tokenizer.ggml.add_eos_token`.
    package var addsEndOfText: Bool?

    package init(
        model: String, pre: String?, architecture: String, tokens: ByteStrings,
        merges: ByteStrings, tokenTypes: [Int32]? = nil, beginOfText: Int? = nil,
        endOfText: Int? = nil, additionalEnds: [Int] = [], addsBeginOfText: Bool? = nil,
        addsEndOfText: Bool? = nil
    ) {
        self.model = model
        self.pre = pre
        self.architecture = architecture
        self.tokens = tokens
        self.merges = merges
        self.tokenTypes = tokenTypes
        self.beginOfText = beginOfText
        self.endOfText = endOfText
        self.additionalEnds = additionalEnds
        self.addsBeginOfText = addsBeginOfText
        self.addsEndOfText = addsEndOfText
    }
}

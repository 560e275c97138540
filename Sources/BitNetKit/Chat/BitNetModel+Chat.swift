extension BitNetModel {
    /// Tokens after which an answer is over: end of turn, end of text.
    public var endOfTurnTokens: Set<Int> { tokenizer.endTokens }
}

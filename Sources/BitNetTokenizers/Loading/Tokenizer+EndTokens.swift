extension Tokenizer.Template {
    /// Special tokens that end a turn by the name they have in published vocabularies.
    private static let endNames = [
        "<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<|end_of_text|>", "<|endoftext|>",
        "<|end_of_turn|>", "<end_of_turn>", "<|endofturn|>", "<｜end▁of▁sentence｜>", "</s>",
    ]

    /// Adds what ends a turn to `ends`: it is often named nowhere but in the vocabulary.
    mutating func addNamedEnds(of vocabulary: Vocabulary) {
        for name in Self.endNames {
            if let id = vocabulary.id(ofAdded: name), vocabulary.kinds[id] == .control {
                ends.insert(id)
            }
        }
    }
}

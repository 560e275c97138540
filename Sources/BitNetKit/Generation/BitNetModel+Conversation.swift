extension BitNetModel {
    /// The tokens of a conversation: in the format of the model's chat template, or else of all
    /// contents joined to one text. Far more than `limit` are an error before all are found.
    func tokens(
        of messages: [ChatMessage], addsGenerationPrompt: Bool, limit: Int = .max,
        effort: Effort = Effort()
    ) throws(BitNetError) -> [Int] {
        guard let chatTemplate else {
            return try Prompt.text(messages.map(\.content).joined())
                .tokens(for: self, limit: limit, effort: effort)
        }
        return try tokenizer.encode(
            messages, template: chatTemplate, addsGenerationPrompt: addsGenerationPrompt,
            most: limit, effort: effort)
    }
}

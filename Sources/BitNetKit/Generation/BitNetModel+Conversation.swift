extension BitNetModel {
    /// The tokens of a conversation: in the format of the model's chat template, or else of all
    /// contents joined to one text. Far more than `limit` are an error before all are found.
    ///
    /// Tools are written as `toolFormat` says, also those of earlier turns.
    func tokens(
        of messages: [ChatMessage], tools: [ToolDescription] = [], addsGenerationPrompt: Bool,
        limit: Int = .max, effort: Effort = Effort()
    ) throws(BitNetError) -> [Int] {
        var (messages, tools) = (messages, tools)
        let hasTools = messages.contains { $0.role == .tool || !$0.toolCalls.isEmpty }
        if hasTools || !tools.isEmpty, case .generic = toolFormat {
            messages = ToolFormat.generic(messages, tools, hasTemplate: chatTemplate != nil)
            tools = []
        }
        guard let chatTemplate else {
            return try Prompt.text(messages.map(\.content).joined())
                .tokens(for: self, limit: limit, effort: effort)
        }
        return try tokenizer.encode(
            messages, tools: tools, template: chatTemplate,
            addsGenerationPrompt: addsGenerationPrompt, most: limit, effort: effort)
    }
}

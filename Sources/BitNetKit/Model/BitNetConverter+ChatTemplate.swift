extension Conversion {
    /// Renders as BitNet b1.58 2B-4T was trained: `System: ...<|eot_id|>User: ...<|eot_id|>Assistant: `.
    static let bitnet2BTemplate =
        "{% for message in messages %}"
        + "{{ (message['role'] | capitalize) + ': ' + (message['content'] | trim) + '<|eot_id|>' }}"
        + "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}"

    /// The name that only the placeholder of Microsoft's converter gives the assistant.
    private static let placeholderMark = "BITNETAssistant"

    /// Puts the real template in place of the placeholder that the published file of BitNet b1.58
    /// 2B-4T has; returns what there is to say about it.
    func replacePlaceholder(in entries: inout [GGUFFile.Entry]) -> [String] {
        let key = "tokenizer.chat_template"
        guard let index = entries.firstIndex(where: { $0.key == key }),
            entries[index].value.string?.contains(Conversion.placeholderMark) == true
        else { return [] }
        entries[index] = .init(key, .string(Conversion.bitnet2BTemplate))
        return [
            "the chat template of the source is a placeholder of its converter; the one that the "
                + "model was trained with was written instead"
        ]
    }
}

extension HuggingFaceFolder {
    /// The chat template: `chat_template.jinja`, else that of `tokenizer_config.json`, of several the
    /// one called default.
    func chatTemplate() throws(BitNetError) -> String? {
        if let path = file(named: "chat_template.jinja") {
            guard let text = ByteRegion(try MappedFile(opening: path)).text else {
                throw .malformedFile(path: path, detail: "not UTF-8")
            }
            return text
        }
        guard let value = tokenizerConfig?.object?["chat_template"] else { return nil }
        if let text = value.string { return text }
        let named = value.array?.first { $0["name"]?.string == "default" }
        return named?["template"]?.string
    }
}

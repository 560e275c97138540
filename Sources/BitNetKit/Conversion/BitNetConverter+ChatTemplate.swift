extension Conversion {
    /// Puts the real template in place of the placeholder that the published file of BitNet b1.58
    /// 2B-4T has; returns what there is to say about it.
    func replacePlaceholder(in entries: inout [GGUFFile.Entry]) -> [String] {
        let key = "tokenizer.chat_template"
        guard let index = entries.firstIndex(where: { $0.key == key }),
            entries[index].value.string?.contains(ChatTemplate.placeholderMark) == true
        else { return [] }
        entries[index] = .init(key, .string(ChatTemplate.Format.bitnet.source))
        return [
            "the chat template of the source is a placeholder of its converter; the one that the "
                + "model was trained with was written instead"
        ]
    }

    /// What there is to say about a folder's template that nobody can read and that is left out.
    func droppedTemplate() throws(BitNetError) -> [String] {
        guard case .huggingFace(let folder) = checkpoint.metadata,
            let problem = try ChatTemplate.Origin(folder).problem
        else { return [] }
        return ["the source's chat template is left out, for it cannot be read: \(problem)"]
    }
}

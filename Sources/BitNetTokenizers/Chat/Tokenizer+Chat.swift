extension Tokenizer {
    /// The tokens of a conversation, begin of text included where the model wants it.
    ///
    /// Special tokens written out in a message stay text: no user can end a turn or begin another.
    /// Otherwise the tokens are those of the whole rendered text.
    ///
    /// ```swift
    /// let ids = try tokenizer.encode(
    ///     [ChatMessage(.user, "Hello!")], template: template, addsGenerationPrompt: true)
    /// ```
    ///
    /// - Parameters:
    ///   - messages: the conversation so far.
    ///   - template: how the model wants it written.
    ///   - addsGenerationPrompt: whether the tokens end where the model's answer begins.
    /// - Throws: `BitNetError.chatTemplate`, as `ChatTemplate.render(_:addsGenerationPrompt:)`.
    public func encode(
        _ messages: [ChatMessage], template: ChatTemplate, addsGenerationPrompt: Bool
    ) throws(BitNetError) -> [Int] {
        let special = SpecialTexts(of: self)
        var ids: [Int]
        if messages.contains(where: { special.occur(in: $0.content) }) {
            let marker = try Self.marker(absentFrom: messages.map(\.content) + [template.source])
            var marked = messages
            for index in marked.indices {
                marked[index].content = special.breaking(marked[index].content, with: marker)
            }
            let text = try template.render(marked, addsGenerationPrompt: addsGenerationPrompt)
            ids = encode(text, removing: marker)
        } else {
            let text = try template.render(messages, addsGenerationPrompt: addsGenerationPrompt)
            ids = encode(text, special: true)
        }
        if addsBeginOfText, let beginOfText, ids.first != beginOfText {
            ids.insert(beginOfText, at: 0)
        }
        return ids
    }

    /// A noncharacter that occurs in none of `texts`.
    private static func marker(absentFrom texts: [String]) throws(BitNetError) -> Unicode.Scalar {
        let marker = (UInt32(0xFDD0)...0xFDEF).compactMap { Unicode.Scalar($0) }.first { marker in
            !texts.contains { $0.unicodeScalars.contains(marker) }
        }
        guard let marker else {
            throw .chatTemplate(
                detail: "the messages hold every noncharacter from U+FDD0 to U+FDEF; remove them")
        }
        return marker
    }

    /// The tokens of `text` with its special tokens, `marker` left out of what is between them.
    private func encode(_ text: String, removing marker: Unicode.Scalar) -> [Int] {
        let bytes = Array(text.utf8)
        var ids: [Int] = []
        storage.addedTokens.forEachPiece(in: bytes, special: true) { piece in
            switch piece {
            case .token(let id): ids.append(id)
            case .text(let range):
                let part = String(decoding: bytes[range], as: UTF8.self)
                let plain = String(part.unicodeScalars.filter { $0 != marker })
                ids += encode(plain)
            }
        }
        return ids
    }
}

/// The texts of a vocabulary's special tokens, by their first byte.
private struct SpecialTexts {
    private var texts: [UInt8: [ArraySlice<UInt8>]] = [:]

    init(of tokenizer: Tokenizer) {
        let vocabulary = tokenizer.vocabulary
        for (id, kind) in vocabulary.kinds.enumerated() where kind == .control {
            let text = vocabulary.tokens[id]
            if let first = text.first { texts[first, default: []].append(text) }
        }
    }

    private func begins(_ text: ArraySlice<UInt8>) -> Bool {
        guard let first = text.first, let candidates = texts[first] else { return false }
        return candidates.contains { text.starts(with: $0) }
    }

    /// Whether a special token is written out in `content`.
    func occur(in content: String) -> Bool {
        let bytes = Array(content.utf8)
        return bytes.indices.contains { begins(bytes[$0...]) }
    }

    /// `content` with `marker` after the first character of every special token written out in it.
    func breaking(_ content: String, with marker: Unicode.Scalar) -> String {
        let bytes = Array(content.utf8)
        var result = String.UnicodeScalarView()
        var position = 0
        for scalar in content.unicodeScalars {
            result.append(scalar)
            if begins(bytes[position...]) { result.append(marker) }
            position += UTF8.width(scalar)
        }
        return String(result)
    }
}

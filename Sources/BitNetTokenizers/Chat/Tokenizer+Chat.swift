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
    /// - Throws: `BitNetError.chatTemplate`, as `ChatTemplate.render(_:addsGenerationPrompt:)`;
    ///   `.invalidArgument` for a text of more than 1 GiB; `.cancelled` soon after the current task
    ///   is cancelled.
    public func encode(
        _ messages: [ChatMessage], template: ChatTemplate, addsGenerationPrompt: Bool
    ) throws(BitNetError) -> [Int] {
        try encode(
            messages, template: template, addsGenerationPrompt: addsGenerationPrompt,
            effort: .ofTask())
    }

    /// The same for a conversation in which the model may call tools. Special tokens in what tools
    /// return, and in the arguments of calls, are text; names, descriptions and schemas are taken as
    /// they are.
    ///
    /// - Throws: also `BitNetError.chatTemplate` where a schema or arguments are no JSON.
    public func encode(
        _ messages: [ChatMessage], tools: [ToolDescription], template: ChatTemplate,
        addsGenerationPrompt: Bool
    ) throws(BitNetError) -> [Int] {
        try encode(
            messages, tools: tools, template: template, addsGenerationPrompt: addsGenerationPrompt,
            effort: .ofTask())
    }

    /// The same, and `effort` says whether the tokens are still wanted, `most` how many can be used.
    package func encode(
        _ messages: [ChatMessage], tools: [ToolDescription] = [], template: ChatTemplate,
        addsGenerationPrompt: Bool, most: Int = .max, effort: Effort
    ) throws(BitNetError) -> [Int] {
        let special = SpecialTexts(of: self)
        for message in messages where try hasHiddenSpecial(message.content, effort) {
            return try encodeApart(
                messages, tools, template: template, addsGenerationPrompt: addsGenerationPrompt,
                effort)
        }
        var marked: [ChatMessage]?
        var marker: Unicode.Scalar?
        for (index, message) in messages.enumerated() {
            // The model has written the arguments of calls, after what the user has said.
            let texts = [message.content] + message.toolCalls.map(\.arguments)
            for (part, text) in texts.enumerated() {
                let places = try special.places(in: text, effort)
                guard !places.isEmpty else { continue }
                if marker == nil {
                    marker = try Self.marker(
                        absentFrom: messages.flatMap {
                            [$0.content] + $0.toolCalls.map(\.arguments)
                        }
                            + [template.source], effort)
                }
                guard let mark = marker else { continue }
                var changed = marked ?? messages
                let found = try Self.mark(text, places, mark, effort)
                if part == 0 {
                    changed[index].content = found
                } else {
                    changed[index].toolCalls[part - 1].arguments = found
                }
                marked = changed
            }
        }
        let text = try template.render(
            marked ?? messages, tools: tools, addsGenerationPrompt: addsGenerationPrompt,
            effort: effort)
        let ids =
            if let marker {
                try encode(text, removing: marker, most: most, effort)
            } else {
                try encode(text, special: true, most: most, effort: effort)
            }
        return withBeginOfText(ids)
    }

    private func withBeginOfText(_ ids: [Int]) -> [Int] {
        guard addsBeginOfText, let beginOfText, ids.first != beginOfText else { return ids }
        return [beginOfText] + ids
    }

    /// A noncharacter that occurs in none of `texts`.
    private static func marker(
        absentFrom texts: [String], _ effort: Effort
    ) throws(BitNetError) -> Unicode.Scalar {
        // All of them begin with EF B7 in UTF-8, and differ in the last byte.
        var isThere = [Bool](repeating: false, count: 256)
        for text in texts {
            var (before, last) = (UInt8(0), UInt8(0))
            for byte in text.utf8 {
                if before == 0xEF, last == 0xB7 { isThere[Int(byte)] = true }
                (before, last) = (last, byte)
            }
            try effort.spend(text.utf8.count)
        }
        let marker = (UInt32(0xFDD0)...0xFDEF).first { !isThere[Int($0 & 0x3F | 0x80)] }
        guard let marker = marker.flatMap({ Unicode.Scalar($0) }) else {
            throw .chatTemplate(
                detail: "the messages hold every noncharacter from U+FDD0 to U+FDEF; remove them")
        }
        return marker
    }

    /// `text` with `marker` after the first character of every special token written out in it, at
    /// `places`.
    private static func mark(
        _ text: String, _ places: [Int], _ marker: Unicode.Scalar, _ effort: Effort
    ) throws(BitNetError) -> String {
        let bytes = Array(text.utf8)
        let mark = Array(String(marker).utf8)
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count + mark.count * places.count)
        var copied = 0
        for place in places {
            guard let (_, end) = UTF8Scalars.scalar(at: place, in: bytes, to: bytes.count) else {
                continue
            }
            result += bytes[copied..<end]
            result += mark
            copied = end
            try effort.spend(1)
        }
        result += bytes[copied...]
        return String(decoding: result, as: UTF8.self)
    }

    /// The tokens of `text` with its special tokens, `marker` left out of what is between them.
    private func encode(
        _ text: String, removing marker: Unicode.Scalar, most: Int, _ effort: Effort
    ) throws(BitNetError) -> [Int] {
        let bytes = Array(text.utf8)
        let mark = ByteSearch(Array(String(marker).utf8))
        var limit = TextLimit(of: bytes.count, tokens: most)
        var ids: [Int] = []
        try storage.addedTokens.forEachPiece(in: bytes, special: true, effort: effort) {
            (piece) throws(BitNetError) in
            switch piece {
            case .token(let id): ids.append(id)
            case .text(let range):
                var plain: [UInt8] = []
                var copied = range.lowerBound
                try mark.forEachMatch(in: bytes, range, effort: effort) { match in
                    plain += bytes[copied..<match.lowerBound]
                    copied = match.upperBound
                }
                plain += bytes[copied..<range.upperBound]
                ids += try encode(
                    String(decoding: plain, as: UTF8.self), special: false, limit: &limit,
                    effort: effort)
            }
            try limit.check(tokens: ids.count)
        }
        return ids
    }
}

// MARK: - Special tokens that normalising makes

extension Tokenizer {
    /// Whether a message becomes a special token once it is normalised, though it has none written
    /// out: `<|END|>` in a vocabulary of lower case, for example.
    private func hasHiddenSpecial(_ content: String, _ effort: Effort) throws(BitNetError) -> Bool {
        guard !storage.normalizer.steps.isEmpty, storage.addedTokens.hasNormalizedSpecials else {
            return false
        }
        return try encode(content, special: true, effort: effort).contains(where: isSpecial)
    }

    /// The tokens of a conversation, what the messages say and what the template says each by itself,
    /// as a place in a text is not known any more once that is normalised.
    private func encodeApart(
        _ messages: [ChatMessage], _ tools: [ToolDescription], template: ChatTemplate,
        addsGenerationPrompt: Bool, _ effort: Effort
    ) throws(BitNetError) -> [Int] {
        let mark = try Self.marker(
            absentFrom: messages.map(\.content) + [template.source], effort)
        var marked = messages
        for index in marked.indices {
            var content = String.UnicodeScalarView()
            for scalar in messages[index].content.unicodeScalars {
                content.append(scalar)
                content.append(mark)
            }
            try effort.spend(content.count)
            marked[index].content = String(content)
        }
        let text = try template.render(
            marked, tools: tools, addsGenerationPrompt: addsGenerationPrompt, effort: effort)
        var ids: [Int] = []
        var (part, isMessage) = (String.UnicodeScalarView(), false)
        func end() throws(BitNetError) {
            ids += try encode(String(part), special: !isMessage, effort: effort)
            part = String.UnicodeScalarView()
        }
        let scalars = Array(text.unicodeScalars)
        for (index, scalar) in scalars.enumerated() where scalar != mark {
            // A marker follows what a message has written.
            let isMarked = index + 1 < scalars.count && scalars[index + 1] == mark
            if isMarked != isMessage {
                try end()
                isMessage = isMarked
            }
            part.append(scalar)
        }
        try end()
        return withBeginOfText(ids)
    }
}

/// The texts that a vocabulary's special tokens are found by in a text that is not normalised.
private struct SpecialTexts {
    private let finder: TextFinder

    init(of tokenizer: Tokenizer) {
        let vocabulary = tokenizer.vocabulary
        let texts = vocabulary.addedTexts.filter {
            vocabulary.kinds[$0.key] == .control && !$0.value.isEmpty
        }
        finder = TextFinder(texts.values.map { ($0[...], true) })
    }

    /// Where special tokens are written out in `content`, in bytes, from the left.
    func places(in content: String, _ effort: Effort) throws(BitNetError) -> [Int] {
        let bytes = Array(content.utf8)
        var places: [Int] = []
        var next = 0
        for match in try finder.matches(in: bytes, 0..<bytes.count, all: true, effort: effort)
            .reversed()
        where match.start >= next && bytes[match.start] & 0xC0 != 0x80 {
            places.append(match.start)
            next = match.start + 1
        }
        return places
    }
}

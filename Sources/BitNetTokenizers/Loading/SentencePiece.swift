extension Tokenizer {
    /// A sentencepiece tokenizer of checked pieces.
    ///
    /// Text is merged from its characters, the pair that makes the token with the highest score
    /// first; a character without a token becomes its bytes. Source: Kudo and Richardson 2018, and
    /// Sennrich et al. 2016 for the merging.
    ///
    /// - Parameters:
    ///   - prefix: when a space is put before a text, nil for never.
    ///   - leadingSpace: what becomes of it in decoding; nil for what sentencepiece does.
    init(
        pieces: Vocabulary, scores: [Float], unknown: Int?, prefix: Normalizer.Prefix?,
        leadingSpace: Decoding.LeadingSpace? = nil, flags: [Int: AddedTokens.Flags] = [:],
        template: Template
    ) throws(BitNetError) {
        guard scores.count == pieces.count else {
            throw .tokenizer(detail: "\(scores.count) scores for \(pieces.count) tokens")
        }
        if let id = scores.firstIndex(where: { $0.isNaN }) {
            throw .tokenizer(detail: "the score of token \(id) is not a number")
        }
        guard unknown != nil || pieces.byteTokens.allSatisfy({ $0 >= 0 }) else {
            throw .tokenizer(
                detail: "the vocabulary has neither a token for every byte nor one for unknown "
                    + "characters")
        }
        let marks = Normalizer(steps: [.markSpaces])
        var normalizer = marks
        if let prefix { normalizer.steps.insert(.prepend([0x20], prefix), at: 0) }
        let encoder = BytePairEncoder(
            vocabulary: pieces, priorities: scores.map { PieceScore.priority($0) },
            symbols: .characters,
            unknown: unknown.map { .init(id: Int32(truncatingIfNeeded: $0), isFused: true) },
            ignoresMerges: false)
        storage = Storage(
            encoder: encoder, wordCut: WordCut(beforeSpacesOf: encoder), normalizer: normalizer,
            addedTokens: try AddedTokens(
                pieces.addedEntries(flags: flags), normalizer: normalizer, contents: marks),
            template: template,
            decoding: Decoding(
                leadingSpace: leadingSpace ?? .undoing(prefix), repairsBytes: true))
    }
}

extension Decoding.LeadingSpace {
    /// What sentencepiece does in decoding where it puts a space before a text.
    static func undoing(_ prefix: Normalizer.Prefix?) -> Self {
        prefix == nil ? .kept : .droppedFromPiece
    }
}

extension WordCut {
    /// Cuts where no token of an encoder reaches across: before a space after a character that no
    /// token has before a space. Merging the words one by one then gives what merging the whole
    /// text does.
    ///
    /// Nothing is cut where something else reaches across: a whole text that is taken as one token,
    /// or characters that leave no token of their own, next to a space or in its place.
    init(beforeSpacesOf encoder: BytePairEncoder) {
        let vocabulary = encoder.vocabulary
        let hasSpace = vocabulary.id(of: [0x20], 0..<1) >= 0
        // Pieces with scores merge by their bytes, so that an unknown character is in the way.
        let isWhole = !encoder.priorities.isEmpty || vocabulary.byteTokens.allSatisfy { $0 >= 0 }
        guard hasSpace, isWhole, !encoder.ignoresMerges else {
            steps = []
            return
        }
        var isJoined = [Bool](repeating: false, count: 256)
        let bytes = vocabulary.tokens.storage
        for id in 0..<vocabulary.count {
            let range = vocabulary.tokens.range(id)
            for index in range.dropFirst() where bytes[index] == 0x20 {
                isJoined[Int(bytes[index - 1])] = true
            }
        }
        steps = [.spaces(notAfter: isJoined)]
    }
}

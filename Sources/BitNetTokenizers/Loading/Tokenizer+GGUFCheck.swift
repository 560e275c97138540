// What is written for a GGUF file is read back and compared, part by part: nothing of a tokenizer is
// lost in a conversion without a word, also not what nobody has thought of.

extension Tokenizer {
    /// Refuses a vocabulary that makes another tokenizer than this one.
    func check(_ gguf: GGUFVocabulary) throws(BitNetError) {
        for id in 0..<gguf.tokens.count
        where String(validating: gguf.tokens[id], as: UTF8.self) == nil {
            throw refusal("token \(id) '\(gguf.tokens.text(id))' is not UTF-8")
        }
        let copy: Tokenizer
        do throws(BitNetError) {
            copy = try Tokenizer(gguf: gguf)
        } catch {
            guard case .tokenizer(let detail) = error else { throw error }
            throw refusal("read back, \(detail)")
        }
        if let change = tokenChange(in: copy) ?? addedChange(in: copy) ?? symbolChange(in: copy)
            ?? frameChange(in: copy)
        {
            throw refusal(change)
        }
        guard hasSameMerges(copy.storage.encoder) else { throw Self.unknownMerging }
    }

    private func refusal(_ what: String) -> BitNetError {
        .tokenizer(detail: "GGUF cannot hold this tokenizer as it is: \(what)")
    }

    private func name(_ id: Int) -> String { "token \(id) \((text(of: id) ?? "").quoted)" }

    /// A token that has other bytes in `copy`, or is for something else.
    private func tokenChange(in copy: Tokenizer) -> String? {
        let (own, other) = (vocabulary, copy.vocabulary)
        guard own.count == other.count else { return "it has \(own.count) tokens" }
        for id in 0..<own.count {
            if own.tokens[id] != other.tokens[id] {
                return "\(name(id)) would be \((copy.text(of: id) ?? "").quoted)"
            }
            if own.kinds[id] != other.kinds[id] {
                return "\(name(id)) would be \(other.kinds[id]), and not \(own.kinds[id])"
            }
        }
        return nil
    }

    /// An added token that is found otherwise in `copy`.
    private func addedChange(in copy: Tokenizer) -> String? {
        let (own, other) = (storage.addedTokens, copy.storage.addedTokens)
        let texts = (vocabulary.addedTexts, copy.vocabulary.addedTexts)
        for id in texts.0.keys.sorted() where texts.0[id] != texts.1[id] {
            return "\(name(id)) would be found by another text"
        }
        // In a text that is normalised in one of the two alone, tokens of both passes differ.
        let isNormalized = !copy.storage.normalizer.steps.isEmpty
        let hasSecondPass = other.flags.values.contains { $0.contains(.normalized) }
        if isNormalized, hasSecondPass, storage.normalizer.steps.isEmpty {
            return "it has added tokens with and without 'normalized', and no normalizer"
        }
        for id in texts.0.keys.sorted() {
            var flags = (own.flags[id] ?? [], other.flags[id] ?? [])
            flags.0.remove(.prefixed)
            flags.1.remove(.prefixed)
            // The only pass is as good as the first.
            if !hasSecondPass, storage.normalizer.steps.isEmpty { flags.0.remove(.normalized) }
            guard flags.0 == flags.1 else { return "\(name(id)) would be found otherwise" }
            guard flags.0.contains(.normalized) else { continue }
            guard own.normalizedTexts[id] == other.normalizedTexts[id] else {
                return "\(name(id)) would be found by another text once that is normalised"
            }
        }
        return nil
    }

    /// A byte, a character or a whole word that becomes another token in `copy`.
    private func symbolChange(in copy: Tokenizer) -> String? {
        let (own, other) = (storage.encoder, copy.storage.encoder)
        for byte in 0..<256
        where own.vocabulary.byteTokens[byte] != other.vocabulary.byteTokens[byte] {
            return "byte \(byte) would become another token"
        }
        let tokens = vocabulary.tokens
        for id in 0..<tokens.count {
            let (bytes, range) = (tokens.storage, tokens.range(id))
            if own.symbols == .characters, BytePairEncoder.isCharacter(bytes, range),
                own.vocabulary.id(of: bytes, range) != other.vocabulary.id(of: bytes, range)
            {
                return "character \((text(of: id) ?? "").quoted) would become another token"
            }
            // Others are found in the text before it is cut into words.
            let isWord = vocabulary.kinds[id] == .normal || storage.addedTokens.flags[id] != nil
            if own.ignoresMerges, isWord,
                own.wholeToken(bytes, range, special: true)
                    != other.wholeToken(bytes, range, special: true)
            {
                return "the word \((text(of: id) ?? "").quoted) would become another token"
            }
        }
        let isComplete = !own.vocabulary.byteTokens.contains(-1)
        if !isComplete, own.unknown != other.unknown { return "what stands for unknown characters" }
        return own.ignoresMerges == other.ignoresMerges && own.symbols == other.symbols
            ? nil : "ignore_merges"
    }

    /// What is put around a text, ends it, or is taken off in decoding.
    private func frameChange(in copy: Tokenizer) -> String? {
        let (own, other) = (storage.template, copy.storage.template)
        if own.beginOfText != other.beginOfText || own.addsBeginOfText != other.addsBeginOfText {
            return "begin of text would be another"
        }
        if own.appended != other.appended || own.endOfText != other.endOfText {
            return "end of text would be another"
        }
        if let id = own.ends.symmetricDifference(other.ends).min() {
            return "\(name(id)) would end a text, or no longer"
        }
        let decoding = (storage.decoding, copy.storage.decoding)
        return decoding.0 == decoding.1 ? nil : "texts would be decoded otherwise"
    }

    /// Whether texts are merged in `copy` as they are here.
    private func hasSameMerges(_ copy: BytePairEncoder) -> Bool {
        let own = storage.encoder
        if !copy.priorities.isEmpty {
            // Scores, and here scores too or listed merges of which they were made.
            guard own.priorities.isEmpty else {
                return own.priorities == copy.priorities && hasSamePieces(copy.vocabulary)
            }
            return own.listsEveryPair(of: copy)
        }
        func merged(_ encoder: BytePairEncoder, _ pair: (left: Int, right: Int)) -> UInt64 {
            encoder.merges.merge(Int32(pair.left), Int32(pair.right)) & 0xFFFF_FFFF
        }
        // Merges that ranks imply were listed; they are to name the same tokens.
        guard own.priorities.isEmpty else {
            return copy.merges.pairs.allSatisfy { pair in
                let made = Int(truncatingIfNeeded: merged(copy, pair))
                return [pair.left, pair.right, made].allSatisfy(isText)
            }
        }
        let pairs = (own.merges.pairs, copy.merges.pairs)
        return pairs.0.elementsEqual(pairs.1) {
            $0 == $1 && merged(own, $0) == merged(copy, $1)
        }
    }

    /// Whether merging comes to the same tokens here and in `copy`.
    private func hasSamePieces(_ copy: Vocabulary) -> Bool {
        let tokens = vocabulary.tokens
        return (0..<tokens.count).allSatisfy { id in
            let range = tokens.range(id)
            let own = vocabulary.id(of: tokens.storage, range)
            let other = copy.id(of: tokens.storage, range)
            func isPart(_ part: Range<Int>) -> Bool {
                vocabulary.id(of: tokens.storage, part) >= 0
                    || BytePairEncoder.isCharacter(tokens.storage, part)
            }
            // A special piece that no two others make is not merged.
            return own == other
                || range.dropFirst().allSatisfy { middle in
                    !isPart(range.lowerBound..<middle) || !isPart(middle..<range.upperBound)
                }
        }
    }
}

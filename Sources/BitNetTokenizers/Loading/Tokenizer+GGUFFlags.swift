// What a GGUF vocabulary has no words for, and this package writes under keys of its own.

extension Tokenizer {
    /// By token how it is found, and whether it is one of the model's own vocabulary, where a reader
    /// of `gguf` would be wrong about it.
    func ggufFlags(_ gguf: GGUFVocabulary) -> [Int: Int] {
        var flags = lostFlags.mapValues { Int($0.rawValue) }
        let wrong =
            vocabulary.spelling == .spaceMarks ? wronglyTakenPieces : wronglyTakenSpellings(gguf)
        for (id, isMember) in wrong {
            flags[id, default: 0] |=
                isMember ? GGUFVocabulary.isMember : GGUFVocabulary.isNoMember
        }
        return flags
    }

    /// How tokens are found that GGUF has no words for.
    ///
    /// Where nothing is normalised, the tokens that are found after that are found after the others
    /// all the same; if there are no others that is nothing to say.
    private var lostFlags: [Int: AddedTokens.Flags] {
        let added = storage.addedTokens
        let count = vocabulary.kinds.count { $0 == .control || $0 == .userDefined }
        let hasPasses = added.flags.values.count { $0.contains(.normalized) } < count
        return added.flags.reduce(into: [:]) { lost, entry in
            var flags = entry.value.subtracting(.prefixed)
            if storage.normalizer.steps.isEmpty, !hasPasses { flags.remove(.normalized) }
            if flags.contains(.normalized), isFoundWithPrefix(entry.key) {
                flags.insert(.prefixed)
            }
            lost[entry.key] = flags.isEmpty ? nil : flags
        }
    }

    /// Whether a token of a sentencepiece vocabulary is found with the space that is put before a
    /// text, and not as sentencepiece finds it.
    private func isFoundWithPrefix(_ id: Int) -> Bool {
        guard vocabulary.spelling == .spaceMarks, let text = storage.addedTokens.normalizedTexts[id]
        else { return false }
        return text.first == 0x20 && vocabulary.tokens[id].elementsEqual(text.dropFirst())
    }

    /// Tokens of a byte-level vocabulary that a reader takes for members or does not, with what they
    /// are.
    private func wronglyTakenSpellings(_ gguf: GGUFVocabulary) -> [(id: Int, isMember: Bool)] {
        let likely = gguf.likelyMembers(vocabulary.kinds)
        return vocabulary.addedTexts.compactMap { id, text in
            let isMember = vocabulary.spelledAdded.contains(id) || isRawMember(id)
            guard isMember != likely.contains(id) else { return nil }
            var bytes: [UInt8] = []
            let isSpelled = ByteAlphabet.decode(text, 0..<text.count, into: &bytes)
            // A text of several ASCII characters means the same bytes, and text that is not cut
            // otherwise is found before it is merged.
            let isTaken = storage.encoder.ignoresMerges && storage.addedTokens.flags[id] != nil
            return isSpelled && (bytes != text || bytes.count == 1 || isTaken)
                ? (id, isMember) : nil
        }
    }

    /// Whether an added token is one of the ranks of a tiktoken vocabulary.
    private func isRawMember(_ id: Int) -> Bool { vocabulary.spelling == .raw && isText(id) }

    /// Whether text can become a token without its being looked for.
    func isText(_ id: Int) -> Bool {
        vocabulary.id(of: vocabulary.tokens.storage, vocabulary.tokens.range(id)) == id
    }

    /// The same for sentencepiece, whose user-defined pieces are members and others are not.
    private var wronglyTakenPieces: [(id: Int, isMember: Bool)] {
        let texts = vocabulary.addedTexts
        let made = madeTokens
        let parts = Set(texts.keys.map { Array(vocabulary.tokens[$0]) })
        return texts.compactMap { id, text in
            let isUserDefined = vocabulary.kinds[id] == .userDefined
            let isByteName = TokenSpelling.byte(named: text[...]) != nil
            let isByte = vocabulary.byteTokens.contains(Int32(truncatingIfNeeded: id))
            if isByte != (isUserDefined && isByteName) { return (id, isByte) }
            let isMember = isText(id)
            guard isMember != (isUserDefined && !isByteName && !text.contains(0x20)) else {
                return nil
            }
            let isMade =
                isMember && storage.encoder.priorities.isEmpty
                ? made.contains(id) : isMadeOfTwo(id, orOf: parts)
            return isCharacter(id) || isMade ? (id, isMember) : nil
        }
    }

    /// The tokens that the listed merges make.
    private var madeTokens: Set<Int> {
        let merges = storage.encoder.merges
        return Set(
            merges.pairs.map { left, right in
                Int(truncatingIfNeeded: merges.merge(Int32(left), Int32(right)) & 0xFFFF_FFFF)
            })
    }

    private func isCharacter(_ id: Int) -> Bool {
        BytePairEncoder.isCharacter(vocabulary.tokens.storage, vocabulary.tokens.range(id))
    }

    /// Whether a character is this token, or merging makes it.
    func isMadeOfText(_ id: Int) -> Bool {
        guard isText(id) else { return false }
        let isMade =
            storage.encoder.priorities.isEmpty
            ? madeTokens.contains(id) : isMadeOfTwo(id, orOf: [])
        return isCharacter(id) || isMade
    }

    /// Whether a token is two others, or `texts` or characters, one after the other.
    private func isMadeOfTwo(_ id: Int, orOf texts: Set<[UInt8]>) -> Bool {
        let (bytes, range) = (vocabulary.tokens.storage, vocabulary.tokens.range(id))
        func isPart(_ part: Range<Int>) -> Bool {
            vocabulary.id(of: bytes, part) >= 0 || BytePairEncoder.isCharacter(bytes, part)
                || texts.contains(Array(bytes[part]))
        }
        return range.dropFirst().contains { middle in
            isPart(range.lowerBound..<middle) && isPart(middle..<range.upperBound)
        }
    }
}

extension Tokenizer {
    /// What other programs do not know of a GGUF file with the vocabulary that was made of this
    /// tokenizer.
    package func ggufWarnings(_ gguf: GGUFVocabulary) -> [String] {
        var warnings: [String] = []
        func more(_ count: Int) -> String {
            count < 2 ? "" : " and \(count - 1) more token\(count > 2 ? "s" : "")"
        }
        let kept = gguf.tokenFlags.keys.sorted().filter { isNews($0, gguf) }
        if let id = kept.first {
            let flags = kept.reduce(into: AddedTokens.Flags()) { $0.formUnion(news(of: $1, gguf)) }
            let names = flags.names + (flags.isEmpty ? ["how text can become it"] : [])
            warnings.append(
                "\(vocabulary.addedText(id).quoted)\(more(kept.count)): "
                    + "\(names.joined(separator: ", ")) is kept under "
                    + "\(GGUFVocabulary.tokenFlagsKey), which other programs do not read")
        }
        if let id = vocabulary.foreign.first.map(Int.init) {
            warnings.append(
                "token \(id) '\(vocabulary.tokens.text(id))'\(more(vocabulary.foreign.count)): not "
                    + "spelled in the byte alphabet; other programs show something else for it")
        }
        if gguf.leadingSpace == Decoding.LeadingSpace.droppedFromFirstToken.rawValue {
            warnings.append(
                "all spaces of a text's first token are taken off in decoding: kept under "
                    + "\(GGUFVocabulary.leadingSpaceKey), which other programs do not read")
        }
        return warnings
    }

    /// Whether something is kept of a token that matters to other programs.
    private func isNews(_ id: Int, _ gguf: GGUFVocabulary) -> Bool {
        let bits = gguf.tokenFlags[id] ?? 0
        return !news(of: id, gguf).isEmpty
            || bits & (GGUFVocabulary.isMember | GGUFVocabulary.isNoMember) != 0
    }

    /// How a token is found, as far as it matters to other programs: each has its own mind about the
    /// order in which tokens are found.
    private func news(of id: Int, _ gguf: GGUFVocabulary) -> AddedTokens.Flags {
        let flags = (gguf.flags[id] ?? []).subtracting(.prefixed)
        return storage.normalizer.steps.isEmpty ? flags.subtracting(.normalized) : flags
    }
}

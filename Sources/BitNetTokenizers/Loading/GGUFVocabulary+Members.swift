extension GGUFVocabulary {
    /// Bits of `tokenFlags`: an added token that is one of the model's own vocabulary, too, so that
    /// text can become it without its being looked for, or is none, where a reader would take it for
    /// the other.
    static let (isMember, isNoMember) = (16, 32)
    /// The largest value of `tokenFlags`.
    static let mostFlags = 127

    /// How tokens are found that are not found in the usual way.
    var flags: [Int: AddedTokens.Flags] {
        tokenFlags.mapValues {
            let bits = $0 & ~(Self.isMember | Self.isNoMember)
            return AddedTokens.Flags(rawValue: UInt8(truncatingIfNeeded: bits))
        }
    }

    /// What a reader takes for members, with what the file says about them.
    func correct(_ members: Set<Int>) -> Set<Int> {
        var members = members
        for (id, bits) in tokenFlags {
            if bits & Self.isMember != 0 { members.insert(id) }
            if bits & Self.isNoMember != 0 { members.remove(id) }
        }
        return members
    }

    /// The special and user-defined tokens of a byte-level vocabulary that text can become without
    /// their being looked for.
    ///
    /// A file does not say which of them were in the vocabulary before. They are spelled as text,
    /// but a spelling that is one character of the byte alphabet is the only one of its byte, and
    /// one with a letter that stands for a space or a control is none of plain text. Others are
    /// members if they are ASCII, the same either way, or if merges name them.
    func members(_ kinds: [Vocabulary.Kind]) -> Set<Int> { correct(likelyMembers(kinds)) }

    /// The same of a file that says nothing about them.
    func likelyMembers(_ kinds: [Vocabulary.Kind]) -> Set<Int> {
        var members: Set<Int> = []
        var open: [[UInt8]: Int] = [:]
        for (id, kind) in kinds.enumerated() where kind == .control || kind == .userDefined {
            let text = Array(tokens[id])
            var ignored: [UInt8] = []
            guard ByteAlphabet.decode(text, 0..<text.count, into: &ignored) else { continue }
            if ignored.count == text.count || ignored.count == 1 || Self.hasStandIn(text) {
                members.insert(id)
            } else {
                open[text] = id
            }
        }
        guard !open.isEmpty else { return members }
        for rank in 0..<merges.count {
            let words = merges[rank].split(separator: 0x20)
            for word in words.map({ Array($0) }) + [words.flatMap { Array($0) }] {
                if let id = open[word] { members.insert(id) }
            }
        }
        return members
    }

    /// Whether a text has a character of the byte alphabet that stands for another, as `Ġ` does.
    private static func hasStandIn(_ text: [UInt8]) -> Bool {
        // They begin at U+0100, 0xC4 0x80; all before stand for themselves.
        text.contains { $0 >= 0xC4 }
    }
}

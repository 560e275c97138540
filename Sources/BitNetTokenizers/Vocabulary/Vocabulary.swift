/// The tokens of a vocabulary, checked once, by id and by bytes.
struct Vocabulary: Sendable {
    /// What a token is for (GGUF's `token_type`).
    enum Kind: UInt8, Sendable {
        /// Text, spelled as the vocabulary spells it.
        case normal
        /// A special token: begin and end of text, turns. Recognised in text only on request.
        case control
        /// A token added by hand: always recognised in text, as a whole.
        case userDefined
        /// A place in the vocabulary that means nothing.
        case unused
        /// One byte of a character that has no token, named `<0xE2>` (sentencepiece).
        case byte

        /// Whether tokens of this kind are found by their text.
        var isAdded: Bool { self == .control || self == .userDefined }
    }

    /// What becomes of tokens of a byte-level vocabulary that are not spelled in its alphabet.
    enum Foreign {
        /// They are an error, as in a vocabulary of another kind that is taken for this one.
        case refused
        /// They are tokens that no text has.
        case allowed
        /// The same where every byte has a token, so that the vocabulary is of this kind for sure.
        case allowedBesideAllBytes
    }

    /// The most special and user-defined tokens: looking for them in texts takes memory for each.
    static let mostAdded = 1 << 17

    /// The bytes every token decodes to.
    let tokens: ByteStrings
    /// What every token is for.
    let kinds: [Kind]
    /// The token of every single byte, -1 where the vocabulary has none.
    let byteTokens: [Int32]
    /// How the tokens are spelled in files.
    let spelling: TokenSpelling
    /// Added tokens whose text is in the byte alphabet, as they are in the model's own vocabulary.
    let spelledAdded: Set<Int>
    /// Tokens of a byte-level vocabulary that no text has, as they are not spelled in its alphabet;
    /// smallest id first.
    let foreign: [Int32]
    private let table: TokenTable
    /// Special and user-defined tokens by their text, which is compared byte by byte.
    private let added: [[UInt8]: Int]

    /// Checks a vocabulary as files have it: `spellings` by id, normal tokens as `spelling` says,
    /// others as plain text.
    ///
    /// - Parameters:
    ///   - members: the special and user-defined tokens that text can become without their being
    ///     looked for: those of a model's own vocabulary that are listed as added tokens too.
    ///   - foreign: whether there may be tokens that no text has, as they are not spelled in the
    ///     byte alphabet.
    /// - Throws: `BitNetError.tokenizer` naming the first token that is listed twice or is not
    ///   spelled so.
    init(
        spellings: ByteStrings, kinds: [Kind], spelling: TokenSpelling = .byteAlphabet,
        members: Set<Int> = [], foreign: Foreign = .refused
    ) throws(BitNetError) {
        guard spellings.count > 0, spellings.count < Int(Int32.max), spellings.count == kinds.count
        else {
            throw .tokenizer(
                detail: "\(spellings.count) tokens with \(kinds.count) types are no vocabulary")
        }
        var kinds = kinds
        var builder = VocabularyBuilder(
            spellings, spelling, members: members, allowsForeign: foreign != .refused)
        for id in 0..<spellings.count {
            switch kinds[id] {
            case .normal: try builder.appendNormal(id)
            case .byte: try builder.appendByte(id)
            case .unused: builder.tokens.append(EmptyCollection())
            case .control, .userDefined: try builder.appendAdded(id)
            }
        }
        for id in builder.foreign { kinds[Int(id)] = .unused }
        added = try builder.indexAdded(kinds)
        if spelling == .spaceMarks {
            byteTokens = builder.byteTokens
        } else {
            byteTokens = (0...UInt8.max).map {
                builder.table.id(of: [$0], 0..<1, in: builder.tokens)
            }
        }
        if foreign == .allowedBesideAllBytes, byteTokens.contains(-1),
            let id = builder.foreign.first
        {
            throw builder.isForeign(Int(id))
        }
        tokens = builder.tokens
        spelledAdded = builder.spelledAdded
        self.foreign = builder.foreign
        table = builder.table
        self.kinds = kinds
        self.spelling = spelling
    }

    /// Number of tokens.
    var count: Int { tokens.count }

    /// The token that is `bytes[range]`, -1 if there is none.
    @inline(__always)
    func id(of bytes: [UInt8], _ range: Range<Int>) -> Int32 {
        table.id(of: bytes, range, in: tokens)
    }

    /// Whether `bytes[range]` is how a foreign token is spelled.
    func hasForeign(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
        table.hasForeign(bytes, range, in: tokens)
    }

    /// Whether `id` is a normal token of a byte-level vocabulary with these bytes; such a token is
    /// the only one with them.
    @inline(__always)
    func `is`(_ id: Int, _ bytes: [UInt8]) -> Bool {
        guard spelling == .byteAlphabet, kinds.indices.contains(id), kinds[id] == .normal else {
            return false
        }
        let range = tokens.range(id)
        guard range.count == bytes.count else { return false }
        let storage = tokens.storage
        for offset in 0..<bytes.count where storage[range.lowerBound + offset] != bytes[offset] {
            return false
        }
        return true
    }

    /// The special or user-defined token with this text.
    func id(ofAdded text: String) -> Int? { added[Array(text.utf8)] }

    /// The texts of all special and user-defined tokens, as files spell them.
    var addedTexts: [Int: [UInt8]] {
        Dictionary(uniqueKeysWithValues: added.map { ($0.value, $0.key) })
    }

    /// The text that a special or user-defined token is found by.
    func addedText(_ id: Int) -> String {
        let text = tokens[id]
        return spelledAdded.contains(id)
            ? ByteAlphabet.encode(text) : String(decoding: text, as: UTF8.self)
    }

    /// Special and user-defined tokens to look for in a text; `flags` are those of the ids that
    /// have any.
    func addedEntries(flags: [Int: AddedTokens.Flags] = [:]) -> [AddedTokens.Entry] {
        let entries = added.map { text, id in
            AddedTokens.Entry(
                id: id, text: text[...], isSpecial: kinds[id] == .control,
                flags: flags[id] ?? [])
        }
        // Of two that become the same text, the first is found: special tokens, then by id.
        return entries.sorted { ($0.isSpecial ? 0 : 1, $0.id) < ($1.isSpecial ? 0 : 1, $1.id) }
    }
}

/// Collects the tokens of a vocabulary and indexes them.
private struct VocabularyBuilder {
    let spellings: ByteStrings
    let spelling: TokenSpelling
    let members: Set<Int>
    let allowsForeign: Bool
    var tokens = ByteStrings()
    var table: TokenTable
    var byteTokens = [Int32](repeating: -1, count: 256)
    var spelledAdded: Set<Int> = []
    var foreign: [Int32] = []

    init(
        _ spellings: ByteStrings, _ spelling: TokenSpelling, members: Set<Int>,
        allowsForeign: Bool
    ) {
        self.spellings = spellings
        self.spelling = spelling
        self.members = members
        self.allowsForeign = allowsForeign
        tokens.reserveCapacity(spellings.count, bytes: spellings.storage.count)
        table = TokenTable(capacity: spellings.count)
    }

    /// Appends the bytes that a token stands for; false if it has another spelling.
    private mutating func appendSpelled(_ id: Int) -> Bool {
        tokens.append { bytes in
            spelling.decode(spellings.storage, spellings.range(id), into: &bytes)
        }
    }

    mutating func appendNormal(_ id: Int) throws(BitNetError) {
        guard appendSpelled(id) else {
            guard allowsForeign, String(validating: spellings[id], as: UTF8.self) != nil else {
                throw isForeign(id)
            }
            tokens.replaceLast(spellings[id])
            foreign.append(Int32(truncatingIfNeeded: id))
            let first = table.insert(id, from: tokens, isForeign: true)
            guard first < 0 else { throw isRepeated(id, Int(first)) }
            return
        }
        // Text has marks for its spaces when it is looked up, so a plain space is never found.
        if spelling == .spaceMarks, spellings[id].contains(0x20) { return }
        let first = table.insert(id, from: tokens)
        guard first < 0 else { throw isRepeated(id, Int(first)) }
    }

    private func isRepeated(_ id: Int, _ first: Int) -> BitNetError {
        .tokenizer(detail: "token \(id) '\(spellings.text(id))' is token \(first) too")
    }

    func isForeign(_ id: Int) -> BitNetError {
        .tokenizer(
            detail: "token \(id) '\(spellings.text(id))' is not spelled in the byte alphabet; this "
                + "is no byte-level vocabulary")
    }

    mutating func appendByte(_ id: Int) throws(BitNetError) {
        guard let byte = TokenSpelling.byte(named: spellings[id]) else {
            throw .tokenizer(
                detail: "byte token \(id) '\(spellings.text(id))' is not named as <0x00>")
        }
        try setByte(byte, id)
        tokens.append(CollectionOfOne(byte))
    }

    private mutating func setByte(_ byte: UInt8, _ id: Int) throws(BitNetError) {
        guard byteTokens[Int(byte)] < 0 else {
            throw .tokenizer(
                detail: "byte token \(id) '\(spellings.text(id))' is token "
                    + "\(byteTokens[Int(byte)]) too")
        }
        byteTokens[Int(byte)] = Int32(truncatingIfNeeded: id)
    }

    mutating func appendAdded(_ id: Int) throws(BitNetError) {
        let isMember = members.contains(id)
        switch spelling {
        case .byteAlphabet where isMember:
            if appendSpelled(id) {
                spelledAdded.insert(id)
            } else {
                tokens.replaceLast(spellings[id])
            }
        case .byteAlphabet, .raw: tokens.append(spellings[id])
        case .spaceMarks:
            if isMember, let byte = TokenSpelling.byte(named: spellings[id]) {
                try setByte(byte, id)
                return tokens.append(CollectionOfOne(byte))
            }
            _ = appendSpelled(id)
        }
    }

    /// Indexes special and user-defined tokens by text; those that text can become without being
    /// looked for go to the table too.
    mutating func indexAdded(_ kinds: [Vocabulary.Kind]) throws(BitNetError) -> [[UInt8]: Int] {
        let ids = kinds.indices.lazy.filter { kinds[$0].isAdded }
        guard ids.dropFirst(Vocabulary.mostAdded).isEmpty else {
            throw .tokenizer(
                detail: "more than \(Vocabulary.mostAdded) special and user-defined tokens")
        }
        var added: [[UInt8]: Int] = [:]
        for id in ids {
            let text = spellings[id]
            if let first = added.updateValue(id, forKey: Array(text)) {
                throw .tokenizer(
                    detail: "special token \(id) '\(spellings.text(id))' is token \(first) too")
            }
            guard members.contains(id) else { continue }
            let isText =
                switch spelling {
                case .byteAlphabet: spelledAdded.contains(id)
                case .spaceMarks:
                    !text.contains(0x20) && TokenSpelling.byte(named: text) == nil
                case .raw: true
                }
            if isText { _ = table.insert(id, from: tokens) }
        }
        return added
    }
}

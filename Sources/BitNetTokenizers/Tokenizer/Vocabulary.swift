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
    }

    /// The bytes every token decodes to.
    let tokens: ByteStrings
    /// What every token is for.
    let kinds: [Kind]
    /// The token of every single byte, -1 where the vocabulary has none.
    let byteTokens: [Int32]
    /// How the tokens are spelled in files.
    let spelling: TokenSpelling
    private let table: TokenTable
    /// Special and user-defined tokens by their text, which is compared byte by byte.
    private let added: [[UInt8]: Int]

    /// Checks a vocabulary as files have it: `spellings` by id, normal tokens as `spelling` says,
    /// others as plain text.
    ///
    /// - Throws: `BitNetError.tokenizer` naming the first token that is listed twice or is not
    ///   spelled so.
    init(
        spellings: ByteStrings, kinds: [Kind], spelling: TokenSpelling = .byteAlphabet
    ) throws(BitNetError) {
        guard spellings.count > 0, spellings.count < Int(Int32.max), spellings.count == kinds.count
        else {
            throw .tokenizer(
                detail: "\(spellings.count) tokens with \(kinds.count) types are no vocabulary")
        }
        var builder = VocabularyBuilder(spellings, spelling)
        for id in 0..<spellings.count {
            switch kinds[id] {
            case .normal: try builder.appendNormal(id)
            case .byte: try builder.appendByte(id)
            case .unused: builder.tokens.append(EmptyCollection())
            case .control, .userDefined: builder.appendAdded(id)
            }
        }
        added = try builder.indexAdded(kinds)
        if spelling == .spaceMarks {
            byteTokens = builder.byteTokens
        } else {
            byteTokens = (0...UInt8.max).map {
                builder.table.id(of: [$0], 0..<1, in: builder.tokens)
            }
        }
        tokens = builder.tokens
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

    /// Special and user-defined tokens to look for in a text; `flags` are those of the ids that
    /// have any.
    func addedEntries(flags: [Int: AddedTokens.Flags] = [:]) -> [AddedTokens.Entry] {
        added.map { text, id in
            AddedTokens.Entry(
                id: id, text: text[...], isSpecial: kinds[id] == .control,
                flags: flags[id] ?? [])
        }
    }
}

/// Collects the tokens of a vocabulary and indexes them.
private struct VocabularyBuilder {
    let spellings: ByteStrings
    let spelling: TokenSpelling
    var tokens = ByteStrings()
    var table: TokenTable
    var byteTokens = [Int32](repeating: -1, count: 256)

    init(_ spellings: ByteStrings, _ spelling: TokenSpelling) {
        self.spellings = spellings
        self.spelling = spelling
        tokens.reserveCapacity(spellings.count, bytes: spellings.storage.count)
        table = TokenTable(capacity: spellings.count)
    }

    mutating func appendNormal(_ id: Int) throws(BitNetError) {
        let isSpelled = tokens.append { bytes in
            spelling.decode(spellings.storage, spellings.range(id), into: &bytes)
        }
        guard isSpelled else {
            throw .tokenizer(
                detail: "token \(id) '\(spellings.text(id))' is not spelled in the byte "
                    + "alphabet; this is no byte-level vocabulary")
        }
        // Text has marks for its spaces when it is looked up, so a plain space is never found.
        if spelling == .spaceMarks, spellings[id].contains(0x20) { return }
        let first = table.insert(id, from: tokens)
        guard first < 0 else {
            throw .tokenizer(detail: "token \(id) '\(spellings.text(id))' is token \(first) too")
        }
    }

    mutating func appendByte(_ id: Int) throws(BitNetError) {
        guard let byte = TokenSpelling.byte(named: spellings[id]) else {
            throw .tokenizer(
                detail: "byte token \(id) '\(spellings.text(id))' is not named as <0x00>")
        }
        guard byteTokens[Int(byte)] < 0 else {
            throw .tokenizer(
                detail: "byte token \(id) '\(spellings.text(id))' is token "
                    + "\(byteTokens[Int(byte)]) too")
        }
        byteTokens[Int(byte)] = Int32(truncatingIfNeeded: id)
        tokens.append(CollectionOfOne(byte))
    }

    mutating func appendAdded(_ id: Int) {
        guard spelling == .spaceMarks else { return tokens.append(spellings[id]) }
        tokens.append { bytes in
            TokenSpelling.replaceSpaceMarks(spellings.storage, spellings.range(id), into: &bytes)
        }
    }

    /// Indexes special and user-defined tokens by text; the plain ones among them can also come out
    /// of merges, as in every implementation, so they go to the table too.
    mutating func indexAdded(_ kinds: [Vocabulary.Kind]) throws(BitNetError) -> [[UInt8]: Int] {
        var added: [[UInt8]: Int] = [:]
        for id in 0..<kinds.count where kinds[id] == .control || kinds[id] == .userDefined {
            let text = spellings[id]
            if let first = added.updateValue(id, forKey: Array(text)) {
                throw .tokenizer(
                    detail: "special token \(id) '\(spellings.text(id))' is token \(first) too")
            }
            let isMergeable =
                switch spelling {
                case .byteAlphabet: text.allSatisfy { (0x21...0x7E).contains($0) }
                case .spaceMarks: kinds[id] == .userDefined
                case .raw: false
                }
            if isMergeable { _ = table.insert(id, from: tokens) }
        }
        return added
    }
}

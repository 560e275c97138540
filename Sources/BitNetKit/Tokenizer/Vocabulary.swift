/// The tokens of a byte-level vocabulary, checked once, by id and by bytes.
struct Vocabulary: Sendable {
    /// What a token is for (GGUF's `token_type`).
    enum Kind: UInt8, Sendable {
        /// Text, spelled in the byte alphabet.
        case normal
        /// A special token: begin and end of text, turns. Recognised in text only on request.
        case control
        /// A token added by hand: always recognised in text, as a whole.
        case userDefined
        /// A place in the vocabulary that means nothing.
        case unused
    }

    /// The bytes every token decodes to.
    let tokens: ByteStrings
    /// What every token is for.
    let kinds: [Kind]
    /// The token of every single byte, -1 where the vocabulary has none.
    let byteTokens: [Int32]
    private let table: TokenTable
    /// Special and user-defined tokens by their text, which is compared byte by byte.
    private let added: [[UInt8]: Int]

    /// Checks a vocabulary as files have it: `spellings` by id, normal tokens in the byte alphabet,
    /// others as plain text.
    ///
    /// - Throws: `BitNetError.tokenizer` naming the first token that is listed twice or is not
    ///   spelled in the byte alphabet.
    init(spellings: ByteStrings, kinds: [Kind]) throws(BitNetError) {
        guard spellings.count > 0, spellings.count < Int(Int32.max), spellings.count == kinds.count
        else {
            throw .tokenizer(
                detail: "\(spellings.count) tokens with \(kinds.count) types are no vocabulary")
        }
        var tokens = ByteStrings()
        tokens.reserveCapacity(spellings.count, bytes: spellings.storage.count)
        var table = TokenTable(capacity: spellings.count)
        for id in 0..<spellings.count {
            guard kinds[id] == .normal else {
                tokens.append(kinds[id] == .unused ? [] : spellings[id])
                continue
            }
            try tokens.append { bytes throws(BitNetError) in
                guard ByteAlphabet.decode(spellings.storage, spellings.range(id), into: &bytes)
                else {
                    throw .tokenizer(
                        detail: "token \(id) '\(spellings.text(id))' is not spelled in the byte "
                            + "alphabet; this is no byte-level vocabulary")
                }
            }
            let first = table.id(of: tokens.storage, tokens.range(id), in: tokens)
            guard first < 0 else {
                throw .tokenizer(
                    detail: "token \(id) '\(spellings.text(id))' is token \(first) too")
            }
            table.insert(id, from: tokens)
        }
        added = try Self.index(added: tokens, kinds, &table)
        byteTokens = (0...UInt8.max).map { table.id(of: [$0], 0..<1, in: tokens) }
        self.tokens = tokens
        self.kinds = kinds
        self.table = table
    }

    /// Number of tokens.
    var count: Int { tokens.count }

    /// The token that is `bytes[range]`, -1 if there is none.
    @inline(__always)
    func id(of bytes: [UInt8], _ range: Range<Int>) -> Int32 {
        table.id(of: bytes, range, in: tokens)
    }

    /// The special or user-defined token with this text.
    func id(ofAdded text: String) -> Int? { added[Array(text.utf8)] }

    /// Special and user-defined tokens to look for in a text; `secondPass` are the ids to look for
    /// after the others.
    func addedEntries(secondPass: Set<Int> = []) -> [AddedTokens.Entry] {
        added.values.map { id in
            AddedTokens.Entry(
                id: id, text: tokens[id], isSpecial: kinds[id] == .control,
                isSecondPass: secondPass.contains(id))
        }
    }

    /// Indexes special and user-defined tokens by text; the plain ones among them can also come out
    /// of merges, as in every implementation, so they go to the table too.
    private static func index(
        added tokens: ByteStrings, _ kinds: [Kind], _ table: inout TokenTable
    ) throws(BitNetError) -> [[UInt8]: Int] {
        var added: [[UInt8]: Int] = [:]
        for id in 0..<kinds.count where kinds[id] == .control || kinds[id] == .userDefined {
            let text = tokens[id]
            if let first = added.updateValue(id, forKey: Array(text)) {
                throw .tokenizer(
                    detail: "special token \(id) '\(tokens.text(id))' is token \(first) too")
            }
            if text.allSatisfy({ (0x21...0x7E).contains($0) }),
                table.id(of: tokens.storage, tokens.range(id), in: tokens) < 0
            {
                table.insert(id, from: tokens)
            }
        }
        return added
    }
}

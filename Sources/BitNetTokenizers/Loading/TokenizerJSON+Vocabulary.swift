/// The vocabulary of a `tokenizer.json` with the tokens that it and its folder add, under the ids
/// that tokenizers gives them.
///
/// An added token has the id of the vocabulary's token with its text, or else the next free one: the
/// ids that files write beside added tokens are repetitions. Ids may have holes.
struct VocabularyAssembly {
    private let tokens: ByteStrings
    private let ids: [Int32]
    /// The texts of added tokens, each once, and where they are found in it.
    private var names = ByteStrings()
    private var table: TokenTable
    /// Per name its id in the vocabulary, its id as an added token, and how it is found.
    private var own: [Int?] = []
    private var added: [Int?] = []
    private var latest: [TokenizerJSON.AddedToken] = []
    private var isSpecial: [Bool] = []
    /// Per id its place in `tokens`, -1 for a hole.
    private var places: [Int32]
    private var highestAdded = -1
    private var given: Set<Int> = []
    /// The id of the next new token.
    private var nextID = 0
    private var highest = -1

    /// The most ids without a token.
    private static let mostHoles = 1 << 20

    /// Takes the vocabulary's tokens with their ids, and all tokens that may be added.
    ///
    /// - Throws: `BitNetError.tokenizer` naming an id that is none, or that two tokens have.
    init(
        _ tokens: ByteStrings, _ ids: [Int32], adding candidates: [TokenizerJSON.AddedToken]
    ) throws(BitNetError) {
        self.tokens = tokens
        self.ids = ids
        table = TokenTable(capacity: candidates.count)
        for token in candidates {
            names.append(token.content.utf8)
            let first = table.insert(names.count - 1, from: names)
            // The same text again; it is left empty, which is no token.
            if first >= 0 { names.replaceLast(EmptyCollection()) }
        }
        own = [Int?](repeating: nil, count: names.count)
        added = own
        isSpecial = [Bool](repeating: false, count: names.count)
        latest = candidates
        places = [Int32](repeating: -1, count: tokens.count)
        try place()
    }

    private mutating func place() throws(BitNetError) {
        for (index, id) in ids.lazy.map(Int.init).enumerated() {
            let name = table.id(of: tokens.storage, tokens.range(index), in: names)
            if name >= 0 {
                if let first = own[Int(name)] {
                    throw .tokenizer(
                        detail: "token \(id) '\(tokens.text(index))' is token \(first) too")
                }
                own[Int(name)] = id
            }
            guard id >= 0, id < tokens.count + Self.mostHoles else {
                throw .tokenizer(
                    detail: "token '\(tokens.text(index))' has id \(id), but there are only "
                        + "\(tokens.count) tokens; ids are below that, or not far above")
            }
            if id >= places.count {
                places += [Int32](repeating: -1, count: id + 1 - places.count)
            }
            // Tokenizers loads such a file, but which of the two the id decodes to, and is merged
            // as, changes there from one run to the next. There is no right answer to give.
            guard places[id] < 0 else {
                throw .tokenizer(
                    detail: "tokenizer.json: model.vocab: tokens "
                        + "'\(tokens.text(Int(places[id])))' and '\(tokens.text(index))' both have id "
                        + "\(id); give one of them another")
            }
            places[id] = Int32(truncatingIfNeeded: index)
            highest = max(highest, id)
        }
    }

    /// Adds tokens, or says anew how they are found; not one whose id would not be below `limit`.
    ///
    /// New ones get ids in a row, after those that were added before.
    mutating func add(_ tokens: [TokenizerJSON.AddedToken], below limit: Int = .max) {
        nextID = max(highestAdded + 1, self.tokens.count)
        for token in tokens { add(token, below: limit) }
    }

    private mutating func add(_ token: TokenizerJSON.AddedToken, below limit: Int) {
        guard let name = name(of: token) else { return }
        let isKnown = added[name] != nil || own[name] != nil
        let id = added[name] ?? own[name] ?? freeID(for: token)
        guard isKnown || id < limit else { return }
        if !isKnown { nextID = id + 1 }
        added[name] = id
        given.insert(id)
        latest[name] = token
        isSpecial[name] = isSpecial[name] || token.special == true
        highestAdded = max(highestAdded, id)
        highest = max(highest, id)
    }

    /// What is said about an added token with this text, if there is one.
    func latest(_ token: TokenizerJSON.AddedToken) -> TokenizerJSON.AddedToken? {
        name(of: token).flatMap { added[$0] == nil ? nil : latest[$0] }
    }

    private func name(of token: TokenizerJSON.AddedToken) -> Int? {
        let text = Array(token.content.utf8)
        guard !text.isEmpty else { return nil }
        let name = table.id(of: text, 0..<text.count, in: names)
        return name >= 0 ? Int(name) : nil
    }

    private func freeID(for token: TokenizerJSON.AddedToken) -> Int {
        func isFree(_ id: Int) -> Bool {
            !given.contains(id) && !(places.indices.contains(id) && places[id] >= 0)
        }
        if isFree(nextID) { return nextID }
        // In a vocabulary with holes tokenizers gives an id that is taken; the file's is better.
        let isSane = (0...highest + Self.mostHoles).contains(token.id)
        return isSane && isFree(token.id) ? token.id : highest + 1
    }

    /// The vocabulary, and how its added tokens are found.
    func vocabulary(
        spelling: TokenSpelling, namesBytes: Bool
    ) throws(BitNetError) -> (Vocabulary, flags: [Int: AddedTokens.Flags]) {
        var (spellings, kinds) = placed()
        var flags: [Int: AddedTokens.Flags] = [:]
        var members: Set<Int> = []
        for (name, id) in added.enumerated() {
            guard let id else { continue }
            kinds[id] = isSpecial[name] ? .control : .userDefined
            flags[id] = latest[name].flags
            let isByte = TokenSpelling.byte(named: names[name]) != nil
            if own[name] != nil, namesBytes || !isByte { members.insert(id) }
        }
        if spelling == .spaceMarks, namesBytes {
            for id in 0..<spellings.count where kinds[id] == .normal {
                if TokenSpelling.byte(named: spellings[id]) != nil { kinds[id] = .byte }
            }
        }
        let vocabulary = try Vocabulary(
            spellings: spellings, kinds: kinds, spelling: spelling, members: members,
            foreign: .allowed)
        return (vocabulary, flags)
    }

    /// The tokens in the order of their ids; holes are unused tokens.
    private func placed() -> (ByteStrings, [Vocabulary.Kind]) {
        let count = highest + 1
        var kinds = [Vocabulary.Kind](repeating: .normal, count: count)
        var nameOf: [Int: Int] = [:]
        for (name, id) in added.enumerated() where own[name] == nil {
            if let id { nameOf[id] = name }
        }
        var spellings = ByteStrings()
        var first = 0
        if ids.elementsEqual(0..<Int32(truncatingIfNeeded: tokens.count)) {
            // The usual case: the vocabulary is in the order of its ids.
            spellings = tokens
            first = tokens.count
        }
        for id in first..<max(first, count) {
            if places.indices.contains(id), places[id] >= 0 {
                spellings.append(tokens[Int(places[id])])
            } else if let name = nameOf[id] {
                spellings.append(names[name])
            } else {
                spellings.append(EmptyCollection())
                kinds[id] = .unused
            }
        }
        return (spellings, kinds)
    }
}

extension TokenizerJSON {
    /// The vocabulary with the tokens that this file and its folder add, and how those are found.
    ///
    /// A token that only the folder's other files name is not added with an id from `rows` on, as
    /// the model has no row for it. Of a token that is listed several times the last counts, as
    /// everywhere in JSON.
    func vocabulary(
        _ tokens: ByteStrings, _ ids: [Int32], _ spelling: TokenSpelling, _ folder: FolderTokens,
        rows: Int
    ) throws(BitNetError) -> (Vocabulary, flags: [Int: AddedTokens.Flags]) {
        do throws(BitNetError) {
            return try assembled(tokens, ids, spelling, folder, rows: rows)
        } catch {
            // Only now, as hardly any file has such a token, and looking for one takes a while.
            guard let (tokens, ids) = Self.withoutRepeats(tokens, ids) else { throw error }
            return try assembled(tokens, ids, spelling, folder, rows: rows)
        }
    }

    /// The last of every token with its id; nil where all are listed once.
    private static func withoutRepeats(
        _ tokens: ByteStrings, _ ids: [Int32]
    ) -> (ByteStrings, [Int32])? {
        var table = TokenTable(capacity: tokens.count)
        let last = (0..<tokens.count).reversed().filter { table.insert($0, from: tokens) < 0 }
        guard last.count < tokens.count else { return nil }
        var (unique, uniqueIDs) = (ByteStrings(), [Int32]())
        for index in last.reversed() {
            unique.append(tokens[index])
            uniqueIDs.append(ids[index])
        }
        return (unique, uniqueIDs)
    }

    private func assembled(
        _ tokens: ByteStrings, _ ids: [Int32], _ spelling: TokenSpelling, _ folder: FolderTokens,
        rows: Int
    ) throws(BitNetError) -> (Vocabulary, flags: [Int: AddedTokens.Flags]) {
        var assembly = try VocabularyAssembly(
            tokens, ids, adding: (addedTokens ?? []) + folder.listed + folder.named)
        assembly.add(addedTokens ?? [])
        let more = folder.listed.indices.compactMap { index -> AddedToken? in
            var token = folder.listed[index]
            // What says the same as this file is left out, and with it that the token is named.
            if let known = assembly.latest(token), known.flags == token.flags,
                (known.special == true) == (token.special == true)
            {
                return nil
            }
            if folder.isLegacy, addedTokens?.contains(where: { $0.id == token.id }) == true {
                return nil
            }
            if folder.isNamed.contains(index) { token.special = true }
            return token
        }
        let names = folder.named.filter { name in
            assembly.latest(name) == nil
                && !more.contains { $0.content.utf8.elementsEqual(name.content.utf8) }
        }
        assembly.add(more + names, below: rows)
        return try assembly.vocabulary(
            spelling: spelling, namesBytes: model.byteFallback == true)
    }
}

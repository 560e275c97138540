import Foundation

/// The tokens that the files beside a vocabulary's own name, for every kind of vocabulary:
/// `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`.
///
/// They are read as transformers reads them: where `tokenizer_config.json` has an
/// `added_tokens_decoder`, the other two say nothing new.
struct FolderTokens {
    /// `tokenizer_config.json`.
    private(set) var config: TokenizerConfigJSON?
    /// Tokens with their ids, smallest id first.
    private(set) var listed: [TokenizerJSON.AddedToken] = []
    /// Special tokens named for what they are for; new ones follow the vocabulary.
    private(set) var named: [TokenizerJSON.AddedToken] = []
    /// The places in `listed` of tokens that are named, too.
    private(set) var isNamed: Set<Int> = []
    /// The text of begin of text.
    private(set) var beginOfText: String?
    /// The text of end of text.
    private(set) var endOfText: String?
    /// Whether `listed` is from `added_tokens.json`, which is weaker than a vocabulary's own file.
    private(set) var isLegacy = false

    /// No files.
    init() {}

    /// Reads the contents of the files that there are.
    ///
    /// - Throws: `BitNetError.tokenizer` naming the file and the place in it.
    init(config: Data?, specialTokens: Data? = nil, added: Data? = nil) throws(BitNetError) {
        if let config {
            self.config = try readJSON(
                TokenizerConfigJSON.self, from: [UInt8](config), named: "tokenizer_config.json")
        }
        var names = self.config
        if let tokens = self.config?.addedTokens {
            listed = try Self.listed(tokens)
        } else {
            isLegacy = true
            if let specialTokens {
                let map = try readJSON(
                    TokenizerConfigJSON.self, from: [UInt8](specialTokens),
                    named: "special_tokens_map.json")
                names = map.over(names)
            }
            if let added { listed = try Self.legacy(added, names?.namedInOrder ?? []) }
        }
        beginOfText = names?.bosToken?.content
        endOfText = names?.eosToken?.content
        // The same token may be named twice; one with other flags is another token.
        for token in (names?.namedInOrder ?? []) + (names?.extra ?? [])
        where !named.contains(token.special) {
            named.append(token.special)
        }
        for index in listed.indices
        where named.contains(where: { $0.content.utf8.elementsEqual(listed[index].content.utf8) }) {
            isNamed.insert(index)
        }
    }

    private static func listed(
        _ tokens: [String: TokenizerConfigJSON.AddedToken]
    ) throws(BitNetError) -> [TokenizerJSON.AddedToken] {
        var listed: [TokenizerJSON.AddedToken] = []
        for (name, entry) in tokens {
            guard let id = Int(name), id >= 0 else {
                throw .tokenizer(
                    detail: "tokenizer_config.json: added_tokens_decoder: \(name.quoted) is no id")
            }
            listed.append(entry.token(id: id))
        }
        return listed.sorted { $0.id < $1.id }
    }

    private static func legacy(
        _ data: Data, _ named: [TokenizerConfigJSON.Token]
    ) throws(BitNetError) -> [TokenizerJSON.AddedToken] {
        let name = "added_tokens.json"
        // Not as a dictionary: its keys would be equal where only their normal forms are.
        let members = try JSONValue(
            parsing: ByteRegion([UInt8](data), path: name), lastCounts: true
        ).object?.members
        guard let members else { throw .tokenizer(detail: "\(name): not an object") }
        let special = Set(named.map { Array($0.content.utf8) })
        return try members.map { member throws(BitNetError) in
            guard let id = member.value.int, id >= 0 else {
                throw .tokenizer(detail: "\(name): the id of \(member.key.quoted) is no id")
            }
            let isSpecial = special.contains(Array(member.key.utf8))
            return TokenizerJSON.AddedToken(
                id: id, content: member.key, normalized: !isSpecial, special: isSpecial)
        }.sorted { $0.id < $1.id }
    }
}

extension TokenizerConfigJSON {
    /// What this says, and where it says nothing, what `weaker` does.
    fileprivate func over(_ weaker: TokenizerConfigJSON?) -> TokenizerConfigJSON {
        guard var both = weaker else { return self }
        both.named.merge(named) { $1 }
        both.bosToken = bosToken ?? both.bosToken
        both.eosToken = eosToken ?? both.eosToken
        if let extra { both.extra = (both.extra ?? []) + extra }
        return both
    }
}

public import Foundation

extension Tokenizer {
    /// A tokenizer from a `tokenizer.model`, sentencepiece's or tiktoken's, which its content tells.
    ///
    /// Sentencepiece models must be byte pair encodings without normalisation, as those of Llama 2
    /// and Gemma are. A tiktoken file has no special tokens and no word cuts: both are Llama 3's,
    /// unless `config` has other special tokens.
    ///
    /// - Parameters:
    ///   - model: the contents of `tokenizer.model`.
    ///   - config: the contents of `tokenizer_config.json`, for special tokens and for begin and end
    ///     of text.
    ///   - added: the contents of `added_tokens.json`, ids of more tokens by their text.
    ///   - endTokens: `eos_token_id` of `generation_config.json` or `config.json`.
    /// - Throws: `BitNetError.tokenizer` naming the part that is malformed or not supported.
    public init(
        model: Data, config: Data? = nil, added: Data? = nil, endTokens: [Int] = []
    ) throws(BitNetError) {
        let bytes = [UInt8](model)
        let config = try config.map { data throws(BitNetError) in
            try readJSON(TokenizerConfigJSON.self, from: data, named: "tokenizer_config.json")
        }
        var more = try config?.tokens() ?? [:]
        if let added {
            let ids = try readJSON([String: Int].self, from: added, named: "added_tokens.json")
            for (text, id) in ids where more[id] == nil {
                more[id] = TokenizerJSON.AddedToken(id: id, content: text)
            }
        }
        if TiktokenModel.matches(bytes) {
            try self.init(try TiktokenModel(bytes), more, config, endTokens)
        } else {
            try self.init(try SentencePieceModel(bytes), more, config, endTokens)
        }
    }

    private init(
        _ model: SentencePieceModel, _ more: [Int: TokenizerJSON.AddedToken],
        _ config: TokenizerConfigJSON?, _ endTokens: [Int]
    ) throws(BitNetError) {
        var (spellings, kinds, scores) = (model.pieces, model.kinds, model.scores)
        // Sentencepiece finds its own user-defined pieces in the text as it is normalised.
        var flags: [Int: AddedTokens.Flags] = [:]
        for id in 0..<kinds.count where kinds[id] == .userDefined { flags[id] = .normalized }
        for token in try AddedTokenList(more).merged(into: &spellings, &kinds) {
            flags[token.id] = token.flags
        }
        scores += [Float](repeating: 0, count: kinds.count - scores.count)
        let vocabulary = try Vocabulary(
            spellings: spellings, kinds: kinds, spelling: .spaceMarks)
        var template = try Template(config, endTokens, vocabulary)
        let known = 0..<model.pieces.count
        if template.beginOfText == nil, known.contains(model.beginOfText) {
            template.beginOfText = model.beginOfText
        }
        if template.endOfText == nil, known.contains(model.endOfText) {
            template.endOfText = model.endOfText
            template.ends.insert(model.endOfText)
        }
        template.addsBeginOfText = config?.addBosToken ?? (template.beginOfText != nil)
        try self.init(
            pieces: vocabulary, scores: scores, unknown: model.unknown,
            prefix: model.addsDummyPrefix ? .always : nil, flags: flags, template: template)
    }

    private init(
        _ model: TiktokenModel, _ more: [Int: TokenizerJSON.AddedToken],
        _ config: TokenizerConfigJSON?, _ endTokens: [Int]
    ) throws(BitNetError) {
        var spellings = model.tokens
        var kinds = [Vocabulary.Kind](repeating: .normal, count: spellings.count)
        var flags: [Int: AddedTokens.Flags] = [:]
        let specials =
            more.isEmpty
            ? AddedTokenList(llama3SpecialsFrom: spellings.count) : AddedTokenList(more)
        for token in try specials.merged(into: &spellings, &kinds) {
            flags[token.id] = token.flags
        }
        let vocabulary = try Vocabulary(spellings: spellings, kinds: kinds, spelling: .raw)
        if let byte = vocabulary.byteTokens.firstIndex(of: -1) {
            throw .tokenizer(detail: "tokenizer.model has no token for byte \(byte)")
        }
        var template = try Template(config, endTokens, vocabulary)
        if config == nil {
            template.beginOfText = vocabulary.id(ofAdded: "<|begin_of_text|>")
            template.endOfText = vocabulary.id(ofAdded: "<|end_of_text|>")
            let ends = ["<|end_of_text|>", "<|eot_id|>"].compactMap { vocabulary.id(ofAdded: $0) }
            template.ends.formUnion(ends)
        }
        template.addsBeginOfText = config?.addBosToken ?? (template.beginOfText != nil)
        storage = Storage(
            encoder: BytePairEncoder(
                vocabulary: vocabulary,
                priorities: (0..<vocabulary.count).map { UInt32(truncatingIfNeeded: $0) },
                ignoresMerges: true),
            wordCut: WordCut(.llama3),
            addedTokens: AddedTokens(vocabulary.addedEntries(flags: flags)), template: template)
    }
}

/// Tokens beside those of a `tokenizer.model`.
private struct AddedTokenList {
    private let tokens: [TokenizerJSON.AddedToken]

    init(_ tokens: [Int: TokenizerJSON.AddedToken]) {
        self.tokens = tokens.values.sorted { $0.id < $1.id }
    }

    /// Llama 3's special tokens, which follow the ranks.
    init(llama3SpecialsFrom first: Int) {
        tokens = TiktokenModel.llama3Specials.enumerated().map { index, text in
            TokenizerJSON.AddedToken(id: first + index, content: text, special: true)
        }
    }

    /// Appends the tokens to a vocabulary, or marks those it has, and returns all of them.
    func merged(
        into spellings: inout ByteStrings, _ kinds: inout [Vocabulary.Kind]
    ) throws(BitNetError) -> [TokenizerJSON.AddedToken] {
        for token in tokens {
            let kind: Vocabulary.Kind = token.special == true ? .control : .userDefined
            if kinds.indices.contains(token.id) {
                guard spellings[token.id].elementsEqual(token.content.utf8) else {
                    throw .tokenizer(
                        detail: "added token '\(token.content)' has id \(token.id), which is "
                            + "'\(spellings.text(token.id))'")
                }
                kinds[token.id] = kind
            } else {
                guard token.id == kinds.count else {
                    throw .tokenizer(
                        detail: "added token '\(token.content)' has id \(token.id), but no token "
                            + "has id \(kinds.count)")
                }
                spellings.append(token.content.utf8)
                kinds.append(kind)
            }
        }
        return tokens
    }
}

extension TokenizerConfigJSON {
    /// The tokens of `added_tokens_decoder` by id.
    fileprivate func tokens() throws(BitNetError) -> [Int: TokenizerJSON.AddedToken] {
        var tokens: [Int: TokenizerJSON.AddedToken] = [:]
        for (name, entry) in addedTokens ?? [:] {
            guard let id = Int(name), id >= 0 else {
                throw .tokenizer(
                    detail: "tokenizer_config.json: added_tokens_decoder: '\(name)' is no id")
            }
            tokens[id] = TokenizerJSON.AddedToken(
                id: id, content: entry.content, singleWord: entry.singleWord,
                lstrip: entry.lstrip, rstrip: entry.rstrip, normalized: entry.normalized,
                special: entry.special)
        }
        return tokens
    }
}

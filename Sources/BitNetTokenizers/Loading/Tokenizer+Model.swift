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
    ///   - specialTokens: the contents of `special_tokens_map.json`; like `added`, used where
    ///     `config` has no `added_tokens_decoder`.
    ///   - added: the contents of `added_tokens.json`, ids of more tokens by their text.
    ///   - endTokens: `eos_token_id` of `generation_config.json` or `config.json`.
    /// - Throws: `BitNetError.tokenizer` naming the part that is malformed or not supported.
    public init(
        model: Data, config: Data? = nil, specialTokens: Data? = nil, added: Data? = nil,
        endTokens: [Int] = []
    ) throws(BitNetError) {
        try self.init(
            model: model,
            folder: FolderTokens(config: config, specialTokens: specialTokens, added: added),
            endTokens: endTokens)
    }

    /// The same of files that are read; named tokens that the vocabulary lacks are below `rows`.
    init(
        model: Data, folder: FolderTokens, endTokens: [Int], rows: Int = .max
    ) throws(BitNetError) {
        let bytes = [UInt8](model)
        if TiktokenModel.matches(bytes) {
            try self.init(try TiktokenModel(bytes), folder, endTokens, rows)
        } else {
            try self.init(try SentencePieceModel(bytes), folder, endTokens, rows)
        }
    }

    private init(
        _ model: SentencePieceModel, _ folder: FolderTokens, _ endTokens: [Int], _ rows: Int
    ) throws(BitNetError) {
        var (spellings, kinds, scores) = (model.pieces, model.kinds, model.scores)
        // Sentencepiece finds its own user-defined pieces in the text as it is normalised.
        var flags: [Int: AddedTokens.Flags] = [:]
        for id in 0..<kinds.count where kinds[id] == .userDefined { flags[id] = .normalized }
        let isText = model.kinds.map { $0 == .normal || $0 == .userDefined || $0 == .byte }
        let list = AddedTokenList(folder.listed)
        for token in try list.merged(into: &spellings, &kinds, naming: folder.named, rows) {
            // Found before a space is put in front, as transformers has it.
            flags[token.id] =
                model.addsDummyPrefix ? token.flags.subtracting(.normalized) : token.flags
        }
        scores += [Float](repeating: 0, count: kinds.count - scores.count)
        let vocabulary = try Vocabulary(
            spellings: spellings, kinds: kinds, spelling: .spaceMarks,
            members: Set(isText.indices.filter { isText[$0] && kinds[$0].isAdded }))
        var template = try Template(folder, endTokens, vocabulary)
        let known = 0..<model.pieces.count
        if template.beginOfText == nil, known.contains(model.beginOfText) {
            template.beginOfText = model.beginOfText
        }
        if template.endOfText == nil, known.contains(model.endOfText) {
            template.endOfText = model.endOfText
            template.ends.insert(model.endOfText)
        }
        try template.frame(by: folder.config)
        try self.init(
            pieces: vocabulary, scores: scores, unknown: model.unknown,
            prefix: model.addsDummyPrefix ? .always : nil, flags: flags, template: template)
    }

    private init(
        _ model: TiktokenModel, _ folder: FolderTokens, _ endTokens: [Int], _ rows: Int
    ) throws(BitNetError) {
        var spellings = model.tokens
        var kinds = [Vocabulary.Kind](repeating: .normal, count: spellings.count)
        var flags: [Int: AddedTokens.Flags] = [:]
        let list =
            folder.listed.isEmpty
            ? AddedTokenList(llama3SpecialsFrom: spellings.count) : AddedTokenList(folder.listed)
        for token in try list.merged(into: &spellings, &kinds, naming: folder.named, rows) {
            flags[token.id] = token.flags
        }
        let vocabulary = try Vocabulary(
            spellings: spellings, kinds: kinds, spelling: .raw,
            members: Set((0..<model.tokens.count).filter { kinds[$0].isAdded }))
        if let byte = vocabulary.byteTokens.firstIndex(of: -1) {
            throw .tokenizer(detail: "tokenizer.model has no token for byte \(byte)")
        }
        var template = try Template(folder, endTokens, vocabulary)
        if folder.config == nil {
            template.beginOfText = vocabulary.id(ofAdded: "<|begin_of_text|>")
            template.endOfText = vocabulary.id(ofAdded: "<|end_of_text|>")
            let ends = ["<|end_of_text|>", "<|eot_id|>"].compactMap { vocabulary.id(ofAdded: $0) }
            template.ends.formUnion(ends)
        }
        try template.frame(by: folder.config)
        storage = Storage(
            encoder: BytePairEncoder(
                vocabulary: vocabulary,
                priorities: (0..<vocabulary.count).map { UInt32(truncatingIfNeeded: $0) },
                ignoresMerges: true),
            wordCut: WordCut(.llama3),
            addedTokens: try AddedTokens(vocabulary.addedEntries(flags: flags)), template: template)
    }
}

/// Tokens beside those of a `tokenizer.model`.
private struct AddedTokenList {
    private let tokens: [TokenizerJSON.AddedToken]

    /// Tokens by rising id.
    init(_ tokens: [TokenizerJSON.AddedToken]) { self.tokens = tokens }

    /// Llama 3's special tokens, which follow the ranks.
    init(llama3SpecialsFrom first: Int) {
        tokens = TiktokenModel.llama3Specials.enumerated().map { index, text in
            TokenizerJSON.AddedToken(id: first + index, content: text, special: true)
        }
    }

    /// Appends the tokens to a vocabulary, or marks those it has, and returns all of them.
    ///
    /// Then come the tokens of `names` that it lacks, below `rows`. Ids may have holes.
    func merged(
        into spellings: inout ByteStrings, _ kinds: inout [Vocabulary.Kind],
        naming names: [TokenizerJSON.AddedToken], _ rows: Int
    ) throws(BitNetError) -> [TokenizerJSON.AddedToken] {
        let ownCount = kinds.count
        var merged = tokens
        for token in tokens {
            let kind: Vocabulary.Kind = token.special == true ? .control : .userDefined
            if kinds.indices.contains(token.id) {
                guard spellings[token.id].elementsEqual(token.content.utf8) else {
                    throw .tokenizer(
                        detail: "added token \(token.content.quoted) has id \(token.id), which is "
                            + "'\(spellings.text(token.id))'")
                }
                kinds[token.id] = kind
                continue
            }
            guard token.id <= ownCount + Self.mostHoles else {
                throw .tokenizer(
                    detail: "added token \(token.content.quoted) has id \(token.id), far above the "
                        + "\(ownCount) tokens of tokenizer.model")
            }
            while kinds.count < token.id {
                spellings.append(EmptyCollection())
                kinds.append(.unused)
            }
            spellings.append(token.content.utf8)
            kinds.append(kind)
        }
        merged += Self.append(names, to: &spellings, &kinds, rows)
        return merged
    }

    /// Appends those of `names` that a vocabulary lacks, and returns them.
    private static func append(
        _ names: [TokenizerJSON.AddedToken], to spellings: inout ByteStrings,
        _ kinds: inout [Vocabulary.Kind], _ rows: Int
    ) -> [TokenizerJSON.AddedToken] {
        var known = index(names, in: spellings, kinds)
        var appended: [TokenizerJSON.AddedToken] = []
        for var token in names {
            let text = Array(token.content.utf8)
            if let id = known[text] {
                // A piece that is named for what it is for is special, however it is listed.
                if kinds[id] == .normal { kinds[id] = .control }
            } else if !text.isEmpty, kinds.count < rows {
                token.id = kinds.count
                known[text] = token.id
                spellings.append(text)
                kinds.append(.control)
                appended.append(token)
            }
        }
        return appended
    }

    private static let mostHoles = 1 << 16

    /// The ids of `names` in a vocabulary.
    private static func index(
        _ names: [TokenizerJSON.AddedToken], in spellings: ByteStrings, _ kinds: [Vocabulary.Kind]
    ) -> [[UInt8]: Int] {
        var known: [[UInt8]: Int] = [:]
        guard !names.isEmpty else { return known }
        let wanted = Set(names.map { Array($0.content.utf8) })
        let longest = wanted.map(\.count).max() ?? 0
        for id in 0..<kinds.count where spellings[id].count <= longest && kinds[id] != .unused {
            let text = Array(spellings[id])
            if wanted.contains(text) { known[text] = id }
        }
        return known
    }
}

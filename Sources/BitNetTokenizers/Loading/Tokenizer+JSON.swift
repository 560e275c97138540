public import Foundation

extension Tokenizer {
    /// A tokenizer from a Hugging Face model's `tokenizer.json`.
    ///
    /// Read are byte pair encodings, on bytes or with sentencepiece's spaces and byte fallback, with
    /// the normalisers, pre-tokenizers and decoders that published models of these kinds have. The
    /// post-processor decides which tokens frame a text, as in transformers; `add_bos_token` in
    /// `tokenizer_config.json` is for folders without `tokenizer.json`.
    ///
    /// Added tokens have the ids that tokenizers gives them: that of the vocabulary's token with the
    /// same text, or the next after the vocabulary.
    ///
    /// - Parameters:
    ///   - json: the contents of `tokenizer.json`.
    ///   - config: the contents of `tokenizer_config.json`, for begin and end of text, and for
    ///     tokens that `json` lacks or says otherwise how to find.
    ///   - specialTokens: the contents of `special_tokens_map.json`; like `added`, used where
    ///     `config` has no `added_tokens_decoder`.
    ///   - added: the contents of `added_tokens.json`, ids of more tokens by their text.
    ///   - endTokens: `eos_token_id` of `generation_config.json` or `config.json`, added to the
    ///     `eos_token` of `config`.
    /// - Throws: `BitNetError.tokenizer` naming the part that is malformed or not supported.
    public init(
        json: Data, config: Data? = nil, specialTokens: Data? = nil, added: Data? = nil,
        endTokens: [Int] = []
    ) throws(BitNetError) {
        try self.init(
            json: [UInt8](json),
            folder: FolderTokens(config: config, specialTokens: specialTokens, added: added),
            endTokens: endTokens)
    }

    /// The same of files that are read; tokens that only `folder` names are below `rows`.
    init(
        json: consuming [UInt8], folder: FolderTokens, endTokens: [Int], rows: Int = .max
    ) throws(BitNetError) {
        let scanner = try TokenizerJSONScanner(json)
        let file = try readJSON(TokenizerJSON.self, from: scanner.rest, named: "tokenizer.json")
        guard let tokens = scanner.tokens, let merges = scanner.merges else {
            throw .tokenizer(
                detail: "tokenizer.json: 'vocab' or 'merges' is missing; is this the right file?")
        }
        let rules = try file.textRules()
        let (vocabulary, flags) = try file.vocabulary(
            tokens, scanner.ids, rules.spelling, folder, rows: rows)
        let encoder = BytePairEncoder(
            vocabulary: vocabulary,
            merges: try MergeTable(merges, of: vocabulary, repeats: .lastCounts),
            symbols: rules.spelling == .spaceMarks ? .characters : .bytes,
            unknown: try file.unknown(vocabulary, tokens, scanner.ids),
            ignoresMerges: file.model.ignoreMerges ?? false)
        storage = Storage(
            encoder: encoder, wordCut: rules.wordCut.simplified(for: encoder),
            normalizer: rules.normalizer, prefix: rules.prefix,
            addedTokens: try AddedTokens(
                vocabulary.addedEntries(flags: flags), normalizer: rules.normalizer),
            template: try file.template(folder, endTokens, vocabulary), decoding: rules.decoding)
    }
}

extension WordCut {
    /// The same cut with less to do: what makes no difference is left out, and a whole text whose
    /// tokens never reach across a space is cut there.
    fileprivate func simplified(for encoder: BytePairEncoder) -> WordCut {
        if encoder.vocabulary.spelling == .spaceMarks {
            return steps.isEmpty ? WordCut(beforeSpacesOf: encoder) : self
        }
        return WordCut(steps: steps.last == .byteLevel ? steps.dropLast() : steps)
    }
}

/// Decodes JSON; errors name the place.
func readJSON<T: Decodable>(
    _ type: T.Type, from bytes: [UInt8], named name: String
) throws(BitNetError) -> T {
    do {
        let value = try JSONValue(
            parsing: ByteRegion(bytes, path: name), lastCounts: true)
        return try value.decode(type)
    } catch let error as BitNetError {
        if case .malformedFile = error { throw .tokenizer(detail: error.description) }
        throw error
    } catch let error as DecodingError {
        let context: DecodingError.Context? =
            switch error {
            case .typeMismatch(_, let context), .valueNotFound(_, let context),
                .keyNotFound(_, let context), .dataCorrupted(let context):
                context
            @unknown default: nil
            }
        let place = context?.codingPath.map(\.stringValue).joined(separator: ".") ?? ""
        var reason = context?.debugDescription ?? "\(error)"
        if case .keyNotFound(let key, _) = error {
            reason = "\(key.stringValue.quoted) is missing; is this the right file?"
        }
        throw .tokenizer(detail: "\(name): \(place.isEmpty ? "" : place + ": ")\(reason)")
    } catch {
        throw .tokenizer(detail: "\(name): \(error)")
    }
}

extension TokenizerJSON {
    /// What stands for characters without a token; nil where there are none or they are dropped.
    fileprivate func unknown(
        _ vocabulary: Vocabulary, _ tokens: ByteStrings, _ ids: [Int32]
    ) throws(BitNetError) -> BytePairEncoder.Unknown? {
        guard let name = model.unknownToken,
            vocabulary.byteTokens.contains(-1)
        else { return nil }
        let listed = (0..<tokens.count).first { tokens[$0].elementsEqual(name.utf8) }
        guard let id = vocabulary.id(ofAdded: name) ?? listed.map({ Int(ids[$0]) }) else {
            throw .tokenizer(detail: "unk_token \(name.quoted) is not in the vocabulary")
        }
        return .init(
            id: Int32(truncatingIfNeeded: id), isFused: model.fuseUnknown ?? false)
    }

    /// The tokens that frame a text: those of the post-processor.
    fileprivate func template(
        _ folder: FolderTokens, _ endTokens: [Int], _ vocabulary: Vocabulary
    ) throws(BitNetError) -> Tokenizer.Template {
        let (before, after) = try frame()
        guard before.count <= 1 else {
            throw .tokenizer(detail: "post_processor puts \(before.count) tokens before a text")
        }
        var template = try Tokenizer.Template(folder, endTokens, vocabulary)
        template.beginOfText = before.first ?? template.beginOfText
        template.addsBeginOfText = !before.isEmpty
        template.appended = after
        return template
    }

    /// The tokens a `TemplateProcessing` puts before and after a text.
    ///
    /// They need not be in the vocabulary, as in tokenizers: a model that has no such token refuses a
    /// text that is framed by it.
    private func frame() throws(BitNetError) -> (before: [Int], after: [Int]) {
        var before: [Int] = []
        var after: [Int] = []
        for part in postProcessor?.flattened ?? [] where part.type != "ByteLevel" {
            if let ends = part.ends {
                try checkIDs(ends, of: part.type)
                before.append(ends[0])
                after.append(ends[1])
                continue
            }
            guard part.type == "TemplateProcessing" else {
                throw .tokenizer(detail: "post_processor \(part.type.quoted) is not supported")
            }
            var hasText = false
            for piece in part.single {
                guard let name = piece.specialToken?.id else {
                    hasText = hasText || piece.sequence != nil
                    continue
                }
                guard let ids = part.specialTokens[name]?.ids else {
                    throw .tokenizer(
                        detail: "post_processor: \(name.quoted) is not among its special_tokens")
                }
                try checkIDs(ids, of: name)
                if hasText { after += ids } else { before += ids }
            }
        }
        return (before, after)
    }
}

/// Refuses what tokenizers does not take for an id.
private func checkIDs(_ ids: [Int], of name: String) throws(BitNetError) {
    guard let odd = ids.first(where: { UInt32(exactly: $0) == nil }) else { return }
    throw .tokenizer(detail: "post_processor: \(name.quoted) has the id \(odd), which no token has")
}

extension Tokenizer.Template {
    /// What the files beside a vocabulary's own and a model's end tokens say.
    init(
        _ folder: FolderTokens, _ endTokens: [Int], _ vocabulary: Vocabulary
    ) throws(BitNetError) {
        beginOfText = folder.beginOfText.flatMap { vocabulary.id(ofAdded: $0) }
        // An id that is no token never comes, and ends nothing; models warn of it.
        let known = endTokens.filter { (0..<vocabulary.count).contains($0) }
        ends = Set(known)
        endOfText = known.first
        // Missing only where the model has no row for it.
        if let end = folder.endOfText.flatMap({ vocabulary.id(ofAdded: $0) }) {
            ends.insert(end)
            endOfText = end
        }
        addNamedEnds(of: vocabulary)
    }

    /// Frames texts as `tokenizer_config.json` says where no post-processor does.
    mutating func frame(by config: TokenizerConfigJSON?) throws(BitNetError) {
        addsBeginOfText = config?.addBosToken ?? (beginOfText != nil)
        guard !addsBeginOfText || beginOfText != nil else {
            throw .tokenizer(
                detail: "add_bos_token is true, but there is no bos_token in the vocabulary")
        }
        if config?.addEosToken == true, let endOfText { appended = [endOfText] }
    }
}

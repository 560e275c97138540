public import Foundation

extension Tokenizer {
    /// A tokenizer from a Hugging Face model's `tokenizer.json`.
    ///
    /// Read are byte pair encodings, on bytes or with sentencepiece's spaces and byte fallback, with
    /// the normalisers, pre-tokenizers and decoders that published models of these kinds have. A
    /// text begins with the token that the post-processor's template puts first; an explicit
    /// `add_bos_token` in `tokenizer_config.json` is stronger.
    ///
    /// - Parameters:
    ///   - json: the contents of `tokenizer.json`.
    ///   - config: the contents of `tokenizer_config.json`, for begin and end of text.
    ///   - endTokens: `eos_token_id` of `generation_config.json` or `config.json`, added to the
    ///     `eos_token` of `config`.
    /// - Throws: `BitNetError.tokenizer` naming the part that is malformed or not supported.
    public init(json: Data, config: Data? = nil, endTokens: [Int] = []) throws(BitNetError) {
        let scanner = try TokenizerJSONScanner(json)
        let file = try readJSON(TokenizerJSON.self, from: scanner.rest, named: "tokenizer.json")
        let config = try config.map { data throws(BitNetError) in
            try readJSON(TokenizerConfigJSON.self, from: data, named: "tokenizer_config.json")
        }
        guard let tokens = scanner.tokens, let merges = scanner.merges else {
            throw .tokenizer(
                detail: "tokenizer.json: 'vocab' or 'merges' is missing; is this the right file?")
        }
        let rules = try file.textRules()
        let (vocabulary, flags) = try file.vocabulary(tokens, scanner.ids, rules.spelling)
        var encoder = BytePairEncoder(
            vocabulary: vocabulary, merges: try MergeTable(merges, of: vocabulary),
            symbols: rules.spelling == .spaceMarks ? .characters : .bytes,
            ignoresMerges: file.model.ignoreMerges ?? false)
        encoder.unknown = try file.unknown(vocabulary, tokens, scanner.ids)
        storage = Storage(
            encoder: encoder, wordCut: rules.wordCut.simplified(for: vocabulary),
            normalizer: rules.normalizer, prefix: rules.prefix,
            addedTokens: AddedTokens(
                vocabulary.addedEntries(flags: flags), normalizer: rules.normalizer),
            template: try file.template(config, endTokens, vocabulary), decoding: rules.decoding)
    }
}

extension WordCut {
    /// The same cut with less to do: what makes no difference is left out, and a whole text whose
    /// tokens never reach across a space is cut there.
    fileprivate func simplified(for vocabulary: Vocabulary) -> WordCut {
        if vocabulary.spelling == .spaceMarks {
            return steps.isEmpty ? WordCut(beforeSpacesOf: vocabulary) : self
        }
        return WordCut(steps: steps.last == .byteLevel ? steps.dropLast() : steps)
    }
}

/// Decodes JSON; what is wrong with it is told with the place.
func readJSON<T: Decodable>(
    _ type: T.Type, from data: Data, named name: String
) throws(BitNetError) -> T {
    do {
        return try JSONDecoder().decode(type, from: data)
    } catch let error as BitNetError {
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
            reason = "'\(key.stringValue)' is missing; is this the right file?"
        }
        throw .tokenizer(detail: "\(name): \(place.isEmpty ? "" : place + ": ")\(reason)")
    } catch {
        throw .tokenizer(detail: "\(name): \(error)")
    }
}

extension TokenizerJSON {
    /// The vocabulary with its added tokens, and how some of those are found.
    fileprivate func vocabulary(
        _ tokens: ByteStrings, _ ids: [Int], _ spelling: TokenSpelling
    ) throws(BitNetError) -> (Vocabulary, flags: [Int: AddedTokens.Flags]) {
        var (spellings, kinds) = try ordered(tokens, ids)
        var flags: [Int: AddedTokens.Flags] = [:]
        for token in addedTokens ?? [] {
            kinds[token.id] = token.special == true ? .control : .userDefined
            flags[token.id] = token.flags
        }
        if spelling == .spaceMarks, model.byteFallback == true {
            for id in 0..<spellings.count where kinds[id] == .normal {
                if TokenSpelling.byte(named: spellings[id]) != nil { kinds[id] = .byte }
            }
        }
        return (try Vocabulary(spellings: spellings, kinds: kinds, spelling: spelling), flags)
    }

    /// Tokens and added tokens in the order of their ids, each of which is there once.
    private func ordered(
        _ tokens: ByteStrings, _ ids: [Int]
    ) throws(BitNetError) -> (ByteStrings, [Vocabulary.Kind]) {
        let added = addedTokens ?? []
        let names = ByteStrings(added.map(\.content))
        if let listed = Self.inOrder(tokens, ids, names, added) { return listed }
        var table = TokenTable(capacity: added.count)
        for index in 0..<added.count {
            let first = table.insert(index, from: names)
            guard first < 0 else { throw Self.conflict(added[index], added[Int(first)].id) }
        }
        // Per id where its token is: in `tokens`, or after those in `names`.
        var places = [Int](repeating: -1, count: tokens.count + added.count)
        var highest = -1
        for (index, id) in ids.enumerated() {
            let name = table.id(of: tokens.storage, tokens.range(index), in: names)
            if name >= 0, added[Int(name)].id != id { throw Self.conflict(added[Int(name)], id) }
            guard places.indices.contains(id) else { continue }
            if places[id] >= 0 {
                throw .tokenizer(
                    detail: "tokens '\(tokens.text(places[id]))' and '\(tokens.text(index))' both "
                        + "have id \(id)")
            }
            places[id] = index
            highest = max(highest, id)
        }
        for (index, token) in added.enumerated() where places.indices.contains(token.id) {
            let place = places[token.id]
            if place < 0 {
                places[token.id] = tokens.count + index
            } else if place >= tokens.count || tokens.text(place) != token.content {
                throw Self.conflict(token, token.id)
            }
            highest = max(highest, token.id)
        }
        let count =
            tokens.count
            + added.count { token in
                !places.indices.contains(token.id) || places[token.id] >= tokens.count
            }
        return (try Self.collect(tokens, names, places.prefix(count)), kinds(count))
    }

    /// The usual case: the vocabulary's tokens in the order of their ids, then the added ones.
    private static func inOrder(
        _ tokens: ByteStrings, _ ids: [Int], _ names: ByteStrings, _ added: [AddedToken]
    ) -> (ByteStrings, [Vocabulary.Kind])? {
        guard ids.elementsEqual(0..<tokens.count),
            added.map(\.id).elementsEqual(tokens.count..<tokens.count + added.count)
        else { return nil }
        // An added token that the vocabulary has too is a contradiction, told elsewhere.
        var table = TokenTable(capacity: added.count)
        for index in 0..<added.count where table.insert(index, from: names) >= 0 { return nil }
        for index in 0..<tokens.count
        where table.id(of: tokens.storage, tokens.range(index), in: names) >= 0 { return nil }
        var spellings = tokens
        for index in 0..<names.count { spellings.append(names[index]) }
        return (
            spellings, [Vocabulary.Kind](repeating: .normal, count: tokens.count + added.count)
        )
    }

    private func kinds(_ count: Int) -> [Vocabulary.Kind] {
        [Vocabulary.Kind](repeating: .normal, count: count)
    }

    private static func collect(
        _ tokens: ByteStrings, _ names: ByteStrings, _ places: ArraySlice<Int>
    ) throws(BitNetError) -> ByteStrings {
        var spellings = ByteStrings()
        spellings.reserveCapacity(
            places.count, bytes: tokens.storage.count + names.storage.count)
        for (id, place) in places.enumerated() {
            guard place >= 0 else {
                throw .tokenizer(
                    detail: "no token has id \(id), but \(places.count) tokens exist")
            }
            spellings.append(
                place < tokens.count ? tokens[place] : names[place - tokens.count])
        }
        return spellings
    }

    private static func conflict(_ token: AddedToken, _ id: Int) -> BitNetError {
        .tokenizer(
            detail: "added token '\(token.content)' has id \(token.id), but the vocabulary has "
                + "it, or another token, as \(id)")
    }

    /// What stands for characters without a token; nil where there are none or they are dropped.
    fileprivate func unknown(
        _ vocabulary: Vocabulary, _ tokens: ByteStrings, _ ids: [Int]
    ) throws(BitNetError) -> BytePairEncoder.Unknown? {
        guard let name = model.unknownToken,
            vocabulary.byteTokens.contains(-1)
        else { return nil }
        let listed = (0..<tokens.count).first { tokens[$0].elementsEqual(name.utf8) }
        guard let id = vocabulary.id(ofAdded: name) ?? listed.map({ ids[$0] }) else {
            throw .tokenizer(detail: "unk_token '\(name)' is not in the vocabulary")
        }
        return .init(
            id: Int32(truncatingIfNeeded: id), isFused: model.fuseUnknown ?? false)
    }

    /// The tokens that frame a text.
    fileprivate func template(
        _ config: TokenizerConfigJSON?, _ endTokens: [Int], _ vocabulary: Vocabulary
    ) throws(BitNetError) -> Tokenizer.Template {
        let (before, after) = try frame(vocabulary)
        guard before.count <= 1 else {
            throw .tokenizer(detail: "post_processor puts \(before.count) tokens before a text")
        }
        var template = try Tokenizer.Template(config, endTokens, vocabulary)
        template.beginOfText = before.first ?? template.beginOfText
        template.addsBeginOfText = config?.addBosToken ?? !before.isEmpty
        if template.addsBeginOfText && template.beginOfText == nil {
            throw .tokenizer(
                detail: "add_bos_token is true, but bos_token "
                    + "'\(config?.bosToken?.content ?? "")' is not a special token")
        }
        if config?.addEosToken == nil { template.appended = after }
        return template
    }

    /// The tokens a `TemplateProcessing` puts before and after a text.
    private func frame(
        _ vocabulary: Vocabulary
    ) throws(BitNetError) -> (before: [Int], after: [Int]) {
        var before: [Int] = []
        var after: [Int] = []
        for part in postProcessor?.flattened ?? [] where part.type != "ByteLevel" {
            guard part.type == "TemplateProcessing" else {
                throw .tokenizer(detail: "post_processor '\(part.type)' is not supported")
            }
            var hasText = false
            for piece in part.single {
                guard let name = piece.specialToken?.id else {
                    hasText = hasText || piece.sequence != nil
                    continue
                }
                guard let ids = part.specialTokens[name]?.ids,
                    ids.allSatisfy({ (0..<vocabulary.count).contains($0) })
                else {
                    throw .tokenizer(detail: "post_processor: '\(name)' is not in the vocabulary")
                }
                if hasText { after += ids } else { before += ids }
            }
        }
        return (before, after)
    }
}

extension Tokenizer.Template {
    /// What `tokenizer_config.json` and a model's end tokens say.
    init(
        _ config: TokenizerConfigJSON?, _ endTokens: [Int], _ vocabulary: Vocabulary
    ) throws(BitNetError) {
        beginOfText = config?.bosToken.flatMap { vocabulary.id(ofAdded: $0.content) }
        // An id that is no token never comes, and ends nothing; models warn of it.
        let known = endTokens.filter { (0..<vocabulary.count).contains($0) }
        ends = Set(known)
        endOfText = known.first
        if let name = config?.eosToken?.content {
            guard let end = vocabulary.id(ofAdded: name) else {
                throw .tokenizer(detail: "eos_token '\(name)' is not a special token")
            }
            ends.insert(end)
            endOfText = end
            if config?.addEosToken == true { appended = [end] }
        }
        addNamedEnds(of: vocabulary)
    }
}

public import Foundation

extension Tokenizer {
    /// A tokenizer from a Hugging Face model's `tokenizer.json`.
    ///
    /// Read are byte-level byte pair encodings with the word cuts of Llama 3, Qwen 2 and GPT-2. A
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
        let file = try readJSON(TokenizerJSON.self, from: json, named: "tokenizer.json")
        let config = try config.map { data throws(BitNetError) in
            try readJSON(TokenizerConfigJSON.self, from: data, named: "tokenizer_config.json")
        }
        try self.init(file, config, endTokens)
    }

    private init(
        _ file: TokenizerJSON, _ config: TokenizerConfigJSON?, _ endTokens: [Int]
    ) throws(BitNetError) {
        if let normalizer = file.normalizer?.flattened.first {
            throw .tokenizer(detail: "normalizer '\(normalizer.type)' is not supported")
        }
        let decoders = file.decoder?.flattened ?? []
        if let other = decoders.first(where: { $0.type != "ByteLevel" }) {
            throw .tokenizer(detail: "decoder '\(other.type)' is not supported")
        }
        let (vocabulary, secondPass) = try file.vocabulary()
        if let unknown = file.model.unknownToken, vocabulary.byteTokens.contains(-1) {
            throw .tokenizer(
                detail: "unk_token '\(unknown)' in a vocabulary without all bytes is not supported")
        }
        storage = Storage(
            encoder: BytePairEncoder(
                vocabulary: vocabulary, merges: try MergeTable(file.model.merges, of: vocabulary),
                ignoresMerges: file.model.ignoreMerges ?? false),
            preTokenizer: try file.wordCut(),
            addedTokens: AddedTokens(vocabulary.addedEntries(secondPass: secondPass)),
            template: try file.template(config, endTokens, vocabulary))
    }
}

/// Decodes JSON; what is wrong with it is told with the place.
private func readJSON<T: Decodable>(
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
    /// The vocabulary with its added tokens, and which of those are looked for in a second pass.
    fileprivate func vocabulary() throws(BitNetError) -> (Vocabulary, secondPass: Set<Int>) {
        let added = addedTokens ?? []
        var texts: [Int: String] = [:]
        texts.reserveCapacity(model.vocab.count + added.count)
        for (text, id) in model.vocab {
            if let other = texts.updateValue(text, forKey: id) {
                throw .tokenizer(detail: "tokens '\(other)' and '\(text)' both have id \(id)")
            }
        }
        var kinds: [Int: Vocabulary.Kind] = [:]
        var secondPass: Set<Int> = []
        for token in added {
            if token.lstrip == true || token.rstrip == true || token.singleWord == true {
                throw .tokenizer(
                    detail: "added token '\(token.content)': lstrip, rstrip and single_word are "
                        + "not supported")
            }
            let other = texts[token.id] ?? token.content
            guard other == token.content, model.vocab[token.content] ?? token.id == token.id else {
                throw .tokenizer(
                    detail: "added token '\(token.content)' and '\(other)' both have id "
                        + "\(token.id), or the vocabulary has it under another")
            }
            texts[token.id] = token.content
            kinds[token.id] = token.special == true ? .control : .userDefined
            if token.normalized == true { secondPass.insert(token.id) }
        }
        var spellings = ByteStrings()
        spellings.reserveCapacity(texts.count, bytes: texts.count * 8)
        for id in 0..<texts.count {
            guard let text = texts[id] else {
                throw .tokenizer(detail: "no token has id \(id), but \(texts.count) tokens exist")
            }
            spellings.append(text.utf8)
        }
        let all = (0..<texts.count).map { kinds[$0] ?? .normal }
        return (try Vocabulary(spellings: spellings, kinds: all), secondPass)
    }

    /// How text is cut into words: `Split` by a known expression and `ByteLevel`, or `ByteLevel`
    /// alone, which cuts as GPT-2 does.
    fileprivate func wordCut() throws(BitNetError) -> PreTokenizer {
        let parts = preTokenizer?.flattened ?? []
        guard let last = parts.last, last.type == "ByteLevel" else {
            let found = parts.map(\.type).joined(separator: ", ")
            throw .tokenizer(
                detail: "pre_tokenizer [\(found)] is not supported; supported: [Split, ByteLevel] "
                    + "and [ByteLevel]")
        }
        guard last.addPrefixSpace == false else {
            throw .tokenizer(detail: "pre_tokenizer ByteLevel: add_prefix_space is not supported")
        }
        if parts.count == 1, last.useRegex ?? true { return .gpt2 }
        guard parts.count == 2, parts[0].type == "Split", last.useRegex == false else {
            let found = parts.map(\.type).joined(separator: ", ")
            throw .tokenizer(
                detail: "pre_tokenizer [\(found)] is not supported in this combination")
        }
        guard let expression = parts[0].pattern?.regex else {
            throw .tokenizer(detail: "pre_tokenizer Split without a Regex is not supported")
        }
        let known = try PreTokenizer(expression: expression)
        // The expressions match every character, so isolating and removing the gaps are the same.
        let behavior = parts[0].behavior ?? ""
        guard parts[0].invert != true, behavior == "Isolated" else {
            throw .tokenizer(detail: "pre_tokenizer Split: behavior '\(behavior)' is not supported")
        }
        return known
    }

    /// The tokens that frame a text.
    fileprivate func template(
        _ config: TokenizerConfigJSON?, _ endTokens: [Int], _ vocabulary: Vocabulary
    ) throws(BitNetError) -> Tokenizer.Template {
        var template = Tokenizer.Template()
        let (before, after) = try frame(vocabulary)
        guard before.count <= 1 else {
            throw .tokenizer(detail: "post_processor puts \(before.count) tokens before a text")
        }
        let begin = config?.bosToken.flatMap { vocabulary.id(ofAdded: $0.content) }
        template.beginOfText = before.first ?? begin
        template.addsBeginOfText = config?.addBosToken ?? !before.isEmpty
        if template.addsBeginOfText && template.beginOfText == nil {
            throw .tokenizer(
                detail: "add_bos_token is true, but bos_token "
                    + "'\(config?.bosToken?.content ?? "")' is not a special token")
        }
        if let id = endTokens.first(where: { !(0..<vocabulary.count).contains($0) }) {
            throw .tokenizer(detail: "end token \(id) is not below the \(vocabulary.count) tokens")
        }
        template.ends = Set(endTokens)
        template.endOfText = endTokens.first
        if let name = config?.eosToken?.content {
            guard let end = vocabulary.id(ofAdded: name) else {
                throw .tokenizer(detail: "eos_token '\(name)' is not a special token")
            }
            template.ends.insert(end)
            template.endOfText = end
            if config?.addEosToken == true { template.appended = [end] }
        }
        // The end of a turn is often named nowhere but in the vocabulary.
        for name in Tokenizer.endNames {
            if let id = vocabulary.id(ofAdded: name), vocabulary.kinds[id] == .control {
                template.ends.insert(id)
            }
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

extension Tokenizer {
    /// A tokenizer from the values of a GGUF file.
    ///
    /// Read are byte-level byte pair encodings (`gpt2`) and sentencepiece's (`llama`). Without
    /// `tokenizer.ggml.pre`, as in the published BitNet b1.58 2B-4T file, the cut into words is
    /// inferred from architecture and vocabulary and `preTokenizerWasInferred` is set. Special
    /// tokens named like an end of turn are end tokens too, since GGUF has one end id only.
    ///
    /// - Throws: `BitNetError.tokenizer` naming the first value that is inconsistent or not
    ///   supported.
    package init(gguf: GGUFVocabulary) throws(BitNetError) {
        switch gguf.model {
        case "gpt2": try self.init(byteLevel: gguf)
        case "llama": try self.init(sentencePiece: gguf)
        default:
            throw .tokenizer(
                detail: "tokenizer.ggml.model \(gguf.model.quoted) is not supported; supported: "
                    + "gpt2 "
                    + "(byte-level byte pair encoding) and llama (sentencepiece)")
        }
    }

    private init(byteLevel gguf: GGUFVocabulary) throws(BitNetError) {
        let named = try gguf.wordCut()
        let kinds = try Self.kinds(of: gguf)
        let vocabulary = try Vocabulary(
            spellings: gguf.tokens, kinds: kinds, members: gguf.members(kinds),
            foreign: .allowedBesideAllBytes)
        let merges = try MergeTable(gguf.merges, of: vocabulary)
        storage = Storage(
            encoder: BytePairEncoder(
                vocabulary: vocabulary, merges: merges, ignoresMerges: named.ignoresMerges),
            wordCut: named.cut, normalizer: named.normalizer,
            addedTokens: try AddedTokens(
                vocabulary.addedEntries(flags: gguf.flags), normalizer: named.normalizer),
            template: try Self.template(
                of: gguf, addsBegin: named.addsBeginOfText && gguf.beginOfText != nil, vocabulary))
    }

    private init(sentencePiece gguf: GGUFVocabulary) throws(BitNetError) {
        guard let scores = gguf.scores, scores.count == gguf.tokens.count, gguf.tokenTypes != nil
        else {
            throw .tokenizer(
                detail: "a sentencepiece vocabulary of \(gguf.tokens.count) tokens needs as many "
                    + "tokenizer.ggml.scores and token_type; found \(gguf.scores?.count ?? 0) and "
                    + "\(gguf.tokenTypes?.count ?? 0)")
        }
        let kinds = try Self.kinds(of: gguf)
        let vocabulary = try Vocabulary(
            spellings: gguf.tokens, kinds: kinds, spelling: .spaceMarks,
            members: gguf.correct(Set(kinds.indices.filter { kinds[$0] == .userDefined })))
        let unknown =
            gguf.unknown ?? gguf.tokenTypes?.firstIndex(of: 2)
        try self.init(
            pieces: vocabulary, scores: scores, unknown: unknown,
            prefix: gguf.addsSpacePrefix ?? true ? .always : nil,
            leadingSpace: try gguf.knownLeadingSpace, flags: gguf.flags,
            template: try Self.template(of: gguf, addsBegin: gguf.beginOfText != nil, vocabulary))
    }

    /// The tokens that frame a text; `addsBegin` is for a file that does not say.
    private static func template(
        of gguf: GGUFVocabulary, addsBegin: Bool, _ vocabulary: Vocabulary
    ) throws(BitNetError) -> Template {
        var template = Template()
        template.preTokenizerWasInferred = gguf.model == "gpt2" && gguf.pre == nil
        template.beginOfText = gguf.beginOfText
        template.addsBeginOfText = gguf.addsBeginOfText ?? addsBegin
        if template.addsBeginOfText && gguf.beginOfText == nil {
            throw .tokenizer(
                detail: "tokenizer.ggml.add_bos_token is true, but tokenizer.ggml.bos_token_id "
                    + "names no token of the vocabulary")
        }
        template.ends = Set(gguf.additionalEnds)
        template.endOfText = gguf.endOfText
        if let end = gguf.endOfText { template.ends.insert(end) }
        template.addNamedEnds(of: vocabulary)
        if gguf.addsEndOfText == true {
            guard let end = gguf.endOfText else {
                throw .tokenizer(
                    detail: "tokenizer.ggml.add_eos_token is true without "
                        + "tokenizer.ggml.eos_token_id")
            }
            template.appended = [end]
        }
        return template
    }

    private static func kinds(of gguf: GGUFVocabulary) throws(BitNetError) -> [Vocabulary.Kind] {
        let count = gguf.tokens.count
        let named = [gguf.beginOfText, gguf.endOfText, gguf.unknown].compactMap { $0 }
        if let id = (named + gguf.additionalEnds).first(where: { !(0..<count).contains($0) }) {
            throw .tokenizer(detail: "special token id \(id) is not below the \(count) tokens")
        }
        guard let types = gguf.tokenTypes else {
            var kinds = [Vocabulary.Kind](repeating: .normal, count: count)
            for id in named + gguf.additionalEnds { kinds[id] = .control }
            return kinds
        }
        guard types.count == count else {
            throw .tokenizer(detail: "\(types.count) token types for \(count) tokens")
        }
        var kinds: [Vocabulary.Kind] = []
        kinds.reserveCapacity(count)
        for type in types {
            switch type {
            case 1: kinds.append(.normal)
            case 2, 3: kinds.append(.control)
            case 4: kinds.append(.userDefined)
            case 5: kinds.append(.unused)
            case 6 where gguf.model == "llama": kinds.append(.byte)
            default:
                throw .tokenizer(
                    detail: "token \(kinds.count) '\(gguf.tokens.text(kinds.count))' has type "
                        + "\(type), which a \(gguf.model) vocabulary does not have")
            }
        }
        return kinds
    }
}

extension GGUFVocabulary {
    fileprivate var knownLeadingSpace: Decoding.LeadingSpace? {
        get throws(BitNetError) {
            guard let leadingSpace else { return nil }
            guard let known = Decoding.LeadingSpace(rawValue: leadingSpace) else {
                throw .tokenizer(
                    detail: "\(Self.leadingSpaceKey) \(leadingSpace.quoted) is not known; the file "
                        + "may be of a later version")
            }
            return known
        }
    }

    /// How texts are cut into words: as named, or as architecture and vocabulary tell.
    fileprivate func wordCut() throws(BitNetError) -> NamedWordCut {
        if let pre { return try NamedWordCut.named(pre) }
        return try NamedWordCut.named(try inferredPre())
    }

    private func inferredPre() throws(BitNetError) -> String {
        let count = tokens.count
        func has(_ id: Int, _ text: String) -> Bool {
            id < count && tokens[id].elementsEqual(text.utf8)
        }
        switch (architecture, count) {
        case ("falcon", 65_024): return "falcon"
        case ("gptneox", _), ("olmo", _): return "gpt-neox"
        case ("qwen2", _), ("qwen3", _): return "qwen2"
        case ("gpt2", _), ("phi2", _): return "gpt-2"
        case (_, 128_256): return "llama-bpe"
        // GPT-NeoX's vocabulary, padded, is that of models of other architectures too.
        case (_, 50_254...50_432) where has(0, "<|endoftext|>") && has(1, "<|padding|>"):
            return "gpt-neox"
        case (_, 50_257): return "gpt-2"
        case (_, 151_643...152_064): return "qwen2"
        // No published vocabulary is this small; the ones made for tests and samples are Llama's.
        case (_, 1...16_384): return "llama-bpe"
        default:
            throw .tokenizer(
                detail: "tokenizer.ggml.pre is missing, and \(count) tokens of architecture "
                    + "\(architecture.quoted) do not tell which it is; add the key "
                    + "(gguf_new_metadata.py --pre-tokenizer NAME), known: "
                    + NamedWordCut.allNames)
        }
    }
}

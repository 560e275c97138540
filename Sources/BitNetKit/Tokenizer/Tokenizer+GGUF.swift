extension Tokenizer {
    /// A tokenizer from the values of a GGUF file.
    ///
    /// Without `tokenizer.ggml.pre`, as in the published BitNet b1.58 2B-4T file, the cut into words
    /// is inferred from the size of the vocabulary and `preTokenizerWasInferred` is set. Special
    /// tokens named like an end of turn are end tokens too, since GGUF has one end id only.
    ///
    /// - Throws: `BitNetError.tokenizer` naming the first value that is inconsistent or not
    ///   supported.
    package init(gguf: GGUFVocabulary) throws(BitNetError) {
        guard gguf.model == "gpt2" else {
            let kind = gguf.model == "llama" ? "sentencepiece, " : ""
            throw .tokenizer(
                detail: "tokenizer.ggml.model '\(gguf.model)' (\(kind)not byte-level byte pair "
                    + "encoding) is not supported yet; supported: gpt2")
        }
        let preTokenizer = try Self.preTokenizer(of: gguf)
        let kinds = try Self.kinds(of: gguf)
        let vocabulary = try Vocabulary(spellings: gguf.tokens, kinds: kinds)
        let merges = try MergeTable(gguf.merges, of: vocabulary)
        storage = Storage(
            encoder: BytePairEncoder(
                vocabulary: vocabulary, merges: merges,
                ignoresMerges: preTokenizer == .llama3 && gguf.pre != Self.llamaWithoutWholeWords),
            preTokenizer: preTokenizer,
            addedTokens: AddedTokens(vocabulary.addedEntries()),
            template: try Self.template(of: gguf, preTokenizer, vocabulary))
    }

    /// llama.cpp's name for Llama 3's word cuts where a word that is a token is merged all the same.
    private static let llamaWithoutWholeWords = "smaug-bpe"

    /// The values that make this tokenizer when read from a GGUF file.
    package func ggufVocabulary(architecture: String) -> GGUFVocabulary {
        let vocabulary = vocabulary
        var tokens = ByteStrings()
        for id in 0..<vocabulary.count {
            switch vocabulary.kinds[id] {
            case .normal: tokens.append(ByteAlphabet.encode(vocabulary.tokens[id]).utf8)
            case .control, .userDefined: tokens.append(vocabulary.tokens[id])
            case .unused: tokens.append("[PAD\(id)]".utf8)
            }
        }
        var merges = ByteStrings()
        for (left, right) in storage.encoder.merges.pairs {
            merges.append(Array(tokens[left]) + [0x20] + Array(tokens[right]))
        }
        let types: [Int32] = vocabulary.kinds.map { kind in
            switch kind {
            case .normal: 1
            case .control: 3
            case .userDefined: 4
            case .unused: 5
            }
        }
        let mergesWords = storage.preTokenizer == .llama3 && !storage.encoder.ignoresMerges
        return GGUFVocabulary(
            model: "gpt2",
            pre: mergesWords ? Self.llamaWithoutWholeWords : storage.preTokenizer.rawValue,
            architecture: architecture, tokens: tokens, merges: merges, tokenTypes: types,
            beginOfText: beginOfText, endOfText: endOfText,
            additionalEnds: endTokens.subtracting([endOfText].compactMap { $0 }).sorted(),
            addsBeginOfText: addsBeginOfText,
            addsEndOfText: endOfText != nil && appendedTokens == [endOfText])
    }

    /// Special tokens that end a turn by the name they have in published vocabularies.
    static let endNames = [
        "<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<|end_of_text|>", "<|endoftext|>",
        "<|end_of_turn|>", "<end_of_turn>", "<|endofturn|>", "<｜end▁of▁sentence｜>", "</s>",
    ]

    private static func template(
        of gguf: GGUFVocabulary, _ preTokenizer: PreTokenizer, _ vocabulary: Vocabulary
    ) throws(BitNetError) -> Template {
        var template = Template()
        template.preTokenizerWasInferred = gguf.pre == nil
        template.beginOfText = gguf.beginOfText
        // llama.cpp's default where the key is absent; Falcon 3 is not trained with one.
        let isLlama = preTokenizer == .llama3 && gguf.pre != "falcon3"
        template.addsBeginOfText =
            gguf.addsBeginOfText ?? (isLlama && gguf.beginOfText != nil)
        if template.addsBeginOfText && gguf.beginOfText == nil {
            throw .tokenizer(
                detail: "tokenizer.ggml.add_bos_token is true without tokenizer.ggml.bos_token_id")
        }
        template.ends = Set(gguf.additionalEnds)
        template.endOfText = gguf.endOfText
        if let end = gguf.endOfText { template.ends.insert(end) }
        for name in endNames {
            if let id = vocabulary.id(ofAdded: name), vocabulary.kinds[id] == .control {
                template.ends.insert(id)
            }
        }
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

    private static func preTokenizer(of gguf: GGUFVocabulary) throws(BitNetError) -> PreTokenizer {
        if let name = gguf.pre { return try PreTokenizer(ggufName: name) }
        switch gguf.tokens.count {
        case 128_256: return .llama3
        case 50_257: return .gpt2
        case 151_643...152_064: return .qwen2
        // No published vocabulary is this small; the ones made for tests and samples are Llama's.
        case 1...16_384: return .llama3
        default:
            throw .tokenizer(
                detail: "tokenizer.ggml.pre is missing, and \(gguf.tokens.count) tokens of "
                    + "architecture '\(gguf.architecture)' do not tell which it is; add the key")
        }
    }

    private static func kinds(of gguf: GGUFVocabulary) throws(BitNetError) -> [Vocabulary.Kind] {
        let count = gguf.tokens.count
        let named = [gguf.beginOfText, gguf.endOfText].compactMap { $0 } + gguf.additionalEnds
        if let id = named.first(where: { !(0..<count).contains($0) }) {
            throw .tokenizer(detail: "special token id \(id) is not below the \(count) tokens")
        }
        guard let types = gguf.tokenTypes else {
            var kinds = [Vocabulary.Kind](repeating: .normal, count: count)
            for id in named { kinds[id] = .control }
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
            default:
                throw .tokenizer(
                    detail: "token \(kinds.count) '\(gguf.tokens.text(kinds.count))' has type "
                        + "\(type), which a byte-level vocabulary does not have")
            }
        }
        return kinds
    }
}

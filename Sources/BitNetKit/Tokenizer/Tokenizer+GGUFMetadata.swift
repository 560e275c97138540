extension Tokenizer {
    /// The `tokenizer.ggml.*` metadata that describes this tokenizer in a GGUF file.
    ///
    /// - Throws: `BitNetError.tokenizer` when GGUF cannot say what this tokenizer does.
    func ggufMetadata() throws(BitNetError) -> [GGUFFile.Entry] {
        try requireImpliedMergeRule()
        let kinds = vocabulary.kinds
        let spellings = (0..<vocabularySize).map { spelling(of: $0) }
        let merges = storage.encoder.merges.pairs.map { "\(spellings[$0.left]) \(spellings[$0.right])" }
        var entries: [GGUFFile.Entry] = [
            .init("tokenizer.ggml.model", .string("gpt2")),
            .init("tokenizer.ggml.pre", .string(storage.preTokenizer.rawValue)),
            .init("tokenizer.ggml.tokens", .array(GGUFArray(spellings))),
            .init("tokenizer.ggml.token_type", .array(GGUFArray(kinds.map(\.ggufType)))),
            .init("tokenizer.ggml.merges", .array(GGUFArray(merges))),
            .init("tokenizer.ggml.add_bos_token", .bool(addsBeginOfText)),
        ]
        if let begin = beginOfText {
            entries.append(.init("tokenizer.ggml.bos_token_id", .uint32(UInt32(begin))))
        }
        for (key, end) in zip(["eos", "eot", "eom"], endTokens.sorted()) {
            entries.append(.init("tokenizer.ggml.\(key)_token_id", .uint32(UInt32(end))))
        }
        return entries
    }

    private func spelling(of id: Int) -> String {
        switch vocabulary.kinds[id] {
        case .normal: ByteAlphabet.encode(vocabulary.tokens[id])
        case .control, .userDefined: vocabulary.tokens.text(id)
        case .unused: "[UNUSED\(id)]"
        }
    }

    /// GGUF has no key for `ignore_merges`; readers take it from the name of the pre-tokenizer. The
    /// rule matters only for words that are tokens: where merging spells all of those as themselves,
    /// both rules are one.
    private func requireImpliedMergeRule() throws(BitNetError) {
        let encoder = storage.encoder
        guard encoder.ignoresMerges != (storage.preTokenizer == .llama3) else { return }
        let merging = BytePairEncoder(
            vocabulary: vocabulary, merges: encoder.merges, ignoresMerges: false)
        var scratch = BytePairEncoder.Scratch()
        for id in 0..<vocabularySize where vocabulary.kinds[id] == .normal {
            let bytes = Array(vocabulary.tokens[id])
            var ids: [Int] = []
            merging.encode(bytes, 0..<bytes.count, into: &ids, &scratch)
            guard ids == [id] else {
                throw .tokenizer(
                    detail: "ignore_merges = \(encoder.ignoresMerges) is not what GGUF readers "
                        + "assume, and token \(id) '\(spelling(of: id))' depends on it")
            }
        }
    }
}

extension Vocabulary.Kind {
    /// GGUF's `token_type`.
    fileprivate var ggufType: Int32 {
        switch self {
        case .normal: 1
        case .control: 3
        case .userDefined: 4
        case .unused: 5
        }
    }
}

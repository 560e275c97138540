extension GGUFVocabulary {
    /// The key for `tokenFlags`, in the order of the tokens.
    static let tokenFlagsKey = "tokenizer.bitnetkit.added_token_flags"
    /// The key for `leadingSpace`.
    static let leadingSpaceKey = "tokenizer.bitnetkit.leading_space"

    /// The `tokenizer.ggml.*` metadata of a GGUF file with this vocabulary.
    package var metadata: [GGUFFile.Entry] {
        func key(_ name: String) -> String { "tokenizer.ggml.\(name)" }
        var entries: [GGUFFile.Entry] = [
            .init(key("model"), .string(model)),
            .init(key("tokens"), .array(GGUFArray(tokens.strings))),
        ]
        if merges.count > 0 || scores == nil {
            entries.append(.init(key("merges"), .array(GGUFArray(merges.strings))))
        }
        if let scores { entries.append(.init(key("scores"), .array(GGUFArray(scores)))) }
        if let addsSpacePrefix {
            entries.append(.init(key("add_space_prefix"), .bool(addsSpacePrefix)))
        }
        if let pre { entries.append(.init(key("pre"), .string(pre))) }
        if let tokenTypes {
            entries.append(.init(key("token_type"), .array(GGUFArray(tokenTypes))))
        }
        let ids = [
            ("bos", beginOfText), ("eos", endOfText), ("eot", additionalEnds.first),
            ("eom", additionalEnds.dropFirst().first), ("unknown", unknown),
        ]
        for case (let name, let id?) in ids {
            entries.append(.init(key("\(name)_token_id"), .uint32(UInt32(id))))
        }
        if let addsBeginOfText {
            entries.append(.init(key("add_bos_token"), .bool(addsBeginOfText)))
        }
        if let addsEndOfText { entries.append(.init(key("add_eos_token"), .bool(addsEndOfText))) }
        if let leadingSpace {
            entries.append(.init(Self.leadingSpaceKey, .string(leadingSpace)))
        }
        if !tokenFlags.isEmpty {
            let pairs = tokenFlags.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] }
            entries.append(
                .init(
                    Self.tokenFlagsKey,
                    .array(GGUFArray(pairs.map { Int32(truncatingIfNeeded: $0) }))))
        }
        return entries
    }
}

extension ByteStrings {
    /// All strings, for a file's metadata.
    var strings: [String] { (0..<count).map { String(decoding: self[$0], as: UTF8.self) } }
}

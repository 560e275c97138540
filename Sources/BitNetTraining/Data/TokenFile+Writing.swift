public import Foundation

extension TokenFile {
    /// Writes the tokens of `corpus` to a file, whole or not at all, and opens it. Blocks.
    ///
    /// Until the file is written all tokens are in memory, 2 bytes each, or 4 with a vocabulary of
    /// more than 65,536 tokens: about half a byte for a byte of English.
    ///
    /// - Parameters:
    ///   - corpus: the text, read once.
    ///   - tokenizer: what makes tokens of it; it must have an end-of-text token.
    ///   - url: the file; one that is there is replaced.
    ///   - progress: called now and then, on the same thread.
    /// - Throws: `BitNetError.tokenizer` without an end-of-text token, `.invalidArgument` for a
    ///   corpus without any text, `.unwritable`, `.cancelled` soon after the current task is
    ///   cancelled; what reading the corpus throws.
    @discardableResult
    public static func write(
        _ corpus: TrainingCorpus, tokenizer: Tokenizer, to url: URL,
        progress: (CorpusProgress) -> Void = { _ in }
    ) throws(BitNetError) -> TokenFile {
        let file = try AtomicFile(replacing: url.path)
        let bytes = try encoded(corpus, tokenizer: tokenizer, progress: progress)
        for part in bytes { try file.write(ByteRegion(part, path: url.path)) }
        try file.commit()
        return try TokenFile(opening: url, tokenizer: tokenizer)
    }

    /// The tokens of `corpus` in memory, for a corpus that is not worth a file. Blocks.
    ///
    /// - Throws: as `write(_:tokenizer:to:progress:)`.
    public init(
        _ corpus: TrainingCorpus, tokenizer: Tokenizer,
        progress: (CorpusProgress) -> Void = { _ in }
    ) throws(BitNetError) {
        let parts = try Self.encoded(corpus, tokenizer: tokenizer, progress: progress)
        let region = ByteRegion(Array(parts.joined()), path: "the tokens of \(corpus.name)")
        try self.init(FileRegion(region), tokenizer)
    }

    /// The bytes of a file: header, tokens, documents.
    private static func encoded(
        _ corpus: TrainingCorpus, tokenizer: Tokenizer, progress: (CorpusProgress) -> Void
    ) throws(BitNetError) -> [[UInt8]] {
        var writer = try TokenWriter(tokenizer)
        try corpus.forEachDocument { (text, read) throws(BitNetError) in
            try writer.append(text)
            progress(.init(stage: .encoding, done: read, total: corpus.byteCount))
        }
        guard writer.starts.count > 1 else {
            throw .invalidArgument(
                name: "corpus",
                detail: "there is no text in \(corpus.name); give UTF-8 text, with "
                    + "\(TrainingCorpus.separator) between documents")
        }
        return writer.finish()
    }
}

/// Tokens on their way into a file.
private struct TokenWriter {
    private let tokenizer: Tokenizer
    private let begin: Int?
    private let end: Int
    private let isWide: Bool
    private var tokens: [UInt8] = []
    private(set) var starts = [0]
    private var encoder: DocumentEncoder

    init(_ tokenizer: Tokenizer) throws(BitNetError) {
        guard let end = tokenizer.endOfText else {
            throw .tokenizer(
                detail: "it has no end-of-text token (eos_token in tokenizer_config.json), which "
                    + "has to end every document")
        }
        self.tokenizer = tokenizer
        encoder = DocumentEncoder(tokenizer, effort: .ofTask())
        self.end = end
        // One token for both already stands before every document but the first.
        begin =
            tokenizer.addsBeginOfText && tokenizer.beginOfText != end ? tokenizer.beginOfText : nil
        if let begin, begin >= tokenizer.vocabularySize {
            throw .tokenizer(
                detail: "it puts token \(begin) before a text, which is none of its "
                    + "\(tokenizer.vocabularySize)")
        }
        isWide = tokenizer.vocabularySize > 1 << 16
    }

    mutating func append(_ text: String) throws(BitNetError) {
        if let begin { append(begin) }
        for id in try encoder.encode(text) { append(id) }
        append(end)
        starts.append(tokens.count / (isWide ? 4 : 2))
    }

    private mutating func append(_ id: Int) {
        tokens.append(UInt8(truncatingIfNeeded: id))
        tokens.append(UInt8(truncatingIfNeeded: id >> 8))
        guard isWide else { return }
        tokens.append(UInt8(truncatingIfNeeded: id >> 16))
        tokens.append(UInt8(truncatingIfNeeded: id >> 24))
    }

    func finish() -> [[UInt8]] {
        var documents = ByteWriter()
        for start in starts { documents.write(UInt64(start)) }
        var checksum = Checksum()
        checksum.update(tokenizer.fingerprint)
        checksum.update(tokens)
        checksum.update(documents.bytes)
        let count = tokens.count / (isWide ? 4 : 2)
        let total = tokens.count + documents.bytes.count
        var header = """
            {"__metadata__":{"format":"\(TokenFile.format)",\
            "vocabulary_size":"\(tokenizer.vocabularySize)",\
            "tokenizer":"\(digits(tokenizer.fingerprint))",\
            "fingerprint":"\(digits(checksum.value))","end_of_text":"\(end)"},\
            "documents":{"dtype":"U64","shape":[\(starts.count)],\
            "data_offsets":[0,\(documents.bytes.count)]},\
            "tokens":{"dtype":"\(isWide ? "U32" : "U16")","shape":[\(count)],\
            "data_offsets":[\(documents.bytes.count),\(total)]}}
            """
        // Readers want the data aligned to 8 bytes.
        header += String(repeating: " ", count: 7 - (header.utf8.count + 7) % 8)
        var length = ByteWriter()
        length.write(UInt64(header.utf8.count))
        return [length.bytes, Array(header.utf8), documents.bytes, tokens]
    }

    private func digits(_ value: UInt64) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: 16 - text.utf8.count) + text
    }
}

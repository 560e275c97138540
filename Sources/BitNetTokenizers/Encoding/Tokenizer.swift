/// Text to tokens and back: byte pair encoding, on bytes as Llama 3, Falcon 3 and GPT-2 use it, or
/// on characters with scores as sentencepiece does for Llama 2 and Gemma.
///
/// ```swift
/// let ids = try tokenizer.encode("Once upon a time")
/// tokenizer.decode(ids)  // "Once upon a time"
/// ```
///
/// Results are those of Hugging Face's tokenizers, sentencepiece and tiktoken, apart from characters
/// that are newer than the Unicode version of either side. A tokenizer is checked when it is made;
/// after that encoding fails only for a text that is too long, or if its task is cancelled. It is
/// immutable, and copying it is cheap.
public struct Tokenizer: Sendable {
    /// What all copies share.
    final class Storage: Sendable {
        let encoder: BytePairEncoder
        let wordCut: WordCut
        let normalizer: Normalizer
        /// What pre-tokenizers add to a text once added tokens are found.
        let prefix: Normalizer
        let addedTokens: AddedTokens
        let template: Template
        let decoding: Decoding

        init(
            encoder: BytePairEncoder, wordCut: WordCut, normalizer: Normalizer = .identity,
            prefix: Normalizer = .identity, addedTokens: AddedTokens, template: Template,
            decoding: Decoding = Decoding()
        ) {
            self.encoder = encoder
            self.wordCut = wordCut
            self.normalizer = normalizer
            self.prefix = prefix
            self.addedTokens = addedTokens
            self.template = template
            self.decoding = decoding
        }
    }

    /// The tokens that frame a text.
    struct Template: Sendable {
        var beginOfText: Int?
        var addsBeginOfText = false
        var appended: [Int] = []
        var endOfText: Int?
        var ends: Set<Int> = []
        /// Whether the file left the pre-tokenizer open.
        var preTokenizerWasInferred = false

        init() {}
    }

    let storage: Storage

    var vocabulary: Vocabulary { storage.encoder.vocabulary }

    /// Number of tokens; ids are in `0..<vocabularySize`.
    public var vocabularySize: Int { vocabulary.count }

    /// The token a text begins with, if the vocabulary has one.
    public var beginOfText: Int? { storage.template.beginOfText }

    /// Whether the model was trained with `beginOfText` before every text.
    ///
    /// `encode(_:special:)` never adds it.
    public var addsBeginOfText: Bool { storage.template.addsBeginOfText }

    /// Tokens the model expects after every text, as embedding models do; mostly none.
    ///
    /// `encode(_:special:)` never adds them.
    public var appendedTokens: [Int] { storage.template.appended }

    /// The token a text ends with, if the file names one.
    public var endOfText: Int? { storage.template.endOfText }

    /// Tokens after which generation is over: end of text, end of turn.
    public var endTokens: Set<Int> { storage.template.ends }

    /// Whether the file did not say how text is cut into words, and it was inferred from the
    /// vocabulary.
    public var preTokenizerWasInferred: Bool { storage.template.preTokenizerWasInferred }

    /// Whether `id` is a special token such as begin of text; false out of range.
    public func isSpecial(_ id: Int) -> Bool {
        vocabulary.kinds.indices.contains(id) && vocabulary.kinds[id] == .control
    }

    /// The special or user-defined token with this text, for example `<|eot_id|>`.
    public func id(ofSpecial name: String) -> Int? { vocabulary.id(ofAdded: name) }
}

// MARK: - Encoding

extension Tokenizer {
    /// The tokens of `text`; no begin-of-text token is added.
    ///
    /// With `special`, special tokens written out in the text, such as `<|eot_id|>`, become those
    /// tokens: use it for prompts that a chat template made, never for a user's words. Tokens the
    /// vocabulary marks as user-defined are recognised either way. Bytes for which an incomplete
    /// vocabulary has no token are left out.
    ///
    /// Time is n log n in the length of the text, whatever the text is.
    ///
    /// - Throws: `BitNetError.invalidArgument` for a text of more than 1 GiB, or one of which the
    ///   normaliser makes more than 12 bytes for each of its own and 65,536; `.cancelled` soon after
    ///   the current task is cancelled.
    public func encode(_ text: String, special: Bool = false) throws(BitNetError) -> [Int] {
        try encode(text, special: special, effort: .ofTask())
    }

    /// The same, and `effort` says whether the tokens are still wanted, `most` how many can be used.
    ///
    /// - Throws: `BitNetError.contextWindowExceeded` also where there are far more, as soon as that
    ///   is known.
    package func encode(
        _ text: String, special: Bool = false, most: Int = .max, effort: Effort
    ) throws(BitNetError) -> [Int] {
        var limit = TextLimit(of: text.utf8.count, tokens: most)
        return try encode(text, special: special, limit: &limit, effort: effort)
    }

    /// The same for a text, or a part of one, that is counted in `limit`.
    func encode(
        _ text: String, special: Bool, limit: inout TextLimit, effort: Effort
    ) throws(BitNetError) -> [Int] {
        var scratch = BytePairEncoder.Scratch(
            byteCount: text.utf8.count, special: special, effort)
        return try encode(text, limit: &limit, &scratch, effort)
    }

    /// The same, with scratch that other texts may have used; it says whether special tokens are
    /// recognised.
    func encode(
        _ text: String, limit: inout TextLimit, _ scratch: inout BytePairEncoder.Scratch,
        _ effort: Effort
    ) throws(BitNetError) -> [Int] {
        let special = scratch.special
        try effort.check()
        try TextLimit.check(length: text.utf8.count)
        let bytes = Array(text.utf8)
        var output: [Int] = []
        output.reserveCapacity(bytes.count / 3 + 1)
        try storage.addedTokens.forEachPiece(in: bytes, special: special, effort: effort) {
            (piece) throws(BitNetError) in
            switch piece {
            case .token(let id): output.append(id)
            case .text(let range):
                try storage.encode(
                    bytes, range, special: special, into: &output, &limit, &scratch, effort)
            }
            try limit.check(tokens: output.count)
        }
        return output
    }
}

extension Tokenizer.Storage {
    /// Appends the tokens of `bytes[range]`, a piece of text that `addedTokens.forEachPiece` gave.
    func encode(
        _ bytes: [UInt8], _ range: Range<Int>, special: Bool, into output: inout [Int],
        _ limit: inout TextLimit, _ scratch: inout BytePairEncoder.Scratch, _ effort: Effort
    ) throws(BitNetError) {
        var isAtStart = range.lowerBound == 0
        guard !normalizer.steps.isEmpty else {
            return try encodeWords(
                bytes, range, isAtStart: isAtStart, into: &output, &limit, &scratch, effort)
        }
        let text = try normalizer.apply(
            Array(bytes[range]), isAtStart: &isAtStart, limit: limit, effort: effort)
        try limit.take(length: text.count)
        try addedTokens.forEachNormalizedPiece(in: text, special: special, effort: effort) {
            (piece) throws(BitNetError) in
            switch piece {
            case .token(let id): output.append(id)
            case .text(let part):
                let isAtStart = isAtStart && part.lowerBound == 0
                try encodeWords(
                    text, part, isAtStart: isAtStart, into: &output, &limit, &scratch, effort)
            }
        }
    }

    /// Appends the tokens of a text that is normalised and has no added tokens.
    private func encodeWords(
        _ bytes: [UInt8], _ range: Range<Int>, isAtStart: Bool, into output: inout [Int],
        _ limit: inout TextLimit, _ scratch: inout BytePairEncoder.Scratch, _ effort: Effort
    ) throws(BitNetError) {
        let encoder = encoder
        guard !prefix.steps.isEmpty else {
            return try wordCut.forEachWord(in: bytes, range, effort: effort) {
                (word) throws(BitNetError) in
                try limit.check(tokens: output.count + encoder.leastTokens(of: word))
                try encoder.encode(bytes, word, into: &output, &scratch)
            }
        }
        let text = try prefix.apply(
            Array(bytes[range]), isAtStart: isAtStart, limit: limit, effort: effort)
        try limit.take(length: text.count)
        try wordCut.forEachWord(in: text, 0..<text.count, effort: effort) {
            (word) throws(BitNetError) in
            try limit.check(tokens: output.count + encoder.leastTokens(of: word))
            try encoder.encode(text, word, into: &output, &scratch)
        }
    }
}

// MARK: - Decoding

extension Tokenizer {
    /// The text of `ids`; with `skippingSpecial` special tokens are left out.
    ///
    /// Tokens are bytes, so an arbitrary sequence need not be UTF-8: what is not becomes U+FFFD, as
    /// in the reference of each family: one for every maximal part of an invalid sequence, as in
    /// Python's `errors="replace"`, or with sentencepiece one for every byte. The space that
    /// sentencepiece puts before a text is taken off. Ids out of range decode to nothing.
    public func decode(_ ids: [Int], skippingSpecial: Bool = false) -> String {
        var assembler = TextAssembler(storage.decoding)
        var text: [UInt8] = []
        text.reserveCapacity(ids.count * 4)
        for id in ids {
            guard let bytes = slice(of: id, skippingSpecial: skippingSpecial) else { continue }
            assembler.append(bytes, isByte: vocabulary.kinds[id] == .byte, to: &text)
        }
        assembler.finish(to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// The bytes of `ids`, special tokens included; ids out of range decode to nothing.
    public func decodeBytes(_ ids: [Int]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(ids.count * 4)
        var isAtStart = true
        for id in ids {
            guard let token = slice(of: id, skippingSpecial: false) else { continue }
            bytes += storage.decoding.trim(
                token, isByte: vocabulary.kinds[id] == .byte, &isAtStart)
        }
        return bytes
    }

    /// The bytes of one token, nil out of range; need not be UTF-8.
    public func bytes(of id: Int) -> [UInt8]? {
        slice(of: id, skippingSpecial: false).map { Array($0) }
    }

    /// One token for display, nil out of range: its text, with `<0xE2>` for every byte that is part
    /// of no whole character.
    public func text(of id: Int) -> String? {
        guard let bytes = slice(of: id, skippingSpecial: false) else { return nil }
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        var text = ""
        var rest = bytes
        while let first = rest.first {
            let length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
            if let character = String(validating: rest.prefix(length), as: UTF8.self) {
                text += character
                rest = rest.dropFirst(length)
            } else {
                let digits = String(first, radix: 16, uppercase: true)
                text += first < 16 ? "<0x0\(digits)>" : "<0x\(digits)>"
                rest = rest.dropFirst()
            }
        }
        return text
    }

    /// The bytes of one token without a copy; nil out of range, or if it is to be skipped.
    func slice(of id: Int, skippingSpecial: Bool) -> ArraySlice<UInt8>? {
        let vocabulary = vocabulary
        guard vocabulary.kinds.indices.contains(id),
            !(skippingSpecial && vocabulary.kinds[id] == .control)
        else { return nil }
        return vocabulary.tokens[id]
    }
}

extension Tokenizer {
    /// The values that make this tokenizer when read from a GGUF file.
    ///
    /// - Throws: `BitNetError.tokenizer` where GGUF has no words for how texts are cut or merged, or
    ///   where what is read back would be another tokenizer.
    package func ggufVocabulary(architecture: String) throws(BitNetError) -> GGUFVocabulary {
        let encoder = storage.encoder
        let isSentencePiece = vocabulary.spelling == .spaceMarks
        try checkGGUFHoldsMeaning()
        var gguf = GGUFVocabulary(
            model: isSentencePiece ? "llama" : "gpt2",
            pre: isSentencePiece ? "default" : try ggufPre(),
            architecture: architecture, tokens: ggufTokens(), merges: ByteStrings(),
            tokenTypes: ggufTypes(), beginOfText: beginOfText, endOfText: endOfText,
            additionalEnds: endTokens.subtracting([endOfText].compactMap { $0 }).sorted(),
            addsBeginOfText: addsBeginOfText,
            addsEndOfText: endOfText != nil && appendedTokens == [endOfText])
        gguf.unknown = encoder.unknown.map { Int($0.id) }
        if isSentencePiece {
            guard let scores = encoder.scores(), let addsSpace = addsSpacePrefix else {
                throw Self.unknownMerging
            }
            gguf.scores = scores
            gguf.addsSpacePrefix = addsSpace
            let space = storage.decoding.leadingSpace
            gguf.leadingSpace = space == .undoing(addsSpace ? .always : nil) ? nil : space.rawValue
        } else {
            gguf.merges = encoder.listedMerges()
        }
        gguf.tokenFlags = ggufFlags(gguf)
        try check(gguf)
        return gguf
    }

    /// Where neither merges nor scores of GGUF give the same tokens.
    static let unknownMerging = BitNetError.tokenizer(
        detail: "GGUF has no words for how this tokenizer.json merges characters; put the model's "
            + "tokenizer.model into the folder in its place")

    /// Refuses what would be read back as something else.
    private func checkGGUFHoldsMeaning() throws(BitNetError) {
        let encoder = storage.encoder
        func refuse(_ what: String) -> BitNetError {
            .tokenizer(detail: "GGUF has no words for a tokenizer.json with \(what)")
        }
        let ends = [endOfText].compactMap { $0 }
        guard appendedTokens.isEmpty || appendedTokens == ends else {
            throw refuse("tokens \(appendedTokens) after every text")
        }
        guard vocabulary.spelling == .spaceMarks else {
            if let unknown = encoder.unknown {
                throw refuse("unk_token \(unknown.id) for bytes without a token")
            }
            return
        }
        if encoder.ignoresMerges { throw refuse("ignore_merges and spaces written as U+2581") }
        let bytes = vocabulary.byteTokens.count { $0 >= 0 }
        guard bytes == 0 || bytes == 256 else { throw refuse("\(bytes) of the 256 byte tokens") }
        guard bytes == 256 || encoder.unknown?.isFused == true else {
            throw refuse(encoder.unknown == nil ? "no unk_token" : "fuse_unk false")
        }
        // What is unknown is told by its id from what is not.
        if bytes == 0, let id = encoder.unknown.map({ Int($0.id) }), isMadeOfText(id) {
            throw refuse("an unk_token that text can become")
        }
        let keepsSpace = storage.decoding.leadingSpace == .kept
        guard addsSpacePrefix.map({ $0 != keepsSpace }) ?? true else {
            throw refuse("a space before a text that decoding keeps, or the other way round")
        }
    }

    /// Whether a space is put before every text; nil where something else is done to it that a
    /// GGUF vocabulary with scores has no key for.
    private var addsSpacePrefix: Bool? {
        let space = Normalizer.Step.prepend([0x20], .always)
        let marks = Normalizer.Step.markSpaces
        let steps = storage.normalizer.steps + storage.prefix.steps
        let isCutBySpaces = storage.wordCut == WordCut(beforeSpacesOf: storage.encoder)
        guard storage.wordCut.steps.isEmpty || isCutBySpaces,
            steps.allSatisfy({ $0 == space || $0 == marks })
        else { return nil }
        // Twice a space would be two.
        guard steps.contains(marks), steps.count(where: { $0 == space }) < 2 else { return nil }
        return steps.contains(space)
    }

    /// The name of the word cut.
    package func ggufPre() throws(BitNetError) -> String {
        let isNFC = storage.normalizer.steps == [.form(.nfc)]
        guard isNFC || storage.normalizer.steps.isEmpty, storage.prefix.steps.isEmpty,
            let known = NamedWordCut.all.first(where: {
                $0.cut == storage.wordCut && $0.ignoresMerges == storage.encoder.ignoresMerges
                    && $0.isNFC == isNFC
            })
        else {
            throw .tokenizer(
                detail: "GGUF has no name for how this tokenizer cuts and normalises texts; "
                    + "named are: \(NamedWordCut.allNames)")
        }
        return known.names[0]
    }

    private func ggufTokens() -> ByteStrings {
        let vocabulary = vocabulary
        let isSentencePiece = vocabulary.spelling == .spaceMarks
        let normal: TokenSpelling = isSentencePiece ? .spaceMarks : .byteAlphabet
        let texts = vocabulary.addedTexts
        var tokens = ByteStrings()
        for id in 0..<vocabulary.count {
            let bytes = vocabulary.tokens[id]
            switch vocabulary.kinds[id] {
            case .normal:
                tokens.append(isSpelledPlainly(id) ? Array(bytes) : normal.encode(bytes))
            case .control, .userDefined: tokens.append(texts[id] ?? Array(bytes))
            case .unused where !bytes.isEmpty: tokens.append(bytes)
            case .unused: tokens.append("[PAD\(id)]".utf8)
            case .byte:
                let byte = String(bytes.first ?? 0, radix: 16, uppercase: true)
                tokens.append("<0x\(byte.utf8.count < 2 ? "0" : "")\(byte)>".utf8)
            }
        }
        return tokens
    }

    /// Whether a sentencepiece token has a plain space: no text has it, as with a mark in its place
    /// it would.
    private func isSpelledPlainly(_ id: Int) -> Bool {
        vocabulary.spelling == .spaceMarks && vocabulary.tokens[id].contains(0x20)
            && vocabulary.id(of: vocabulary.tokens.storage, vocabulary.tokens.range(id)) != id
    }

    private func ggufTypes() -> [Int32] {
        let unknown = storage.encoder.unknown.map { Int($0.id) }
        return vocabulary.kinds.enumerated().map { id, kind in
            switch kind {
            case .normal: 1
            // As llama.cpp's converter has tokens that are not spelled in the byte alphabet.
            case .unused where !vocabulary.tokens[id].isEmpty: 1
            case .control: id == unknown ? 2 : 3
            case .userDefined: 4
            case .unused: 5
            case .byte: 6
            }
        }
    }
}

extension BytePairEncoder {
    /// All merges, best first, spelled in the byte alphabet.
    ///
    /// Where they are implied by ranks, every way to make a token of two others is one.
    fileprivate func listedMerges() -> ByteStrings {
        var lines = ByteStrings()
        func append(_ left: Int, _ right: Int) {
            let words = [left, right].map { ByteAlphabet.encode(vocabulary.tokens[$0]) }
            lines.append(words.joined(separator: " ").utf8)
        }
        guard !priorities.isEmpty else {
            for (left, right) in merges.pairs { append(left, right) }
            return lines
        }
        let storage = vocabulary.tokens.storage
        let ids = (0..<vocabulary.count).filter {
            vocabulary.id(of: storage, vocabulary.tokens.range($0)) == $0
        }
        for id in ids.sorted(by: { priorities[$0] < priorities[$1] }) {
            let range = vocabulary.tokens.range(id)
            var pairs: [(left: Int, right: Int)] = []
            for middle in range.dropFirst() {
                let left = vocabulary.id(of: storage, range.lowerBound..<middle)
                let right = vocabulary.id(of: storage, middle..<range.upperBound)
                if left >= 0, right >= 0 { pairs.append((Int(left), Int(right))) }
            }
            pairs.sort { ($0.left, $0.right) < ($1.left, $1.right) }
            for (left, right) in pairs { append(left, right) }
        }
        return lines
    }
}

/// What a `tokenizer.json` says about texts: how they are normalised, cut, and put together.
///
/// Where it writes U+2581 for spaces, texts here keep their spaces and the tokens have spaces for
/// U+2581, which gives the same tokens.
struct TextRules {
    var spelling = TokenSpelling.byteAlphabet
    var normalizer = Normalizer.identity
    /// What pre-tokenizers add once added tokens are found.
    var prefix = Normalizer.identity
    var wordCut = WordCut(steps: [])
    var decoding = Decoding()
}

extension TokenizerJSON {
    /// Reads normaliser, pre-tokenizer and decoder.
    ///
    /// - Throws: `BitNetError.tokenizer` naming a part that is not known, or not in this place.
    func textRules() throws(BitNetError) -> TextRules {
        let normalizers = normalizer?.flattened ?? []
        let cuts = preTokenizer?.flattened ?? []
        for (name, parts) in [("normalizer", normalizers), ("pre_tokenizer", cuts)]
        where parts.count > Self.mostSteps {
            throw .tokenizer(
                detail: "the \(name) has \(parts.count) steps, more than the "
                    + "\(Self.mostSteps) that are supported")
        }
        let isByteLevel = cuts.contains { $0.type == "ByteLevel" }
        // Where texts become bytes, U+2581 for a space is a text like others.
        let isMarked =
            !isByteLevel
            && (normalizers.contains { $0.marksSpaces } || cuts.contains { $0.marksSpaces })
        guard isByteLevel || isMarked else {
            let found = cuts.map(\.type).joined(separator: ", ")
            throw .tokenizer(
                detail: "pre_tokenizer [\(found)] is not supported: it needs either ByteLevel or "
                    + "spaces written as U+2581")
        }
        if isByteLevel, model.byteFallback == true {
            throw .tokenizer(detail: "byte_fallback with ByteLevel is not supported")
        }
        var rules = TextRules()
        rules.spelling = isMarked ? .spaceMarks : .byteAlphabet
        let keepsSpelling = !Self.onlyMarkSpaces(normalizers)
        for part in normalizers {
            rules.normalizer.steps.append(
                try part.normalizerStep(isMarked: isMarked && !keepsSpelling))
        }
        try rules.normalizer.checkGrowth()
        if isMarked, keepsSpelling, cuts.first?.type != "Metaspace" {
            rules.prefix.steps.append(.spellSpaces)
        }
        for (index, part) in cuts.enumerated() {
            try rules.append(part, isFirst: index == 0)
        }
        try Expression.checkLength(of: rules.normalizer.expressions + rules.wordCut.expressions)
        rules.decoding = try decoding(isMarked: isMarked)
        return rules
    }

    /// The most normalisers, and the most pre-tokenizers: each goes over the whole text, and the
    /// latter are nested. Published files have up to eight.
    static let mostSteps = 256

    /// Whether normalisers do no more than put something in front and write U+2581 for spaces. Then
    /// texts may have spaces for U+2581 from the start; other normalisers can tell the two apart.
    private static func onlyMarkSpaces(_ parts: [Component]) -> Bool {
        guard let mark = parts.firstIndex(where: { $0.marksSpaces }) else { return parts.isEmpty }
        return parts.enumerated().allSatisfy { index, part in
            index == mark
                || part.type == "Prepend" && (index < mark || part.prepend?.contains(" ") != true)
        }
    }

    private func decoding(isMarked: Bool) throws(BitNetError) -> Decoding {
        var decoding = Decoding()
        var types: Set<String> = []
        for part in decoder?.flattened ?? [] {
            types.insert(part.type)
            switch part.type {
            case "ByteLevel" where !isMarked, "ByteFallback" where isMarked, "Fuse" where isMarked:
                continue
            case "Replace"
            where isMarked && part.pattern?.string == "\u{2581}"
                && part.content == " ":
                types.insert("spaces")
            case "Metaspace" where isMarked && part.marksSpaces:
                types.insert("spaces")
                if part.metaspacePrefix != nil { decoding.leadingSpace = .droppedFromFirstToken }
            case "Strip"
            where isMarked && part.content == " " && part.stop ?? 0 == 0
                && (0...1).contains(part.start ?? 0):
                if part.start == 1 { decoding.leadingSpace = .dropped }
            default: throw .tokenizer(detail: "decoder \(part.type.quoted) is not supported here")
            }
        }
        if isMarked {
            guard types.contains("spaces") else {
                throw .tokenizer(detail: "spaces are written as U+2581, but no decoder undoes it")
            }
            guard model.byteFallback != true || types.contains("ByteFallback") else {
                throw .tokenizer(detail: "byte_fallback needs the decoder ByteFallback")
            }
            decoding.repairsBytes = true
        }
        return decoding
    }
}

extension TextRules {
    /// Adds one pre-tokenizer.
    fileprivate mutating func append(
        _ part: TokenizerJSON.Component, isFirst: Bool
    ) throws(BitNetError) {
        switch part.type {
        case "ByteLevel":
            if part.addPrefixSpace ?? true {
                guard isFirst else {
                    throw .tokenizer(
                        detail: "pre_tokenizer ByteLevel: add_prefix_space after another part is "
                            + "not supported")
                }
                prefix.steps.append(.prepend([0x20], .unlessPresent))
            }
            if part.useRegex ?? true { wordCut.steps.append(.scanner(.gpt2)) }
            wordCut.steps.append(.byteLevel)
        case "Metaspace":
            guard isFirst, part.marksSpaces, spelling == .spaceMarks else {
                throw .tokenizer(
                    detail: "pre_tokenizer Metaspace is supported only first, with U+2581, and "
                        + "without ByteLevel")
            }
            prefix.steps.append(.markSpaces)
            if let rule = part.metaspacePrefix {
                prefix.steps.append(.prepend([0x20], rule))
            }
            if part.split ?? true {
                wordCut.steps.append(.split(.text([0x20]), .mergedWithNext, inverted: false))
            }
        case "Split": try appendSplit(part)
        case "Digits":
            let individual = part.individualDigits ?? false
            wordCut.steps.append(
                .split(.digits(individual: individual), .isolated, inverted: false))
        case "Punctuation":
            wordCut.steps.append(
                .split(.punctuation, try part.splitBehavior(), inverted: false))
        case "WhitespaceSplit" where spelling == .byteAlphabet:
            wordCut.steps.append(.split(.whitespace, .removed, inverted: false))
        default:
            throw .tokenizer(detail: "pre_tokenizer \(part.type.quoted) is not supported")
        }
    }

    private mutating func appendSplit(
        _ part: TokenizerJSON.Component
    ) throws(BitNetError) {
        let behavior = try part.splitBehavior()
        let inverted = part.invert ?? false
        if let expression = part.pattern?.regex {
            guard spelling == .byteAlphabet else {
                throw .tokenizer(
                    detail: "pre_tokenizer expression \(expression.quoted) is not supported where "
                        + "spaces are written as U+2581")
            }
            var step = try WordCut.Step(expression: expression)
            // A scanner's matches leave nothing between them, so keeping them all is the same.
            let keepsMatches = behavior == .isolated || behavior == .removed && inverted
            if case .scanner = step, keepsMatches { return wordCut.steps.append(step) }
            step = .split(
                .expression(try Expression(expression)), behavior, inverted: inverted)
            return wordCut.steps.append(step)
        }
        guard let text = part.pattern?.string, !text.isEmpty else {
            throw .tokenizer(detail: "pre_tokenizer Split has no pattern")
        }
        var bytes = Array(text.utf8)
        if spelling == .spaceMarks {
            bytes = []
            let spelled = Array(text.utf8)
            TokenSpelling.replaceSpaceMarks(
                spelled, 0..<spelled.count, keepingSpaces: true, into: &bytes)
        }
        wordCut.steps.append(.split(.text(bytes), behavior, inverted: inverted))
    }
}

extension TokenizerJSON.Component {
    /// Whether this part writes U+2581 for every space.
    fileprivate var marksSpaces: Bool {
        switch type {
        case "Metaspace": replacement == "\u{2581}"
        case "Replace": pattern?.string == " " && content == "\u{2581}"
        default: false
        }
    }

    /// When a `Metaspace` puts a space before a text.
    fileprivate var metaspacePrefix: Normalizer.Prefix? {
        switch prependScheme {
        case "never": nil
        case "first": .first
        case nil where addPrefixSpace == false: nil
        default: .unlessPresent
        }
    }

    fileprivate func splitBehavior() throws(BitNetError) -> WordCut.Behavior {
        guard let name = behavior else { return .isolated }
        guard let known = WordCut.Behavior(rawValue: name) else {
            throw .tokenizer(detail: "pre_tokenizer \(type): behavior \(name.quoted) is not known")
        }
        return known
    }

    fileprivate func normalizerStep(isMarked: Bool) throws(BitNetError) -> Normalizer.Step {
        /// A text in the form that texts have here.
        func plain(_ text: String) -> [UInt8] {
            let spelled = Array(text.utf8)
            guard isMarked else { return spelled }
            var bytes: [UInt8] = []
            TokenSpelling.replaceSpaceMarks(spelled, 0..<spelled.count, into: &bytes)
            return bytes
        }
        switch type {
        case "NFC": return .form(.nfc)
        case "NFD": return .form(.nfd)
        case "NFKC": return .form(.nfkc)
        case "NFKD": return .form(.nfkd)
        case "Lowercase": return .lowercase
        case "Strip": return .strip(left: stripLeft ?? true, right: stripRight ?? true)
        case "Prepend": return .prepend(plain(prepend ?? ""), .always)
        case "Replace":
            if isMarked, marksSpaces { return .markSpaces }
            if let source = pattern?.regex, let content {
                let expression = try Expression(source)
                // Tokenizers differs with the place of a match of nothing, or fails.
                guard !expression.mayBeEmpty else {
                    throw .tokenizer(
                        detail: "normalizer Replace of \(source.quoted) is not supported: it may "
                            + "match "
                            + "nothing")
                }
                return .replaceMatches(expression, with: Array(content.utf8))
            }
            guard let text = pattern?.string, !text.isEmpty, let content else {
                throw .tokenizer(
                    detail: "normalizer Replace of "
                        + "\((pattern?.regex ?? pattern?.string ?? "").quoted) is "
                        + "not supported: it needs a pattern that is not empty, and content")
            }
            return .replace(plain(text), with: plain(content))
        default: throw .tokenizer(detail: "normalizer \(type.quoted) is not supported")
        }
    }
}

/// Makes a byte-level vocabulary from a text: byte pair encoding, words cut as Llama 3 cuts them.
///
/// ```swift
/// let trainer = BytePairTrainer(vocabularySize: 2048)
/// let trained = try trainer.train(corpus) { print($0.stage, $0.fraction) }
/// try trained.write(to: folder)
/// ```
///
/// Tokens are, in this order: the special tokens, all 256 bytes, and merges. A merge joins the pair
/// of neighbouring tokens that occurs most often in the words of the text; of several the one with
/// the smaller ids. Merges are those of Hugging Face's `BpeTrainer` with
/// `initial_alphabet=ByteLevel.alphabet()`, fed one document at a time. Texts in which a pair occurs
/// more than 2^31 times are exempt, which overflow there. Special tokens that are written out in the
/// text are text.
///
/// Time grows with the length of the text. Memory grows with its *different* words, whose bytes may be
/// up to 2 GiB: up to about 50 bytes for each of their bytes, and 150 for each different pair of
/// neighbouring tokens that comes up, beside the largest document. A text that repeats its words, as
/// stories do, needs some megabytes whatever its length.
public struct BytePairTrainer: Sendable, Hashable {
    /// The most tokens that the vocabulary gets; a short text gives fewer.
    public var vocabularySize: Int
    /// Tokens with a meaning of their own, which no text becomes; they have the first ids.
    public var specialTokens: [String]
    /// The special token that begins every text when the model is used, or nil for none.
    public var beginOfText: String?
    /// The special token that ends every document.
    public var endOfText: String
    /// How often a pair must occur to be merged.
    public var minimumFrequency: Int

    /// The smallest number of tokens: all bytes, beside special tokens.
    private static let byteCount = 256

    /// A trainer.
    ///
    /// - Parameters:
    ///   - vocabularySize: the most tokens, with special tokens and 256 bytes.
    ///   - specialTokens: none empty, none twice.
    ///   - beginOfText: one of `specialTokens`, or nil.
    ///   - endOfText: one of `specialTokens`.
    ///   - minimumFrequency: how often a pair must occur to be merged; below 2 once is enough.
    public init(
        vocabularySize: Int,
        specialTokens: [String] = ["<|begin_of_text|>", "<|end_of_text|>"],
        beginOfText: String? = "<|begin_of_text|>", endOfText: String = "<|end_of_text|>",
        minimumFrequency: Int = 0
    ) {
        self.vocabularySize = vocabularySize
        self.specialTokens = specialTokens
        self.beginOfText = beginOfText
        self.endOfText = endOfText
        self.minimumFrequency = minimumFrequency
    }

    /// Trains on `corpus`, which is read once. Blocks.
    ///
    /// - Parameters:
    ///   - corpus: the text.
    ///   - progress: called now and then, on the same thread.
    /// - Throws: `BitNetError.invalidArgument` for a vocabulary without room for bytes and special
    ///   tokens, or for special tokens that are empty, listed twice or missing; `.outOfMemory` for
    ///   too many different words; `.cancelled` soon after the current task is cancelled; what
    ///   reading the corpus throws.
    public func train(
        _ corpus: TrainingCorpus, progress: (CorpusProgress) -> Void = { _ in }
    ) throws(BitNetError) -> TrainedTokenizer {
        try check()
        let effort = Effort.ofTask()
        var words = WordCounts()
        try corpus.forEachDocument { (text, read) throws(BitNetError) in
            try words.add(text, cut: .llama3, effort: effort)
            progress(.init(stage: .countingWords, done: read, total: corpus.byteCount))
        }
        var vocabulary = TrainingVocabulary(specialTokens: specialTokens)
        let mergeCount = max(0, vocabularySize - vocabulary.count)
        var merger = try PairMerger(words, alphabet: vocabulary.byteTokens, effort: effort)
        words = WordCounts()
        var merges: [UInt64] = []
        let first = vocabulary.count
        while vocabulary.count < vocabularySize,
            let best = merger.popMostFrequent(minimum: minimumFrequency)
        {
            try effort.check()
            merges.append(best)
            try merger.merge(best, into: vocabulary.token(joining: best), effort: effort)
            let done = vocabulary.count - first
            progress(.init(stage: .merging, done: done, total: mergeCount))
        }
        return try TrainedTokenizer(
            spellings: vocabulary.spellings, merges: merges, trainer: self)
    }

    private func check() throws(BitNetError) {
        func refuse(_ name: String, _ detail: String) -> BitNetError {
            .invalidArgument(name: name, detail: detail)
        }
        var seen: Set<ExactString> = []
        for token in specialTokens {
            guard !token.isEmpty else { throw refuse("specialTokens", "one of them is empty") }
            guard seen.insert(ExactString(token)).inserted else {
                throw refuse("specialTokens", "'\(token)' is listed twice")
            }
        }
        for (name, token) in [("beginOfText", beginOfText), ("endOfText", endOfText)] {
            if let token, !seen.contains(ExactString(token)) {
                throw refuse(name, "'\(token)' is not one of the special tokens; list it there too")
            }
        }
        let least = Self.byteCount + specialTokens.count
        guard vocabularySize >= least, vocabularySize <= Self.mostTokens else {
            throw refuse(
                "vocabularySize",
                "\(vocabularySize) is not in \(least)...\(Self.mostTokens): bytes and special tokens "
                    + "take \(least)")
        }
    }

    /// Four times as many as any published vocabulary has.
    private static let mostTokens = 1 << 20
}

/// The tokens of a vocabulary that is being made, spelled in the byte alphabet.
struct TrainingVocabulary {
    private(set) var spellings: [[UInt8]] = []
    private var ids: [[UInt8]: Int32] = [:]
    /// The token of every byte.
    private(set) var byteTokens: [Int32] = []

    var count: Int { spellings.count }

    /// Special tokens, and all bytes in the order of their characters.
    init(specialTokens: [String]) {
        for token in specialTokens { _ = id(of: Array(token.utf8)) }
        let alphabet = (0...UInt8.max).map { (byte: $0, character: ByteAlphabet.encode([$0])) }
        byteTokens = [Int32](repeating: 0, count: alphabet.count)
        for (byte, character) in alphabet.sorted(by: {
            Self.scalar($0.character) < Self.scalar($1.character)
        }) {
            byteTokens[Int(byte)] = id(of: Array(character.utf8))
        }
    }

    private static func scalar(_ character: String) -> UInt32 {
        character.unicodeScalars.first?.value ?? 0
    }

    /// The token of a pair, `left << 32 | right`, new or known.
    mutating func token(joining pair: UInt64) -> Int32 {
        id(of: spellings[Int(pair >> 32)] + spellings[Int(pair & 0xFFFF_FFFF)])
    }

    private mutating func id(of spelling: [UInt8]) -> Int32 {
        if let known = ids[spelling] { return known }
        let id = Int32(truncatingIfNeeded: spellings.count)
        spellings.append(spelling)
        ids[spelling] = id
        return id
    }
}

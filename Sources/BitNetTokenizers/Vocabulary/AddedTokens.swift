/// Finds special and user-defined tokens in a text: leftmost first, longest among those, as Hugging
/// Face's added tokens.
struct AddedTokens: Sendable {
    /// A part of a text: plain, or one token.
    enum Piece {
        case text(Range<Int>)
        case token(Int)
    }

    /// How a token is found, as `tokenizer.json` says.
    struct Flags: OptionSet, Sendable {
        let rawValue: UInt8
        /// Found in a second pass, in the normalised text between the tokens of the first.
        static let normalized = Flags(rawValue: 1)
        /// Takes the white space before it along.
        static let stripsLeft = Flags(rawValue: 2)
        /// Takes the white space after it along.
        static let stripsRight = Flags(rawValue: 4)
        /// Found only where it is not part of a longer word.
        static let singleWord = Flags(rawValue: 8)
        /// Found in the second pass with what the normaliser puts before a text, where others are
        /// found without it.
        static let prefixed = Flags(rawValue: 64)

        /// The names of the flags, as in `tokenizer.json`.
        var names: [String] {
            let all: [(flag: Flags, name: String)] = [
                (.normalized, "normalized"), (.stripsLeft, "lstrip"), (.stripsRight, "rstrip"),
                (.singleWord, "single_word"),
            ]
            return all.filter { contains($0.flag) }.map(\.name)
        }
    }

    /// One token to find.
    struct Entry {
        let id: Int
        var text: ArraySlice<UInt8>
        /// Found only where special tokens are asked for.
        let isSpecial: Bool
        var flags: Flags = []
    }

    /// Whether special tokens are found in texts that are normalised.
    let hasNormalizedSpecials: Bool
    private let first: TokenFinder
    private let second: TokenFinder
    /// How the tokens are found that are not found in the usual way, by id.
    let flags: [Int: Flags]
    /// By id the texts that tokens of the second pass are found by, where they are not their own;
    /// one that is empty is not found.
    let normalizedTexts: [Int: [UInt8]]
    /// Whether the second pass is for a text that has been normalised in between.
    private let secondIsSeparate: Bool

    /// Finds `entries`, those of the second pass in texts that `normalizer` has changed; they are
    /// changed by `contents`, or as such texts are.
    ///
    /// - Throws: `BitNetError.tokenizer` where their texts are longer than any vocabulary's.
    init(
        _ entries: [Entry], normalizer: Normalizer = .identity, contents: Normalizer? = nil
    ) throws(BitNetError) {
        let entries = entries.filter { !$0.text.isEmpty }
        try Self.check(entries)
        var flags: [Int: Flags] = [:]
        for entry in entries where !entry.flags.isEmpty { flags[entry.id] = entry.flags }
        self.flags = flags
        first = TokenFinder(entries.filter { !$0.flags.contains(.normalized) })
        // Where texts have spaces for U+2581, that is no white space to those who wrote the file.
        let hidesSpaces = normalizer.steps.contains(.markSpaces)
        var changed: [Entry] = []
        var texts: [Int: [UInt8]] = [:]
        for var entry in entries where entry.flags.contains(.normalized) {
            let steps = entry.flags.contains(.prefixed) ? normalizer : contents ?? normalizer
            let text = try steps.apply(Array(entry.text), isAtStart: true)
            if text[...] != entry.text { texts[entry.id] = text }
            entry.text = text[...]
            if !text.isEmpty { changed.append(entry) }
        }
        try Self.check(changed)
        hasNormalizedSpecials = changed.contains(where: \.isSpecial)
        normalizedTexts = texts
        second = TokenFinder(changed, spacesAreText: hidesSpaces)
        secondIsSeparate = !normalizer.steps.isEmpty
    }

    /// The most bytes that the texts of all added tokens may have; published vocabularies have some
    /// ten thousand.
    static let mostText = 1 << 21

    private static func check(_ entries: [Entry]) throws(BitNetError) {
        let size = entries.reduce(0) { $0 + $1.text.count }
        guard size <= mostText else {
            throw .tokenizer(
                detail:
                    "the added tokens have \(size) bytes of text, more than the \(mostText) that "
                    + "are supported")
        }
    }

    /// Calls `body` with every piece of `bytes` in order; no piece is empty.
    ///
    /// Where texts are normalised, tokens to be found afterwards are left to
    /// `forEachNormalizedPiece`.
    func forEachPiece(
        in bytes: [UInt8], special: Bool, effort: Effort = Effort(),
        _ body: (Piece) throws(BitNetError) -> Void
    ) throws(BitNetError) {
        try first.split(bytes, 0..<bytes.count, special, effort) { (piece) throws(BitNetError) in
            guard case .text(let range) = piece, !secondIsSeparate else { return try body(piece) }
            try second.split(bytes, range, special, effort, body)
        }
    }

    /// Calls `body` with every piece of a normalised text.
    func forEachNormalizedPiece(
        in bytes: [UInt8], special: Bool, effort: Effort,
        _ body: (Piece) throws(BitNetError) -> Void
    ) throws(BitNetError) {
        try second.split(bytes, 0..<bytes.count, special, effort, body)
    }
}

/// Finds the texts of tokens, and what white space they take along.
private struct TokenFinder: Sendable {
    private struct Token {
        let id: Int
        let flags: AddedTokens.Flags
    }

    private let finder: TextFinder
    private let tokens: [Token]

    /// Whether a space counts as text where white space is taken along.
    private let spacesAreText: Bool

    init(_ entries: [AddedTokens.Entry], spacesAreText: Bool = false) {
        self.spacesAreText = spacesAreText
        tokens = entries.map { Token(id: $0.id, flags: $0.flags) }
        finder = TextFinder(entries.map { ($0.text, !$0.isSpecial) })
    }

    /// Calls `body` with the pieces of `bytes[range]`.
    func split(
        _ bytes: [UInt8], _ range: Range<Int>, _ special: Bool, _ effort: Effort,
        _ body: (AddedTokens.Piece) throws(BitNetError) -> Void
    ) throws(BitNetError) {
        var matches = try finder.matches(in: bytes, range, all: special, effort: effort)
        var start = range.lowerBound
        var index = start
        while let match = matches.popLast() {
            guard match.start >= index else { continue }
            try effort.spend(1)
            let token = tokens[match.number]
            var found = match.start..<match.start + finder.lengths[match.number]
            index = found.upperBound
            guard try stretch(&found, by: token.flags, in: bytes, range, from: start, effort)
            else { continue }
            if start < found.lowerBound { try body(.text(start..<found.lowerBound)) }
            // White space that the token before has taken along is no token of this kind again.
            if !found.isEmpty || !token.flags.contains(.stripsLeft) { try body(.token(token.id)) }
            start = found.upperBound
        }
        if start < range.upperBound { try body(.text(start..<range.upperBound)) }
    }

    private func isStripped(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isWhitespace && !(spacesAreText && scalar == " ")
    }

    /// Takes white space along as `flags` say, not before `start`; false if the match is part of a
    /// longer word and may not be.
    private func stretch(
        _ found: inout Range<Int>, by flags: AddedTokens.Flags, in bytes: [UInt8],
        _ range: Range<Int>, from start: Int, _ effort: Effort
    ) throws(BitNetError) -> Bool {
        guard !flags.isDisjoint(with: [.stripsLeft, .stripsRight, .singleWord]) else { return true }
        func before(_ index: Int) -> (scalar: Unicode.Scalar, start: Int)? {
            UTF8Scalars.scalar(before: index, in: bytes, from: range.lowerBound)
        }
        func after(_ index: Int) -> (scalar: Unicode.Scalar, end: Int)? {
            UTF8Scalars.scalar(at: index, in: bytes, to: range.upperBound)
        }
        if flags.contains(.singleWord) {
            if before(found.lowerBound)?.scalar.isWord == true { return false }
            if after(found.upperBound)?.scalar.isWord == true { return false }
        }
        var (lower, upper) = (found.lowerBound, found.upperBound)
        if flags.contains(.stripsLeft) {
            while lower > start, let (scalar, index) = before(lower),
                isStripped(scalar)
            {
                lower = index
                try effort.spend(1)
            }
        }
        if flags.contains(.stripsRight) {
            // White space that the token before has taken along is not looked at again.
            upper = max(upper, start)
            while let (scalar, index) = after(upper), isStripped(scalar) {
                upper = index
                try effort.spend(1)
            }
        }
        // White space taken by the token before is not taken twice.
        lower = min(max(lower, start), upper)
        found = lower..<max(upper, lower)
        return true
    }
}

extension Unicode.Scalar {
    /// Whether this is part of a word as `single_word` has it: letters, marks, decimal digits,
    /// connectors, joiners.
    var isWord: Bool {
        switch properties.generalCategory {
        case .decimalNumber, .connectorPunctuation, .nonspacingMark, .spacingMark, .enclosingMark:
            true
        default: properties.isAlphabetic || properties.isJoinControl
        }
    }
}

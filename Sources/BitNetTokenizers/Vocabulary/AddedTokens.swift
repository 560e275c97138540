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

    private let first: TokenTrie
    private let second: TokenTrie
    /// How the tokens are found that are not found in the usual way, by id.
    let flags: [Int: Flags]
    /// Whether the second pass is for a text that has been normalised in between.
    private let secondIsSeparate: Bool

    /// Finds `entries`, those of the second pass in texts that `normalizer` has changed; they are
    /// changed by `contents`, or as such texts are.
    init(
        _ entries: [Entry], normalizer: Normalizer = .identity, contents: Normalizer? = nil
    ) {
        let entries = entries.filter { !$0.text.isEmpty }
        var flags: [Int: Flags] = [:]
        for entry in entries where !entry.flags.isEmpty { flags[entry.id] = entry.flags }
        self.flags = flags
        first = TokenTrie(entries.filter { !$0.flags.contains(.normalized) })
        // Where texts have spaces for U+2581, that is no white space to those who wrote the file.
        let hidesSpaces = normalizer.steps.contains(.markSpaces)
        second = TokenTrie(
            entries.filter { $0.flags.contains(.normalized) }.map { entry in
                var entry = entry
                let contents = contents ?? normalizer
                entry.text = contents.apply(Array(entry.text), isAtStart: true)[...]
                return entry
            }, spacesAreText: hidesSpaces)
        secondIsSeparate = !normalizer.steps.isEmpty
    }

    /// Calls `body` with every piece of `bytes` in order; no piece is empty.
    ///
    /// Where texts are normalised, tokens to be found afterwards are left to
    /// `forEachNormalizedPiece`.
    func forEachPiece(in bytes: [UInt8], special: Bool, _ body: (Piece) -> Void) {
        first.split(bytes, 0..<bytes.count, special) { piece in
            guard case .text(let range) = piece, !secondIsSeparate else { return body(piece) }
            second.split(bytes, range, special, body)
        }
    }

    /// Calls `body` with every piece of a normalised text.
    func forEachNormalizedPiece(in bytes: [UInt8], special: Bool, _ body: (Piece) -> Void) {
        second.split(bytes, 0..<bytes.count, special, body)
    }
}

/// The texts of tokens as a tree of bytes.
private struct TokenTrie: Sendable {
    private struct Match {
        let id: Int
        let isSpecial: Bool
        let flags: AddedTokens.Flags
    }

    /// Node reached from `node << 8 | byte`; node 0 is the root.
    private var children: [Int: Int] = [:]
    /// The token that ends at a node, if any.
    private var tokens: [Match?] = [nil]
    /// Whether a token starts with a byte, so that most of a text costs one look.
    private var starts = [Bool](repeating: false, count: 256)
    private var hasAny = false
    private var hasPlain = false

    /// Whether a space counts as text where white space is taken along.
    private let spacesAreText: Bool

    init(_ entries: [AddedTokens.Entry], spacesAreText: Bool = false) {
        self.spacesAreText = spacesAreText
        for entry in entries {
            var node = 0
            for byte in entry.text {
                let key = node << 8 | Int(byte)
                if let child = children[key] {
                    node = child
                } else {
                    node = tokens.count
                    children[key] = node
                    tokens.append(nil)
                }
            }
            guard node != 0, tokens[node] == nil else { continue }
            tokens[node] = Match(id: entry.id, isSpecial: entry.isSpecial, flags: entry.flags)
            if let first = entry.text.first { starts[Int(first)] = true }
            hasAny = true
            if !entry.isSpecial { hasPlain = true }
        }
    }

    /// Calls `body` with the pieces of `bytes[range]`.
    func split(
        _ bytes: [UInt8], _ range: Range<Int>, _ special: Bool, _ body: (AddedTokens.Piece) -> Void
    ) {
        guard special ? hasAny : hasPlain else {
            if !range.isEmpty { body(.text(range)) }
            return
        }
        var start = range.lowerBound
        var index = start
        while index < range.upperBound {
            guard starts[Int(bytes[index])],
                let (match, end) = longest(in: bytes, index..<range.upperBound, special)
            else {
                index += 1
                continue
            }
            var found = index..<end
            index = end
            guard stretch(&found, by: match.flags, in: bytes, range, from: start) else { continue }
            if start < found.lowerBound { body(.text(start..<found.lowerBound)) }
            // White space that the token before has taken along is no token of this kind again.
            if !found.isEmpty || !match.flags.contains(.stripsLeft) { body(.token(match.id)) }
            start = found.upperBound
        }
        if start < range.upperBound { body(.text(start..<range.upperBound)) }
    }

    /// The longest token that starts where `range` does, and where it ends.
    private func longest(
        in bytes: [UInt8], _ range: Range<Int>, _ special: Bool
    ) -> (match: Match, end: Int)? {
        var best: (match: Match, end: Int)?
        var node = 0
        for index in range {
            guard let child = children[node << 8 | Int(bytes[index])] else { break }
            node = child
            if let token = tokens[node], special || !token.isSpecial { best = (token, index + 1) }
        }
        return best
    }

    private func isStripped(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isWhitespace && !(spacesAreText && scalar == " ")
    }

    /// Takes white space along as `flags` say, not before `start`; false if the match is part of a
    /// longer word and may not be.
    private func stretch(
        _ found: inout Range<Int>, by flags: AddedTokens.Flags, in bytes: [UInt8],
        _ range: Range<Int>, from start: Int
    ) -> Bool {
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
            }
        }
        if flags.contains(.stripsRight) {
            // White space that the token before has taken along is not looked at again.
            upper = max(upper, start)
            while let (scalar, index) = after(upper), isStripped(scalar) {
                upper = index
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

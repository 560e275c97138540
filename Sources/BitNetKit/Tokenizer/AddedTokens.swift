/// Finds special and user-defined tokens in a text: leftmost first, longest among those, as Hugging
/// Face's added tokens with no normaliser.
struct AddedTokens: Sendable {
    /// A part of a text: plain, or one token.
    enum Piece {
        case text(Range<Int>)
        case token(Int)
    }

    /// One token to find.
    struct Entry {
        let id: Int
        let text: ArraySlice<UInt8>
        /// Found only where special tokens are asked for.
        let isSpecial: Bool
        /// Found in a second pass, between the tokens of the first (`normalized` in tokenizer.json).
        let isSecondPass: Bool
    }

    private let passes: [Trie]

    init(_ entries: [Entry]) {
        passes = [false, true].map { isSecondPass in
            Trie(entries.filter { $0.isSecondPass == isSecondPass && !$0.text.isEmpty })
        }
    }

    /// Calls `body` with every piece of `bytes` in order; no piece is empty.
    func forEachPiece(in bytes: [UInt8], special: Bool, _ body: (Piece) -> Void) {
        split(bytes, 0..<bytes.count, special, pass: 0, body)
    }

    private func split(
        _ bytes: [UInt8], _ range: Range<Int>, _ special: Bool, pass: Int, _ body: (Piece) -> Void
    ) {
        guard pass < passes.count else {
            if !range.isEmpty { body(.text(range)) }
            return
        }
        let trie = passes[pass]
        guard trie.finds(special: special) else {
            return split(bytes, range, special, pass: pass + 1, body)
        }
        var start = range.lowerBound
        var index = start
        while index < range.upperBound {
            if let (id, end) = trie.longest(in: bytes, index..<range.upperBound, special: special) {
                split(bytes, start..<index, special, pass: pass + 1, body)
                body(.token(id))
                start = end
                index = end
            } else {
                index += 1
            }
        }
        split(bytes, start..<range.upperBound, special, pass: pass + 1, body)
    }
}

/// The texts of tokens as a tree of bytes.
private struct Trie: Sendable {
    /// Node reached from `node << 8 | byte`; node 0 is the root.
    private var children: [Int: Int] = [:]
    /// The token that ends at a node, if any.
    private var tokens: [(id: Int, isSpecial: Bool)?] = [nil]
    /// Whether a token starts with a byte, so that most of a text costs one look.
    private var starts = [Bool](repeating: false, count: 256)
    private var hasAny = false
    private var hasPlain = false

    init(_ entries: [AddedTokens.Entry]) {
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
            tokens[node] = (entry.id, entry.isSpecial)
            if let first = entry.text.first { starts[Int(first)] = true }
            hasAny = true
            if !entry.isSpecial { hasPlain = true }
        }
    }

    /// Whether there is anything to find, with special tokens or without.
    func finds(special: Bool) -> Bool { special ? hasAny : hasPlain }

    /// The longest token that starts where `range` does, and where it ends.
    @inline(__always)
    func longest(
        in bytes: [UInt8], _ range: Range<Int>, special: Bool
    ) -> (id: Int, end: Int)? {
        starts[Int(bytes[range.lowerBound])] ? walk(bytes, range, special: special) : nil
    }

    private func walk(
        _ bytes: [UInt8], _ range: Range<Int>, special: Bool
    ) -> (id: Int, end: Int)? {
        var best: (id: Int, end: Int)?
        var node = 0
        for index in range {
            guard let child = children[node << 8 | Int(bytes[index])] else { break }
            node = child
            if let token = tokens[node], special || !token.isSpecial {
                best = (token.id, index + 1)
            }
        }
        return best
    }
}

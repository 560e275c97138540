/// A set of tokens of one vocabulary: those that may come next.
struct TokenMask: Sendable, Hashable {
    /// Number of tokens in the vocabulary, end tokens included.
    let count: Int
    /// One bit a token, the lowest first.
    private var words: [UInt64]

    /// A mask of no token, for a vocabulary of `count`.
    init(count: Int) {
        self.count = max(count, 0)
        words = [UInt64](repeating: 0, count: (self.count + 63) / 64)
    }

    /// Takes every token out.
    mutating func removeAll() {
        for index in words.indices { words[index] = 0 }
    }

    /// Puts `token` in; one out of range is left out.
    mutating func insert(_ token: Int) {
        guard token >= 0, token < count else { return }
        words[token >> 6] |= 1 << UInt64(token & 63)
    }

    /// Whether `token` is in; false out of range.
    func contains(_ token: Int) -> Bool {
        guard token >= 0, token < count else { return false }
        return words[token >> 6] >> UInt64(token & 63) & 1 == 1
    }

    /// Whether no token is in.
    var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

    /// Calls `body` with every token in the mask, in order.
    func forEach(_ body: (Int) -> Void) {
        for (index, word) in words.enumerated() {
            var rest = word
            while rest != 0 {
                body((index << 6) + rest.trailingZeroBitCount)
                rest &= rest - 1
            }
        }
    }
}

/// Says which tokens may come next, given those that came: a grammar, for example.
protocol TokenConstraint: Sendable {
    /// Replaces what is in `mask` by the tokens that may come next, end tokens included; throws
    /// where they cannot be found out.
    mutating func allow(_ mask: inout TokenMask) throws(BitNetError)
    /// Tells which token came.
    mutating func accept(_ token: Int)
}

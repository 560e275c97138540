/// The hash both tables of a tokenizer use, keyed so that no file can be made to collide.
struct TokenHash: Sendable {
    private let key: UInt64

    init() { key = UInt64.random(in: .min ... .max) }

    /// Hash of one word, after a hash before it.
    @inline(__always)
    func callAsFunction(_ word: UInt64, after hash: UInt64 = 0) -> UInt64 {
        let product = (hash ^ key ^ word).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return product.high ^ product.low
    }

    /// The slots of a table that `count` entries fill by half. No power of two: a file that has just
    /// too many entries for one would take twice the memory.
    static func size(holding count: Int) -> Int { max(16, 2 * count) }

    /// The first of a table's `words` to look at, two words a slot, for a hash.
    @inline(__always)
    static func start(_ hash: UInt64, in words: Int) -> Int {
        2 * Int(truncatingIfNeeded: hash.multipliedFullWidth(by: UInt64(words / 2)).high)
    }

    /// The slot after `slot`.
    @inline(__always)
    static func next(_ slot: Int, in words: Int) -> Int {
        slot + 2 == words ? 0 : slot + 2
    }
}

/// Token ids by their bytes: open addressing, half full.
///
/// Looking a token up is mostly waiting for memory, so a slot has all that is needed for the usual
/// token of up to eight bytes. Foreign tokens, which no text has, are found by `hasForeign` alone.
struct TokenTable: Sendable {
    /// Per slot what a token is compared by (see `Key`), and its length in the upper and its id + 1
    /// in the lower half of a word; 0 is free.
    private var slots: [UInt64]
    /// The tokens of one byte and of two, -1 where there is none: nearly half of what merges name.
    private var short = [Int32](repeating: -1, count: 256 + 65_536)
    private let hasher = TokenHash()

    /// An empty table for `capacity` tokens.
    init(capacity: Int) {
        slots = [UInt64](repeating: 0, count: 2 * TokenHash.size(holding: capacity))
    }

    /// What a token is compared by: up to eight bytes are the word itself, more are hashed to it.
    private struct Key {
        var word: UInt64 = 0
        /// Low 31 bits of the length, for longer tokens not enough; above them whether it is foreign.
        let length: UInt64
        let isExact: Bool

        @inline(__always)
        init(
            _ bytes: [UInt8], _ range: Range<Int>, _ hasher: TokenHash, isForeign: Bool = false
        ) {
            length =
                UInt64(truncatingIfNeeded: range.count) & 0x7FFF_FFFF | (isForeign ? 1 << 31 : 0)
            isExact = range.count <= 8
            if isExact {
                for index in range { word = word << 8 | UInt64(bytes[index]) }
                return
            }
            var index = range.lowerBound
            while index < range.upperBound {
                var part: UInt64 = 0
                let end = min(index + 8, range.upperBound)
                while index < end {
                    part = part << 8 | UInt64(bytes[index])
                    index += 1
                }
                word = hasher(part, after: word)
            }
        }
    }

    /// The id of the token that is `bytes[range]`, -1 if there is none.
    @inline(__always)
    func id(of bytes: [UInt8], _ range: Range<Int>, in tokens: ByteStrings) -> Int32 {
        if let place = Self.shortPlace(bytes, range) { return short[place] }
        return longID(of: bytes, range, in: tokens)
    }

    /// Where tokens of one byte or two are in `short`.
    @inline(__always)
    private static func shortPlace(_ bytes: [UInt8], _ range: Range<Int>) -> Int? {
        switch range.count {
        case 1: Int(bytes[range.lowerBound])
        case 2: 256 + (Int(bytes[range.lowerBound]) << 8 | Int(bytes[range.lowerBound + 1]))
        default: nil
        }
    }

    private func longID(of bytes: [UInt8], _ range: Range<Int>, in tokens: ByteStrings) -> Int32 {
        id(of: bytes, range, Key(bytes, range, hasher), in: tokens)
    }

    private func id(
        of bytes: [UInt8], _ range: Range<Int>, _ key: Key, in tokens: ByteStrings
    ) -> Int32 {
        var slot = start(key)
        while slots[slot + 1] != 0 {
            if let found = match(slot, key, bytes, range, tokens) { return found }
            slot = TokenHash.next(slot, in: slots.count)
        }
        return -1
    }

    /// Whether there is a foreign token that is `bytes[range]`.
    func hasForeign(_ bytes: [UInt8], _ range: Range<Int>, in tokens: ByteStrings) -> Bool {
        id(of: bytes, range, Key(bytes, range, hasher, isForeign: true), in: tokens) >= 0
    }

    /// Adds token `id`, whose bytes `tokens` has, unless the table has a token with these bytes,
    /// foreign or not as this one.
    ///
    /// - Returns: the id of that token, -1 if `id` was added.
    mutating func insert(_ id: Int, from tokens: ByteStrings, isForeign: Bool = false) -> Int32 {
        let range = tokens.range(id)
        if !isForeign, let place = Self.shortPlace(tokens.storage, range) {
            if short[place] >= 0 { return short[place] }
            short[place] = Int32(truncatingIfNeeded: id)
            return -1
        }
        let key = Key(tokens.storage, range, hasher, isForeign: isForeign)
        var slot = start(key)
        while slots[slot + 1] != 0 {
            if let found = match(slot, key, tokens.storage, range, tokens) { return found }
            slot = TokenHash.next(slot, in: slots.count)
        }
        slots[slot] = key.word
        slots[slot + 1] = key.length << 32 | UInt64(id + 1)
        return -1
    }

    /// The id in a slot that is not free, if its token is `bytes[range]`, whose key is `key`.
    @inline(__always)
    private func match(
        _ slot: Int, _ key: Key, _ bytes: [UInt8], _ range: Range<Int>, _ tokens: ByteStrings
    ) -> Int32? {
        let entry = slots[slot + 1]
        guard slots[slot] == key.word, entry >> 32 == key.length else { return nil }
        let id = Int(entry & 0xFFFF_FFFF) - 1
        guard key.isExact || bytes[range] == tokens[id] else { return nil }
        return Int32(truncatingIfNeeded: id)
    }

    /// The first slot to look for `key` in.
    @inline(__always)
    private func start(_ key: Key) -> Int {
        TokenHash.start(hasher(key.word, after: key.length), in: slots.count)
    }
}

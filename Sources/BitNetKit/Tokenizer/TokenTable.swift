/// The hash both tables of a tokenizer use, keyed so that no file can be made to collide.
struct TokenHash: Sendable {
    private let key: UInt64

    init() { key = UInt64.random(in: .min ... .max) }

    /// Mixes one word into a hash.
    @inline(__always)
    private static func mix(_ hash: UInt64, _ word: UInt64) -> UInt64 {
        let product = (hash ^ word).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return product.high ^ product.low
    }

    /// Hash of one word.
    @inline(__always)
    func callAsFunction(_ word: UInt64) -> UInt64 { Self.mix(key, word) }

    /// Hash of `bytes[range]`.
    @inline(__always)
    func callAsFunction(_ bytes: [UInt8], _ range: Range<Int>) -> UInt64 {
        var hash = key ^ UInt64(truncatingIfNeeded: range.count)
        var index = range.lowerBound
        while index < range.upperBound {
            var word: UInt64 = 0
            let end = min(index + 8, range.upperBound)
            while index < end {
                word = word << 8 | UInt64(bytes[index])
                index += 1
            }
            hash = Self.mix(hash, word)
        }
        return hash
    }
}

/// Token ids by their bytes: open addressing, at most half full.
struct TokenTable: Sendable {
    /// The upper half of the hash and the id + 1 in the lower half; 0 is free.
    private var slots: [UInt64]
    private let hasher = TokenHash()

    /// An empty table for `capacity` tokens.
    init(capacity: Int) {
        slots = [UInt64](repeating: 0, count: tableSize(holding: capacity))
    }

    /// The id of the token that is `bytes[range]`, -1 if there is none.
    func id(of bytes: [UInt8], _ range: Range<Int>, in tokens: ByteStrings) -> Int32 {
        let hash = hasher(bytes, range)
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] != 0 {
            let entry = slots[slot]
            if entry >> 32 == hash >> 32 {
                let id = Int(entry & 0xFFFF_FFFF) - 1
                if Self.equal(bytes, range, tokens, id) { return Int32(truncatingIfNeeded: id) }
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        return -1
    }

    /// Adds token `id`, whose bytes `tokens` has and which is not in the table yet.
    mutating func insert(_ id: Int, from tokens: ByteStrings) {
        let hash = hasher(tokens.storage, tokens.range(id))
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = (hash & ~0xFFFF_FFFF) | UInt64(id + 1)
    }

    @inline(__always)
    private static func equal(
        _ bytes: [UInt8], _ range: Range<Int>, _ tokens: ByteStrings, _ id: Int
    ) -> Bool {
        let token = tokens.range(id)
        guard token.count == range.count else { return false }
        for offset in 0..<range.count
        where bytes[range.lowerBound + offset] != tokens.storage[token.lowerBound + offset] {
            return false
        }
        return true
    }
}

/// The power of two that keeps a table of `count` entries at most half full.
func tableSize(holding count: Int) -> Int {
    var size = 16
    while size / 2 < count { size *= 2 }
    return size
}

/// How often every word of a text occurs.
///
/// Words are kept once, in the order in which they came first, in one array of bytes; a table with
/// open addressing finds them.
struct WordCounts {
    /// The bytes of all words, one after the other.
    private(set) var bytes: [UInt8] = []
    /// Where each word ends in `bytes`.
    private(set) var ends: [Int] = []
    /// How often each word occurs.
    private(set) var counts: [Int] = []
    /// Per slot a word, -1 for a free one; a power of two, at most half of them taken.
    private var slots = [Int32](repeating: -1, count: 1 << 12)
    private var hashes: [UInt32] = []
    /// Text that is made to collide does not.
    private let seed = UInt64.random(in: 0 ... .max)

    /// Places in `bytes` fit in 32 bits.
    private static let mostBytes = Int(Int32.max)

    /// Number of different words.
    var count: Int { counts.count }

    /// Where word `index` is in `bytes`.
    func range(_ index: Int) -> Range<Int> { (index == 0 ? 0 : ends[index - 1])..<ends[index] }

    /// Counts the words of a text, cut by `cut`.
    ///
    /// - Throws: `BitNetError.outOfMemory` beyond 2 GiB of different words, `.cancelled`.
    mutating func add(
        _ text: String, cut: PreTokenizer, effort: Effort
    ) throws(BitNetError) {
        let text = Array(text.utf8)
        try cut.forEachWord(in: text, 0..<text.count, effort: effort) {
            (word) throws(BitNetError) in try add(text, word)
        }
    }

    private mutating func add(_ text: [UInt8], _ word: Range<Int>) throws(BitNetError) {
        let hash = hash(text, word)
        var slot = Int(hash) & (slots.count - 1)
        while slots[slot] >= 0 {
            let known = Int(slots[slot])
            if hashes[known] == hash, isEqual(range(known), text, word) {
                counts[known] += 1
                return
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        guard word.count <= Self.mostBytes - bytes.count else {
            throw .outOfMemory(
                bytes: bytes.count + word.count, purpose: "the different words of the text")
        }
        slots[slot] = Int32(truncatingIfNeeded: count)
        bytes += text[word]
        ends.append(bytes.count)
        counts.append(1)
        hashes.append(hash)
        if count > slots.count / 2 { grow() }
    }

    private func isEqual(_ known: Range<Int>, _ text: [UInt8], _ word: Range<Int>) -> Bool {
        guard known.count == word.count else { return false }
        for index in 0..<word.count
        where bytes[known.lowerBound + index] != text[word.lowerBound + index] { return false }
        return true
    }

    private func hash(_ text: [UInt8], _ word: Range<Int>) -> UInt32 {
        var state = seed
        for index in word {
            state = (state ^ UInt64(text[index])) &* 0xD6E8_FEB8_6659_FD93
            state ^= state >> 32
        }
        return UInt32(truncatingIfNeeded: state >> 16)
    }

    private mutating func grow() {
        slots = [Int32](repeating: -1, count: 2 * slots.count)
        for (word, hash) in hashes.enumerated() {
            var slot = Int(hash) & (slots.count - 1)
            while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = Int32(truncatingIfNeeded: word)
        }
    }
}

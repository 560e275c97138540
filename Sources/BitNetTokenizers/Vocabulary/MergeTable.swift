import Dispatch
import Synchronization

/// Which pairs of tokens merge, in which order, into what: open addressing on both ids.
struct MergeTable: Sendable {
    /// No merge; every real one is smaller.
    static let none = UInt64.max

    /// Per slot a pair `left << 32 | right` and its merge `rank << 32 | id`, side by side in memory;
    /// a free slot has `none` as its pair.
    private var slots: [UInt64]
    private let hasher = TokenHash()

    /// Number of merges.
    private(set) var count = 0

    /// No merges.
    init() {
        slots = [Self.none, Self.none]
    }

    /// What a merge that is listed again means.
    enum Repeats { case areRefused, lastCounts }

    /// Reads merges, each two spelled tokens with a space between, best first.
    ///
    /// - Throws: `BitNetError.tokenizer` naming the first merge that is not two known tokens which
    ///   together are a third, or that is listed twice and may not be.
    init(
        _ merges: ByteStrings, of vocabulary: Vocabulary, repeats: Repeats = .areRefused
    ) throws(BitNetError) {
        guard merges.count < Int(Int32.max) else {
            throw .tokenizer(detail: "\(merges.count) merges are more than a vocabulary can have")
        }
        let most = TokenHash.size(holding: merges.count)
        slots = [UInt64](repeating: Self.none, count: 2 * min(most, Self.firstSize))
        var rank = 0
        while rank < merges.count {
            // Some at a time: what is known of a merge before it is in the table is large.
            let end = min(rank + Self.batch, merges.count)
            try insert(rank..<end, of: merges, vocabulary, repeats)
            rank = end
        }
    }

    /// More slots than this are made when they are needed: a file may list a few merges many times.
    private static let firstSize = 1 << 20
    private static let batch = 1 << 18

    private mutating func insert(
        _ ranks: Range<Int>, of merges: ByteStrings, _ vocabulary: Vocabulary, _ repeats: Repeats
    ) throws(BitNetError) {
        var rank = ranks.lowerBound
        for part in Self.parseInParallel(ranks, of: merges, vocabulary) {
            for (pair, merged) in try part.get() {
                // One that no text can need.
                guard pair != Self.none else {
                    rank += 1
                    continue
                }
                if count >= slots.count / 4 { grow(to: merges.count) }
                let slot = slot(of: pair)
                guard repeats == .lastCounts || slots[slot] == Self.none else {
                    throw .tokenizer(
                        detail: "merge \(rank) '\(merges.text(rank))' is listed twice")
                }
                if slots[slot] == Self.none { count += 1 }
                slots[slot] = pair
                slots[slot + 1] = UInt64(rank) << 32 | UInt64(UInt32(bitPattern: merged))
                rank += 1
            }
        }
    }

    /// Twice the slots, or as many as all `merges` need.
    private mutating func grow(to merges: Int) {
        let old = slots
        let size = min(old.count, TokenHash.size(holding: merges))
        slots = [UInt64](repeating: Self.none, count: 2 * size)
        for index in stride(from: 0, to: old.count, by: 2) where old[index] != Self.none {
            let slot = slot(of: old[index])
            slots[slot] = old[index]
            slots[slot + 1] = old[index + 1]
        }
    }

    /// A pair and the token it makes.
    private typealias Parsed = (pair: UInt64, merged: Int32)

    /// Merges in order, in parts; looking tokens up waits for memory, which threads share well.
    private static func parseInParallel(
        _ ranks: Range<Int>, of merges: ByteStrings, _ vocabulary: Vocabulary
    ) -> [Result<[Parsed], BitNetError>] {
        let parts = ranks.count < 4096 ? 1 : 4
        let results = Mutex([Result<[Parsed], BitNetError>](repeating: .success([]), count: parts))
        DispatchQueue.concurrentPerform(iterations: parts) { part in
            let first = ranks.lowerBound + ranks.count / parts * part
            let end = part + 1 < parts ? first + ranks.count / parts : ranks.upperBound
            let result = Result { () throws(BitNetError) in
                try parse(first..<end, of: merges, vocabulary)
            }
            results.withLock { $0[part] = result }
        }
        return results.withLock { $0 }
    }

    private static func parse(
        _ ranks: Range<Int>, of merges: ByteStrings, _ vocabulary: Vocabulary
    ) throws(BitNetError) -> [Parsed] {
        var parsed: [Parsed] = []
        parsed.reserveCapacity(ranks.count)
        var scratch: [UInt8] = []
        var merged: Int32 = -1
        for rank in ranks {
            guard let (left, right) = try parse(rank, of: merges, vocabulary, &scratch) else {
                parsed.append((none, -1))
                continue
            }
            merged = try Self.merged(scratch, after: merged, vocabulary, rank, merges)
            parsed.append((pair(left, right), merged))
        }
        return parsed
    }

    /// The merge of two tokens, `rank << 32 | id`, or `none`.
    @inline(__always)
    func merge(_ left: Int32, _ right: Int32) -> UInt64 {
        let pair = Self.pair(left, right)
        let slot = slot(of: pair)
        return slots[slot] == pair ? slots[slot + 1] : Self.none
    }

    /// All merges, best first.
    var pairs: [(left: Int, right: Int)] {
        var entries: [(rank: UInt64, pair: UInt64)] = []
        for slot in stride(from: 0, to: slots.count, by: 2) where slots[slot] != Self.none {
            entries.append((slots[slot + 1] >> 32, slots[slot]))
        }
        entries.sort { $0.rank < $1.rank }
        return entries.map { (Int($0.pair >> 32), Int($0.pair & 0xFFFF_FFFF)) }
    }

    @inline(__always)
    private static func pair(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    /// Where `pair` is, or where it would go.
    @inline(__always)
    private func slot(of pair: UInt64) -> Int {
        var slot = TokenHash.start(hasher(pair), in: slots.count)
        while slots[slot] != pair && slots[slot] != Self.none {
            slot = TokenHash.next(slot, in: slots.count)
        }
        return slot
    }

    /// The token with the bytes of `scratch`.
    ///
    /// Merges mostly come in the order of the tokens they make, several for one token: that of the
    /// merge before and its successor are tried before the table.
    private static func merged(
        _ scratch: [UInt8], after last: Int32, _ vocabulary: Vocabulary, _ rank: Int,
        _ merges: ByteStrings
    ) throws(BitNetError) -> Int32 {
        if vocabulary.is(Int(last), scratch) { return last }
        if last < Int32.max, vocabulary.is(Int(last) + 1, scratch) { return last + 1 }
        let id = vocabulary.id(of: scratch, 0..<scratch.count)
        guard id >= 0 else {
            throw .tokenizer(
                detail: "merge \(rank) '\(merges.text(rank))' makes a token that is not in the "
                    + "vocabulary")
        }
        return id
    }

    /// The tokens of a merge; their bytes, one after the other, are left in `scratch`. nil if one of
    /// them is a token that no text has.
    private static func parse(
        _ rank: Int, of merges: ByteStrings, _ vocabulary: Vocabulary, _ scratch: inout [UInt8]
    ) throws(BitNetError) -> (left: Int32, right: Int32)? {
        let range = merges.range(rank)
        let text = merges.storage
        var space = range.lowerBound
        while space < range.upperBound, text[space] != 0x20 { space += 1 }
        guard space < range.upperBound else {
            throw .tokenizer(
                detail: "merge \(rank) '\(merges.text(rank))' is not two tokens with a space "
                    + "between")
        }
        let spellings = (range.lowerBound..<space, space + 1..<range.upperBound)
        scratch.removeAll(keepingCapacity: true)
        let spelling = vocabulary.spelling
        let leftIsSpelled = spelling.decode(text, spellings.0, into: &scratch)
        let middle = scratch.count
        let rightIsSpelled = spelling.decode(text, spellings.1, into: &scratch)
        let left = leftIsSpelled ? vocabulary.id(of: scratch, 0..<middle) : -1
        let right = rightIsSpelled ? vocabulary.id(of: scratch, middle..<scratch.count) : -1
        guard left >= 0, right >= 0 else {
            func isForeign(_ id: Int32, _ range: Range<Int>) -> Bool {
                id < 0 && vocabulary.hasForeign(text, range)
            }
            if isForeign(left, spellings.0) || isForeign(right, spellings.1) { return nil }
            let unknown = text[left < 0 ? spellings.0 : spellings.1]
            throw .tokenizer(
                detail: "merge \(rank) '\(merges.text(rank))' names "
                    + "\(String(decoding: unknown, as: UTF8.self).quoted), which is not a token")
        }
        return (left, right)
    }
}

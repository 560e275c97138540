/// Byte pair encoding: the bytes of a word, merged pair by pair, best merge first and leftmost among
/// equals.
struct BytePairEncoder: Sendable {
    /// The tokens.
    let vocabulary: Vocabulary
    /// The merges.
    let merges: MergeTable
    /// Whether a word that is itself a token is taken whole, whatever the merges say.
    let ignoresMerges: Bool

    /// Words up to this many bytes search their best pair one by one, longer ones keep a heap.
    private static let shortWord = 48

    /// What encoding a word needs, kept from word to word so that none allocates.
    struct Scratch {
        /// Tokens of the word so far.
        fileprivate var tokens: [Int32] = []
        /// Per token its merge with the next one, `rank << 32 | id`, or `MergeTable.none`.
        fileprivate var merges: [UInt64] = []
        /// Neighbours of each token while a long word is merged, -1 at the ends.
        fileprivate var next: [Int32] = []
        fileprivate var previous: [Int32] = []
        fileprivate var heap = MinimumHeap()
    }

    /// Longer words are cut, so that places fit 32 bits; no text of sense has one.
    private static let longestWord = 1 << 30

    /// Appends the tokens of the word `bytes[range]`.
    ///
    /// Bytes the vocabulary has no token for are dropped, as Hugging Face does without an unknown
    /// token.
    func encode(
        _ bytes: [UInt8], _ range: Range<Int>, into output: inout [Int], _ scratch: inout Scratch
    ) {
        guard range.count <= Self.longestWord else {
            let middle = range.lowerBound + Self.longestWord
            encode(bytes, range.lowerBound..<middle, into: &output, &scratch)
            return encode(bytes, middle..<range.upperBound, into: &output, &scratch)
        }
        if ignoresMerges {
            let whole = vocabulary.id(of: bytes, range)
            if whole >= 0 { return output.append(Int(whole)) }
        }
        scratch.tokens.removeAll(keepingCapacity: true)
        for index in range {
            let token = vocabulary.byteTokens[Int(bytes[index])]
            if token >= 0 { scratch.tokens.append(token) }
        }
        guard !scratch.tokens.isEmpty else { return }
        scratch.merges.removeAll(keepingCapacity: true)
        for index in 1..<max(scratch.tokens.count, 1) {
            scratch.merges.append(merges.merge(scratch.tokens[index - 1], scratch.tokens[index]))
        }
        scratch.merges.append(MergeTable.none)
        if scratch.tokens.count <= Self.shortWord {
            mergeShort(&scratch)
            for token in scratch.tokens { output.append(Int(token)) }
        } else {
            mergeLong(&scratch)
            var index: Int32 = 0
            while index >= 0 {
                output.append(Int(scratch.tokens[Int(index)]))
                index = scratch.next[Int(index)]
            }
        }
    }

    /// Merges by looking for the best pair each time: quadratic, but fastest for a usual word.
    private func mergeShort(_ scratch: inout Scratch) {
        while true {
            var best = MergeTable.none
            var place = 0
            for index in 0..<scratch.merges.count where scratch.merges[index] < best {
                best = scratch.merges[index]
                place = index
            }
            guard best != MergeTable.none else { return }
            scratch.tokens[place] = Int32(truncatingIfNeeded: best)
            scratch.tokens.remove(at: place + 1)
            scratch.merges.remove(at: place)
            if place > 0 {
                scratch.merges[place - 1] = merges.merge(
                    scratch.tokens[place - 1], scratch.tokens[place])
            }
            if place + 1 < scratch.tokens.count {
                scratch.merges[place] = merges.merge(
                    scratch.tokens[place], scratch.tokens[place + 1])
            }
        }
    }

    /// Merges with a linked list of tokens and a heap of pairs: n log n for a word of n bytes.
    private func mergeLong(_ scratch: inout Scratch) {
        let count = scratch.tokens.count
        scratch.next = (1...Int32(count)).map { $0 < count ? $0 : -1 }
        scratch.previous = (0..<Int32(count)).map { $0 - 1 }
        scratch.heap.removeAll()
        for place in 0..<count { push(place, &scratch) }
        while let entry = scratch.heap.popMinimum() {
            let place = Int(entry & 0xFFFF_FFFF)
            let merge = scratch.merges[place]
            // An entry is stale if its token has been merged with another since.
            guard merge != MergeTable.none, merge >> 32 == entry >> 32 else { continue }
            let right = Int(scratch.next[place])
            let after = scratch.next[right]
            scratch.tokens[place] = Int32(truncatingIfNeeded: merge)
            scratch.next[place] = after
            scratch.merges[right] = MergeTable.none
            scratch.merges[place] = MergeTable.none
            if after >= 0 {
                scratch.previous[Int(after)] = Int32(place)
                scratch.merges[place] = merges.merge(
                    scratch.tokens[place], scratch.tokens[Int(after)])
                push(place, &scratch)
            }
            let before = Int(scratch.previous[place])
            if before >= 0 {
                scratch.merges[before] = merges.merge(scratch.tokens[before], scratch.tokens[place])
                push(before, &scratch)
            }
        }
    }

    /// Queues the pair at `place`, if it merges: by rank, then from the left.
    private func push(_ place: Int, _ scratch: inout Scratch) {
        let merge = scratch.merges[place]
        guard merge != MergeTable.none else { return }
        scratch.heap.push((merge & ~0xFFFF_FFFF) | UInt64(place))
    }
}

/// A binary heap of integers, smallest first.
private struct MinimumHeap {
    private var items: [UInt64] = []

    mutating func removeAll() { items.removeAll(keepingCapacity: true) }

    mutating func push(_ item: UInt64) {
        items.append(item)
        var index = items.count - 1
        while index > 0, items[(index - 1) / 2] > item {
            items[index] = items[(index - 1) / 2]
            index = (index - 1) / 2
        }
        items[index] = item
    }

    mutating func popMinimum() -> UInt64? {
        guard let minimum = items.first else { return nil }
        let item = items.removeLast()
        guard !items.isEmpty else { return minimum }
        var index = 0
        while true {
            var child = 2 * index + 1
            guard child < items.count else { break }
            if child + 1 < items.count, items[child + 1] < items[child] { child += 1 }
            guard items[child] < item else { break }
            items[index] = items[child]
            index = child
        }
        items[index] = item
        return minimum
    }
}

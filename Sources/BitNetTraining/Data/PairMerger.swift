/// Merges the most frequent pair of neighbouring tokens in all words, one pair after the other.
///
/// The tokens of all words lie in one array; tokens that are merged leave holes, which links to the
/// neighbours jump over. Every pair has a list of its places, so that a merge looks at those alone:
/// all merges together take time that grows with the tokens and not with the merges. Places where the
/// pair has gone meanwhile are skipped when the list is used.
///
/// A token is made of one pair only: what is merged inside it does not depend on its neighbours, or it
/// would have merged with them. So all its places come with one merge, and those of a pair with the
/// merge that makes the later of its two tokens.
///
/// Results are those of `BpeTrainer` in Hugging Face's tokenizers: counts in the queue may be old, and
/// a pair is put back with its count of now until that is the largest. Overlaps count (`aaa` has the
/// pair twice).
struct PairMerger {
    /// Per place a token, or -1 where it was merged into one to the left.
    private var tokens: [Int32] = []
    /// Per place those of its neighbours in the word, -1 at the ends.
    private var next: [Int32] = []
    private var previous: [Int32] = []
    /// Per place its word.
    private var words: [Int32] = []
    /// Per word how often it occurs.
    private let wordCounts: [Int]

    /// The index of each pair in the arrays below.
    private var indices: [UInt64: Int32] = [:]
    private var pairs: [UInt64] = []
    private var counts: [Int] = []
    /// The places of each pair, rising; empty once it is merged.
    private var places: [[Int32]] = []
    /// The pairs that the merge at hand makes.
    private var made: [Int32] = []
    private var queue = PairQueue()

    /// Words whose bytes have these tokens.
    init(_ words: WordCounts, alphabet: [Int32], effort: Effort) throws(BitNetError) {
        wordCounts = words.counts
        let size = words.bytes.count
        tokens = [Int32](repeating: -1, count: size)
        next = tokens
        previous = tokens
        self.words = tokens
        for word in 0..<words.count {
            let range = words.range(word)
            try effort.spend(range.count)
            for place in range {
                tokens[place] = alphabet[Int(words.bytes[place])]
                self.words[place] = Int32(truncatingIfNeeded: word)
                if place > range.lowerBound {
                    previous[place] = Int32(truncatingIfNeeded: place - 1)
                    next[place - 1] = Int32(truncatingIfNeeded: place)
                }
            }
            for place in range.dropLast() {
                add(tokens[place], tokens[place + 1], wordCounts[word], at: Int32(place))
            }
        }
        queueMadePairs()
    }

    /// Takes the pair to merge next from the queue, `left << 32 | right`; nil where none occurs
    /// `minimum` times, or once.
    mutating func popMostFrequent(minimum: Int) -> UInt64? {
        while var top = queue.pop() {
            let count = counts[index(of: top.pair)]
            guard top.count == count else {
                top.count = count
                queue.push(top)
                continue
            }
            return count >= max(1, minimum) ? top.pair : nil
        }
        return nil
    }

    /// Puts `token` for the pair wherever it is.
    mutating func merge(
        _ pair: UInt64, into token: Int32, effort: Effort
    ) throws(BitNetError) {
        let index = index(of: pair)
        let all = places[index]
        places[index] = []
        let (left, right) = (Int32(truncatingIfNeeded: pair >> 32), Int32(truncatingIfNeeded: pair))
        for place in all {
            try effort.spend(1)
            merge(left, right, at: Int(place), into: token)
        }
        queueMadePairs()
    }

    private mutating func merge(_ left: Int32, _ right: Int32, at place: Int, into token: Int32) {
        guard tokens[place] == left, next[place] >= 0 else { return }
        let second = Int(next[place])
        guard tokens[second] == right else { return }
        let count = wordCounts[Int(words[place])]
        let before = previous[place]
        let after = next[second]
        if before >= 0 {
            let neighbour = tokens[Int(before)]
            counts[index(neighbour, left)] -= count
            add(neighbour, token, count, at: before)
        }
        tokens[place] = token
        tokens[second] = -1
        next[place] = after
        if after >= 0 {
            previous[Int(after)] = Int32(truncatingIfNeeded: place)
            let neighbour = tokens[Int(after)]
            counts[index(right, neighbour)] -= count
            add(token, neighbour, count, at: Int32(truncatingIfNeeded: place))
        }
    }

    // MARK: - Pairs

    private mutating func index(_ left: Int32, _ right: Int32) -> Int {
        let pair = UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
        if let known = indices[pair] { return Int(known) }
        let index = pairs.count
        indices[pair] = Int32(truncatingIfNeeded: index)
        pairs.append(pair)
        counts.append(0)
        places.append([])
        made.append(Int32(truncatingIfNeeded: index))
        return index
    }

    /// The index of a pair that is known.
    private func index(of pair: UInt64) -> Int { Int(indices[pair] ?? 0) }

    private mutating func add(_ left: Int32, _ right: Int32, _ count: Int, at place: Int32) {
        let pair = index(left, right)
        counts[pair] += count
        places[pair].append(place)
    }

    private mutating func queueMadePairs() {
        for pair in made.lazy.map(Int.init) {
            queue.push(.init(count: counts[pair], pair: pairs[pair]))
        }
        made.removeAll(keepingCapacity: true)
    }
}

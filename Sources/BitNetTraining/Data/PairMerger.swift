/// Merges the most frequent pair of neighbouring tokens in all words, one pair after the other.
///
/// The tokens of all words lie in one array; tokens that are merged leave holes, which links to the
/// neighbours jump over. A pair has lists of the places where it was made, so that a merge looks at
/// those alone: all merges together take time that grows with the tokens and not with the merges.
/// Places where the pair has gone meanwhile are skipped when the list is used.
///
/// Results are those of `BpeTrainer` in Hugging Face's tokenizers, with its peculiarities:
///
/// - Counts in the queue may be old. A pair is put back with its count of now, and merged when that
///   is still the largest.
/// - A merge does not lower the count of its own pair, except by overlaps (`aaa`). A pair that comes
///   up again later, because two ways lead to one token, starts from what was left.
/// - What one merge adds to a pair is one list. A list is for its words: all places in them are
///   merged, and none in other words, even where another list of the pair is waiting.
struct PairMerger {
    /// Per place a token, or -1 where it was merged into one to the left.
    private var tokens: [Int32] = []
    /// Per place those of its neighbours in the word, -1 at the ends.
    private var next: [Int32] = []
    private var previous: [Int32] = []
    /// Per place its word.
    private var words: [Int32] = []
    /// Per word its first place, and how often it occurs.
    private var firstPlaces: [Int32] = []
    private var wordCounts: [Int]

    /// The index of each pair in the arrays below.
    private var indices: [UInt64: Int32] = [:]
    private var pairs: [UInt64] = []
    private var counts: [Int] = []
    /// The list that the merge at hand fills, -1 for none.
    private var openLists: [Int32] = []
    /// How many lists wait in the queue.
    private var waiting: [Int32] = []

    /// Places, rising, of one pair each; empty once used.
    private var lists: [[Int32]] = []
    /// The pairs whose lists are being filled.
    private var opened: [Int32] = []
    private var queue = PairQueue()

    /// Words whose bytes have these tokens.
    init(_ words: WordCounts, alphabet: [Int32], effort: Effort) throws(BitNetError) {
        wordCounts = words.counts
        let size = words.bytes.count
        tokens = [Int32](repeating: -1, count: size)
        next = tokens
        previous = tokens
        self.words = tokens
        firstPlaces.reserveCapacity(words.count)
        for word in 0..<words.count {
            let range = words.range(word)
            try effort.spend(range.count)
            firstPlaces.append(Int32(truncatingIfNeeded: range.lowerBound))
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
        closeLists()
    }

    /// The next pair to merge, taken from the queue; nil where none occurs `minimum` times, or once.
    mutating func popMostFrequent(minimum: Int) -> PairQueue.Candidate? {
        while var top = queue.pop() {
            let count = counts[index(of: top.pair)]
            guard top.count == count else {
                top.count = count
                queue.push(top)
                continue
            }
            return count >= max(1, minimum) ? top : nil
        }
        return nil
    }

    /// Puts `token` for the pair in the words of its list.
    mutating func merge(
        _ candidate: PairQueue.Candidate, into token: Int32, effort: Effort
    ) throws(BitNetError) {
        let pair = index(of: candidate.pair)
        var places = lists[Int(candidate.list)]
        lists[Int(candidate.list)] = []
        // With another list waiting, there may be places of the pair that are not in this one.
        if waiting[pair] > 1 { places = allPlaces(of: candidate.pair, inWordsOf: places) }
        waiting[pair] -= 1
        let (left, right) = Self.tokens(of: candidate.pair)
        for place in places {
            try effort.spend(1)
            merge(left, right, at: Int(place), into: token)
        }
        closeLists()
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
            remove(neighbour, left, count)
            add(neighbour, token, count, at: before)
        }
        tokens[place] = token
        tokens[second] = -1
        next[place] = after
        if after >= 0 {
            previous[Int(after)] = Int32(truncatingIfNeeded: place)
            let neighbour = tokens[Int(after)]
            remove(right, neighbour, count)
            add(token, neighbour, count, at: Int32(truncatingIfNeeded: place))
        }
    }

    /// Every place of the pair in the words that `places` are in, rising.
    private func allPlaces(of pair: UInt64, inWordsOf places: [Int32]) -> [Int32] {
        let (left, right) = Self.tokens(of: pair)
        var found: [Int32] = []
        for word in Set(places.map { words[Int($0)] }).sorted() {
            var place = firstPlaces[Int(word)]
            while place >= 0 {
                let second = next[Int(place)]
                if tokens[Int(place)] == left, second >= 0, tokens[Int(second)] == right {
                    found.append(place)
                }
                place = second
            }
        }
        return found
    }

    // MARK: - Pairs

    private static func tokens(of pair: UInt64) -> (left: Int32, right: Int32) {
        (Int32(truncatingIfNeeded: pair >> 32), Int32(truncatingIfNeeded: pair))
    }

    private mutating func index(_ left: Int32, _ right: Int32) -> Int {
        let pair = UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
        if let known = indices[pair] { return Int(known) }
        let index = pairs.count
        indices[pair] = Int32(truncatingIfNeeded: index)
        pairs.append(pair)
        counts.append(0)
        openLists.append(-1)
        waiting.append(0)
        return index
    }

    /// The index of a pair that is known.
    private func index(of pair: UInt64) -> Int { Int(indices[pair] ?? 0) }

    private mutating func remove(_ left: Int32, _ right: Int32, _ count: Int) {
        counts[index(left, right)] -= count
    }

    private mutating func add(_ left: Int32, _ right: Int32, _ count: Int, at place: Int32) {
        let pair = index(left, right)
        counts[pair] += count
        if openLists[pair] < 0 {
            openLists[pair] = Int32(truncatingIfNeeded: lists.count)
            opened.append(Int32(truncatingIfNeeded: pair))
            lists.append([])
        }
        lists[Int(openLists[pair])].append(place)
    }

    /// Puts the lists that were filled into the queue.
    private mutating func closeLists() {
        for pair in opened.lazy.map(Int.init) {
            let list = openLists[pair]
            openLists[pair] = -1
            guard counts[pair] > 0 else {
                lists[Int(list)] = []
                continue
            }
            waiting[pair] += 1
            queue.push(.init(count: counts[pair], pair: pairs[pair], list: list))
        }
        opened.removeAll(keepingCapacity: true)
    }
}

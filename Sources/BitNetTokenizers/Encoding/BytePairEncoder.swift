/// Byte pair encoding: the symbols of a word, merged pair by pair, best merge first and leftmost
/// among equals.
///
/// Two families differ in what may merge. Byte-level vocabularies list their merges in order.
/// Sentencepiece and tiktoken merge whatever two neighbours make a token, that with the best score
/// or the lowest rank first.
///
/// A class, because a word takes a few nanoseconds: handing on a struct with all these tables took
/// three times as long as the rest of encoding.
final class BytePairEncoder: Sendable {
    /// What a word is made of before merging.
    enum Symbols: Sendable {
        /// Bytes; a byte without a token is unknown.
        case bytes
        /// Characters; one without a token becomes its bytes, or is unknown.
        case characters
    }

    /// What stands for a symbol without a token.
    struct Unknown: Sendable, Equatable {
        let id: Int32
        /// Whether one token stands for several such symbols in a row.
        let isFused: Bool
    }

    /// The tokens.
    let vocabulary: Vocabulary
    /// The listed merges; not used with `priorities`.
    let merges: MergeTable
    /// Per token how soon it is merged, smallest first; empty where merges are listed.
    let priorities: [UInt32]
    let symbols: Symbols
    /// Without one, unknown symbols are dropped, as Hugging Face does.
    let unknown: Unknown?
    /// Whether a word that is itself a token is taken whole, whatever the merges say.
    let ignoresMerges: Bool
    /// Bytes of the longest token where every text is tokens for all its bytes; else nothing is known.
    private let longestToken: Int

    init(
        vocabulary: Vocabulary, merges: MergeTable = MergeTable(), priorities: [UInt32] = [],
        symbols: Symbols = .bytes, unknown: Unknown? = nil, ignoresMerges: Bool
    ) {
        self.vocabulary = vocabulary
        self.merges = merges
        self.priorities = priorities
        self.symbols = symbols
        self.unknown = unknown
        self.ignoresMerges = ignoresMerges
        // What has no token may be dropped, or many of it become one.
        let isComplete = vocabulary.byteTokens.allSatisfy { $0 >= 0 }
        longestToken =
            isComplete
            ? (0..<vocabulary.count).reduce(1) { max($0, vocabulary.tokens.range($1).count) } : .max
    }

    /// Fewer tokens than this no word of these bytes has; only of long ones anything is known.
    @inline(__always)
    func leastTokens(of word: Range<Int>) -> Int {
        word.count < 4096 ? 0 : word.count / longestToken
    }

    /// Words up to this many symbols search their best pair one by one, longer ones keep a heap.
    private static let shortWord = 48

    /// A character without a token, in a vocabulary with scores: it may still merge.
    private static let unresolved: Int32 = -1

    /// What encoding a word needs, kept from word to word so that none allocates.
    struct Scratch {
        fileprivate var cache: WordCache
        /// Tokens of the word so far.
        fileprivate var tokens: [Int32] = []
        /// Where each of them starts in the text.
        fileprivate var starts: [Int] = []
        /// Where the word ends in the text.
        fileprivate var end = 0
        /// Where the unknown symbols start that no token stands for yet, -1 if there are none.
        fileprivate var pending = -1
        /// Per token its merge with the next one, `rank << 32 | id`, or `MergeTable.none`.
        fileprivate var merges: [UInt64] = []
        /// Neighbours of each token while a long word is merged, -1 at the ends.
        fileprivate var next: [Int32] = []
        fileprivate var previous: [Int32] = []
        fileprivate var heap = MinimumHeap()
        fileprivate let effort: Effort
        /// Whether a word may be a special token.
        let special: Bool

        /// Scratch for a text of this many bytes.
        init(byteCount: Int = 0, special: Bool = false, _ effort: Effort = Effort()) {
            self.special = special
            cache = WordCache(byteCount: byteCount)
            self.effort = effort
        }
    }

    /// Appends the tokens of the word `bytes[range]`, of a text whose places fit in 32 bits.
    @inline(__always)
    func encode(
        _ bytes: [UInt8], _ range: Range<Int>, into output: inout [Int], _ scratch: inout Scratch
    ) throws(BitNetError) {
        guard let key = WordCache.Key(bytes, range) else {
            return try merge(bytes, range, into: &output, &scratch)
        }
        if scratch.cache.append(key, to: &output) { return }
        let start = output.count
        try merge(bytes, range, into: &output, &scratch)
        scratch.cache.insert(key, output[start...])
    }

    private func merge(
        _ bytes: [UInt8], _ range: Range<Int>, into output: inout [Int], _ scratch: inout Scratch
    ) throws(BitNetError) {
        if ignoresMerges {
            let whole = wholeToken(bytes, range, special: scratch.special)
            if whole >= 0 { return output.append(Int(whole)) }
        }
        try begin(bytes, range, &scratch)
        let first = output.count
        guard !scratch.tokens.isEmpty else { return }
        scratch.merges.removeAll(keepingCapacity: true)
        for index in 1..<max(scratch.tokens.count, 1) {
            if index & (Effort.portion - 1) == 0 { try scratch.effort.spend(Effort.portion) }
            let end = index + 1 < scratch.starts.count ? scratch.starts[index + 1] : scratch.end
            scratch.merges.append(merge(index - 1, index, end, bytes, scratch))
        }
        scratch.merges.append(MergeTable.none)
        if scratch.tokens.count <= Self.shortWord {
            mergeShort(bytes, &scratch)
            for place in 0..<scratch.tokens.count {
                let end = place + 1 < scratch.starts.count ? scratch.starts[place + 1] : scratch.end
                emit(place, end, bytes, scratch, first, into: &output)
            }
        } else {
            try mergeLong(bytes, &scratch)
            var place = 0
            while place >= 0 {
                try scratch.effort.spend(1)
                let next = Int(scratch.next[place])
                let end = next >= 0 ? scratch.starts[next] : scratch.end
                emit(place, end, bytes, scratch, first, into: &output)
                place = next
            }
        }
    }

    /// The token that a word is, -1 if there is none.
    ///
    /// A special token of the vocabulary is one, as in tokenizers, where special tokens are looked
    /// for; elsewhere it is not, as a user's word must not become one. A character may, as it has no
    /// other token.
    func wholeToken(_ bytes: [UInt8], _ range: Range<Int>, special: Bool) -> Int32 {
        let id = vocabulary.id(of: bytes, range)
        if id >= 0 {
            let isRefused = !special && vocabulary.kinds[Int(id)] == .control && range.count > 1
            return isRefused ? -1 : id
        }
        // A byte's token by its name: it is a text like others where words are taken whole.
        guard symbols == .characters, let byte = TokenSpelling.byte(named: bytes[range]) else {
            return -1
        }
        return vocabulary.byteTokens[Int(byte)]
    }

    /// The merge of the tokens at two neighbouring places, the second of which ends at `end`.
    @inline(__always)
    private func merge(
        _ left: Int, _ right: Int, _ end: Int, _ bytes: [UInt8], _ scratch: Scratch
    ) -> UInt64 {
        if priorities.isEmpty { return merges.merge(scratch.tokens[left], scratch.tokens[right]) }
        let id = vocabulary.id(of: bytes, scratch.starts[left]..<end)
        guard id >= 0 else { return MergeTable.none }
        return UInt64(priorities[Int(id)]) << 32 | UInt64(UInt32(bitPattern: id))
    }
}

// MARK: - Symbols

extension BytePairEncoder {
    /// Fills `scratch` with the symbols of a word.
    private func begin(
        _ bytes: [UInt8], _ range: Range<Int>, _ scratch: inout Scratch
    ) throws(BitNetError) {
        scratch.tokens.removeAll(keepingCapacity: true)
        scratch.starts.removeAll(keepingCapacity: true)
        scratch.end = range.upperBound
        scratch.pending = -1
        var index = range.lowerBound
        while index < range.upperBound {
            let start = index
            if start & (Effort.portion - 1) == 0 { try scratch.effort.spend(Effort.portion) }
            switch symbols {
            case .bytes:
                index += 1
                let token = vocabulary.byteTokens[Int(bytes[start])]
                if token >= 0 { append(token, start, &scratch) } else { hold(start, &scratch) }
            case .characters:
                index = min(start + Self.length(of: bytes[start]), range.upperBound)
                appendCharacter(bytes, start..<index, &scratch)
            }
        }
        flushUnknown(&scratch)
    }

    /// Appends the token of a symbol, after what stands for unknown ones before it.
    @inline(__always)
    private func append(_ token: Int32, _ start: Int, _ scratch: inout Scratch) {
        if scratch.pending >= 0 { flushUnknown(&scratch) }
        scratch.tokens.append(token)
        scratch.starts.append(start)
    }

    private func appendCharacter(
        _ bytes: [UInt8], _ range: Range<Int>, _ scratch: inout Scratch
    ) {
        let token = vocabulary.id(of: bytes, range)
        if token >= 0 { return append(token, range.lowerBound, &scratch) }
        if !priorities.isEmpty { return append(Self.unresolved, range.lowerBound, &scratch) }
        let spelled = Self.spelled(bytes[range])
        guard spelled.allSatisfy({ vocabulary.byteTokens[Int($0)] >= 0 }) else {
            return hold(range.lowerBound, &scratch)
        }
        // As in tokenizers, an unknown symbol that is held comes after these.
        for byte in spelled {
            scratch.tokens.append(vocabulary.byteTokens[Int(byte)])
            scratch.starts.append(range.lowerBound)
        }
    }

    /// The bytes of a character as vocabularies spell it, which have U+2581 for a space.
    private static func spelled(_ character: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        switch character.first {
        case 0x20: TokenSpelling.spaceMark[...]
        case TokenSpelling.plainSpace: [0x20]
        default: character
        }
    }

    /// Holds an unknown symbol back until the next known one: it may be one of several.
    private func hold(_ start: Int, _ scratch: inout Scratch) {
        guard let unknown else { return }
        if scratch.pending >= 0 {
            if unknown.isFused { return }
            flushUnknown(&scratch)
        }
        scratch.pending = start
    }

    private func flushUnknown(_ scratch: inout Scratch) {
        guard let unknown, scratch.pending >= 0 else { return }
        scratch.tokens.append(unknown.id)
        scratch.starts.append(scratch.pending)
        scratch.pending = -1
    }

    /// Appends the token at `place`, or what stands for an unresolved character.
    @inline(__always)
    private func emit(
        _ place: Int, _ end: Int, _ bytes: [UInt8], _ scratch: Scratch, _ first: Int,
        into output: inout [Int]
    ) {
        let token = scratch.tokens[place]
        if token >= 0 { return output.append(Int(token)) }
        emitBytes(bytes, scratch.starts[place]..<end, first, into: &output)
    }

    /// Appends what stands for a character; the word's tokens start at `first` in `output`.
    private func emitBytes(
        _ bytes: [UInt8], _ range: Range<Int>, _ first: Int, into output: inout [Int]
    ) {
        let spelled = Self.spelled(bytes[range])
        if spelled.allSatisfy({ vocabulary.byteTokens[Int($0)] >= 0 }) {
            for byte in spelled { output.append(Int(vocabulary.byteTokens[Int(byte)])) }
        } else if let unknown {
            let isRepeated = output.count > first && output.last == Int(unknown.id)
            if !(unknown.isFused && isRepeated) { output.append(Int(unknown.id)) }
        }
    }

    /// Bytes of the UTF-8 character that starts with `first`.
    @inline(__always)
    static func length(of first: UInt8) -> Int {
        switch first {
        case ..<0xC0, TokenSpelling.plainSpace: 1
        default: first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
        }
    }
}

// MARK: - Merging

extension BytePairEncoder {
    /// Merges by looking for the best pair each time: quadratic, but fastest for a usual word.
    private func mergeShort(_ bytes: [UInt8], _ scratch: inout Scratch) {
        while true {
            var best = MergeTable.none
            var place = 0
            // Only the rank decides; among equals the first stays.
            for index in 0..<scratch.merges.count
            where scratch.merges[index] >> 32 < best >> 32 {
                best = scratch.merges[index]
                place = index
            }
            guard best != MergeTable.none else { return }
            scratch.tokens[place] = Int32(truncatingIfNeeded: best)
            scratch.tokens.remove(at: place + 1)
            scratch.starts.remove(at: place + 1)
            scratch.merges.remove(at: place)
            let end =
                place + 1 < scratch.starts.count ? scratch.starts[place + 1] : scratch.end
            if place > 0 {
                scratch.merges[place - 1] = merge(place - 1, place, end, bytes, scratch)
            }
            if place + 1 < scratch.tokens.count {
                let end =
                    place + 2 < scratch.starts.count ? scratch.starts[place + 2] : scratch.end
                scratch.merges[place] = merge(place, place + 1, end, bytes, scratch)
            }
        }
    }

    /// Merges with a linked list of tokens and a heap of pairs: n log n for a word of n symbols.
    private func mergeLong(
        _ bytes: [UInt8], _ scratch: inout Scratch
    ) throws(BitNetError) {
        let count = scratch.tokens.count
        scratch.next.removeAll(keepingCapacity: true)
        scratch.previous.removeAll(keepingCapacity: true)
        scratch.heap.removeAll()
        for place in 0..<count {
            scratch.next.append(place + 1 < count ? Int32(truncatingIfNeeded: place + 1) : -1)
            scratch.previous.append(Int32(truncatingIfNeeded: place) - 1)
            push(place, &scratch)
            try scratch.effort.spend(1)
        }
        while let entry = scratch.heap.popMinimum() {
            try scratch.effort.spend(1)
            let place = Int(entry & 0xFFFF_FFFF)
            let merge = scratch.merges[place]
            // An entry is stale if its token has been merged with another since.
            guard merge != MergeTable.none, merge >> 32 == entry >> 32 else { continue }
            join(place, merge, bytes, &scratch)
        }
    }

    /// Merges the tokens at `place` and after it in the linked list.
    private func join(
        _ place: Int, _ merged: UInt64, _ bytes: [UInt8], _ scratch: inout Scratch
    ) {
        let right = Int(scratch.next[place])
        let after = Int(scratch.next[right])
        scratch.tokens[place] = Int32(truncatingIfNeeded: merged)
        scratch.next[place] = Int32(truncatingIfNeeded: after)
        scratch.merges[right] = MergeTable.none
        scratch.merges[place] = MergeTable.none
        if after >= 0 {
            scratch.previous[after] = Int32(truncatingIfNeeded: place)
            let next = Int(scratch.next[after])
            let end = next >= 0 ? scratch.starts[next] : scratch.end
            scratch.merges[place] = merge(place, after, end, bytes, scratch)
            push(place, &scratch)
        }
        let before = Int(scratch.previous[place])
        if before >= 0 {
            let end = after >= 0 ? scratch.starts[after] : scratch.end
            scratch.merges[before] = merge(before, place, end, bytes, scratch)
            push(before, &scratch)
        }
    }

    /// Queues the pair at `place`, if it merges: by rank, then from the left.
    private func push(_ place: Int, _ scratch: inout Scratch) {
        let merge = scratch.merges[place]
        guard merge != MergeTable.none else { return }
        scratch.heap.push((merge & ~0xFFFF_FFFF) | UInt64(place))
    }
}

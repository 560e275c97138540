extension Expression {
    /// Calls `body` with every match in `bytes[range]`, valid UTF-8, from the left, none of them
    /// empty or overlapping; with `isByteLevel` every byte is its character of the byte alphabet.
    ///
    /// All attempts together take time linear in the text.
    func forEachMatch(
        in bytes: [UInt8], _ range: Range<Int>, isByteLevel: Bool, effort: Effort = Effort(),
        _ body: (Range<Int>) throws(BitNetError) -> Void
    ) throws(BitNetError) {
        var matcher = ExpressionMatcher(self, effort)
        var index = range.lowerBound
        while let (scalar, end) = Self.scalar(
            at: index, in: bytes, to: range.upperBound, isByteLevel)
        {
            matcher.offsets.append(index)
            matcher.scalars.append(scalar)
            index = end
            try effort.spend(1)
        }
        matcher.offsets.append(range.upperBound)
        matcher.limitNotes()
        var start = 0
        while start < matcher.scalars.count {
            if let end = try matcher.match(at: start), end > start {
                try body(matcher.offsets[start]..<matcher.offsets[end])
                start = end
            } else {
                start += 1
            }
        }
    }

    private static func scalar(
        at index: Int, in bytes: [UInt8], to end: Int, _ isByteLevel: Bool
    ) -> (scalar: Unicode.Scalar, end: Int)? {
        guard isByteLevel, index < end else {
            return UTF8Scalars.scalar(at: index, in: bytes, to: end)
        }
        return (ByteAlphabet.characters[Int(bytes[index])], index + 1)
    }
}

/// Runs the program of an expression over a text, going back where it fails.
///
/// What a place in the program finds from a place in the text is the same whatever was before. A
/// pair that has failed is therefore not tried again, by this attempt or a later one, and neither is
/// one inside a look-ahead or an atomic group that has succeeded.
private struct ExpressionMatcher {
    let program: [Expression.Instruction]
    var scalars: [Unicode.Scalar] = []
    var offsets: [Int] = []
    private let effort: Effort
    /// The number of each instruction that branches, and the words of `failed` for one place.
    private let numbers: [Int]
    private let wordCount: Int
    /// Which branching instructions have failed, or are being tried: rows of bits, one row for each
    /// place of the text from `base` on.
    private var failed: [UInt64] = []
    private var base = 0
    /// Branches not taken yet, and how much of `trail` leads to each.
    private var pending: [(instruction: Int, place: Int, depth: Int)] = []
    /// Branching instructions on the way to where the program is.
    private var trail: [Pair] = []
    /// Where parts that are run by themselves end, from inside them.
    private var ends: [Pair: Int] = [:]
    private var endsLimit = 0

    private struct Pair: Hashable {
        let instruction: Int
        let place: Int
    }

    /// The most branches that are noted at once: pending, on the trail, and with known ends.
    private var mostNotes = 0
    private let source: String

    /// Shorter ways are walked again rather than remembered.
    private static let longWay = 8
    /// Notes for each character of a text. One that is repeated needs two; an expression made for it
    /// would note all its branches for each.
    private static let notesPerCharacter = 8

    init(_ expression: Expression, _ effort: Effort) {
        program = expression.program
        numbers = expression.branchNumbers
        wordCount = (expression.branchCount + 63) / 64
        self.effort = effort
        source = expression.source
    }

    /// Sets how much may be noted, once the characters are known.
    mutating func limitNotes() { mostNotes = Self.notesPerCharacter * scalars.count + 4096 }

    /// Where the match at `start` ends, if there is one; starts rise from call to call.
    mutating func match(at start: Int) throws(BitNetError) -> Int? {
        if start - base > 256, failed.count <= 2 * (start - base) * wordCount {
            failed.removeFirst(min(failed.count, (start - base) * wordCount))
            base = start
        }
        if !ends.isEmpty, start > endsLimit { ends.removeAll() }
        return try run(from: 0, at: start, isPart: false)
    }

    /// The word and the bit in `failed` of an instruction at a place.
    private func bit(_ instruction: Int, _ place: Int) -> (word: Int, mask: UInt64) {
        let number = numbers[instruction]
        return ((place - base) * wordCount + number >> 6, 1 << UInt64(number & 63))
    }

    /// Whether an instruction has not failed at a place, and is not being tried.
    private mutating func enter(_ instruction: Int, _ place: Int) -> Bool {
        let (word, mask) = bit(instruction, place)
        if word >= failed.count {
            failed += [UInt64](repeating: 0, count: max(word + 1 - failed.count, failed.count))
        }
        if failed[word] & mask != 0 { return false }
        failed[word] |= mask
        return true
    }

    /// Refuses to note any more.
    @inline(__always)
    private func checkNotes() throws(BitNetError) {
        guard pending.count + trail.count + ends.count <= mostNotes else { throw tooManyNotes }
    }

    private var tooManyNotes: BitNetError {
        .tokenizer(
            detail: "expression '\(source)' can go on in too many ways in this text: more than "
                + "\(mostNotes) in \(scalars.count) characters are not followed")
    }

    /// Takes off the trail what lies behind the latest branch that is pending, or behind `depth` where
    /// none is.
    @inline(__always)
    private mutating func forgetTrail(after depth: Int?) {
        guard let depth = depth ?? pending.last?.depth else { return }
        trail.removeLast(trail.count - depth)
    }

    /// Notes that what is on the trail from `depth` on has not failed, but ended at `end`.
    private mutating func succeed(from depth: Int, at end: Int, isPart: Bool) {
        let isLong = isPart && trail.count - depth > Self.longWay
        for pair in trail[depth...] {
            let (word, mask) = bit(pair.instruction, pair.place)
            failed[word] &= ~mask
            if isLong {
                ends[pair] = end
                endsLimit = max(endsLimit, pair.place)
            }
        }
    }

    /// Where the program at `first` ends when it starts at `place`, nil if it fails; `isPart` says
    /// that it is run by itself, and what follows it does not count.
    private mutating func run(
        from first: Int, at place: Int, isPart: Bool
    ) throws(BitNetError) -> Int? {
        let (base, depth) = (pending.count, trail.count)
        defer {
            pending.removeLast(pending.count - base)
            trail.removeLast(trail.count - depth)
        }
        var (instruction, place) = (first, place)
        while true {
            try effort.spend(1)
            var goesOn = false
            switch program[instruction] {
            case .match:
                succeed(from: depth, at: place, isPart: isPart)
                return place
            case .take(let set):
                if place < scalars.count, set.contains(scalars[place]) {
                    (instruction, place, goesOn) = (instruction + 1, place + 1, true)
                    // The match ends behind this place, and no attempt begins before its end.
                    if !isPart { forgetTrail(after: pending.count > base ? nil : depth) }
                }
            case .jump(let next):
                (instruction, goesOn) = (next, true)
            case .split(let one, let other):
                let pair = Pair(instruction: instruction, place: place)
                if isPart, !ends.isEmpty, let end = ends[pair] {
                    succeed(from: depth, at: end, isPart: true)
                    return end
                }
                if enter(instruction, place) {
                    try checkNotes()
                    trail.append(pair)
                    pending.append((other, place, trail.count))
                    (instruction, goesOn) = (one, true)
                }
            case .look(let wanted, let next):
                if (try run(from: instruction + 1, at: place, isPart: true) != nil) == wanted {
                    (instruction, goesOn) = (next, true)
                }
            case .atomic(let next):
                if let end = try run(from: instruction + 1, at: place, isPart: true) {
                    (instruction, place, goesOn) = (next, end, true)
                }
            }
            if goesOn { continue }
            guard pending.count > base, let other = pending.popLast() else { return nil }
            trail.removeLast(trail.count - other.depth)
            (instruction, place) = (other.instruction, other.place)
        }
    }
}

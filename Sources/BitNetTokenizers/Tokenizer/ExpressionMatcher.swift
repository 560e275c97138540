extension Expression {
    /// Calls `body` with every match in `bytes[range]`, valid UTF-8, from the left, none of them
    /// empty or overlapping; with `isByteLevel` every byte is its character of the byte alphabet.
    ///
    /// Each attempt takes time linear in the text that it looks at.
    func forEachMatch(
        in bytes: [UInt8], _ range: Range<Int>, isByteLevel: Bool, _ body: (Range<Int>) -> Void
    ) {
        var matcher = ExpressionMatcher(program)
        var index = range.lowerBound
        while let (scalar, end) = Self.scalar(
            at: index, in: bytes, to: range.upperBound, isByteLevel)
        {
            matcher.offsets.append(index)
            matcher.scalars.append(scalar)
            index = end
        }
        matcher.offsets.append(range.upperBound)
        var start = 0
        while start < matcher.scalars.count {
            if let end = matcher.match(at: start), end > start {
                body(matcher.offsets[start]..<matcher.offsets[end])
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
/// A place in the program and in the text that has failed once fails again, so each is tried once.
private struct ExpressionMatcher {
    let program: [Expression.Instruction]
    var scalars: [Unicode.Scalar] = []
    var offsets: [Int] = []
    /// What is known to fail, one bit for every place of the text after `start` and instruction.
    private var failed: [UInt64] = []
    private var touched: [Int] = []
    private var start = 0
    private var pending: [(instruction: Int, place: Int)] = []

    init(_ program: [Expression.Instruction]) { self.program = program }

    /// Where the match at `start` ends, if there is one.
    mutating func match(at start: Int) -> Int? {
        for word in touched { failed[word] = 0 }
        touched.removeAll(keepingCapacity: true)
        self.start = start
        return run(from: 0, at: start)
    }

    /// Whether an instruction is met at a place for the first time.
    private mutating func enter(_ instruction: Int, _ place: Int) -> Bool {
        let bit = (place - start) * program.count + instruction
        let word = bit >> 6
        if word >= failed.count {
            failed += [UInt64](repeating: 0, count: max(word + 1 - failed.count, failed.count))
        }
        let mask = UInt64(1) << UInt64(bit & 63)
        if failed[word] & mask != 0 { return false }
        if failed[word] == 0 { touched.append(word) }
        failed[word] |= mask
        return true
    }

    /// Where the program at `first` ends when it starts at `place`, nil if it fails.
    private mutating func run(from first: Int, at place: Int) -> Int? {
        let base = pending.count
        defer { pending.removeLast(pending.count - base) }
        var (instruction, place) = (first, place)
        while true {
            var goesOn = false
            switch program[instruction] {
            case .match: return place
            case .take(let set):
                if place < scalars.count, set.contains(scalars[place]) {
                    (instruction, place, goesOn) = (instruction + 1, place + 1, true)
                }
            case .jump(let next):
                (instruction, goesOn) = (next, true)
            case .split(let one, let other):
                if enter(instruction, place) {
                    pending.append((other, place))
                    (instruction, goesOn) = (one, true)
                }
            case .look(let wanted, let next):
                if (separately(instruction + 1, place) != nil) == wanted {
                    (instruction, goesOn) = (next, true)
                }
            case .atomic(let next):
                if let end = separately(instruction + 1, place) {
                    (instruction, place, goesOn) = (next, end, true)
                }
            }
            if goesOn { continue }
            guard pending.count > base, let other = pending.popLast() else { return nil }
            (instruction, place) = other
        }
    }

    /// Runs a part by itself: what it finds on the way says nothing about what follows it.
    private mutating func separately(_ first: Int, _ place: Int) -> Int? {
        var matcher = ExpressionMatcher(program)
        matcher.scalars = scalars
        matcher.start = place
        return matcher.run(from: first, at: place)
    }
}

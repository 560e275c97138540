/// How a text is cut into words before merging, in one or more steps.
///
/// Each step cuts what the one before left, as in the `Sequence` of a `tokenizer.json`. One known
/// expression, the usual case, is scanned directly.
struct WordCut: Sendable, Equatable {
    /// What becomes of the matches of a split.
    enum Behavior: String, Sendable {
        case removed = "Removed"
        case isolated = "Isolated"
        case mergedWithPrevious = "MergedWithPrevious"
        case mergedWithNext = "MergedWithNext"
        case contiguous = "Contiguous"
    }

    enum Step: Sendable, Equatable {
        /// A scanner for a whole expression; each match is a word.
        case scanner(PreTokenizer)
        /// A split at every match.
        case split(Pattern, Behavior, inverted: Bool)
        /// A cut before every space that is not after one of these bytes.
        case spaces(notAfter: [Bool])
        /// From here on, characters are those of the byte alphabet.
        case byteLevel
    }

    /// What a split looks for.
    enum Pattern: Sendable, Equatable {
        case text([UInt8])
        case expression(Expression)
        /// Digits: all numeric characters, alone or in runs.
        case digits(individual: Bool)
        /// Punctuation, each character alone.
        case punctuation
        case whitespace
    }

    var steps: [Step]

    /// Words are what one scanner finds.
    init(_ preTokenizer: PreTokenizer) { steps = [.scanner(preTokenizer)] }

    init(steps: [Step]) { self.steps = steps }

    /// The expressions that are run, not scanned.
    var expressions: [Expression] {
        steps.compactMap {
            if case .split(.expression(let expression), _, _) = $0 { expression } else { nil }
        }
    }

    /// The scanner, if that is all there is.
    var scanner: PreTokenizer? {
        if steps.count == 1, case .scanner(let scanner) = steps[0] { scanner } else { nil }
    }

    /// Calls `body` with every word of `bytes[range]`, valid UTF-8, in order.
    @inline(__always)
    func forEachWord(
        in bytes: [UInt8], _ range: Range<Int>, effort: Effort = Effort(),
        _ body: (Range<Int>) throws(BitNetError) -> Void
    ) throws(BitNetError) {
        if let scanner {
            try scanner.forEachWord(in: bytes, range, effort: effort, body)
        } else {
            try cut(bytes, range, step: 0, isByteLevel: false, effort, body)
        }
    }

    private func cut(
        _ bytes: [UInt8], _ range: Range<Int>, step: Int, isByteLevel: Bool, _ effort: Effort,
        _ body: (Range<Int>) throws(BitNetError) -> Void
    ) throws(BitNetError) {
        guard step < steps.count else {
            if !range.isEmpty { try body(range) }
            return
        }
        func next(_ word: Range<Int>) throws(BitNetError) {
            try cut(bytes, word, step: step + 1, isByteLevel: isByteLevel, effort, body)
        }
        switch steps[step] {
        case .byteLevel:
            try cut(bytes, range, step: step + 1, isByteLevel: true, effort, body)
        case .spaces(let joined):
            var start = range.lowerBound
            for index in range.dropFirst() {
                if index & (Effort.portion - 1) == 0 { try effort.spend(Effort.portion) }
                guard bytes[index] == 0x20, !joined[Int(bytes[index - 1])] else { continue }
                try next(start..<index)
                start = index
            }
            try next(start..<range.upperBound)
        case .scanner(let scanner):
            try scanner.forEachWord(in: bytes, range, effort: effort, next)
        case .split(let pattern, let behavior, let inverted):
            let parts = try pattern.parts(of: bytes, range, isByteLevel: isByteLevel, effort)
            try behavior.forEachWord(parts, inverted: inverted, effort, next)
        }
    }
}

/// A part of a text, and whether it matches.
private typealias Part = (range: Range<Int>, isMatch: Bool)

extension WordCut.Behavior {
    /// Calls `body` with the words that `parts` make.
    fileprivate func forEachWord(
        _ parts: [Part], inverted: Bool, _ effort: Effort,
        _ body: (Range<Int>) throws(BitNetError) -> Void
    ) throws(BitNetError) {
        var words: [Range<Int>] = []
        var previous: Bool?
        let ordered = self == .mergedWithNext ? parts.reversed() : parts
        for (range, found) in ordered {
            try effort.spend(1)
            let isMatch = found != inverted
            let isJoined =
                switch self {
                case .removed, .isolated: false
                case .contiguous: previous == isMatch
                case .mergedWithPrevious, .mergedWithNext: isMatch && previous == false
                }
            if isJoined, let last = words.popLast() {
                let lower = min(last.lowerBound, range.lowerBound)
                words.append(lower..<max(last.upperBound, range.upperBound))
            } else if !(self == .removed && isMatch) {
                words.append(range)
            }
            previous = isMatch
        }
        if self == .mergedWithNext { words.reverse() }
        for word in words where !word.isEmpty { try body(word) }
    }
}

extension WordCut.Pattern {
    /// `bytes[range]` in matches and what is between them.
    fileprivate func parts(
        of bytes: [UInt8], _ range: Range<Int>, isByteLevel: Bool, _ effort: Effort
    ) throws(BitNetError) -> [Part] {
        var parts: [Part] = []
        var start = range.lowerBound
        func append(_ match: Range<Int>) {
            if start < match.lowerBound { parts.append((start..<match.lowerBound, false)) }
            parts.append((match, true))
            start = match.upperBound
        }
        switch self {
        case .text(let text):
            try ByteSearch(text).forEachMatch(in: bytes, range, effort: effort) { append($0) }
        case .expression(let expression):
            try expression.forEachMatch(
                in: bytes, range, isByteLevel: isByteLevel, effort: effort
            ) { append($0) }
        case .digits(let individual):
            try matches(of: bytes, range, isByteLevel, individual: individual, effort, append)
        case .punctuation, .whitespace:
            try matches(of: bytes, range, isByteLevel, individual: true, effort, append)
        }
        if start < range.upperBound { parts.append((start..<range.upperBound, false)) }
        return parts
    }

    /// Calls `body` with the characters that match, or with runs of them.
    private func matches(
        of bytes: [UInt8], _ range: Range<Int>, _ isByteLevel: Bool, individual: Bool,
        _ effort: Effort, _ body: (Range<Int>) -> Void
    ) throws(BitNetError) {
        var run: Range<Int>?
        var index = range.lowerBound
        while index < range.upperBound {
            try effort.spend(1)
            var scalar = ByteAlphabet.characters[Int(bytes[index])]
            var next = index + 1
            if !isByteLevel,
                let found = UTF8Scalars.scalar(at: index, in: bytes, to: range.upperBound)
            {
                (scalar, next) = found
            }
            if matches(scalar) {
                if !individual, let started = run {
                    run = started.lowerBound..<next
                } else {
                    if let run { body(run) }
                    run = index..<next
                }
            } else if let ended = run {
                body(ended)
                run = nil
            }
            index = next
        }
        if let run { body(run) }
    }

    private func matches(_ scalar: Unicode.Scalar) -> Bool {
        switch self {
        case .digits: ScalarClass(scalar) == .number
        case .punctuation: scalar.isPunctuation
        case .whitespace: scalar.properties.isWhitespace
        case .text, .expression: false
        }
    }
}

extension Unicode.Scalar {
    /// Punctuation in the sense of Hugging Face's `Punctuation`: `\p{P}` and ASCII's symbols.
    var isPunctuation: Bool {
        switch properties.generalCategory {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
            .initialPunctuation, .finalPunctuation, .otherPunctuation:
            true
        default:
            isASCII && properties.generalCategory != .control
                && "$+<=>^`|~".unicodeScalars
                    .contains(self)
        }
    }
}

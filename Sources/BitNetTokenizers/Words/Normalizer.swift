/// What is done to a text before it is cut into words, as `tokenizer.json` or a sentencepiece model
/// says.
struct Normalizer: Sendable {
    /// When text is put in front.
    enum Prefix: Sendable, Equatable {
        /// Before every part of a text that is not empty.
        case always
        /// Before every part that does not begin with it.
        case unlessPresent
        /// Before the first part, if it does not begin with it.
        case first
    }

    enum Step: Sendable, Equatable {
        case prepend([UInt8], Prefix)
        /// Replaces every occurrence of some text.
        case replace([UInt8], with: [UInt8])
        /// Replaces every match of an expression.
        case replaceMatches(Expression, with: [UInt8])
        /// Puts the text into a normal form.
        case form(NormalForm)
        /// Lower case, character by character.
        case lowercase
        /// Takes a text for one with U+2581 for spaces: U+2581 becomes a space like others.
        case markSpaces
        /// Spells a text for the tokens of a vocabulary with U+2581 for spaces: U+2581 becomes a
        /// space, and a space what no token has.
        case spellSpaces
        /// Removes white space at the ends.
        case strip(left: Bool, right: Bool)
    }

    /// Leaves every text as it is.
    static let identity = Normalizer(steps: [])

    var steps: [Step]

    /// The expressions whose matches are replaced.
    var expressions: [Expression] {
        steps.compactMap {
            if case .replaceMatches(let expression, _) = $0 { expression } else { nil }
        }
    }

    /// The text after all steps; `isAtStart` tells whether nothing of the whole text is before it.
    func apply(
        _ text: [UInt8], isAtStart: Bool, limit: TextLimit = TextLimit(),
        effort: Effort = Effort()
    ) throws(BitNetError) -> [UInt8] {
        var isAtStart = isAtStart
        return try apply(text, isAtStart: &isAtStart, limit: limit, effort: effort)
    }

    /// The same, and afterwards `isAtStart` is false also if the start has been taken away.
    ///
    /// - Throws: `BitNetError.invalidArgument` where the text becomes too long, `.cancelled`.
    func apply(
        _ text: [UInt8], isAtStart: inout Bool, limit: TextLimit, effort: Effort
    ) throws(BitNetError) -> [UInt8] {
        var text = text
        for step in steps {
            try Self.apply(step, to: &text, isAtStart: &isAtStart, limit, effort)
            try limit.check(length: text.count)
        }
        return text
    }

    private static func apply(
        _ step: Step, to text: inout [UInt8], isAtStart: inout Bool, _ limit: TextLimit,
        _ effort: Effort
    ) throws(BitNetError) {
        switch step {
        case .prepend(let prefix, let rule):
            let isWanted =
                switch rule {
                case .always: true
                case .unlessPresent: !text.starts(with: prefix)
                case .first: isAtStart && !text.starts(with: prefix)
                }
            if isWanted, !text.isEmpty { text.insert(contentsOf: prefix, at: 0) }
        case .replace(let pattern, let replacement):
            if text.starts(with: pattern), hidesStart(pattern[...], replacement) {
                isAtStart = false
            }
            try replace(pattern, with: replacement, in: &text, limit, effort)
        case .replaceMatches(let expression, let replacement):
            var output: [UInt8] = []
            var end = 0
            try expression.forEachMatch(
                in: text, 0..<text.count, isByteLevel: false, effort: effort
            ) { (match) throws(BitNetError) in
                if match.lowerBound == 0, hidesStart(text[match], replacement) {
                    isAtStart = false
                }
                output += text[end..<match.lowerBound]
                output += replacement
                end = match.upperBound
                try limit.check(length: output.count)
            }
            text = output + text[end...]
        case .strip(let left, let right):
            if try strip(&text, left: left, right: right, effort) > 0 { isAtStart = false }
        case .markSpaces:
            try replace(TokenSpelling.spaceMark, with: [0x20], in: &text, limit, effort)
        case .spellSpaces:
            var output: [UInt8] = []
            output.reserveCapacity(text.count)
            TokenSpelling.replaceSpaceMarks(
                text, 0..<text.count, keepingSpaces: true, into: &output)
            text = output
        case .form(let form): text = try form.apply(text, effort: effort)
        case .lowercase: try lowercase(&text, effort)
        }
    }

    /// Whether replacing what a text begins with takes its start away. In tokenizers what is written
    /// in its place stands where the last character of it was.
    private static func hidesStart(_ found: ArraySlice<UInt8>, _ replacement: [UInt8]) -> Bool {
        replacement.isEmpty || found.count { $0 & 0xC0 != 0x80 } > 1
    }

    private static func replace(
        _ pattern: [UInt8], with replacement: [UInt8], in text: inout [UInt8],
        _ limit: TextLimit, _ effort: Effort
    ) throws(BitNetError) {
        guard let first = pattern.first, text.contains(first) else { return }
        var output: [UInt8] = []
        output.reserveCapacity(text.count)
        var end = 0
        try ByteSearch(pattern).forEachMatch(in: text, 0..<text.count, effort: effort) {
            (match) throws(BitNetError) in
            output += text[end..<match.lowerBound]
            output += replacement
            end = match.upperBound
            try limit.check(length: output.count)
        }
        text = output + text[end...]
    }

    private static func lowercase(
        _ text: inout [UInt8], _ effort: Effort
    ) throws(BitNetError) {
        var output: [UInt8] = []
        output.reserveCapacity(text.count)
        var index = 0
        while let (scalar, next) = UTF8Scalars.scalar(at: index, in: text, to: text.count) {
            if scalar.isASCII {
                let isUpper = (0x41...0x5A).contains(scalar.value)
                output.append(isUpper ? text[index] | 0x20 : text[index])
            } else {
                output.append(contentsOf: scalar.properties.lowercaseMapping.utf8)
            }
            index = next
            try effort.spend(1)
        }
        text = output
    }

    /// Returns how many bytes it takes from the start.
    private static func strip(
        _ text: inout [UInt8], left: Bool, right: Bool, _ effort: Effort
    ) throws(BitNetError) -> Int {
        var (start, end) = (0, text.count)
        if left {
            while let (scalar, next) = UTF8Scalars.scalar(at: start, in: text, to: end),
                scalar.properties.isWhitespace
            {
                start = next
                try effort.spend(1)
            }
        }
        if right {
            while let (scalar, previous) = UTF8Scalars.scalar(before: end, in: text, from: start),
                scalar.properties.isWhitespace
            {
                end = previous
                try effort.spend(1)
            }
        }
        text = Array(text[start..<end])
        return start
    }
}

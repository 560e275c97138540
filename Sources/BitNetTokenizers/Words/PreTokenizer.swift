/// How a text is cut into words before merging; no token crosses a cut.
///
/// Files name the cut by a regular expression. Each known expression has a scanner here that does
/// the same in one pass over the UTF-8 bytes. `\s` is White_Space, `\p{N}` is Nd, Nl and No, and the
/// alternatives are tried in order, so a scanner reads as its expression does. A new one is a case,
/// its expression and a function that finds the end of the word at an index. Expressions without a
/// scanner are run by `Expression`, which gives the same words more slowly.
package enum PreTokenizer: String, Sendable, CaseIterable {
    /// Llama 3, Falcon 3: up to three digits a word.
    case llama3 = "llama-bpe"
    /// Qwen 2 and 3: every digit a word.
    case qwen2 = "qwen2"
    /// GPT-2 and the byte-level default of Hugging Face.
    case gpt2 = "gpt-2"

    /// The regular expression the scanner stands for, as `tokenizer.json` has it.
    package var expression: String {
        switch self {
        case .llama3: Self.llamaExpression(digits: #"\p{N}{1,3}"#)
        case .qwen2: Self.llamaExpression(digits: #"\p{N}"#)
        case .gpt2:
            #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
        }
    }

    private static func llamaExpression(digits: String) -> String {
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits
            + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    }

    /// Calls `body` with every word of `bytes[range]`, valid UTF-8, in order and without gaps.
    @inline(__always)
    package func forEachWord(
        in bytes: [UInt8], _ range: Range<Int>, effort: Effort = Effort(),
        _ body: (Range<Int>) throws(BitNetError) -> Void
    ) throws(BitNetError) {
        let text = ClassifiedText(bytes, end: range.upperBound)
        var start = range.lowerBound
        while start < range.upperBound {
            let end =
                switch self {
                case .llama3: Self.llamaWord(in: text, at: start, digits: 3)
                case .qwen2: Self.llamaWord(in: text, at: start, digits: 1)
                case .gpt2: Self.gpt2Word(in: text, at: start)
                }
            try effort.spend(end - start)
            try body(start..<end)
            start = end
        }
    }
}

// MARK: - Scanners

extension PreTokenizer {
    /// End of the word at `start` by Llama 3's expression.
    private static func llamaWord(in text: ClassifiedText, at start: Int, digits: Int) -> Int {
        guard let (first, second) = text.character(at: start) else { return text.end }
        // (?i:'s|'t|'re|'ve|'m|'ll|'d)
        if text.byte(at: start) == apostrophe,
            let end = contraction(in: text, second, anyCase: true)
        {
            return end
        }
        // [^\r\n\p{L}\p{N}]?\p{L}+
        if first == .letter { return text.skip(.letter, from: second) }
        if first == .other || first == .space {
            let end = text.skip(.letter, from: second)
            if end > second { return end }
        }
        // \p{N}{1,3}
        if first == .number { return text.skip(.number, from: start, atMost: digits) }
        //  ?[^\s\p{L}\p{N}]+[\r\n]*
        let symbols = text.byte(at: start) == space ? second : start
        let symbolsEnd = text.skip(.other, from: symbols)
        if symbolsEnd > symbols { return text.skip(.newline, from: symbolsEnd) }
        // \s*[\r\n]+
        let whitespace = Whitespace(in: text, at: start)
        if let lineEnd = whitespace.lastNewlineEnd { return lineEnd }
        return whitespace.wordEnd(in: text)
    }

    /// End of the word at `start` by GPT-2's expression.
    private static func gpt2Word(in text: ClassifiedText, at start: Int) -> Int {
        guard let (first, second) = text.character(at: start) else { return text.end }
        // 's|'t|'re|'ve|'m|'ll|'d
        if text.byte(at: start) == apostrophe,
            let end = contraction(in: text, second, anyCase: false)
        {
            return end
        }
        //  ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+
        if !first.isWhitespace { return text.skip(first, from: second) }
        if text.byte(at: start) == space, let (next, _) = text.character(at: second),
            !next.isWhitespace
        {
            return text.skip(next, from: second)
        }
        return Whitespace(in: text, at: start).wordEnd(in: text)
    }

    private static let apostrophe: UInt8 = 0x27
    private static let space: UInt8 = 0x20

    /// End of an English contraction whose apostrophe ends at `start`, or nil.
    private static func contraction(in text: ClassifiedText, _ start: Int, anyCase: Bool) -> Int? {
        let lowercase: UInt8 = anyCase ? 0x20 : 0
        guard let first = text.byte(at: start) else { return nil }
        let second = text.byte(at: start + 1)
        switch (first | lowercase, second.map { $0 | lowercase }) {
        case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _),
            (UInt8(ascii: "d"), _):
            return start + 1
        case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
            (UInt8(ascii: "l"), UInt8(ascii: "l")):
            return start + 2
        default:
            // U+017F, the long s, is an s in another case.
            return anyCase && first == 0xC5 && second == 0xBF ? start + 2 : nil
        }
    }

    /// A run of white space and how it is cut.
    private struct Whitespace {
        private let start: Int
        private var end: Int
        /// Where the last character of the run starts.
        private var lastStart: Int
        /// End of the last newline of the run: `\s*[\r\n]+` stops there.
        private(set) var lastNewlineEnd: Int?

        /// The run at `start`, where there is at least one character of white space.
        init(in text: ClassifiedText, at start: Int) {
            self.start = start
            end = start
            lastStart = start
            while let (found, next) = text.character(at: end), found.isWhitespace {
                lastStart = end
                end = next
                if found == .newline { lastNewlineEnd = end }
            }
        }

        /// `\s+(?!\S)|\s+`: the last character is left to the word that follows, if one does.
        func wordEnd(in text: ClassifiedText) -> Int {
            end == text.end || lastStart == start ? end : lastStart
        }
    }
}

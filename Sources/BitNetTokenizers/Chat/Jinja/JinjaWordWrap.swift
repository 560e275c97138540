/// Python's `textwrap.wrap`, which the filter `wordwrap` uses: text in lines of a width.
struct JinjaWordWrap {
    var width = 79
    var breaksLongWords = true
    var breaksAtHyphens = true

    /// The lines of one line.
    func lines(_ line: String) -> [String] {
        var chunks = self.chunks(Array(line.unicodeScalars)).reversed().map(\.self)
        var lines: [String] = []
        while !chunks.isEmpty {
            var line: [ArraySlice<Unicode.Scalar>] = []
            var count = 0
            if !lines.isEmpty, chunks.last.map(isBlank) == true { chunks.removeLast() }
            while let chunk = chunks.last, count + chunk.count <= width {
                line.append(chunk)
                count += chunk.count
                chunks.removeLast()
            }
            if let chunk = chunks.last, chunk.count > width {
                if breaksLongWords {
                    let end = placeToBreak(chunk, room: width - count)
                    line.append(chunk[..<end])
                    chunks[chunks.count - 1] = chunk[end...]
                } else if line.isEmpty {
                    line.append(chunk)
                    chunks.removeLast()
                }
            }
            if line.last.map(isBlank) == true { line.removeLast() }
            guard !line.isEmpty else { continue }
            var text = String.UnicodeScalarView()
            for part in line { text.append(contentsOf: part) }
            lines.append(String(text))
        }
        return lines
    }

    private func isBlank(_ chunk: ArraySlice<Unicode.Scalar>) -> Bool {
        chunk.allSatisfy(\.isPythonSpace)
    }

    private func placeToBreak(_ chunk: ArraySlice<Unicode.Scalar>, room: Int) -> Int {
        let head = chunk.prefix(room)
        if breaksAtHyphens, chunk.count > room, let hyphen = head.lastIndex(of: "-"),
            hyphen > chunk.startIndex, head[..<hyphen].contains(where: { $0 != "-" })
        {
            return hyphen + 1
        }
        return head.endIndex
    }

    // MARK: - Chunks

    /// Words, parts of words that end in a hyphen, dashes, and the space between them.
    private func chunks(_ text: [Unicode.Scalar]) -> [ArraySlice<Unicode.Scalar>] {
        var chunks: [ArraySlice<Unicode.Scalar>] = []
        var start = 0
        while start < text.count {
            var end = start + 1
            if Self.isSpace(text[start]) {
                while end < text.count, Self.isSpace(text[end]) { end += 1 }
            } else if breaksAtHyphens {
                end = dashEnd(text, start) ?? wordEnd(text, start)
            } else {
                while end < text.count, !Self.isSpace(text[end]) { end += 1 }
            }
            chunks.append(text[start..<end])
            start = end
        }
        return chunks
    }

    private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        (0x09...0x0D).contains(scalar.value) || scalar == " "
    }

    private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isWordCharacter && !scalar.isDecimalDigit
    }

    private static func isWordOrMark(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isWordCharacter || "!\"'&.,?".unicodeScalars.contains(scalar)
    }

    /// The end of two or more hyphens between words that begin at `start`.
    private func dashEnd(_ text: [Unicode.Scalar], _ start: Int) -> Int? {
        guard start > 0, text[start] == "-", Self.isWordOrMark(text[start - 1]) else { return nil }
        let end = text[start...].firstIndex { $0 != "-" } ?? text.count
        guard end - start >= 2, end < text.count, text[end].isWordCharacter else { return nil }
        return end
    }

    private func wordEnd(_ text: [Unicode.Scalar], _ start: Int) -> Int {
        var end = start + 1
        while end < text.count {
            if text[end] == "-", isAfterLetters(text, end), isBeforeLetters(text, end + 1) {
                return end + 1
            }
            if Self.isSpace(text[end]) || dashEnd(text, end) != nil { return end }
            end += 1
        }
        return end
    }

    /// Whether two letters, or a letter, a hyphen and a character stand before a hyphen.
    private func isAfterLetters(_ text: [Unicode.Scalar], _ place: Int) -> Bool {
        guard place >= 2 else { return false }
        if Self.isLetter(text[place - 1]), Self.isLetter(text[place - 2]) { return true }
        return place >= 3 && Self.isWordOrMark(text[place - 1]) && text[place - 2] == "-"
            && Self.isLetter(text[place - 3])
    }

    /// Whether two letters follow, perhaps with a hyphen between them.
    private func isBeforeLetters(_ text: [Unicode.Scalar], _ place: Int) -> Bool {
        guard place + 1 < text.count, Self.isLetter(text[place]) else { return false }
        if Self.isLetter(text[place + 1]) { return true }
        return text[place + 1] == "-" && place + 2 < text.count && Self.isLetter(text[place + 2])
    }
}

extension JinjaEvaluator {
    /// The filter `wordwrap`.
    mutating func wrapped(
        _ text: String, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> String {
        var wrap = JinjaWordWrap()
        wrap.width = try takeInteger(&input, "width") ?? 79
        wrap.breaksLongWords = input.take("break_long_words")?.isTrue ?? true
        let separator = try takeString(&input, "wrapstring") ?? "\n"
        wrap.breaksAtHyphens = input.take("break_on_hyphens")?.isTrue ?? true
        guard wrap.width > 0 else { throw failure("'wordwrap' to \(wrap.width) characters") }
        var lines: [String] = []
        for line in text.splitLines() {
            let parts = wrap.lines(line)
            try charge((parts.count + 1) * (separator.utf8.count + Self.evaluationCost))
            lines.append(parts.joined(separator: separator))
        }
        return lines.joined(separator: separator)
    }
}

// Strings as Python sees them: sequences of code points, compared code point by code point. Swift's
// own search functions take canonically equivalent strings for equal.
extension String {
    /// Appends one code point. `unicodeScalars.append` copies the string for each.
    mutating func append(_ scalar: Unicode.Scalar) { self += String(scalar) }

    /// Whether both have the same bytes.
    package func isExactly(_ other: String) -> Bool { utf8.elementsEqual(other.utf8) }

    /// Whether this comes before `other` by code points.
    func isBefore(_ other: String) -> Bool {
        unicodeScalars.lexicographicallyPrecedes(other.unicodeScalars)
    }

    func startsExactly(with prefix: String) -> Bool { utf8.starts(with: prefix.utf8) }

    func endsExactly(with suffix: String) -> Bool {
        utf8.reversed().starts(with: suffix.utf8.reversed())
    }

    /// Where `needle`, which is not empty, occurs in the bytes, from the left, without overlap.
    ///
    /// Linear in the length of both (Knuth, Morris and Pratt): templates and texts can be hostile.
    func occurrences(of needle: String, limit: Int = .max) -> [Int] {
        let pattern = Array(needle.utf8)
        guard !pattern.isEmpty, limit > 0 else { return [] }
        var failure = [0]
        for index in 1..<max(pattern.count, 1) {
            var length = failure[index - 1]
            while length > 0, pattern[index] != pattern[length] { length = failure[length - 1] }
            failure.append(pattern[index] == pattern[length] ? length + 1 : 0)
        }
        var found: [Int] = []
        var matched = 0
        for (index, byte) in utf8.enumerated() {
            while matched > 0, byte != pattern[matched] { matched = failure[matched - 1] }
            if byte == pattern[matched] { matched += 1 }
            guard matched == pattern.count else { continue }
            found.append(index + 1 - matched)
            matched = 0
            if found.count == limit { break }
        }
        return found
    }

    func containsExactly(_ needle: String) -> Bool {
        needle.isEmpty || !occurrences(of: needle, limit: 1).isEmpty
    }

    /// The parts between the places in `separators`, each `length` bytes long.
    private func parts(between separators: [Int], length: Int) -> [String] {
        let bytes = Array(utf8)
        var parts: [String] = []
        var start = 0
        for position in separators {
            parts.append(String(decoding: bytes[start..<position], as: UTF8.self))
            start = position + length
        }
        parts.append(String(decoding: bytes[start...], as: UTF8.self))
        return parts
    }

    /// Python's `split(separator, limit)`.
    func split(at separator: String, limit: Int) -> [String] {
        parts(
            between: occurrences(of: separator, limit: limit < 0 ? .max : limit),
            length: separator.utf8.count)
    }

    /// Python's `rsplit(separator, limit)`.
    func splitFromEnd(at separator: String, limit: Int) -> [String] {
        let reversedText = String(String.UnicodeScalarView(unicodeScalars.reversed()))
        let reversedSeparator = String(
            String.UnicodeScalarView(separator.unicodeScalars.reversed()))
        return reversedText.split(at: reversedSeparator, limit: limit).reversed().map {
            String(String.UnicodeScalarView($0.unicodeScalars.reversed()))
        }
    }

    /// Python's `split()`: at runs of space, without empty parts, at most `limit` times.
    func splitAtSpace(limit: Int) -> [String] {
        var parts: [String] = []
        var rest = unicodeScalars[...].drop(while: \.isPythonSpace)
        while !rest.isEmpty {
            if limit >= 0, parts.count == limit {
                parts.append(String(rest))
                break
            }
            let word = rest.prefix { !$0.isPythonSpace }
            parts.append(String(word))
            rest = rest[word.endIndex...].drop(while: \.isPythonSpace)
        }
        return parts
    }

    /// Python's `rsplit(None, limit)`.
    func splitAtSpaceFromEnd(limit: Int) -> [String] {
        let reversedText = String(String.UnicodeScalarView(unicodeScalars.reversed()))
        return reversedText.splitAtSpace(limit: limit).reversed().map {
            String(String.UnicodeScalarView($0.unicodeScalars.reversed()))
        }
    }

    /// Python's `splitlines(keepends)`.
    func splitLines(keepingEnds: Bool = false) -> [String] {
        var lines: [String] = []
        var line = String.UnicodeScalarView()
        var isOpen = false
        var wasReturn = false
        for scalar in unicodeScalars {
            defer { wasReturn = scalar == "\r" }
            if scalar == "\n", wasReturn {
                if keepingEnds { lines[lines.count - 1].append(scalar) }
                continue
            }
            switch scalar.value {
            case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029:
                if keepingEnds { line.append(scalar) }
                lines.append(String(line))
                line = String.UnicodeScalarView()
                isOpen = false
            default:
                line.append(scalar)
                isOpen = true
            }
        }
        if isOpen { lines.append(String(line)) }
        return lines
    }

    /// Python's `replace(old, new, limit)`.
    func replacing(_ old: String, with new: String, limit: Int = -1) -> String {
        guard old.isEmpty else { return split(at: old, limit: limit).joined(separator: new) }
        // Python puts it before every character and at the end.
        var result = ""
        var count = 0
        for scalar in unicodeScalars {
            if limit < 0 || count < limit { result += new }
            count += 1
            result.append(scalar)
        }
        if limit < 0 || count < limit { result += new }
        return result
    }

    /// The sides of a text that are trimmed.
    enum Side {
        case leading, trailing, both
    }

    /// Python's `strip`, `lstrip` and `rstrip`: without space, or without the code points of `set`.
    func trimmed(_ side: Side, of set: String? = nil) -> String {
        let scalars = set.map { Set($0.unicodeScalars) }
        func isTrimmed(_ scalar: Unicode.Scalar) -> Bool {
            scalars?.contains(scalar) ?? scalar.isPythonSpace
        }
        var rest = unicodeScalars[...]
        if side != .trailing { rest = rest.drop(while: isTrimmed) }
        if side != .leading {
            while let last = rest.last, isTrimmed(last) { rest.removeLast() }
        }
        return String(rest)
    }
}

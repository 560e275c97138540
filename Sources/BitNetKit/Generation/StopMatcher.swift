/// Finds stop strings in text that arrives in pieces.
///
/// Text that may turn out to be the start of a stop string is held back until that is decided. The
/// first stop string to be complete wins, the longest one if several end at the same place, so the
/// result does not depend on where the pieces are split. Texts are compared scalar by scalar (as
/// UTF-8), without Unicode normalisation.
struct StopMatcher {
    /// The stop string that was found, if any.
    private(set) var matched: String?

    private var patterns: [Pattern]
    /// Bytes not given out yet: the longest suffix of the text that starts some stop string.
    private var held: [UInt8] = []

    /// Empty stop strings are left out: they would end every text before it begins.
    init(_ stops: [String]) {
        patterns = stops.filter { !$0.isEmpty }.map(Pattern.init)
    }

    /// Takes the next piece of text and returns what is certain to come before any stop string.
    ///
    /// After a match it returns the empty string.
    mutating func append(_ text: String) -> String {
        if matched != nil { return "" }
        if patterns.isEmpty { return text }
        for byte in text.utf8 {
            held.append(byte)
            var longest = 0
            for index in patterns.indices where patterns[index].advance(byte) > longest {
                longest = patterns[index].progress
                matched = patterns[index].text
            }
            if matched != nil {
                defer { held = [] }
                return String(decoding: held.dropLast(longest), as: UTF8.self)
            }
        }
        return release(keeping: patterns.map(\.progress).max() ?? 0)
    }

    /// Ends the text and returns what was held back.
    mutating func finish() -> String {
        release(keeping: 0)
    }

    /// Gives out all but the last `count` held bytes. A stop string starts on a scalar, so does
    /// what is kept: no scalar is torn apart.
    private mutating func release(keeping count: Int) -> String {
        let end = held.count - count
        defer { held.removeFirst(end) }
        return String(decoding: held[..<end], as: UTF8.self)
    }

    /// One stop string as a Knuth-Morris-Pratt automaton over bytes.
    private struct Pattern {
        let text: String
        let bytes: [UInt8]
        /// `fallback[i]`: length of the longest proper prefix that ends the first `i + 1` bytes.
        let fallback: [Int]
        /// How many bytes of the pattern the text seen so far ends with.
        var progress = 0

        init(_ text: String) {
            self.text = text
            let bytes = Array(text.utf8)
            var fallback = [Int](repeating: 0, count: bytes.count)
            var length = 0
            for index in bytes.indices.dropFirst() {
                while length > 0 && bytes[index] != bytes[length] { length = fallback[length - 1] }
                if bytes[index] == bytes[length] { length += 1 }
                fallback[index] = length
            }
            self.bytes = bytes
            self.fallback = fallback
        }

        /// Takes one byte; returns the pattern's length if that completes it, else 0.
        mutating func advance(_ byte: UInt8) -> Int {
            while progress > 0 && bytes[progress] != byte { progress = fallback[progress - 1] }
            if bytes[progress] == byte { progress += 1 }
            return progress == bytes.count ? progress : 0
        }
    }
}

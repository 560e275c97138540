/// The tokens of the words so far in a text, for words of up to 15 bytes.
///
/// A word is found by its bytes, packed into two integers, so nothing is compared or hashed byte by
/// byte. A slot keeps the latest word; a text repeats few words often.
struct WordCache {
    /// A word's bytes and length, in two integers; both 0 is no word.
    struct Key: Equatable {
        var low: UInt64 = 0
        var high: UInt64 = 0

        /// The key of `bytes[range]`, nil for words that are too long.
        @inline(__always)
        init?(_ bytes: [UInt8], _ range: Range<Int>) {
            guard range.count <= 15 else { return nil }
            let middle = min(range.upperBound, range.lowerBound + 8)
            for index in range.lowerBound..<middle { low = low << 8 | UInt64(bytes[index]) }
            for index in middle..<range.upperBound { high = high << 8 | UInt64(bytes[index]) }
            high |= UInt64(range.count) << 56
        }

        fileprivate init() {}
    }

    private struct Entry {
        var key = Key()
        /// Where the tokens start, and how many there are.
        var start: Int32 = 0
        var count: Int32 = 0
    }

    private var entries: [Entry]
    private var tokens: [Int32] = []
    private let hasher = TokenHash()

    /// Words beyond this many tokens in all are not kept.
    private static let mostTokens = 1 << 20

    /// A cache for a text of `byteCount` bytes; none for a short one.
    init(byteCount: Int) {
        var size = 0
        if byteCount > 256 {
            size = 256
            while size < 1 << 15, size < byteCount / 8 { size *= 2 }
        }
        entries = [Entry](repeating: Entry(), count: size)
    }

    /// Bytes taken: at most some 5 MB.
    var memory: Int {
        entries.count * MemoryLayout<Entry>.stride + tokens.count * MemoryLayout<Int32>.stride
    }

    @inline(__always)
    private func slot(_ key: Key) -> Int {
        Int(truncatingIfNeeded: hasher(key.low, after: key.high)) & (entries.count - 1)
    }

    /// Appends the tokens of a word to `output`; false if the word is not known.
    @inline(__always)
    func append(_ key: Key, to output: inout [Int]) -> Bool {
        guard !entries.isEmpty else { return false }
        let entry = entries[slot(key)]
        guard entry.key == key else { return false }
        for index in Int(entry.start)..<Int(entry.start + entry.count) {
            output.append(Int(tokens[index]))
        }
        return true
    }

    /// Keeps the tokens of a word.
    mutating func insert(_ key: Key, _ word: ArraySlice<Int>) {
        guard !entries.isEmpty, tokens.count < Self.mostTokens else { return }
        entries[slot(key)] = Entry(
            key: key, start: Int32(truncatingIfNeeded: tokens.count),
            count: Int32(truncatingIfNeeded: word.count))
        for token in word { tokens.append(Int32(truncatingIfNeeded: token)) }
    }
}

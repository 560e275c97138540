/// Finds a text in others, in time linear in both (Knuth, Morris and Pratt): patterns come from files.
struct ByteSearch {
    let pattern: [UInt8]

    init(_ pattern: [UInt8]) { self.pattern = pattern }

    /// Calls `body` with every occurrence in `bytes[range]`, from the left, without overlap; there is
    /// none of an empty pattern.
    func forEachMatch(
        in bytes: [UInt8], _ range: Range<Int>, effort: Effort,
        _ body: (Range<Int>) throws(BitNetError) -> Void
    ) throws(BitNetError) {
        guard let first = pattern.first, pattern.count <= range.count else { return }
        let borders = borders
        try effort.spend(pattern.count)
        var matched = 0
        for index in range {
            if index & (Effort.portion - 1) == 0 { try effort.spend(Effort.portion) }
            let byte = bytes[index]
            if matched == 0, byte != first { continue }
            while matched > 0, byte != pattern[matched] { matched = borders[matched - 1] }
            if byte == pattern[matched] { matched += 1 }
            guard matched == pattern.count else { continue }
            try body(index + 1 - matched..<index + 1)
            matched = 0
        }
    }

    /// For each beginning of the pattern, how long the longest one is that it ends with.
    private var borders: [Int] {
        var borders = [0]
        borders.reserveCapacity(pattern.count)
        for index in 1..<max(pattern.count, 1) {
            var length = borders[index - 1]
            while length > 0, pattern[index] != pattern[length] { length = borders[length - 1] }
            borders.append(pattern[index] == pattern[length] ? length + 1 : 0)
        }
        return borders
    }
}

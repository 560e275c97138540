/// Ranges of code points as sequences of ranges of bytes.
enum UTF8Ranges {
    /// Byte ranges, one for each byte of an encoding, that together are the UTF-8 encodings of
    /// `range`, surrogates left out.
    static func sequences(_ range: ClosedRange<UInt32>) -> [[ClosedRange<UInt8>]] {
        // Within each part all encodings have the same length.
        let parts: [ClosedRange<UInt32>] = [
            0...0x7F, 0x80...0x7FF, 0x800...0xD7FF, 0xE000...0xFFFF, 0x10000...0x10FFFF,
        ]
        return parts.filter { $0.overlaps(range) }.flatMap { part in
            let part = part.clamped(to: range)
            return split(bytes(part.lowerBound), bytes(part.upperBound))
        }
    }

    private static func bytes(_ code: UInt32) -> [UInt8] {
        Unicode.Scalar(code).map { Array(String($0).utf8) } ?? []
    }

    /// The byte ranges between two encodings of the same length.
    private static func split(_ first: [UInt8], _ last: [UInt8]) -> [[ClosedRange<UInt8>]] {
        guard let low = first.first, let high = last.first else { return [[]] }
        let (firstRest, lastRest) = (Array(first.dropFirst()), Array(last.dropFirst()))
        if low == high { return split(firstRest, lastRest).map { [low...low] + $0 } }
        let least = [UInt8](repeating: 0x80, count: firstRest.count)
        let most = [UInt8](repeating: 0xBF, count: firstRest.count)
        var (start, end) = (low, high)
        var result: [[ClosedRange<UInt8>]] = []
        if firstRest != least {
            result += split(firstRest, most).map { [low...low] + $0 }
            start += 1
        }
        if lastRest != most {
            result += split(least, lastRest).map { [high...high] + $0 }
            end -= 1
        }
        if start <= end { result.append([start...end] + least.map { _ in 0x80...0xBF }) }
        return result
    }
}

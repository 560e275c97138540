/// Reads single characters of UTF-8 text.
enum UTF8Scalars {
    /// The character at `index` and where it ends, nil at `end`.
    ///
    /// A byte that does not begin a character is U+FFFD by itself.
    static func scalar(
        at index: Int, in bytes: [UInt8], to end: Int
    ) -> (scalar: Unicode.Scalar, end: Int)? {
        guard index < end else { return nil }
        let first = bytes[index]
        if first < 0x80 { return (Unicode.Scalar(first), index + 1) }
        let length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
        guard first >= 0xC2, index + length <= end else { return ("\u{FFFD}", index + 1) }
        var value = UInt32(first) & (0x7F >> UInt32(length))
        for offset in 1..<length { value = value << 6 | UInt32(bytes[index + offset] & 0x3F) }
        guard let scalar = Unicode.Scalar(value) else { return ("\u{FFFD}", index + 1) }
        return (scalar, index + length)
    }

    /// The character that ends at `index` and where it starts, nil at `start`.
    static func scalar(
        before index: Int, in bytes: [UInt8], from start: Int
    ) -> (scalar: Unicode.Scalar, start: Int)? {
        guard index > start else { return nil }
        var first = index - 1
        while first > start, index - first < 4, bytes[first] & 0xC0 == 0x80 { first -= 1 }
        guard let (scalar, end) = scalar(at: first, in: bytes, to: index), end == index else {
            return ("\u{FFFD}", index - 1)
        }
        return (scalar, first)
    }
}

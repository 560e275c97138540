/// GPT-2's alphabet: a printable character for every byte, in which byte-level vocabularies spell
/// their tokens.
///
/// Printable Latin-1 characters stand for themselves; the other 68 bytes become U+0100, U+0101, ...
/// in order, so that a space is `Ġ` and a newline `Ċ`. Source: `bytes_to_unicode` in GPT-2's
/// encoder.
package enum ByteAlphabet {
    /// Whether `byte` stands for itself.
    private static func isPrintable(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: true
        default: false
        }
    }

    /// The character of every byte.
    static let characters: [Unicode.Scalar] = {
        var next: UInt16 = 0x100
        return (0...UInt8.max).map { byte in
            if isPrintable(byte) { return Unicode.Scalar(byte) }
            defer { next += 1 }
            return Unicode.Scalar(next) ?? "\u{FFFD}"
        }
    }()

    /// The byte of every character below U+0144, -1 where there is none.
    private static let bytes: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 0x144)
        for (byte, character) in characters.enumerated() {
            bytes[Int(character.value)] = Int16(byte)
        }
        return bytes
    }()

    /// Appends the bytes that `text[range]` (UTF-8) stands for.
    ///
    /// - Returns: false if a character is not of the alphabet; `output` is then partly written.
    static func decode(_ text: [UInt8], _ range: Range<Int>, into output: inout [UInt8]) -> Bool {
        var index = range.lowerBound
        while index < range.upperBound {
            let first = text[index]
            index += 1
            if first < 0x80 {
                guard first > 0x20, first < 0x7F else { return false }
                output.append(first)
                continue
            }
            // The rest of the alphabet ends at U+0143: two bytes, led by 0xC2 to 0xC5.
            guard (0xC2...0xC5).contains(first), index < range.upperBound,
                text[index] & 0xC0 == 0x80
            else { return false }
            let scalar = Int(first & 0x1F) << 6 | Int(text[index] & 0x3F)
            index += 1
            guard scalar < bytes.count, bytes[scalar] >= 0 else { return false }
            output.append(UInt8(truncatingIfNeeded: bytes[scalar]))
        }
        return true
    }

    /// `bytes` spelled in the alphabet.
    package static func encode(_ bytes: some Sequence<UInt8>) -> String {
        var text = String.UnicodeScalarView()
        for byte in bytes { text.append(characters[Int(byte)]) }
        return String(text)
    }
}

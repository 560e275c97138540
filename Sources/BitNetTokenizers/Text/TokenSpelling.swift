/// How a vocabulary spells its tokens.
enum TokenSpelling: Sendable {
    /// In GPT-2's byte alphabet: every token is bytes, and text is merged from its bytes.
    case byteAlphabet
    /// As sentencepiece does: U+2581 stands for a space, `<0xE2>` for a byte.
    case spaceMarks
    /// As raw bytes, as in tiktoken's files.
    case raw

    /// U+2581, which stands for a space, in UTF-8.
    static let spaceMark: [UInt8] = [0xE2, 0x96, 0x81]

    /// What stands for a plain space in a text that has spaces for U+2581; no UTF-8 has it.
    static let plainSpace: UInt8 = 0xFF

    /// Appends the bytes that the spelling `text[range]` stands for.
    ///
    /// - Returns: false if it has another spelling; `output` is then partly written.
    @inline(__always)
    func decode(_ text: [UInt8], _ range: Range<Int>, into output: inout [UInt8]) -> Bool {
        switch self {
        case .byteAlphabet: return ByteAlphabet.decode(text, range, into: &output)
        case .spaceMarks: Self.replaceSpaceMarks(text, range, into: &output)
        case .raw: output.append(contentsOf: text[range])
        }
        return true
    }

    /// `bytes` in this spelling.
    func encode(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        switch self {
        case .byteAlphabet: Array(ByteAlphabet.encode(bytes).utf8)
        case .spaceMarks: bytes.flatMap { $0 == 0x20 ? Self.spaceMark : [$0] }
        case .raw: Array(bytes)
        }
    }

    /// Appends `text[range]` with a space for every U+2581, and another byte for every space if
    /// that is asked for.
    static func replaceSpaceMarks(
        _ text: [UInt8], _ range: Range<Int>, keepingSpaces: Bool = false,
        into output: inout [UInt8]
    ) {
        var index = range.lowerBound
        while index < range.upperBound {
            if text[index] == 0xE2, index + 2 < range.upperBound, text[index + 1] == 0x96,
                text[index + 2] == 0x81
            {
                output.append(0x20)
                index += 3
            } else {
                let isPlain = keepingSpaces && text[index] == 0x20
                output.append(isPlain ? plainSpace : text[index])
                index += 1
            }
        }
    }

    /// The byte that `<0xE2>` names, if `text` is such a name.
    static func byte(named text: ArraySlice<UInt8>) -> UInt8? {
        guard text.count == 6, text.starts(with: "<0x".utf8), text.last == UInt8(ascii: ">") else {
            return nil
        }
        // Capitals only, as everybody writes and looks them up.
        let digits = text.dropFirst(3).dropLast()
        guard digits.allSatisfy({ (0x30...0x39).contains($0) || (0x41...0x46).contains($0) }) else {
            return nil
        }
        return UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
    }
}

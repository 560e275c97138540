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

    /// Appends the bytes that the spelling `text[range]` stands for.
    ///
    /// - Returns: false if it is not spelled so; `output` is then partly written.
    @inline(__always)
    func decode(_ text: [UInt8], _ range: Range<Int>, into output: inout [UInt8]) -> Bool {
        switch self {
        case .byteAlphabet: return ByteAlphabet.decode(text, range, into: &output)
        case .spaceMarks: Self.replaceSpaceMarks(text, range, into: &output)
        case .raw: output.append(contentsOf: text[range])
        }
        return true
    }

    /// `bytes` spelled so.
    func encode(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        switch self {
        case .byteAlphabet: Array(ByteAlphabet.encode(bytes).utf8)
        case .spaceMarks: bytes.flatMap { $0 == 0x20 ? Self.spaceMark : [$0] }
        case .raw: Array(bytes)
        }
    }

    /// Appends `text[range]` with a space for every U+2581.
    static func replaceSpaceMarks(
        _ text: [UInt8], _ range: Range<Int>, into output: inout [UInt8]
    ) {
        var index = range.lowerBound
        while index < range.upperBound {
            if text[index] == 0xE2, index + 2 < range.upperBound, text[index + 1] == 0x96,
                text[index + 2] == 0x81
            {
                output.append(0x20)
                index += 3
            } else {
                output.append(text[index])
                index += 1
            }
        }
    }

    /// The byte that `<0xE2>` names, if `text` is such a name.
    static func byte(named text: ArraySlice<UInt8>) -> UInt8? {
        guard text.count == 6, text.starts(with: "<0x".utf8), text.last == UInt8(ascii: ">") else {
            return nil
        }
        return UInt8(String(decoding: text.dropFirst(3).dropLast(), as: UTF8.self), radix: 16)
    }
}

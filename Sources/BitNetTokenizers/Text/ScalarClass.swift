/// What a pre-tokenizer needs to know of a character.
enum ScalarClass: UInt8, Sendable {
    /// Neither of the others: punctuation, symbols, marks, controls, unassigned.
    case other
    /// `\p{L}`.
    case letter
    /// `\p{N}`: decimal digits, letter numbers and other numbers.
    case number
    /// Carriage return or line feed, white space too.
    case newline
    /// `\s`, the property White_Space, but no `newline`.
    case space

    /// Whether this is white space, `\s`.
    var isWhitespace: Bool { self == .newline || self == .space }

    /// The class of `scalar`, by the Unicode version of the standard library.
    init(_ scalar: Unicode.Scalar) {
        let properties = scalar.properties
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
            self = .letter
        case .decimalNumber, .letterNumber, .otherNumber:
            self = .number
        default:
            if scalar == "\r" || scalar == "\n" {
                self = .newline
            } else {
                self = properties.isWhitespace ? .space : .other
            }
        }
    }

    /// The classes of U+0000 to U+FFFF; looking properties up for every character would be most of
    /// the time of encoding.
    static let basicPlane: [ScalarClass] = (0...UInt16.max).map { value in
        Unicode.Scalar(value).map { ScalarClass($0) } ?? .other
    }
}

/// UTF-8 text as the pre-tokenizers see it: a class and a length at every character.
struct ClassifiedText {
    private let bytes: [UInt8]
    private let classes = ScalarClass.basicPlane
    /// Where the text ends in `bytes`.
    let end: Int

    /// The text `bytes[..<end]`.
    init(_ bytes: [UInt8], end: Int) {
        self.bytes = bytes
        self.end = end
    }

    /// Byte `index`, or nil at the end of the text.
    @inline(__always)
    func byte(at index: Int) -> UInt8? { index < end ? bytes[index] : nil }

    /// The class of the character at `index` and the index after it; nil at the end of the text.
    @inline(__always)
    func character(at index: Int) -> (class: ScalarClass, next: Int)? {
        guard index < end else { return nil }
        let first = bytes[index]
        return first < 0x80 ? (classes[Int(first)], index + 1) : wideCharacter(first, at: index)
    }

    /// Skips characters of a class, and returns the index after the last.
    @inline(__always)
    func skip(_ wanted: ScalarClass, from start: Int, atMost limit: Int = .max) -> Int {
        var index = start
        var count = 0
        while count < limit, let (found, next) = character(at: index), found == wanted {
            index = next
            count += 1
        }
        return index
    }

    private func wideCharacter(_ first: UInt8, at index: Int) -> (class: ScalarClass, next: Int) {
        let length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
        // Strings are valid UTF-8, so this only keeps a mistake elsewhere from reading past the end.
        guard first >= 0xC2, index + length <= end else { return (.other, index + 1) }
        var value = UInt32(first) & (0x7F >> UInt32(length))
        for offset in 1..<length { value = value << 6 | UInt32(bytes[index + offset] & 0x3F) }
        if value <= 0xFFFF { return (classes[Int(value)], index + length) }
        return (Unicode.Scalar(value).map { ScalarClass($0) } ?? .other, index + length)
    }
}

/// Checks that a text is JSON (RFC 8259, UTF-8), with a limit on nesting, and notes where its arrays
/// and objects are.
///
/// One thing more is read: `NaN`, `Infinity` and `-Infinity`, and numbers beyond the range of a
/// double, since Python writes and reads them. They are values that no reader takes for a number.
struct JSONParser {
    /// Real files stay below 20; the limit keeps hostile ones from exhausting the stack.
    static let maximumDepth = 128
    /// Places in a text are kept in 32 bits; no file of this kind is near the limit.
    static let maximumSize = 1 << 30

    private let path: String
    private let bytes: [UInt8]
    private let lastCounts: Bool
    private var position = 0
    private var depth = 0
    private var starts: [UInt32] = []
    private var ends: [UInt32] = []
    /// Where the keys begin of the objects that are open.
    private var keys: [UInt32] = []
    private var needsLines = false

    init(_ region: ByteRegion, lastCounts: Bool = false) throws(BitNetError) {
        try Self.check(size: region.count, path: region.path)
        path = region.path
        bytes = region.bytes
        self.lastCounts = lastCounts
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
        // Room for all there can be: memory that is not used is never there, and growing would take
        // three times as much.
        let count = bytes.count { $0 == UInt8(ascii: "[") || $0 == UInt8(ascii: "{") }
        starts.reserveCapacity(count)
        ends.reserveCapacity(count)
        keys.reserveCapacity(bytes.count { $0 == UInt8(ascii: ":") })
    }

    /// Refuses a text of `size` bytes that is too long.
    static func check(size: Int, path: String) throws(BitNetError) {
        guard size <= maximumSize else {
            throw .malformedFile(
                path: path,
                detail: "\(size) bytes of JSON, more than the \(maximumSize) that are read")
        }
    }

    mutating func parseDocument() throws(BitNetError) -> JSONValue {
        skipSpace()
        let start = position
        try checkValue()
        skipSpace()
        guard position == bytes.count else { throw malformed("text after the end") }
        let document = JSONDocument(
            bytes, starts: starts, ends: ends, lastCounts: lastCounts, needsLines: needsLines)
        return document.value(at: start)
    }

    private mutating func checkValue() throws(BitNetError) {
        skipSpace()
        guard let first = peek else { throw malformed("unexpected end") }
        switch first {
        case UInt8(ascii: "{"):
            try nested { (parser) throws(BitNetError) in try parser.checkObject() }
        case UInt8(ascii: "["):
            try nested { (parser) throws(BitNetError) in try parser.checkArray() }
        case UInt8(ascii: "\""): try checkString()
        case UInt8(ascii: "t"): try checkWord("true")
        case UInt8(ascii: "f"): try checkWord("false")
        case UInt8(ascii: "n"): try checkWord("null")
        case UInt8(ascii: "N"): try checkNotFinite("NaN")
        case UInt8(ascii: "I"): try checkNotFinite("Infinity")
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try checkNumber()
        default: throw malformed("unexpected \(characterHere)")
        }
    }

    private mutating func nested(
        _ check: (inout JSONParser) throws(BitNetError) -> Void
    ) throws(BitNetError) {
        guard depth < Self.maximumDepth else {
            throw malformed("nested deeper than \(Self.maximumDepth) levels")
        }
        depth += 1
        let number = starts.count
        starts.append(UInt32(truncatingIfNeeded: position))
        ends.append(0)
        try check(&self)
        ends[number] = UInt32(truncatingIfNeeded: position)
        depth -= 1
    }

    private mutating func checkObject() throws(BitNetError) {
        position += 1
        skipSpace()
        if skip("}") { return }
        let first = keys.count
        repeat {
            skipSpace()
            guard peek == UInt8(ascii: "\"") else { throw malformed("expected a key") }
            keys.append(UInt32(truncatingIfNeeded: position))
            try checkString()
            skipSpace()
            guard skip(":") else { throw malformed("expected ':'") }
            try checkValue()
            skipSpace()
        } while skip(",")
        guard skip("}") else { throw malformed("expected ',' or '}'") }
        if !lastCounts { try checkKeys(from: first) }
        keys.removeLast(keys.count - first)
    }

    private mutating func checkArray() throws(BitNetError) {
        position += 1
        skipSpace()
        if skip("]") { return }
        repeat {
            try checkValue()
            skipSpace()
        } while skip(",")
        guard skip("]") else { throw malformed("expected ',' or ']'") }
    }

    private mutating func checkWord(_ word: StaticString) throws(BitNetError) {
        guard bytes[position...].starts(with: "\(word)".utf8) else {
            throw malformed("unexpected \(characterHere)")
        }
        position += word.utf8CodeUnitCount
    }

    /// What Python writes for a number that is not finite.
    private mutating func checkNotFinite(_ word: StaticString) throws(BitNetError) {
        try checkWord(word)
        needsLines = true
    }
}

// Keys.
extension JSONParser {
    /// Refuses an object with two keys that are the same, byte for byte.
    private mutating func checkKeys(from first: Int) throws(BitNetError) {
        guard keys.count - first > 1 else { return }
        // Sorted in place: a table of them would be many times as large as they are.
        let bytes = bytes
        keys[first...].sort { Self.compare(Int($0), Int($1), bytes) < 0 }
        for index in first + 1..<keys.count
        where Self.compare(Int(keys[index - 1]), Int(keys[index]), bytes) == 0 {
            position = Int(max(keys[index - 1], keys[index]))
            let contents = JSONEscapes.decoded(Self.contents(position, bytes))
            let key = String(decoding: contents, as: UTF8.self)
            throw malformed("duplicate key \(key.quoted)")
        }
    }

    /// The order of two keys by their bytes: negative, 0 or positive.
    private static func compare(_ left: Int, _ right: Int, _ bytes: [UInt8]) -> Int {
        var (left, right) = (left + 1, right + 1)
        let (start, other) = (left, right)
        let (quote, backslash) = (UInt8(ascii: "\""), UInt8(ascii: "\\"))
        while true {
            let (a, b) = (bytes[left], bytes[right])
            if a == backslash || b == backslash { break }
            if a == quote || b == quote { return (a == quote ? 0 : 1) - (b == quote ? 0 : 1) }
            if a != b { return a < b ? -1 : 1 }
            left += 1
            right += 1
        }
        let first = JSONEscapes.decoded(contents(start - 1, bytes))
        let second = JSONEscapes.decoded(contents(other - 1, bytes))
        if first == second { return 0 }
        return first.lexicographicallyPrecedes(second) ? -1 : 1
    }

    /// What is between the quotes of the string at `start`.
    private static func contents(_ start: Int, _ bytes: [UInt8]) -> ArraySlice<UInt8> {
        var end = start + 1
        while bytes[end] != UInt8(ascii: "\"") {
            end += bytes[end] == UInt8(ascii: "\\") ? 2 : 1
        }
        return bytes[start + 1..<end]
    }
}

// Numbers.
extension JSONParser {
    private mutating func checkNumber() throws(BitNetError) {
        if skip("-"), peek == UInt8(ascii: "I") { return try checkNotFinite("Infinity") }
        let start = position
        let leadingZero = peek == UInt8(ascii: "0")
        let whole = skipDigits()
        guard whole > 0, !(leadingZero && whole > 1) else { throw malformed("bad number") }
        if skip(".") {
            guard skipDigits() > 0 else { throw malformed("bad number") }
        }
        if skip("e") || skip("E") {
            _ = skip("+") || skip("-")
            guard skipDigits() > 0 else { throw malformed("bad number") }
        }
        // Long enough to be beyond a double, which has a line then.
        if position - start > 4 { needsLines = needsLines || isBeyondDouble(start..<position) }
    }

    private func isBeyondDouble(_ range: Range<Int>) -> Bool {
        guard range.count > 300 || bytes[range].contains(where: { $0 | 0x20 == 0x65 }) else {
            return false
        }
        let value = Double(String(decoding: bytes[range], as: UTF8.self))
        return value?.isFinite != true
    }

    private mutating func skipDigits() -> Int {
        let start = position
        while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
            position += 1
        }
        return position - start
    }
}

// Strings.
extension JSONParser {
    private mutating func checkString() throws(BitNetError) {
        position += 1
        let start = position
        var isASCII = true
        while let byte = peek {
            switch byte {
            case UInt8(ascii: "\""):
                guard isASCII || String(validating: bytes[start..<position], as: UTF8.self) != nil
                else { throw malformed("a string is not valid UTF-8") }
                position += 1
                return
            case UInt8(ascii: "\\"):
                position += 1
                try checkEscape()
            case 0..<0x20: throw malformed("a control character in a string")
            default:
                if byte >= 0x80 { isASCII = false }
                position += 1
            }
        }
        throw malformed("a string without end")
    }

    private mutating func checkEscape() throws(BitNetError) {
        guard let byte = peek else { throw malformed("a string without end") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"),
            UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return
        case UInt8(ascii: "u"): try checkUnicodeEscape()
        default: throw malformed("unknown escape")
        }
    }

    /// `\uXXXX`, or a pair of surrogates.
    private mutating func checkUnicodeEscape() throws(BitNetError) {
        let first = try parseHex()
        guard (0xD800..<0xE000).contains(first) else { return }
        guard first < 0xDC00, skip("\\"), skip("u"),
            (0xDC00..<0xE000).contains(try parseHex())
        else { throw malformed("half a surrogate pair") }
    }

    private mutating func parseHex() throws(BitNetError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw malformed("bad \\u escape")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }
}

// The cursor.
extension JSONParser {
    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard let byte = peek, Unicode.Scalar(byte) == character else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            position += 1
        }
    }

    /// The line of the cursor, from 1.
    private var line: Int {
        1 + bytes[..<position].count { $0 == UInt8(ascii: "\n") }
    }

    /// The character at the cursor, for messages.
    private var characterHere: String {
        guard let byte = peek else { return "end" }
        let scalar = Unicode.Scalar(byte)
        return (0x21...0x7E).contains(byte) ? "character '\(scalar)'" : "byte \(byte)"
    }

    private func malformed(_ detail: String) -> BitNetError {
        .malformedFile(path: path, detail: "JSON, line \(line) (byte \(position)): \(detail)")
    }
}

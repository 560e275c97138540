/// A strict JSON parser (RFC 8259) over UTF-8 bytes, with a limit on nesting.
///
/// One thing more is read: `NaN`, `Infinity` and `-Infinity`, and numbers beyond the range of a
/// double, since Python writes and reads them. They are values that no reader takes for a number.
struct JSONParser {
    /// Real files stay below 20; the limit keeps hostile ones from exhausting the stack.
    static let maximumDepth = 128

    private let path: String
    private let bytes: [UInt8]
    private var position = 0
    private var depth = 0
    /// The line of a place that was asked for, so that many of them are counted in one pass.
    private var counted = (position: 0, line: 1)

    init(_ region: ByteRegion) {
        path = region.path
        bytes = region.bytes
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    }

    mutating func parseDocument() throws(BitNetError) -> JSONValue {
        let value = try parseValue()
        skipSpace()
        guard position == bytes.count else { throw malformed("text after the end") }
        return value
    }

    private mutating func parseValue() throws(BitNetError) -> JSONValue {
        skipSpace()
        guard let first = peek else { throw malformed("unexpected end") }
        switch first {
        case UInt8(ascii: "{"):
            return try nested { (parser) throws(BitNetError) in try parser.parseObject() }
        case UInt8(ascii: "["):
            return try nested { (parser) throws(BitNetError) in try parser.parseArray() }
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
        case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
        case UInt8(ascii: "n"): return try parseWord("null", .null)
        case UInt8(ascii: "N"): return try parseNotFinite("NaN")
        case UInt8(ascii: "I"): return try parseNotFinite("Infinity")
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try parseNumber()
        default: throw malformed("unexpected \(characterHere)")
        }
    }

    private mutating func nested(
        _ parse: (inout JSONParser) throws(BitNetError) -> JSONValue
    ) throws(BitNetError) -> JSONValue {
        guard depth < Self.maximumDepth else {
            throw malformed("nested deeper than \(Self.maximumDepth) levels")
        }
        depth += 1
        let value = try parse(&self)
        depth -= 1
        return value
    }

    private mutating func parseObject() throws(BitNetError) -> JSONValue {
        position += 1
        var object = JSONObject()
        skipSpace()
        if skip("}") { return .object(object) }
        repeat {
            skipSpace()
            guard peek == UInt8(ascii: "\"") else { throw malformed("expected a key") }
            let key = try parseString()
            skipSpace()
            guard skip(":") else { throw malformed("expected ':'") }
            let value = try parseValue()
            guard object.append(key, value) else { throw malformed("duplicate key '\(key)'") }
            skipSpace()
        } while skip(",")
        guard skip("}") else { throw malformed("expected ',' or '}'") }
        return .object(object)
    }

    private mutating func parseArray() throws(BitNetError) -> JSONValue {
        position += 1
        var elements: [JSONValue] = []
        skipSpace()
        if skip("]") { return .array(elements) }
        repeat {
            elements.append(try parseValue())
            skipSpace()
        } while skip(",")
        guard skip("]") else { throw malformed("expected ',' or ']'") }
        return .array(elements)
    }

    private mutating func parseWord(
        _ word: StaticString, _ value: JSONValue
    ) throws(BitNetError) -> JSONValue {
        guard bytes[position...].starts(with: "\(word)".utf8) else {
            throw malformed("unexpected \(characterHere)")
        }
        position += word.utf8CodeUnitCount
        return value
    }

    /// What Python writes for a number that is not finite.
    private mutating func parseNotFinite(_ word: StaticString) throws(BitNetError) -> JSONValue {
        try parseWord(word, .notFinite(spelling: "\(word)", line: countedLine()))
    }
}

// Numbers.
extension JSONParser {
    private mutating func parseNumber() throws(BitNetError) -> JSONValue {
        let start = position
        if skip("-"), peek == UInt8(ascii: "I") {
            return try parseWord(
                "Infinity", .notFinite(spelling: "-Infinity", line: countedLine()))
        }
        let leadingZero = peek == UInt8(ascii: "0")
        let whole = skipDigits()
        guard whole > 0, !(leadingZero && whole > 1) else { throw malformed("bad number") }
        var isWhole = true
        if skip(".") {
            isWhole = false
            guard skipDigits() > 0 else { throw malformed("bad number") }
        }
        if skip("e") || skip("E") {
            isWhole = false
            _ = skip("+") || skip("-")
            guard skipDigits() > 0 else { throw malformed("bad number") }
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isWhole, let value = Int(text), text != "-0" { return .int(value) }
        guard let value = Double(text) else { throw malformed("bad number") }
        guard value.isFinite else { return .notFinite(spelling: text, line: countedLine()) }
        return text == "\(value)" ? .double(value) : .decimal(JSONDecimal(value, spelling: text))
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
    private mutating func parseString() throws(BitNetError) -> String {
        position += 1
        var decoded: [UInt8] = []
        var start = position
        while let byte = peek {
            switch byte {
            case UInt8(ascii: "\""):
                decoded.append(contentsOf: bytes[start..<position])
                guard let text = String(validating: decoded, as: UTF8.self) else {
                    throw malformed("a string is not valid UTF-8")
                }
                position += 1
                return text
            case UInt8(ascii: "\\"):
                decoded.append(contentsOf: bytes[start..<position])
                position += 1
                decoded.append(contentsOf: String(try parseEscape()).utf8)
                start = position
            case 0..<0x20:
                throw malformed("a control character in a string")
            default:
                position += 1
            }
        }
        throw malformed("a string without end")
    }

    private mutating func parseEscape() throws(BitNetError) -> Unicode.Scalar {
        guard let byte = peek else { throw malformed("a string without end") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try parseUnicodeEscape()
        default: throw malformed("unknown escape")
        }
    }

    /// The scalar of `\uXXXX`, or of a pair of surrogates.
    private mutating func parseUnicodeEscape() throws(BitNetError) -> Unicode.Scalar {
        let first = try parseHex()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, skip("\\"), skip("u") else {
            throw malformed("half a surrogate pair")
        }
        let second = try parseHex()
        guard (0xDC00..<0xE000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw malformed("half a surrogate pair") }
        return scalar
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
        counted.line + bytes[counted.position..<position].count { $0 == UInt8(ascii: "\n") }
    }

    private mutating func countedLine() -> Int {
        counted = (position, line)
        return counted.line
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

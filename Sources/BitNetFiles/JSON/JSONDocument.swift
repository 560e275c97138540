/// A JSON text that has been checked, and where its arrays and objects end.
///
/// Values are read from the text when they are asked for: a file that strangers made may have
/// millions of them, each many times as large in memory as in the text. What is kept is the text and
/// eight bytes for every array and object.
final class JSONDocument: Sendable {
    let bytes: [UInt8]
    /// Where each array and object begins, in order, and the place behind it.
    private let starts: [UInt32]
    private let ends: [UInt32]
    /// Whether the last of several members with one key counts; there are none otherwise.
    let lastCounts: Bool
    /// The newlines before every part of the text; empty where no value needs its line.
    private let lines: [Int]
    private static let linePart = 1024

    init(
        _ bytes: [UInt8], starts: [UInt32], ends: [UInt32], lastCounts: Bool, needsLines: Bool
    ) {
        self.bytes = bytes
        self.starts = starts
        self.ends = ends
        self.lastCounts = lastCounts
        var lines: [Int] = []
        var count = 0
        if needsLines {
            for (index, byte) in bytes.enumerated() {
                if index % Self.linePart == 0 { lines.append(count) }
                if byte == UInt8(ascii: "\n") { count += 1 }
            }
        }
        self.lines = lines
    }

    /// The line of a place, from 1.
    private func line(at position: Int) -> Int {
        let part = position / Self.linePart
        guard part < lines.count else { return 1 }
        return 1 + lines[part]
            + bytes[part * Self.linePart..<position].count { $0 == UInt8(ascii: "\n") }
    }

    /// The place behind the array or object at `start`.
    func end(ofContainerAt start: Int) -> Int {
        var (low, high) = (0, starts.count)
        while low < high {
            let middle = (low + high) / 2
            if Int(starts[middle]) < start { low = middle + 1 } else { high = middle }
        }
        return Int(ends[low])
    }

    // MARK: - Places

    /// The next place that is not white space.
    func skipSpace(_ position: Int) -> Int {
        var position = position
        while position < bytes.count, Self.isSpace(bytes[position]) { position += 1 }
        return position
    }

    static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }

    /// The first element or key in the array or object at `start`, or where it closes.
    func first(inContainerAt start: Int) -> Int { skipSpace(start + 1) }

    /// The element or key that follows one that ends at `position`, or where the container closes.
    func next(after position: Int) -> Int {
        let position = skipSpace(position)
        return bytes[position] == UInt8(ascii: ",") ? skipSpace(position + 1) : position
    }

    /// Where the value of the key at `position` begins.
    func value(ofKeyAt position: Int) -> Int {
        skipSpace(skipSpace(end(ofStringAt: position)) + 1)
    }

    private func end(ofStringAt start: Int) -> Int {
        var position = start + 1
        while bytes[position] != UInt8(ascii: "\"") {
            position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
        }
        return position + 1
    }

    /// The place behind the value at `position`.
    func end(ofValueAt position: Int) -> Int {
        switch bytes[position] {
        case UInt8(ascii: "{"), UInt8(ascii: "["): return end(ofContainerAt: position)
        case UInt8(ascii: "\""): return end(ofStringAt: position)
        default:
            var position = position
            while position < bytes.count, !Self.isSpace(bytes[position]),
                bytes[position] != UInt8(ascii: ","), bytes[position] != UInt8(ascii: "]"),
                bytes[position] != UInt8(ascii: "}")
            {
                position += 1
            }
            return position
        }
    }

    // MARK: - Values

    func value(at position: Int) -> JSONValue {
        switch bytes[position] {
        case UInt8(ascii: "{"): return .object(JSONObject(self, at: position))
        case UInt8(ascii: "["): return .array(JSONArray(self, at: position))
        case UInt8(ascii: "\""): return .string(string(at: position))
        case UInt8(ascii: "t"): return .bool(true)
        case UInt8(ascii: "f"): return .bool(false)
        case UInt8(ascii: "n"): return .null
        default: return number(at: position)
        }
    }

    private func number(at position: Int) -> JSONValue {
        let text = String(decoding: bytes[position..<end(ofValueAt: position)], as: UTF8.self)
        if text.utf8.allSatisfy({ $0 == UInt8(ascii: "-") || $0 &- 0x30 < 10 }), text != "-0",
            let value = Int(text)
        {
            return .int(value)
        }
        // NaN and Infinity are spelled as Swift does not spell them.
        guard let value = Double(text), value.isFinite else {
            return .notFinite(spelling: text, line: line(at: position))
        }
        return text == "\(value)" ? .double(value) : .decimal(JSONDecimal(value, spelling: text))
    }

    func string(at start: Int) -> String {
        let end = end(ofStringAt: start)
        let contents = bytes[start + 1..<end - 1]
        guard contents.contains(UInt8(ascii: "\\")) else {
            return String(decoding: contents, as: UTF8.self)
        }
        return String(decoding: JSONEscapes.decoded(contents), as: UTF8.self)
    }

    /// The value of `key` in the object at `start`; nil where there is none.
    func value(of key: String, inObjectAt start: Int) -> JSONValue? {
        var found: Int?
        var position = first(inContainerAt: start)
        while bytes[position] == UInt8(ascii: "\"") {
            let value = value(ofKeyAt: position)
            if isKey(key, at: position) {
                found = value
                if !lastCounts { break }
            }
            position = next(after: end(ofValueAt: value))
        }
        return found.map { self.value(at: $0) }
    }

    private func isKey(_ key: String, at start: Int) -> Bool {
        var position = start + 1
        for byte in key.utf8 {
            guard bytes[position] == byte, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\")
            else {
                let end = end(ofStringAt: start)
                let contents = bytes[start + 1..<end - 1]
                return contents.contains(UInt8(ascii: "\\"))
                    && JSONEscapes.decoded(contents).elementsEqual(key.utf8)
            }
            position += 1
        }
        if bytes[position] == UInt8(ascii: "\"") { return true }
        let contents = bytes[start + 1..<end(ofStringAt: start) - 1]
        return contents.contains(UInt8(ascii: "\\"))
            && JSONEscapes.decoded(contents).elementsEqual(key.utf8)
    }
}

/// The escapes in strings that have been checked.
enum JSONEscapes {
    /// The bytes that the contents of a string stand for.
    static func decoded(_ contents: ArraySlice<UInt8>) -> [UInt8] {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(contents.count)
        var position = contents.startIndex
        while position < contents.endIndex {
            let byte = contents[position]
            position += 1
            guard byte == UInt8(ascii: "\\") else {
                decoded.append(byte)
                continue
            }
            let escape = contents[position]
            position += 1
            switch escape {
            case UInt8(ascii: "b"): decoded.append(0x08)
            case UInt8(ascii: "f"): decoded.append(0x0C)
            case UInt8(ascii: "n"): decoded.append(0x0A)
            case UInt8(ascii: "r"): decoded.append(0x0D)
            case UInt8(ascii: "t"): decoded.append(0x09)
            case UInt8(ascii: "u"):
                var value = hex(contents, &position)
                if (0xD800..<0xDC00).contains(value) {
                    position += 2
                    value = 0x10000 + (value - 0xD800) << 10 + (hex(contents, &position) - 0xDC00)
                }
                let scalar = Unicode.Scalar(value) ?? "\u{FFFD}"
                decoded.append(
                    contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            default: decoded.append(escape)
            }
        }
        return decoded
    }

    private static func hex(_ contents: ArraySlice<UInt8>, _ position: inout Int) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            let byte = contents[position]
            let digit = byte | 0x20 >= 0x61 ? (byte | 0x20) - 0x61 + 10 : byte - 0x30
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }
}

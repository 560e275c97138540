import Foundation

/// Takes vocabulary and merges out of a `tokenizer.json`, which are nearly all of it, so that only
/// the rest goes through the general JSON decoder.
struct TokenizerJSONScanner {
    private var bytes: [UInt8]
    private var position = 0

    /// `model.vocab`: tokens as they are spelled, and their ids, in the order of the file.
    private(set) var tokens: ByteStrings?
    private(set) var ids: [Int32] = []
    /// `model.merges`: two tokens with a space between, best first.
    private(set) var merges: ByteStrings?
    /// The file with an empty object and an empty array in their places.
    private(set) var rest: [UInt8] = []

    /// Reads a file; the parts that are not taken out are checked only as far as they are passed.
    ///
    /// - Throws: `BitNetError.tokenizer` saying where vocabulary or merges are malformed.
    init(_ file: consuming [UInt8]) throws(BitNetError) {
        try ByteStrings.check(file.count, of: "tokenizer.json")
        bytes = file
        // What is left of a real file is small; room for more is not used, and takes no memory.
        rest.reserveCapacity(bytes.count)
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
        var copied = position
        try forEachMember { (scanner, key) throws(BitNetError) in
            guard key == "model", scanner.peek == UInt8(ascii: "{") else {
                return try scanner.skipValue()
            }
            try scanner.forEachMember { (scanner, key) throws(BitNetError) in
                let start = scanner.position
                var empty: String?
                if key == "vocab", scanner.peek == UInt8(ascii: "{") {
                    try scanner.readVocabulary()
                    empty = "{}"
                } else if key == "merges", scanner.peek == UInt8(ascii: "[") {
                    try scanner.readMerges()
                    empty = "[]"
                } else {
                    try scanner.skipValue()
                }
                guard let empty else { return }
                scanner.rest.append(contentsOf: scanner.bytes[copied..<start])
                scanner.rest.append(contentsOf: empty.utf8)
                copied = scanner.position
            }
        }
        rest.append(contentsOf: bytes[copied...])
        // What is made of the parts needs the memory.
        bytes = []
        guard tokens.map({ String(validating: $0.storage, as: UTF8.self) != nil }) ?? true else {
            throw .tokenizer(detail: "tokenizer.json: model.vocab is not UTF-8")
        }
    }

    private mutating func readVocabulary() throws(BitNetError) {
        var tokens = ByteStrings()
        var ids: [Int32] = []
        guard try open("{", "}") else {
            self.tokens = tokens
            return
        }
        repeat {
            skipSpace()
            try readString(into: &tokens)
            try expect(":")
            ids.append(try readInteger())
        } while try more("}")
        self.tokens = tokens
        self.ids = ids
    }

    /// Merges as "a b", or as ["a", "b"] as tokenizers 0.20 and later write them.
    private mutating func readMerges() throws(BitNetError) {
        var merges = ByteStrings()
        var isPairs: Bool?
        if try open("[", "]") {
            repeat {
                skipSpace()
                let isPair = peek == UInt8(ascii: "[")
                guard isPair == isPairs ?? isPair else {
                    throw malformed("model.merges: a text among pairs, or a pair among texts")
                }
                isPairs = isPair
                if isPair {
                    try readPair(into: &merges)
                } else {
                    try readString(into: &merges)
                    // The first line of a `merges.txt`, which tokenizers leaves out here too.
                    if merges[merges.count - 1].starts(with: "#version".utf8) {
                        merges.removeLast()
                    }
                }
            } while try more("]")
        }
        self.merges = merges
    }

    private mutating func readPair(into merges: inout ByteStrings) throws(BitNetError) {
        let rank = merges.count
        position += 1
        var scratch: [UInt8] = []
        var count = 0
        var hasSpace = false
        skipSpace()
        if peek == UInt8(ascii: "]") {
            position += 1
        } else {
            repeat {
                skipSpace()
                if count > 0 { scratch.append(0x20) }
                let start = scratch.count
                try readString(into: &scratch)
                hasSpace = hasSpace || scratch[start...].contains(0x20)
                count += 1
            } while try more("]")
        }
        guard count == 2 else {
            throw .tokenizer(
                detail: "merge \(rank) \(String(decoding: scratch, as: UTF8.self).quoted) is not "
                    + "two "
                    + "tokens")
        }
        // No text has a plain space when it is merged.
        if !hasSpace { merges.append(scratch) }
    }
}

// MARK: - JSON

extension TokenizerJSONScanner {
    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private func malformed(_ detail: String) -> BitNetError {
        .tokenizer(detail: "tokenizer.json: \(detail), byte \(position)")
    }

    private mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(BitNetError) {
        skipSpace()
        guard let byte = peek, Unicode.Scalar(byte) == character else {
            throw malformed("'\(character)' expected")
        }
        position += 1
        skipSpace()
    }

    /// Enters an object or array; false if it is empty, and then it is left again.
    private mutating func open(
        _ first: Unicode.Scalar, _ last: Unicode.Scalar
    ) throws(BitNetError) -> Bool {
        try expect(first)
        guard let byte = peek, Unicode.Scalar(byte) == last else { return true }
        position += 1
        return false
    }

    /// Passes a comma and says that there is more, or passes the end.
    private mutating func more(_ last: Unicode.Scalar) throws(BitNetError) -> Bool {
        skipSpace()
        guard let byte = peek else { throw malformed("unexpected end") }
        position += 1
        if byte == UInt8(ascii: ",") { return true }
        guard Unicode.Scalar(byte) == last else {
            position -= 1
            throw malformed("',' or '\(last)' expected")
        }
        return false
    }

    /// Calls `body` with every key of an object, positioned at its value, which it passes.
    private mutating func forEachMember(
        _ body: (inout TokenizerJSONScanner, String) throws(BitNetError) -> Void
    ) throws(BitNetError) {
        guard try open("{", "}") else { return }
        repeat {
            skipSpace()
            var key: [UInt8] = []
            try readString(into: &key)
            try expect(":")
            try body(&self, String(decoding: key, as: UTF8.self))
        } while try more("}")
    }

    /// Passes any value; only strings and brackets are looked at.
    private mutating func skipValue() throws(BitNetError) {
        var depth = 0
        while let byte = peek {
            switch byte {
            case UInt8(ascii: "\""):
                var ignored: [UInt8] = []
                try readString(into: &ignored)
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if depth == 0 { return }
                depth -= 1
            case UInt8(ascii: ",") where depth == 0: return
            default: break
            }
            position += 1
        }
        throw malformed("unexpected end")
    }

    private mutating func readInteger() throws(BitNetError) -> Int32 {
        let start = position
        if peek == UInt8(ascii: "-") { position += 1 }
        var value = 0
        let digits = position
        while let byte = peek, (0x30...0x39).contains(byte), position - digits < 18 {
            value = value * 10 + Int(byte - 0x30)
            position += 1
        }
        guard position > digits, peek.map({ $0 == 0x2C || $0 == 0x7D || $0 <= 0x20 }) == true else {
            throw malformed("model.vocab: an id is not a whole number")
        }
        let signed = bytes[start] == UInt8(ascii: "-") ? -value : value
        guard let id = Int32(exactly: signed) else {
            throw malformed("model.vocab: \(signed) is too large for an id")
        }
        return id
    }

    @inline(__always)
    private mutating func readString(into strings: inout ByteStrings) throws(BitNetError) {
        // Most strings have no escape and are copied as they are.
        if peek == UInt8(ascii: "\"") {
            var end = position + 1
            while end < bytes.count, bytes[end] != 0x22, bytes[end] != 0x5C, bytes[end] >= 0x20 {
                end += 1
            }
            if end < bytes.count, bytes[end] == 0x22 {
                strings.append(bytes[position + 1..<end])
                position = end + 1
                return
            }
        }
        var scratch: [UInt8] = []
        try readString(into: &scratch)
        strings.append(scratch)
    }

    private mutating func readString(into text: inout [UInt8]) throws(BitNetError) {
        guard peek == UInt8(ascii: "\"") else {
            throw malformed("model.vocab or model.merges: a string expected")
        }
        position += 1
        while let byte = peek {
            position += 1
            switch byte {
            case 0x22: return
            case 0x5C: try readEscape(into: &text)
            case 0..<0x20: throw malformed("a control character in a string")
            default: text.append(byte)
            }
        }
        throw malformed("a string without an end")
    }

    private mutating func readEscape(into text: inout [UInt8]) throws(BitNetError) {
        guard let byte = peek else { throw malformed("a string without an end") }
        position += 1
        switch byte {
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case 0x22, 0x5C, 0x2F: text.append(byte)
        case UInt8(ascii: "u"):
            var value = try readHex()
            if (0xD800..<0xDC00).contains(value), bytes[position...].starts(with: [0x5C, 0x75]) {
                position += 2
                let low = try readHex()
                guard (0xDC00..<0xE000).contains(low) else {
                    throw malformed("half a surrogate pair")
                }
                value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(value) else {
                throw malformed("half a surrogate pair")
            }
            text.append(contentsOf: UTF8.encode(scalar).map { Array($0) } ?? [])
        default: throw malformed("unknown escape")
        }
    }

    private mutating func readHex() throws(BitNetError) -> UInt32 {
        let end = position + 4
        guard end <= bytes.count,
            let value = UInt32(String(decoding: bytes[position..<end], as: UTF8.self), radix: 16),
            bytes[position] != UInt8(ascii: "+")
        else { throw malformed("bad \\u escape") }
        position = end
        return value
    }
}

// The filters for HTML and URLs.
extension JinjaEvaluator {
    /// Percent encoding of a text, or of pairs as a query.
    mutating func urlEncoded(_ value: JinjaValue) throws(JinjaFailure) -> JinjaValue {
        var pairs: [JinjaValue]
        switch value {
        case .dictionary(let dictionary): pairs = dictionary.pairs
        case .undefined, .list, .range, .view, .iterator: pairs = try items(of: value)
        default:
            let text = try text(of: value)
            try charge(3 * text.utf8.count)
            return .string(text.percentEncoded(isQuery: false))
        }
        var parts: [String] = []
        for pair in pairs {
            let values = try items(of: pair)
            guard values.count == 2 else { throw failure("'urlencode' needs pairs") }
            let (key, value) = (try text(of: values[0]), try text(of: values[1]))
            try charge(3 * (key.utf8.count + value.utf8.count))
            parts.append(
                key.percentEncoded(isQuery: true) + "=" + value.percentEncoded(isQuery: true))
        }
        return try made(parts.joined(separator: "&"))
    }

    /// The text without comments and tags, space collapsed and references replaced.
    mutating func strippedOfTags(_ text: String) throws(JinjaFailure) -> JinjaValue {
        let words = Self.withoutTags(Self.withoutComments(text)).splitAtSpace(limit: -1)
        let text = Array(words.joined(separator: " ").unicodeScalars)
        var result = ""
        var index = 0
        while index < text.count {
            guard text[index] == "&" else {
                result.append(text[index])
                index += 1
                continue
            }
            let (replacement, length) = try reference(text[(index + 1)...])
            result += replacement
            index += 1 + length
        }
        return try made(result)
    }

    private static func withoutComments(_ text: String) -> String {
        let bytes = Array(text.utf8)
        let (opener, closer) = (Array("<!--".utf8), Array("-->".utf8))
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            result.append(bytes[index])
            index += 1
            guard result.suffix(4).elementsEqual(opener) else { continue }
            // The opener's own hyphens may be the closer's.
            var window: [UInt8] = Array(opener[2...])
            var end = index
            while end < bytes.count, !window.elementsEqual(closer) {
                window = window.suffix(2) + [bytes[end]]
                end += 1
            }
            guard window.elementsEqual(closer) else { break }
            result.removeLast(4)
            index = end
        }
        return String(decoding: result + bytes[index...], as: UTF8.self)
    }

    private static func withoutTags(_ text: String) -> String {
        var rest = Array(text.utf8)[...]
        var result: [UInt8] = []
        while let start = rest.firstIndex(of: UInt8(ascii: "<")),
            let end = rest[start...].firstIndex(of: UInt8(ascii: ">"))
        {
            result += rest[..<start]
            rest = rest[(end + 1)...]
        }
        return String(decoding: result + rest, as: UTF8.self)
    }

    /// What a character reference after `&` means, and its length.
    private func reference(
        _ rest: ArraySlice<Unicode.Scalar>
    ) throws(JinjaFailure) -> (text: String, length: Int) {
        let known = ["amp;": "&", "lt;": "<", "gt;": ">", "quot;": "\"", "apos;": "'"]
        for (name, text) in known where rest.starts(with: name.unicodeScalars) {
            return (text, name.utf8.count)
        }
        guard let first = rest.first else { return ("&", 0) }
        guard first == "#" else {
            guard !first.isASCII || !first.properties.isAlphabetic else {
                throw failure("'striptags' of a text with named references is not supported")
            }
            return ("&", 0)
        }
        let isHex = rest.dropFirst().first.map { $0 == "x" || $0 == "X" } ?? false
        let digits = rest.dropFirst(isHex ? 2 : 1).prefix { scalar in
            isHex ? scalar.properties.isASCIIHexDigit : ("0"..."9").contains(scalar)
        }
        guard !digits.isEmpty else { return ("&", 0) }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: digits.prefix(12))
        let code = UInt32(String(text), radix: isHex ? 16 : 10)
        guard digits.count <= 12, let scalar = code.flatMap({ Unicode.Scalar($0) }),
            (0x20..<0x7F).contains(scalar.value) || (0xA0..<0xFDD0).contains(scalar.value)
        else { throw failure("'striptags' of a text with such a reference is not supported") }
        let length = (isHex ? 2 : 1) + digits.count
        return (String(scalar), length + (rest.dropFirst(length).first == ";" ? 1 : 0))
    }
}

extension String {
    /// Percent encoding as Python's `quote`, for a query with `+` for space.
    fileprivate func percentEncoded(isQuery: Bool) -> String {
        var result: [UInt8] = []
        let digits = Array("0123456789ABCDEF".utf8)
        for byte in utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "."),
                UInt8(ascii: "-"), UInt8(ascii: "~"):
                result.append(byte)
            case UInt8(ascii: "/") where !isQuery: result.append(byte)
            case UInt8(ascii: " ") where isQuery: result.append(UInt8(ascii: "+"))
            default:
                result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}

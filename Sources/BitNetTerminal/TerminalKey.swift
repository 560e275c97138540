/// What somebody does at a terminal's keyboard.
package enum TerminalKey: Equatable, Sendable {
    case text(String)
    /// Text from elsewhere, ends of lines and all.
    case paste(String)
    case enter
    /// An end of line in the text: Alt-Enter.
    case newline
    case left, right, up, down, home, end, wordLeft, wordRight
    case backspace, delete, deleteWordLeft, deleteWordRight, deleteToStart, deleteToEnd, yank
    case interrupt, endOfInput, suspend, clearScreen
}

/// Finds keys in the bytes that a terminal sends, however they come in parts.
package struct KeyDecoder: Sendable {
    private var bytes: [UInt8] = []
    /// A paste as far as it came.
    private var paste: [UInt8]?

    package init() {}

    /// Whether the latest byte is an escape: a key of that name, or the beginning of a sequence that is
    /// about to come.
    package var endsInEscape: Bool { paste == nil && bytes == [0x1B] }

    /// Drops what is not complete.
    package mutating func dropRest() {
        if paste == nil { bytes.removeAll() }
    }

    /// The keys that are complete with `new`; the rest is kept for the next call.
    package mutating func keys(_ new: some Sequence<UInt8>) -> [TerminalKey] {
        bytes += new
        var keys: [TerminalKey] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            if paste != nil {
                guard let text = finishPaste(&rest) else { break }
                keys.append(.paste(text))
                continue
            }
            guard let (key, count) = Self.next(rest) else { break }
            rest = rest.dropFirst(count)
            switch key {
            case .none: break
            case .pasteBegins: paste = []
            case .key(.text(let text)):
                if case .text(let before)? = keys.last {
                    keys[keys.count - 1] = .text(before + text)
                } else {
                    keys.append(.text(text))
                }
            case .key(let key): keys.append(key)
            }
        }
        bytes = Array(rest)
        return keys
    }

    // MARK: - One key

    private enum Found {
        case key(TerminalKey)
        case pasteBegins
        /// A key that means nothing here.
        case none
    }

    /// The first key and its length; nil where more bytes are needed.
    private static func next(_ bytes: ArraySlice<UInt8>) -> (Found, Int)? {
        guard let first = bytes.first else { return nil }
        if first == 0x1B { return escape(bytes) }
        if first < 0x20 || first == 0x7F { return (control(first), 1) }
        return character(bytes)
    }

    private static func control(_ byte: UInt8) -> Found {
        // The letter that is held with Ctrl.
        switch Unicode.Scalar(byte ^ 0x40) {
        case "A": .key(.home)
        case "B": .key(.left)
        case "C": .key(.interrupt)
        case "D": .key(.endOfInput)
        case "E": .key(.end)
        case "F": .key(.right)
        case "H", "?": .key(.backspace)
        case "J", "M": .key(.enter)
        case "K": .key(.deleteToEnd)
        case "L": .key(.clearScreen)
        case "N": .key(.down)
        case "P": .key(.up)
        case "U": .key(.deleteToStart)
        case "W": .key(.deleteWordLeft)
        case "Y": .key(.yank)
        case "Z": .key(.suspend)
        default: .none
        }
    }

    /// A character of UTF-8; bytes that are none become U+FFFD, one at a time.
    private static func character(_ bytes: ArraySlice<UInt8>) -> (Found, Int)? {
        let first = bytes[bytes.startIndex]
        let length =
            switch first {
            case 0..<0x80: 1
            case 0xC2..<0xE0: 2
            case 0xE0..<0xF0: 3
            case 0xF0..<0xF5: 4
            default: 1
            }
        let present = bytes.prefix(length)
        guard present.dropFirst().allSatisfy({ $0 & 0xC0 == 0x80 }) else {
            return (.key(.text("\u{FFFD}")), 1)
        }
        guard present.count == length else { return nil }
        guard let text = String(validating: present, as: UTF8.self) else {
            return (.key(.text("\u{FFFD}")), 1)
        }
        return (.key(.text(text)), length)
    }

    // MARK: - Sequences

    /// The longest sequence that may be one; others are dropped.
    private static let longestSequence = 32

    private static func escape(_ bytes: ArraySlice<UInt8>) -> (Found, Int)? {
        guard bytes.count > 1 else { return nil }
        let second = bytes[bytes.startIndex + 1]
        switch Unicode.Scalar(second) {
        case "[": return sequence(bytes)
        case "O":
            guard bytes.count > 2 else { return nil }
            return (named(bytes[bytes.startIndex + 2], parameters: ""), 3)
        case "\r", "\n": return (.key(.newline), 2)
        case "b": return (.key(.wordLeft), 2)
        case "f": return (.key(.wordRight), 2)
        case "d": return (.key(.deleteWordRight), 2)
        case "\u{7F}", "\u{8}": return (.key(.deleteWordLeft), 2)
        case "\u{1B}": return (.none, 1)
        default:
            // Alt with a key that means nothing here, which may have several bytes.
            guard second >= 0x80 else { return (.none, 2) }
            return character(bytes.dropFirst()).map { (Found.none, $0.1 + 1) }
        }
    }

    /// `ESC [`, parameters and a last byte that names the key.
    private static func sequence(_ bytes: ArraySlice<UInt8>) -> (Found, Int)? {
        let body = bytes.dropFirst(2)
        guard let end = body.firstIndex(where: { !(0x20..<0x40).contains($0) }) else {
            return body.count < longestSequence ? nil : (.none, bytes.count)
        }
        // What interrupts a sequence is a key of its own.
        guard (0x40..<0x7F).contains(body[end]) else { return (.none, end - bytes.startIndex) }
        let parameters = String(decoding: body[..<end], as: UTF8.self)
        return (named(body[end], parameters: parameters), end - bytes.startIndex + 1)
    }

    private static func named(_ last: UInt8, parameters: String) -> Found {
        // "1;5" is a key held with Ctrl, "1;3" one held with Alt.
        let isWord = [";5", ";3"].contains { parameters.hasSuffix($0) }
        switch Unicode.Scalar(last) {
        case "A": return .key(.up)
        case "B": return .key(.down)
        case "C": return .key(isWord ? .wordRight : .right)
        case "D": return .key(isWord ? .wordLeft : .left)
        case "F": return .key(.end)
        case "H": return .key(.home)
        case "M" where parameters.isEmpty: return .key(.enter)
        case "~": break
        default: return .none
        }
        switch parameters.prefix(while: { $0 != ";" }) {
        case "1", "7": return .key(.home)
        case "4", "8": return .key(.end)
        case "3": return .key(isWord ? .deleteWordRight : .delete)
        case "200": return .pasteBegins
        default: return .none
        }
    }

    // MARK: - Pastes

    private static let pasteEnd = Array("\u{1B}[201~".utf8)

    /// Moves bytes from `rest` to the paste up to its end; the text if that is there.
    private mutating func finishPaste(_ rest: inout ArraySlice<UInt8>) -> String? {
        var pasted = paste ?? []
        var start = rest.startIndex
        while let escape = rest[start...].firstIndex(of: 0x1B) {
            let tail = rest[escape...].prefix(Self.pasteEnd.count)
            if tail.elementsEqual(Self.pasteEnd) {
                pasted += rest[..<escape]
                rest = rest[(escape + Self.pasteEnd.count)...]
                paste = nil
                return Self.text(of: pasted)
            }
            if Self.pasteEnd.starts(with: tail) {
                // The end may be coming.
                pasted += rest[..<escape]
                rest = rest[escape...]
                paste = pasted
                return nil
            }
            start = escape + 1
        }
        pasted += rest
        rest = []
        paste = pasted
        return nil
    }

    /// Terminals send a carriage return for the end of a line.
    private static func text(of bytes: [UInt8]) -> String {
        var text = ""
        var isAfterReturn = false
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            if scalar == "\n" && isAfterReturn {
                isAfterReturn = false
                continue
            }
            isAfterReturn = scalar == "\r"
            text.unicodeScalars.append(isAfterReturn ? "\n" : scalar)
        }
        return text
    }
}

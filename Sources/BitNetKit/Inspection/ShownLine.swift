internal import Foundation

/// A line of text in pieces, of which a terminal may show each in a colour of its own.
package struct ShownLine: Sendable {
    /// What a piece is.
    package enum Kind: Sendable, Hashable, CaseIterable {
        case plain, offset, bytes, negative, zero, positive, invalid, scale, value
    }

    package private(set) var pieces: [(text: String, kind: Kind)] = []

    package init(_ text: String = "", _ kind: Kind = .plain) { add(text, kind) }

    package mutating func add(_ text: String, _ kind: Kind = .plain) {
        if !text.isEmpty { pieces.append((text, kind)) }
    }

    /// Adds a character for each trit: `-`, `0`, `+`, or `x` for what is none.
    package mutating func add(trits: some Sequence<Int8?>) {
        for trit in trits {
            switch trit {
            case -1: add("-", .negative)
            case 0: add("0", .zero)
            case 1: add("+", .positive)
            default: add("x", .invalid)
            }
        }
    }

    /// The text without colours and without blanks at its end.
    package var plain: String {
        var text = pieces.map(\.text).joined()
        while text.last == " " { text.removeLast() }
        return text
    }
}

extension [ShownLine] {
    package var plain: String { map(\.plain).joined(separator: "\n") }
}

extension UInt8 {
    /// Two digits.
    var hexadecimal: String {
        (self < 16 ? "0" : "") + String(self, radix: 16, uppercase: true)
    }
}

extension Float {
    /// Five significant digits.
    var short: String { String(format: "%.5g", self) }
}

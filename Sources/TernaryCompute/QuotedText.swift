extension StringProtocol {
    /// The text in quotation marks for a message: at most 100 characters of it, for a file may have
    /// any number of them where a name is expected.
    package var quoted: String { "'\(cut(to: 100))'" }

    /// The text, or its first `most` scalars and three points.
    package func cut(to most: Int) -> String {
        let scalars = unicodeScalars
        // Not counted: a text can be as long as a file.
        guard
            let end = scalars.index(
                scalars.startIndex, offsetBy: most, limitedBy: scalars.endIndex),
            end < scalars.endIndex
        else { return String(self) }
        var start = String.UnicodeScalarView()
        start.append(contentsOf: scalars[..<end])
        return String(start) + "..."
    }

    /// The text, or its beginning and its end where it is longer than `most` scalars: a message that
    /// quotes a file as it is still says where and what to do.
    func cutInTheMiddle(to most: Int) -> String {
        let scalars = unicodeScalars
        guard scalars.count > most else { return String(self) }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars.prefix(most / 3 * 2))
        text.append(contentsOf: " ... ".unicodeScalars)
        text.append(contentsOf: scalars.suffix(most / 3))
        return String(text)
    }
}

/// A number of things in words: `1 token`, `2 tokens`; `others` where it is not the noun with an s.
package func counted(_ count: Int, _ noun: String, _ others: String? = nil) -> String {
    count == 1 ? "1 \(noun)" : "\(count) \(others ?? noun + "s")"
}

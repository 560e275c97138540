internal import Foundation

// Text in columns: what tables, reports and lists of all modules are laid out with.

extension String {
    /// With blanks behind it up to `count` characters, and one blank where it is longer already.
    package func padded(to count: Int) -> String {
        self + String(repeating: " ", count: Swift.max(1, count - self.count))
    }

    /// With blanks before it up to `count` characters, and one blank where it is longer already.
    package func leftPadded(to count: Int) -> String {
        String(repeating: " ", count: Swift.max(1, count - self.count)) + self
    }

    /// Lines of whole words, each of up to `width` characters where words are not longer. Those after
    /// the first begin with the blanks of the first and `indent` more.
    package func wrapped(to width: Int, indent: Int = 0) -> [String] {
        let begin = String(prefix { $0 == " " })
        var lines = [begin]
        var isEmpty = true
        for word in split(separator: " ") {
            if !isEmpty && lines[lines.count - 1].count + 1 + word.count > width {
                lines.append(begin + String(repeating: " ", count: indent))
                isEmpty = true
            }
            lines[lines.count - 1] += (isEmpty ? "" : " ") + word
            isEmpty = false
        }
        return lines
    }
}

extension [[String]] {
    /// Rows of cells as lines, with each column as wide as its widest cell or as `widths` says.
    package func table(separator: String = " ", widths: [Int] = []) -> String {
        let widths =
            widths.isEmpty && !isEmpty
            ? self[0].indices.map { column in map { $0[column].count }.max() ?? 0 } : widths
        return map { row in
            let cells = zip(row, widths).map { cell, width in
                cell + String(repeating: " ", count: Swift.max(0, width - cell.count))
            }
            return cells.joined(separator: separator).trimmingCharacters(in: .whitespaces)
        }.joined(separator: "\n")
    }
}

extension Int {
    /// With commas between thousands.
    package var grouped: String {
        let digits = String(magnitude)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index).isMultiple(of: 3) { text.append(",") }
            text.append(digit)
        }
        return self < 0 ? "-" + text : text
    }

    /// Bytes in the unit that leaves up to three digits before the point: `1.25 GB`, `16.8 MB`.
    package var asMemory: String {
        let units = [(1e9, "GB", 2), (1e6, "MB", 1), (1e3, "kB", 1)]
        // What would be rounded to 1000.0 of a unit is 1.0 of the next.
        for (size, name, digits) in units where Double(self) >= size * 0.99995 {
            return String(format: "%.*f %@", digits, Double(self) / size, name)
        }
        return self == 1 ? "1 byte" : "\(self) bytes"
    }
}

extension Duration {
    /// Seconds with three digits, not in powers of ten: `0.0124 s`, `1.52 s`, `1250 s`.
    package var asSeconds: String {
        let seconds = self / .seconds(1)
        let places = seconds > 0 ? 2 - Int(log10(seconds).rounded(.down)) : 0
        return String(format: "%.*f s", Swift.min(6, Swift.max(0, places)), seconds)
    }
}

/// A number of threads in words.
package func threadCount(_ count: Int) -> String { counted(count, "thread") }

import BitNetKit

/// What somebody says in a chat: messages of one or more lines, and commands.
struct ChatInput {
    enum Entry: Equatable {
        case message(String)
        /// A line that begins with a slash: its first word without it, and the rest.
        case command(String, argument: String)
    }

    /// The next line without its end, or the lines of a whole message; nil at the end of the input. The
    /// argument says whether it continues a message.
    let readLine: (_ isContinuation: Bool) throws(BitNetError) -> String?

    /// The next entry; nil at the end of the input. Blank lines are passed over.
    ///
    /// A line that ends in a backslash goes on in the next one. Lines between two lines of `"""`
    /// are one message as they stand, slashes and backslashes included.
    func next() throws(BitNetError) -> Entry? {
        while let line = try readLine(false) {
            // An editor gives several lines at once.
            if line.utf8.contains(UInt8(ascii: "\n")),
                !line.unicodeScalars.allSatisfy(\.properties.isWhitespace)
            {
                return .message(line)
            }
            if Self.isQuotes(line) { return .message(try block()) }
            if line.utf8.first == UInt8(ascii: "/") {
                return Self.command(line.unicodeScalars.dropFirst())
            }
            if !line.unicodeScalars.allSatisfy(\.properties.isWhitespace) {
                return .message(try message(beginning: line))
            }
        }
        return nil
    }

    /// Whether a line says `"""` and nothing else.
    private static func isQuotes(_ line: String) -> Bool {
        line.unicodeScalars.drop(while: \.properties.isWhitespace)
            .elementsEqual("\"\"\"".unicodeScalars)
    }

    private func message(beginning line: String) throws(BitNetError) -> String {
        var lines = MessageLines()
        var next: String? = line
        while let line = next {
            guard line.utf8.last == UInt8(ascii: "\\") else {
                lines.append(line)
                break
            }
            lines.append(String(line.unicodeScalars.dropLast()))
            next = try readLine(true)
        }
        return try lines.text
    }

    /// A line that cannot be read makes the block an error, not the rest of it messages.
    private func block() throws(BitNetError) -> String {
        var lines = MessageLines()
        while true {
            do throws(BitNetError) {
                guard let line = try readLine(true), !Self.isQuotes(line) else { break }
                lines.append(line)
            } catch .malformedFile(let path, let detail) {
                lines.fail(.malformedFile(path: path, detail: detail))
            }
        }
        return try lines.text
    }

    private static func command(_ line: Substring.UnicodeScalarView) -> Entry {
        let name = line.prefix { !$0.properties.isWhitespace }
        var argument = line[name.endIndex...].drop(while: \.properties.isWhitespace)
        while argument.last?.properties.isWhitespace == true { argument.removeLast() }
        return .command(String(name), argument: String(argument))
    }
}

/// The lines of one message. Those of one that has become an error are not kept, however many come.
private struct MessageLines {
    private var lines: [String] = []
    private var size = 0
    private var failure: BitNetError?

    mutating func append(_ line: String) {
        guard failure == nil else { return }
        size += line.utf8.count + 1
        lines.append(line)
        if size > TextInput.longest {
            fail(
                .invalidArgument(
                    name: "message",
                    detail: "it has more than the \(TextInput.longest) bytes that are read of one"))
        }
    }

    /// Makes the message an error; the first one counts.
    mutating func fail(_ error: BitNetError) {
        failure = failure ?? error
        lines = []
    }

    var text: String {
        get throws(BitNetError) {
            if let failure { throw failure }
            return lines.joined(separator: "\n")
        }
    }
}

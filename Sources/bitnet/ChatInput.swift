/// What somebody says in a chat: messages of one or more lines, and commands.
struct ChatInput {
    enum Entry: Equatable {
        case message(String)
        /// A line that begins with a slash: its first word without it, and the rest.
        case command(String, argument: String)
    }

    /// The next line without its end; nil at the end of the input. The argument says whether it
    /// continues a message.
    let readLine: (_ isContinuation: Bool) -> String?

    /// The next entry; nil at the end of the input. Blank lines are passed over.
    ///
    /// A line that ends in a backslash goes on in the next one. Lines between two lines of `"""`
    /// are one message as they stand, slashes and backslashes included.
    func next() -> Entry? {
        while let line = readLine(false) {
            let trimmed = line.drop(while: \.isWhitespace)
            if trimmed == "\"\"\"" { return .message(block()) }
            if line.hasPrefix("/") { return Self.command(line.dropFirst()) }
            if !trimmed.isEmpty { return .message(message(beginning: line)) }
        }
        return nil
    }

    private func message(beginning line: String) -> String {
        var lines: [Substring] = []
        var next: String? = line
        while let line = next {
            guard line.hasSuffix("\\") else {
                lines.append(line[...])
                break
            }
            lines.append(line.dropLast())
            next = readLine(true)
        }
        return lines.joined(separator: "\n")
    }

    private func block() -> String {
        var lines: [String] = []
        while let line = readLine(true), line.drop(while: \.isWhitespace) != "\"\"\"" {
            lines.append(line)
        }
        return lines.joined(separator: "\n")
    }

    private static func command(_ line: Substring) -> Entry {
        let name = line.prefix { !$0.isWhitespace }
        var argument = line.dropFirst(name.count).drop(while: \.isWhitespace)
        while argument.last?.isWhitespace == true { argument.removeLast() }
        return .command(String(name), argument: String(argument))
    }
}

/// A text that somebody types, and the texts before it: keys in, edits out.
package struct LineEditor: Equatable, Sendable {
    /// What a key ends or asks for.
    package enum Event: Equatable, Sendable {
        /// The text is complete; the next one begins.
        case submitted(String)
        /// Ctrl-C has thrown the text away.
        case discarded
        /// Ctrl-C where there is no text.
        case interrupted
        /// Ctrl-D where there is no text.
        case ended
        case suspended
        case screenCleared
    }

    package private(set) var text: [Character] = []
    /// Where the next character goes.
    package private(set) var cursor = 0
    /// The latest texts, the oldest first.
    package private(set) var history: [String] = []

    /// The text of the history that is shown; its end stands for a new one.
    private var shown = 0
    /// What was typed before the history was shown.
    private var draft: [Character] = []
    private var killed: [Character] = []

    private static let longestHistory = 500

    package init() {}

    /// Does what `key` says.
    package mutating func apply(_ key: TerminalKey) -> Event? {
        switch key {
        case .text(let new), .paste(let new): insert(new)
        case .newline: insert("\n")
        case .enter: return submit()
        case .left: cursor = max(cursor - 1, 0)
        case .right: cursor = min(cursor + 1, text.count)
        case .wordLeft: cursor = wordStart
        case .wordRight: cursor = wordEnd
        case .home: cursor = lineStart
        case .end: cursor = lineEnd
        case .up: moveUp()
        case .down: moveDown()
        case .backspace: remove(max(cursor - 1, 0)..<cursor)
        case .delete: remove(cursor..<min(cursor + 1, text.count))
        case .deleteWordLeft: kill(spacedWordStart..<cursor)
        case .deleteWordRight: kill(cursor..<wordEnd)
        case .deleteToStart: kill(lineStart..<cursor)
        case .deleteToEnd:
            // At the end of a line, the line after it is joined.
            kill(cursor..<(cursor == lineEnd ? min(cursor + 1, text.count) : lineEnd))
        case .yank: insert(String(killed))
        case .interrupt:
            if text.isEmpty { return .interrupted }
            begin()
            return .discarded
        case .endOfInput:
            if text.isEmpty { return .ended }
            remove(cursor..<min(cursor + 1, text.count))
        case .suspend: return .suspended
        case .clearScreen: return .screenCleared
        }
        return nil
    }

    // MARK: - Changes

    private mutating func insert(_ new: String) {
        // What is typed may join the character before, as an accent does, or the one after.
        let before = String(text[..<cursor]) + new
        let after = String(text[cursor...])
        text = Array(before + after)
        cursor = min(Array(before).count, text.count)
    }

    private mutating func remove(_ range: Range<Int>) {
        let (before, after) = (String(text[..<range.lowerBound]), String(text[range.upperBound...]))
        text = Array(before + after)
        cursor = min(range.lowerBound, text.count)
    }

    private mutating func kill(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        killed = Array(text[range])
        remove(range)
    }

    private mutating func submit() -> Event {
        let line = String(text)
        if !text.allSatisfy(\.isWhitespace), history.last != line {
            history.append(line)
            history.removeFirst(max(0, history.count - Self.longestHistory))
        }
        begin()
        return .submitted(line)
    }

    private mutating func begin() {
        (text, cursor, draft) = ([], 0, [])
        shown = history.count
    }

    // MARK: - Places

    private var lineStart: Int {
        text[..<cursor].lastIndex(where: \.isNewline).map { $0 + 1 } ?? 0
    }

    private var lineEnd: Int { text[cursor...].firstIndex(where: \.isNewline) ?? text.count }

    private static func isWord(_ character: Character) -> Bool {
        character.isLetter || character.isNumber || character == "_"
    }

    private var wordStart: Int {
        let end = text[..<cursor].lastIndex(where: Self.isWord) ?? 0
        return text[..<end].lastIndex { !Self.isWord($0) }.map { $0 + 1 } ?? 0
    }

    private var wordEnd: Int {
        let start = text[cursor...].firstIndex(where: Self.isWord) ?? text.count
        return text[start...].firstIndex { !Self.isWord($0) } ?? text.count
    }

    /// Where the word before the cursor begins, as Ctrl-W takes words: between blanks.
    private var spacedWordStart: Int {
        guard let end = text[..<cursor].lastIndex(where: { !$0.isWhitespace }) else { return 0 }
        return text[..<end].lastIndex(where: \.isWhitespace).map { $0 + 1 } ?? 0
    }

    // MARK: - Up and down

    private mutating func moveUp() {
        guard lineStart == 0 else {
            let column = cursor - lineStart
            let end = lineStart - 1
            let start = text[..<end].lastIndex(where: \.isNewline).map { $0 + 1 } ?? 0
            cursor = min(start + column, end)
            return
        }
        if shown > 0 { show(shown - 1) }
    }

    private mutating func moveDown() {
        let end = lineEnd
        guard end == text.count else {
            let column = cursor - lineStart
            let next = text[(end + 1)...].firstIndex(where: \.isNewline) ?? text.count
            cursor = min(end + 1 + column, next)
            return
        }
        if shown < history.count { show(shown + 1) }
    }

    private mutating func show(_ index: Int) {
        if shown == history.count { draft = text }
        shown = index
        text = index == history.count ? draft : Array(history[index])
        cursor = text.count
    }
}

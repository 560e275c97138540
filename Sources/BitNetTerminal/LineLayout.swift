/// The rows in which a text stands on a terminal, and the place of the cursor.
package struct LineLayout: Equatable, Sendable {
    package private(set) var rows: [String] = [""]
    package private(set) var cursorRow = 0
    package private(set) var cursorColumn = 0

    /// - Parameters:
    ///   - prompt: what stands before the text.
    ///   - continuation: what stands before each of its lines but the first.
    ///   - columns: the terminal's width. The last column stays empty: terminals do not agree on where
    ///     the cursor is once it is filled.
    ///   - shown: how a character is shown.
    package init(
        _ editor: LineEditor, prompt: String, continuation: String, columns: Int,
        shown: (Character) -> String
    ) {
        let width = max(columns - 1, prompt.count + 2, continuation.count + 2)
        var column = 0
        func add(_ text: String, _ count: Int) {
            rows[rows.count - 1] += text
            column += count
        }
        add(prompt, prompt.count)
        for (index, character) in editor.text.enumerated() {
            if index == editor.cursor { (cursorRow, cursorColumn) = (rows.count - 1, column) }
            if character.isNewline {
                rows.append("")
                column = 0
                add(continuation, continuation.count)
                continue
            }
            let text = character == "\t" ? "    " : shown(character)
            let count = text.reduce(0) { $0 + $1.displayWidth }
            if column + count > width {
                rows.append("")
                column = 0
                if index == editor.cursor { (cursorRow, cursorColumn) = (rows.count - 1, column) }
            }
            add(text, count)
        }
        if editor.cursor == editor.text.count {
            (cursorRow, cursorColumn) = (rows.count - 1, column)
        }
    }

    /// The `height` rows around the cursor, and its row among them.
    package func window(height: Int) -> (rows: ArraySlice<String>, cursorRow: Int) {
        let height = max(height, 1)
        guard rows.count > height else { return (rows[...], cursorRow) }
        let first = min(max(cursorRow - height / 2, 0), rows.count - height)
        return (rows[first..<first + height], cursorRow - first)
    }
}

/// What has been drawn of a text, and the way from there to the next state.
package struct LineDrawing: Sendable {
    /// The cursor's row among those that were drawn.
    private var cursorRow = 0
    private var rowCount = 1

    package init() {}

    /// What a terminal is sent so that it shows `layout` where the last one was.
    package mutating func update(_ layout: LineLayout, height: Int) -> String {
        let (rows, row) = layout.window(height: height)
        var output = cursorRow > 0 ? "\u{1B}[\(cursorRow)A" : ""
        output += "\r\u{1B}[J" + rows.joined(separator: "\r\n")
        if row < rows.count - 1 { output += "\u{1B}[\(rows.count - 1 - row)A" }
        output += "\u{1B}[\(layout.cursorColumn + 1)G"
        (cursorRow, rowCount) = (row, rows.count)
        return output
    }

    /// What a terminal is sent to go on below the text; the next one begins anew.
    package mutating func finish() -> String {
        let below = rowCount - 1 - cursorRow
        (cursorRow, rowCount) = (0, 1)
        return (below > 0 ? "\u{1B}[\(below)B" : "") + "\r\n"
    }

    /// What a terminal is sent to begin on an empty screen.
    package mutating func clearScreen() -> String {
        (cursorRow, rowCount) = (0, 1)
        return "\u{1B}[H\u{1B}[2J"
    }
}

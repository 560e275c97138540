/// The order of a rotated head's rows in GGUF files of the Llama graph: 0, d/2, 1, d/2 + 1, ...
enum HeadInterleaving {
    /// Takes the rows of one head from the model's order to the file's.
    static func apply(to trits: BufferView<Int8>, columns: Int) {
        reorder(trits, columns, source: modelRow)
    }

    /// Which row of the model is row `row` of a head of `head` rows in the file.
    static func modelRow(of row: Int, head: Int) -> Int {
        row % 2 == 0 ? row / 2 : row / 2 + head / 2
    }

    /// Takes the rows of one head from the file's order to the model's.
    static func undo(_ trits: BufferView<Int8>, columns: Int) {
        reorder(trits, columns, source: fileRow)
    }

    /// Where the file has row `row` of a head of `head` rows.
    static func fileRow(of row: Int, head: Int) -> Int {
        row < head / 2 ? 2 * row : 2 * (row - head / 2) + 1
    }

    private static func reorder(
        _ trits: BufferView<Int8>, _ columns: Int, source: (_ row: Int, _ head: Int) -> Int
    ) {
        let old = trits.array
        let head = trits.count / columns
        for row in 0..<head {
            let start = source(row, head) * columns
            for column in 0..<columns { trits[row * columns + column] = old[start + column] }
        }
    }
}

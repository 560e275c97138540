/// Some documents of a token file, one after the other as one row of tokens.
struct TokenStream: Sendable {
    let file: TokenFile
    /// The documents, in the order of the row.
    private let documents: [Int32]
    /// Where each begins in the row, and where the last one ends.
    private let starts: [Int]

    init(_ file: TokenFile, documents: [Int32]) {
        self.file = file
        self.documents = documents
        var starts = [0]
        starts.reserveCapacity(documents.count + 1)
        var end = 0
        for document in documents {
            end += file.tokenRange(ofDocument: Int(document)).count
            starts.append(end)
        }
        self.starts = starts
    }

    /// Number of tokens.
    var count: Int { starts[documents.count] }

    /// Appends the tokens of `range`, which lies in the row.
    func append(_ range: Range<Int>, to tokens: inout [Int32]) throws(BitNetError) {
        var place = range.lowerBound
        var index = document(at: place)
        while place < range.upperBound {
            let end = min(range.upperBound, starts[index + 1])
            var last = index
            // Neighbours in the file are read at once.
            var until = end
            while until < range.upperBound, documents[last + 1] == documents[last] + 1 {
                last += 1
                until = min(range.upperBound, starts[last + 1])
            }
            let offset =
                file.tokenRange(ofDocument: Int(documents[index])).lowerBound - starts[index]
            try file.appendTokens(in: place + offset..<until + offset, to: &tokens)
            place = until
            index = last + 1
        }
    }

    /// The document that the token at `place` belongs to.
    private func document(at place: Int) -> Int {
        var (low, high) = (0, documents.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if starts[middle] <= place { low = middle } else { high = middle }
        }
        return low
    }
}

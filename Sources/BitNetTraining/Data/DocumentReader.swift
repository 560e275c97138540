/// Cuts the bytes of a text file, as they come, into documents.
struct DocumentReader {
    private let path: String
    /// What is read of the file and not yet given out.
    private var buffer: [UInt8] = []
    /// Where `buffer` begins in the file.
    private var offset = 0
    /// Where the document begins in `buffer`, right after a separator or at the file's start.
    private var start = 0
    /// No separator begins in `buffer` between `start` and here.
    private var scanned = 0

    private static let separator = Array(TrainingCorpus.separator.utf8)
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
    /// The most bytes of a document, as many as are encoded at once.
    private static let longest = 1 << 30

    init(path: String) { self.path = path }

    /// Takes the next bytes of the file, and calls `body` with the documents that end in them.
    mutating func append(
        _ piece: ByteRegion, _ body: (String) throws(BitNetError) -> Void
    ) throws(BitNetError) {
        buffer.append(contentsOf: piece.bytes)
        while let end = nextSeparator() {
            try body(try document(to: end))
            start = end + Self.separator.count
            scanned = start
        }
        guard buffer.count - start <= Self.longest else {
            throw malformed(
                start,
                "a document of more than \(Self.longest) bytes begins; put "
                    + "\(TrainingCorpus.separator) between documents")
        }
        buffer.removeFirst(start)
        offset += start
        scanned -= start
        start = 0
    }

    /// The document that the end of the file ends; nil where nothing is left.
    mutating func finish() throws(BitNetError) -> String? {
        start < buffer.count ? try document(to: buffer.count) : nil
    }

    /// Where the next separator begins, if all of it is there.
    private mutating func nextSeparator() -> Int? {
        let separator = Self.separator
        while let place = buffer[scanned...].firstIndex(of: separator[0]) {
            scanned = place
            let found = buffer[place...].prefix(separator.count)
            if found.elementsEqual(separator) { return place }
            // The rest of it may come with the next bytes.
            if found.count < separator.count, separator.starts(with: found) { return nil }
            scanned += 1
        }
        scanned = buffer.count
        return nil
    }

    /// The document from `start` to the separator or end at `end`.
    private func document(to end: Int) throws(BitNetError) -> String {
        var bytes = buffer[start..<end]
        if offset + start == 0 {
            if bytes.starts(with: Self.byteOrderMark) { bytes = bytes.dropFirst(3) }
        } else {
            bytes = bytes.dropFirst(
                bytes.first == 0x0A ? 1 : bytes.starts(with: [0x0D, 0x0A]) ? 2 : 0)
        }
        if bytes.last == 0x0A {
            bytes = bytes.dropLast(bytes.dropLast().last == 0x0D ? 2 : 1)
        }
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        throw malformed(
            bytes.startIndex + Self.validCount(bytes),
            "not UTF-8 text; convert the file to UTF-8 first")
    }

    /// How many bytes come before the first that is not UTF-8.
    private static func validCount(_ bytes: ArraySlice<UInt8>) -> Int {
        var parser = Unicode.UTF8.ForwardParser()
        var rest = bytes.makeIterator()
        var count = 0
        while case .valid(let character) = parser.parseScalar(from: &rest) {
            count += character.count
        }
        return count
    }

    private func malformed(_ place: Int, _ detail: String) -> BitNetError {
        .malformedFile(path: path, detail: "byte \(offset + place): \(detail)")
    }
}

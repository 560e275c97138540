import Foundation
import Testing

@testable import BitNetTraining

@Suite("Documents of a text")
struct DocumentReaderTests {
    /// The documents of `bytes` that come `size` at a time.
    private func documents(_ bytes: [UInt8], size: Int) throws -> [String] {
        var reader = DocumentReader(path: "text")
        var found: [String] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            let piece = ByteRegion(Array(bytes[start..<min(start + size, bytes.count)]))
            try reader.append(piece) { found.append($0) }
        }
        if let last = try reader.finish() { found.append(last) }
        return found.filter { !$0.isEmpty }
    }

    private static let end = "<|endoftext|>"

    private static let texts: [(text: String, documents: [String])] = [
        ("a\n\(end)\nb\n\(end)\n", ["a", "b"]),
        ("a\r\n\(end)\r\nb\r\n\(end)\r\n", ["a", "b"]),
        ("a\(end)b", ["a", "b"]),
        ("a\n\(end)\nb", ["a", "b"]),
        ("a\n\(end)\nb\n", ["a", "b"]),
        ("no separator\nat all\n", ["no separator\nat all"]),
        // One line break belongs to a separator, others to the text.
        ("a\n\n\(end)\n\nb\n\n", ["a\n", "\nb\n"]),
        (" a \n\(end) \n b", [" a ", " \n b"]),
        // Without text there is no document.
        ("\(end)\(end)\n\n\(end)\n\(end)\r\n\(end)", []),
        ("\n\(end)\r\n\(end)a", ["a"]),
        // What only begins like a separator is text.
        ("<|endof<|endoftext|<\(end)<|endoftext", ["<|endof<|endoftext|<", "<|endoftext"]),
        ("<<|\(end)|>", ["<<|", "|>"]),
        ("\u{FEFF}a\(end)\u{FEFF}b", ["a", "\u{FEFF}b"]),
        ("\u{FEFF}", []),
        ("日本\(end)é🙂\n", ["日本", "é🙂"]),
        ("a\rb\r\(end)\rc\r", ["a\rb\r", "\rc\r"]),
        ("", []),
    ]

    @Test("are what is between separators, however the bytes come", arguments: texts)
    func separators(_ text: String, _ expected: [String]) throws {
        let bytes = Array(text.utf8)
        for size in 1...max(1, bytes.count) {
            let found = try documents(bytes, size: size)
            #expect(found.map { Array($0.utf8) } == expected.map { Array($0.utf8) }, "\(size)")
        }
    }

    private static func separated(_ before: [UInt8], _ after: [UInt8]) -> [UInt8] {
        before + Array(end.utf8) + after
    }

    private static let invalidTexts: [(bytes: [UInt8], place: Int)] = [
        ([0x61, 0x62, 0xFF], 2), ([0xC3], 0), ([0xC3, 0x28], 0),
        (separated([0xE6, 0x97, 0xA5], [0x78, 0xED, 0xA0, 0x80]), 17),
        (separated([0x61, 0x0A], separated([0x0A, 0xC0, 0x80], [])), 16),
        // A character does not go on behind a separator.
        (separated([0xC3], [0xA9]), 0),
        ([0xEF, 0xBB, 0xBF, 0x61, 0x80], 4), ([0xFF, 0xFE, 0x61, 0x00], 0),
    ]

    @Test("are UTF-8, or the first byte that is not is named", arguments: invalidTexts)
    func invalid(_ bytes: [UInt8], _ place: Int) {
        for size in 1...bytes.count {
            let error = bitNetError { _ = try documents(bytes, size: size) }
            #expect(
                error
                    == .malformedFile(
                        path: "text",
                        detail: "byte \(place): not UTF-8 text; convert the file to UTF-8 first"))
        }
    }

    @Test("come from files one after the other, and from a pipe as often as they are wanted")
    func files() throws {
        let folder = try ScratchFolder()
        // Longer than what is read at once, so that a separator lies across two reads.
        let long = String(repeating: "x", count: (1 << 20) - 5)
        try Data("\(long)\n\(Self.end)\nb\n".utf8).write(to: folder.file("a"))
        try Data("c".utf8).write(to: folder.file("b"))
        let pipe = folder.file("pipe")
        #expect(mkfifo(pipe.path, 0o600) == 0)
        let writer = Thread {
            try? Data("d\(Self.end)e".utf8).write(to: pipe, options: [])
        }
        writer.start()
        let corpus = try TrainingCorpus(files: [folder.file("a"), folder.file("b"), pipe])
        #expect(corpus.byteCount == long.utf8.count + 17 + 1 + 15)
        for _ in 0..<2 {
            var found: [String] = []
            var read: [Int] = []
            try corpus.forEachDocument {
                found.append($0)
                read.append($1)
            }
            #expect(found == [long, "b", "c", "d", "e"])
            #expect(read == read.sorted() && read.last == corpus.byteCount)
        }
    }

    @Test("of a file that is missing, empty or changed meanwhile are an error")
    func unreadable() throws {
        let folder = try ScratchFolder()
        let file = folder.file("a")
        #expect(
            bitNetError { _ = try TrainingCorpus(files: [file]) } == .fileNotFound(path: file.path))
        try Data().write(to: file)
        guard case .malformedFile = bitNetError({ _ = try TrainingCorpus(files: [file]) }) else {
            Issue.record("an empty file")
            return
        }
        try Data(String(repeating: "a\(Self.end)", count: 300_000).utf8).write(to: file)
        let corpus = try TrainingCorpus(files: [file])
        let error = bitNetError {
            try corpus.forEachDocument { _, read in
                if read <= 1 << 20 { truncate(file.path, 1 << 19) }
            }
        }
        guard case .unreadable(file.path, let reason) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(reason.contains("changed while it was read"))
    }
}

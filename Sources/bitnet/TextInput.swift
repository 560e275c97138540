import BitNetKit
import Foundation

/// Text from a file, a pipe or standard input, as bytes come, up to the end or line by line. A byte
/// order mark at its beginning is no part of it.
///
/// A line ends with a line feed, or a carriage return and a line feed. Bytes are looked at and not
/// Swift's characters: to those the two are one.
struct TextInput: ~Copyable {
    private let descriptor: Int32
    /// What messages call the input.
    private let name: String
    private var buffer: ArraySlice<UInt8> = []
    private var line = 0
    /// Whether everything that has been read is in the buffer.
    private var isAtStart = true
    private var hasEnded = false

    /// Opens a file, or standard input for "-".
    init(_ path: String) throws(BitNetError) {
        if path == "-" || path == "/dev/stdin" {
            name = "standard input"
            descriptor = STDIN_FILENO
            guard !Terminal.closedStreams.contains(STDIN_FILENO) else {
                throw .unreadable(path: name, reason: "it is closed")
            }
        } else {
            name = Terminal.wholePath(path)
            descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else {
                if errno == ENOENT || errno == ENOTDIR {
                    throw .fileNotFound(path: name)
                }
                let reason =
                    errno == ENXIO
                    ? "it is a socket or a device that is not there" : Terminal.message(errno)
                throw .unreadable(path: name, reason: reason)
            }
        }
    }

    deinit {
        if descriptor != STDIN_FILENO { _ = close(descriptor) }
    }

    /// The most bytes of a prompt or a message, which no context holds, and of other texts, which is
    /// what is encoded at once: input can go on without end.
    static let (longest, longestFile) = (1 << 26, 1 << 30)

    /// All that is left, `limit` bytes at most; it must be UTF-8.
    mutating func readAll(limit: Int = longest) throws(BitNetError) -> String {
        while try fill() {
            guard buffer.count <= limit else { throw isTooLong("", limit) }
        }
        dropMark()
        guard let text = String(validating: buffer, as: UTF8.self) else {
            throw .malformedFile(path: name, detail: "is not UTF-8 text")
        }
        buffer = []
        return text
    }

    /// The next line without its end; nil at the end of the input.
    ///
    /// - Throws: `BitNetError.malformedFile` for a line that is not UTF-8; the next one can be read.
    mutating func readLine() throws(BitNetError) -> String? {
        var searched = buffer.startIndex
        var end = buffer.endIndex
        while true {
            if let found = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                end = found
                break
            }
            let count = buffer.count
            guard try fill() else {
                end = buffer.endIndex
                break
            }
            searched = buffer.startIndex + count
            guard buffer.count <= Self.longest else {
                throw isTooLong("line \(line + 1) ", Self.longest)
            }
        }
        dropMark()
        if end == buffer.endIndex && buffer.isEmpty { return nil }
        line += 1
        let bytes = buffer[..<end]
        buffer = buffer[end...].dropFirst()
        guard let text = String(validating: Self.withoutReturn(bytes), as: UTF8.self) else {
            throw .malformedFile(path: name, detail: "line \(line) is not UTF-8 text")
        }
        return text
    }

    /// Takes UTF-8's byte order mark off the beginning, where editors of Windows write one.
    private mutating func dropMark() {
        if isAtStart, buffer.starts(with: [0xEF, 0xBB, 0xBF]) { buffer = buffer.dropFirst(3) }
        isAtStart = false
    }

    /// Nothing more is read: whatever sends so much may not end.
    private mutating func isTooLong(_ what: String, _ limit: Int) -> BitNetError {
        (buffer, hasEnded) = ([], true)
        return .malformedFile(
            path: name, detail: "\(what)has more than the \(limit) bytes that are read")
    }

    /// Reads more into the buffer; false at the end.
    private mutating func fill() throws(BitNetError) -> Bool {
        guard !hasEnded else { return false }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        var count = -1
        while count < 0 {
            count = read(descriptor, &bytes, bytes.count)
            guard count < 0, errno != EINTR else { break }
            guard errno == EAGAIN else {
                let reason =
                    errno == EISDIR ? "it is a folder, not a file" : Terminal.message(errno)
                throw .unreadable(path: name, reason: reason)
            }
            var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            poll(&request, 1, -1)
        }
        hasEnded = count == 0
        buffer.append(contentsOf: bytes.prefix(count))
        return !hasEnded
    }

    // MARK: - Ends of lines

    /// The lines of `text`; the last one may lack its end.
    static func lines(of text: String) -> [String] {
        var lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        // What follows the last end is no line if it is empty.
        if lines.last?.isEmpty == true { lines.removeLast() }
        return lines.map { String(decoding: withoutReturn($0), as: UTF8.self) }
    }

    /// `text` without the end of its last line.
    static func withoutLastEnd(_ text: String) -> String {
        guard text.utf8.last == UInt8(ascii: "\n") else { return text }
        return String(decoding: withoutReturn(text.utf8.dropLast()), as: UTF8.self)
    }

    private static func withoutReturn<Bytes: BidirectionalCollection<UInt8>>(
        _ line: Bytes
    ) -> Bytes.SubSequence {
        line.last == UInt8(ascii: "\r") ? line.dropLast() : line[...]
    }
}

extension Terminal {
    /// All of a file, or of standard input for "-", `limit` bytes at most; it must be UTF-8.
    static func readText(
        _ path: String, limit: Int = TextInput.longest
    ) throws(BitNetError) -> String {
        var input = try TextInput(path)
        return try input.readAll(limit: limit)
    }

    /// All of standard input, as `readText`; says `waiting` where it does not come within a second, so
    /// that nobody wonders what the program does.
    static func readInput(
        _ waiting: String, limit: Int = TextInput.longest
    ) throws(BitNetError) -> String {
        var request = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        if isInputTerminal {
            note(waiting + "; Ctrl-D ends it")
        } else if !closedStreams.contains(STDIN_FILENO), poll(&request, 1, 1000) == 0 {
            note(waiting)
        }
        return try readText("-", limit: limit)
    }
}

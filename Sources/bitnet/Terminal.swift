import BitNetKit
import Foundation
import Synchronization

/// Standard input, output and error.
enum Terminal {
    /// Whether somebody types at standard input.
    static var isInputTerminal: Bool { isatty(STDIN_FILENO) == 1 }
    /// Whether somebody reads standard error.
    static var isErrorTerminal: Bool { isatty(STDERR_FILENO) == 1 }
    /// Whether somebody reads standard output.
    static let isOutputTerminal = isatty(STDOUT_FILENO) == 1

    private static let quiet = Atomic(false)

    /// Whether nothing is said beside results, warnings and errors.
    static var isQuiet: Bool {
        get { quiet.load(ordering: .relaxed) }
        set { quiet.store(newValue, ordering: .relaxed) }
    }

    /// Whether somebody wants to see how far something is.
    static var showsProgress: Bool { isErrorTerminal && !isQuiet }

    /// The streams that were closed when the program began. The first use takes their numbers:
    /// otherwise the next file to be opened would be standard output.
    static let closedStreams: Set<Int32> = {
        var closed: Set<Int32> = []
        for stream in STDIN_FILENO...STDERR_FILENO where fcntl(stream, F_GETFD) < 0 {
            closed.insert(stream)
            // The lowest free number is this one. What it is for fails, as with a closed one.
            _ = open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
        return closed
    }()

    /// Makes streams fit to be used: numbers of closed ones are taken, and a reader that has gone or
    /// a file that has reached its limit is an error of the write and not the process's end.
    static func prepare() {
        _ = (closedStreams, isPipeSignalIgnored)
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
    }

    /// Writes `text`, a result of the command, at once: to standard output, or to standard error where
    /// `OutputFile` has taken that for something else.
    static func write(_ text: String) throws(BitNetError) {
        guard !OutputFile.hasTakenOutput else {
            _ = put(printable(text), to: STDERR_FILENO)
            return
        }
        try writeOutput(text)
    }

    /// Writes `text` to standard output.
    static func writeOutput(_ text: String) throws(BitNetError) {
        try writeColoured(isOutputTerminal ? printable(text) : text)
    }

    /// Writes `text`, which has nothing of a file's in it that steers a terminal.
    static func writeColoured(_ text: String) throws(BitNetError) {
        let name = "standard output"
        guard !closedStreams.contains(STDOUT_FILENO) else {
            throw .unwritable(path: name, reason: "it is closed")
        }
        if let code = put(text, to: STDOUT_FILENO) {
            throw .unwritable(path: name, reason: message(code))
        }
    }

    /// Writes `text` to standard output, or ends the program: for callbacks that cannot throw.
    static func writeOrExit(_ text: String) {
        do { try write(text) } catch {
            endIfReaderIsGone(error)
            fail("\(error)")
            exit(EXIT_FAILURE)
        }
    }

    /// Whether a reader that has gone is to be an error: whoever started the program wants to hear of it.
    private static let isPipeSignalIgnored = Interrupt.isIgnored(SIGPIPE)

    /// Ends the program without a word, as other tools end, where `error` is that nobody reads standard
    /// output any more: `bitnet ... | head` has all that it wants.
    static func endIfReaderIsGone(_ error: BitNetError) {
        guard case .unwritable(let path, _) = error, !isPipeSignalIgnored,
            path == "standard output" || (try? OutputFile(path))?.isStandardOutput == true
        else { return }
        var status = stat()
        guard fstat(STDOUT_FILENO, &status) == 0,
            [S_IFIFO, S_IFSOCK].contains(status.st_mode & S_IFMT)
        else { return }
        var request = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
        guard poll(&request, 1, 0) == 1, request.revents & Int16(POLLERR | POLLHUP) != 0 else {
            return
        }
        RawTerminal.leave()
        RawTerminal.end(by: SIGPIPE)
    }

    /// Writes what asks for input: beside the answers, or to standard error where those go elsewhere.
    static func prompt(_ text: String) {
        _ = put(text, to: isOutputTerminal ? STDOUT_FILENO : STDERR_FILENO)
    }

    /// Writes text of the program's own to standard error, as one line or more. Nobody is left to
    /// tell if that fails.
    static func report(_ text: String) {
        _ = put(printable(text) + "\n", to: STDERR_FILENO)
    }

    /// As `report`, what nobody has asked for.
    static func note(_ text: String) {
        if !isQuiet { report(text) }
    }

    /// Writes one line to standard error, whatever `line` has from a file.
    static func reportLine(_ line: String) { report(onOneLine(line)) }

    /// As `reportLine`, what nobody has asked for.
    static func noteLine(_ line: String) {
        if !isQuiet { reportLine(line) }
    }

    /// Says what has gone wrong, on one line.
    static func fail(_ message: String) { reportLine("error: " + message) }

    /// Says what is odd, on one line.
    static func warn(_ message: String) { reportLine("warning: " + message) }

    /// Replaces standard error's last line, or removes it if `line` is empty.
    static func reportInPlace(_ line: String) {
        _ = put("\r\u{1B}[K\(onOneLine(printable(line)))", to: STDERR_FILENO)
    }

    /// `message` with spaces for what ends a line: a name in a file must not begin one that looks
    /// like a message of the program.
    private static func onOneLine(_ message: String) -> String {
        message.split(whereSeparator: \.isNewline).joined(separator: " ")
    }

    /// `text` with everything that steers a terminal as a picture of it, but for tabs and ends of
    /// lines: names, messages and texts come from files that may have been made to do harm.
    ///
    /// Besides control characters, those are the ones that turn the order of letters around.
    static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: steersTerminal) else { return text }
        var shown = String.UnicodeScalarView()
        var isAfterReturn = false
        for scalar in text.unicodeScalars {
            if isAfterReturn { shown.append(scalar == "\n" ? "\r" : "\u{240D}") }
            isAfterReturn = scalar == "\r"
            if isAfterReturn { continue }
            guard steersTerminal(scalar) else {
                shown.append(scalar)
                continue
            }
            switch scalar.value {
            // Unicode has pictures of these.
            case 0...0x1F: shown.append(Unicode.Scalar(0x2400 + scalar.value) ?? "\u{FFFD}")
            case 0x7F: shown.append("\u{2421}")
            default: shown.append("\u{FFFD}")
            }
        }
        if isAfterReturn { shown.append("\u{240D}") }
        return String(shown)
    }

    private static func steersTerminal(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0A: false
        case 0...0x1F, 0x7F...0x9F: true
        // Embeddings, overrides and isolates of Unicode's bidirectional algorithm.
        case 0x202A...0x202E, 0x2066...0x2069: true
        default: false
        }
    }

    /// Writes all of `text`; returns the `errno` of a failure.
    private static func put(_ text: String, to stream: Int32) -> Int32? {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes {
                Foundation.write(stream, $0.baseAddress, $0.count)
            }
            if written >= 0 {
                bytes = bytes.dropFirst(written)
            } else if errno == EAGAIN {
                // Somebody has set the stream so that it does not wait.
                var request = pollfd(fd: stream, events: Int16(POLLOUT), revents: 0)
                poll(&request, 1, -1)
            } else if errno != EINTR {
                return errno
            }
        }
        return nil
    }

    /// The operating system's words for an `errno`.
    static func message(_ code: Int32) -> String { String(cString: strerror(code)) }

    /// The file or folder that an argument names; an empty one is no name for the current folder.
    static func url(_ path: String) throws(BitNetError) -> URL {
        guard !path.isEmpty else { throw .fileNotFound(path: "''") }
        let folder = FileManager.default.currentDirectoryPath
        let isRelative = !path.utf8.starts(with: "/".utf8) && !path.utf8.starts(with: "~".utf8)
        // A URL takes `..` off a relative path with the name before it, which may be a link.
        return URL(fileURLWithPath: isRelative && !folder.isEmpty ? "\(folder)/\(path)" : path)
    }

    /// What messages call the file or folder that an argument names: the whole path, as the library's
    /// messages have it, or standard input.
    static func wholePath(_ path: String) -> String {
        if path == "-" || path == "/dev/stdin" { return "standard input" }
        return (try? url(path))?.path ?? "''"
    }

    /// The file to be read that an argument names, standard input for "-".
    static func textFile(_ path: String) throws(BitNetError) -> URL {
        guard path == "-" || path == "/dev/stdin" else { return try url(path) }
        guard !closedStreams.contains(STDIN_FILENO) else {
            throw .unreadable(path: "standard input", reason: "it is closed")
        }
        return URL(fileURLWithPath: "/dev/stdin")
    }

    /// `value` as one line of JSON.
    static func json(_ value: some Encodable) throws(BitNetError) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return String(decoding: try encoder.encode(value), as: UTF8.self)
        } catch {
            throw .unwritable(path: "JSON", reason: "\(error)")
        }
    }
}

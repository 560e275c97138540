import BitNetKit
import Foundation

/// Standard input, output and error.
enum Terminal {
    /// Whether somebody types at standard input.
    static var isInputTerminal: Bool { isatty(STDIN_FILENO) == 1 }
    /// Whether somebody reads standard error.
    static var isErrorTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// Writes `text` to standard output at once.
    static func write(_ text: String) throws(BitNetError) {
        do {
            try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
        } catch {
            throw .unwritable(path: "standard output", reason: error.localizedDescription)
        }
    }

    /// Writes a line to standard error. Nobody is left to tell if that fails.
    static func report(_ line: String) {
        try? FileHandle.standardError.write(contentsOf: Data("\(line)\n".utf8))
    }

    /// Replaces standard error's last line, or removes it if `line` is empty.
    static func reportInPlace(_ line: String) {
        try? FileHandle.standardError.write(contentsOf: Data("\r\u{1B}[K\(line)".utf8))
    }

    /// The file or folder that an argument names; an empty one is no name for the current folder.
    static func url(_ path: String) throws(BitNetError) -> URL {
        guard !path.isEmpty else { throw .fileNotFound(path: "''") }
        return URL(fileURLWithPath: path)
    }

    /// All of a file, or of standard input for "-"; it must be UTF-8.
    static func readText(_ path: String) throws(BitNetError) -> String {
        let name = path == "-" ? "standard input" : path
        let data: Data
        if path != "-" && !FileManager.default.fileExists(atPath: path) {
            throw .fileNotFound(path: path)
        }
        do {
            data =
                path == "-"
                ? try FileHandle.standardInput.readToEnd() ?? Data()
                : try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw .unreadable(path: name, reason: error.localizedDescription)
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw .malformedFile(path: name, detail: "is not UTF-8 text")
        }
        return text
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

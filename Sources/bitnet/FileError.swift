import BitNetKit
import Foundation

/// What is wrong with the file or folder of an argument. Some of the library's errors know the
/// tensor only; in front of a terminal the file belongs to it.
struct FileError: Error, CustomStringConvertible {
    let path: String
    let error: BitNetError

    var description: String {
        let isNamed =
            switch error {
            case .shapeMismatch, .corruptTensor, .notTernary, .unsupportedArchitecture, .tokenizer:
                Terminal.names(path, "\(error)")
            default: true
            }
        return (isNamed ? "" : path + ": ") + "\(error)" + remedy
    }

    /// What to do, where the library cannot know that the numbers come from a file.
    private var remedy: String {
        if case .shapeMismatch = error { "; do all files belong to this model?" } else { "" }
    }
}

extension Terminal {
    /// Whether a message begins with the file that it is about, or one in that folder.
    static func names(_ path: String, _ message: String) -> Bool {
        let kind = "tokenizer: "
        let text = message.hasPrefix(kind) ? String(message.dropFirst(kind.count)) : message
        // The library knows the whole path.
        return [path, (try? url(path))?.path ?? path].contains { path in
            guard text.hasPrefix(path) else { return false }
            let next = text.dropFirst(path.count).first
            return path.hasSuffix("/") || next == ":" || next == "/"
        }
    }

    /// Says what is odd about a file, and names it once.
    static func warn(_ message: String, about path: String) {
        warn(names(path, message) ? message : "\(path): \(message)")
    }
}

/// Runs `body`; its errors name `path`.
func naming<Value>(
    _ path: String, _ body: () async throws(BitNetError) -> Value
) async throws(FileError) -> Value {
    do {
        return try await body()
    } catch {
        throw FileError(path: path, error: error)
    }
}

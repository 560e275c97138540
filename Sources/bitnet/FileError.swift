import BitNetKit
import Foundation

/// What is wrong with the file or folder of an argument. Some of the library's errors know the
/// tensor only; in front of a terminal the file belongs to it.
struct FileError: Error {
    let path: String
    let error: BitNetError

    /// What has gone wrong, for somebody who has typed the command of `syntax`.
    func message(_ syntax: CommandSyntax) -> String {
        let message = syntax.message(of: error)
        let file = Terminal.wholePath(path)
        switch error {
        case .shapeMismatch, .corruptTensor, .notTernary, .unsupportedArchitecture, .tokenizer:
            return (Terminal.names(path, message) ? "" : file + ": ") + message + remedy
        case .grammar(let detail): return "\(file): \(detail)"
        default: return message + remedy
        }
    }

    /// What to do, where the library cannot know that the numbers come from a file.
    private var remedy: String {
        switch error {
        case .shapeMismatch: "; do all files belong to this model?"
        case .fileNotFound where path == "-": "; standard input is /dev/stdin here"
        case .fileNotFound: Self.hubHint(path).map { "; " + $0 } ?? ""
        default: ""
        }
    }

    /// What to do about a name that is none of a file here, but looks like that of a model on Hugging
    /// Face, `owner/name` or an address; nil for any other.
    static func hubHint(_ path: String) -> String? {
        var id = path[...]
        for prefix in ["https://", "http://", "huggingface.co/", "hf.co/", "hf:"]
        where id.hasPrefix(prefix) {
            id = id.dropFirst(prefix.count)
        }
        let isAddress = id.startIndex > path.startIndex
        let parts = id.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 || (isAddress && parts.count > 2),
            parts.prefix(2).allSatisfy(isHubName)
        else { return nil }
        let files = [".gguf", ".safetensors", ".json", ".bin", ".model", ".txt"]
        guard isAddress || !files.contains(where: id.lowercased().hasSuffix),
            isAddress || !FileManager.default.fileExists(atPath: String(parts[0]))
        else { return nil }
        let (owner, name) = (parts[0], parts[1])
        let isGGUF = name.lowercased().hasSuffix("gguf")
        return "a model of Hugging Face is fetched first: "
            + "hf download \(owner)/\(name) --local-dir \(name); then name "
            + (isGGUF ? "the .gguf file in \(name)" : "the folder \(name)")
    }

    private static func isHubName(_ name: Substring) -> Bool {
        let letters = name.utf8
        func isWord(_ byte: UInt8) -> Bool {
            Unicode.Scalar(byte).properties.isAlphabetic && byte < 128
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        return letters.first.map(isWord) == true && letters.count <= 96
            && letters.allSatisfy { isWord($0) || "-_.".utf8.contains($0) }
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
        warn(names(path, message) ? message : "\(wholePath(path)): \(message)")
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

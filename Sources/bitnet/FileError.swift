import BitNetKit

/// What is wrong with the file or folder of an argument. Some of the library's errors know the
/// tensor only; in front of a terminal the file belongs to it.
struct FileError: Error, CustomStringConvertible {
    let path: String
    let error: BitNetError

    var description: String {
        let isNamed =
            switch error {
            case .shapeMismatch, .corruptTensor, .notTernary, .unsupportedArchitecture, .tokenizer:
                "\(error)".contains(path)
            default: true
            }
        return (isNamed ? "" : path + ": ") + "\(error)" + remedy
    }

    /// What to do, where the library cannot know that the numbers come from a file.
    private var remedy: String {
        if case .shapeMismatch = error { "; do all files belong to this model?" } else { "" }
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

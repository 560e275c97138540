#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A folder that files are to be written into.
package enum OutputFolder {
    /// Makes the folder, and those above it, where they are not there; whether it was not.
    ///
    /// - Throws: `BitNetError.unwritable`, which says what is there instead.
    @discardableResult
    package static func make(_ path: String) throws(BitNetError) -> Bool {
        guard try !isThere(path) else { return false }
        let above = OutputTarget.folder(of: withoutEnd(path))
        if !withoutEnd(above).isEmpty { try make(withoutEnd(above)) }
        guard mkdir(path, 0o777) == 0 || errno == EEXIST else {
            throw .unwritable(path: path, reason: systemErrorMessage(errno))
        }
        return true
    }

    /// Whether the folder is there, so that files can be made in it.
    ///
    /// - Throws: `BitNetError.unwritable` where something else has its name.
    package static func isThere(_ path: String) throws(BitNetError) -> Bool {
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw .unwritable(path: path, reason: "it is not the name of a folder")
        }
        var status = stat()
        guard stat(path, &status) == 0 else {
            let code = errno
            guard code == ENOENT else {
                let reason =
                    code == ENOTDIR
                    ? "a part of the path is a file, not a folder" : systemErrorMessage(code)
                throw .unwritable(path: path, reason: reason)
            }
            guard lstat(path, &status) != 0 else {
                throw .unwritable(
                    path: path,
                    reason: "it is a link to something that is not there; make that or remove the "
                        + "link")
            }
            return false
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw .unwritable(
                path: path,
                reason: "it is \(kind(status.st_mode)), not a folder; give the name of a folder")
        }
        guard faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) == 0 else {
            throw .unwritable(path: path, reason: systemErrorMessage(errno))
        }
        return true
    }

    private static func kind(_ mode: mode_t) -> String {
        switch mode & S_IFMT {
        case S_IFREG: "a file"
        case S_IFIFO: "a pipe"
        case S_IFSOCK: "a socket"
        default: "a device"
        }
    }

    /// The path without slashes at its end.
    private static func withoutEnd(_ path: String) -> String {
        let end = path.utf8.lastIndex { $0 != UInt8(ascii: "/") }
        return end.map { String(path[...$0]) } ?? ""
    }
}

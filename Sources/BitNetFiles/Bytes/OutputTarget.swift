#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// What a path leads to that is to be written.
enum OutputTarget {
    /// A regular file, or a name that is free (`old` is nil); no link is left at the path's end.
    case file(path: String, old: stat?)
    /// A pipe or a device that takes bytes one after the other; it is written to as it stands.
    case stream(kind: mode_t)
    /// A file that the process has open already, such as `/dev/stdout`; bytes go where it stands.
    case descriptor(Int32)

    /// Looks at what is there, and refuses what must not be written.
    ///
    /// - Throws: `BitNetError.unwritable` for a folder, a socket, a disk, a read-only file, links
    ///   that form a circle.
    init(_ path: String) throws(BitNetError) {
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw .unwritable(path: path, reason: "it is not a file name")
        }
        if let number = Self.ownDescriptor(path) {
            self = .descriptor(number)
            return
        }
        var status = stat()
        guard stat(path, &status) == 0 else {
            guard errno == ENOENT else {
                throw .unwritable(path: path, reason: systemErrorMessage(errno))
            }
            let file = try Self.followingLinks(path)
            guard file.utf8.last != UInt8(ascii: "/") else {
                throw .unwritable(path: path, reason: "it names a folder; give the name of a file")
            }
            self = .file(path: file, old: nil)
            return
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            let file = try Self.followingLinks(path)
            try Self.checkReplaceable(file, status, path: path)
            self = .file(path: file, old: status)
        case S_IFIFO, S_IFCHR:
            self = .stream(kind: status.st_mode & S_IFMT)
        case S_IFDIR:
            throw .unwritable(path: path, reason: "it is a folder; give the name of a file")
        case S_IFSOCK:
            throw .unwritable(path: path, reason: "it is a socket; give a file or a pipe")
        case S_IFBLK:
            throw .unwritable(path: path, reason: "it is a disk; give a file or a pipe")
        default:
            throw .unwritable(path: path, reason: "it is not a regular file")
        }
    }

    private static func checkReplaceable(
        _ file: String, _ status: stat, path: String
    ) throws(BitNetError) {
        // A link in /proc can lead to a file that has been removed.
        var found = stat()
        guard lstat(file, &found) == 0, found.st_dev == status.st_dev,
            found.st_ino == status.st_ino
        else { throw .unwritable(path: path, reason: "it is an open file without a name") }
        // Root may write what nobody may; the bits still say what the owner wants.
        guard status.st_mode & 0o222 != 0 else {
            throw .unwritable(
                path: path, reason: "it is read-only; make it writable or give another name")
        }
        guard faccessat(AT_FDCWD, file, W_OK, AT_EACCESS) == 0 else {
            throw .unwritable(path: path, reason: systemErrorMessage(errno))
        }
    }

    /// The path that links at the end of `path` lead to, whether there is something or not.
    private static func followingLinks(_ path: String) throws(BitNetError) -> String {
        var current = path
        // As many as Linux follows.
        for _ in 0..<40 {
            guard let link = link(at: current) else { return current }
            guard let target = String(validating: link, as: UTF8.self) else {
                throw .unwritable(path: path, reason: "the name it links to is not UTF-8")
            }
            current = target.utf8.first == UInt8(ascii: "/") ? target : folder(of: current) + target
        }
        throw .unwritable(path: path, reason: systemErrorMessage(ELOOP))
    }

    /// What the link at `path` says; nil where there is no link.
    private static func link(at path: String) -> ArraySlice<UInt8>? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = buffer.withUnsafeMutableBytes {
            readlink(path, $0.bindMemory(to: CChar.self).baseAddress!, $0.count)
        }
        return count > 0 ? buffer.prefix(count) : nil
    }

    /// The number of the process's own open file that `path` leads to, such as `/dev/stdout` or
    /// `/dev/fd/3`; nil for other paths.
    ///
    /// Replacing the file behind it would leave the one that is open, and what others write to it,
    /// without a name. Systems without `/proc` have devices under such names.
    private static func ownDescriptor(_ path: String) -> Int32? {
        var own = stat()
        guard stat("/proc/self/fd", &own) == 0 else { return nil }
        var current = path
        for _ in 0..<40 {
            let folder = folder(of: current)
            let name = current.utf8.dropFirst(folder.utf8.count)
            var status = stat()
            if let number = Int32(String(decoding: name, as: UTF8.self)), number >= 0,
                stat(folder.isEmpty ? "." : folder, &status) == 0,
                status.st_dev == own.st_dev, status.st_ino == own.st_ino
            {
                return number
            }
            guard let link = link(at: current),
                let target = String(validating: link, as: UTF8.self)
            else { return nil }
            current = target.utf8.first == UInt8(ascii: "/") ? target : folder + target
        }
        return nil
    }

    /// The part of `path` up to its last slash; empty where there is none.
    static func folder(of path: String) -> String {
        let end = path.utf8.lastIndex(of: UInt8(ascii: "/"))
        return end.map { String(path[...$0]) } ?? ""
    }
}

/// Whether two paths lead to the same file; false where one leads nowhere.
package func areSameFile(_ first: String, _ second: String) -> Bool {
    var (one, other) = (stat(), stat())
    return stat(first, &one) == 0 && stat(second, &other) == 0
        && one.st_dev == other.st_dev && one.st_ino == other.st_ino
}

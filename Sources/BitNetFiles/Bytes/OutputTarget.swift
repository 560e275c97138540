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

    /// Looks at what is there, and refuses what must not be written.
    ///
    /// - Throws: `BitNetError.unwritable` for a folder, a socket, a disk, a read-only file, links
    ///   that form a circle.
    init(_ path: String) throws(BitNetError) {
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw .unwritable(path: path, reason: "it is not a file name")
        }
        var status = stat()
        guard stat(path, &status) == 0 else {
            guard errno == ENOENT else {
                throw .unwritable(path: path, reason: systemErrorMessage(errno))
            }
            self = .file(path: try Self.followingLinks(path), old: nil)
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
            var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX) + 1)
            let count = buffer.withUnsafeMutableBytes {
                readlink(current, $0.bindMemory(to: CChar.self).baseAddress!, $0.count)
            }
            // Not a link, or nothing there.
            guard count > 0 else { return current }
            guard let target = String(validating: buffer.prefix(count), as: UTF8.self) else {
                throw .unwritable(path: path, reason: "the name it links to is not UTF-8")
            }
            current = target.utf8.first == UInt8(ascii: "/") ? target : folder(of: current) + target
        }
        throw .unwritable(path: path, reason: systemErrorMessage(ELOOP))
    }

    /// The part of `path` up to its last slash; empty where there is none.
    static func folder(of path: String) -> String {
        let end = path.utf8.lastIndex(of: UInt8(ascii: "/"))
        return end.map { String(path[...$0]) } ?? ""
    }
}

// MARK: - Streams

/// Opens the pipe or device at `path` for writing.
///
/// A pipe is given a few seconds until somebody reads it.
func openStream(_ path: String, kind: mode_t) throws(BitNetError) -> Int32 {
    let deadline = ContinuousClock.now + .seconds(3)
    var descriptor: Int32
    repeat {
        if Task.isCancelled { throw .cancelled }
        // Without O_NONBLOCK, a pipe that nobody reads would be waited for without end.
        descriptor = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor < 0, errno == ENXIO, kind == S_IFIFO, ContinuousClock.now < deadline
        else { break }
        usleep(20_000)
    } while true
    guard descriptor >= 0 else {
        let nobody = errno == ENXIO && kind == S_IFIFO
        throw .unwritable(
            path: path,
            reason: nobody
                ? "nobody reads this pipe; start its reader first" : systemErrorMessage(errno))
    }
    do throws(BitNetError) {
        try checkStream(descriptor, path, kind: kind)
    } catch {
        _ = close(descriptor)
        throw error
    }
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
    #if canImport(Darwin)
        _ = fcntl(descriptor, F_SETNOSIGPIPE, 1)
    #endif
    return descriptor
}

private func checkStream(
    _ descriptor: Int32, _ path: String, kind: mode_t
) throws(BitNetError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == kind else {
        throw .unwritable(path: path, reason: "it has just become something else")
    }
    guard isatty(descriptor) == 0 else {
        throw .unwritable(path: path, reason: "it is a terminal; give a file or a pipe")
    }
}

/// Runs `body` so that a pipe whose reader has gone gives `EPIPE` and does not end the process.
func withoutBrokenPipeSignal<Result>(_ body: () -> Result) -> Result {
    #if canImport(Darwin)
        // The descriptor is set so.
        return body()
    #else
        var (pipe, old, pending) = (sigset_t(), sigset_t(), sigset_t())
        sigemptyset(&pipe)
        sigaddset(&pipe, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &pipe, &old)
        sigpending(&pending)
        let wasPending = sigismember(&pending, SIGPIPE) == 1
        let result = body()
        // The signal is for this thread alone; what is taken here was raised by `body`.
        if !wasPending {
            var now = timespec()
            _ = sigtimedwait(&pipe, nil, &now)
        }
        pthread_sigmask(SIG_SETMASK, &old, nil)
        return result
    #endif
}

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A file that is open for reading.
///
/// Bytes are copied when they are asked for, so that a file that somebody else shortens meanwhile
/// gives an error; a mapping would end the process. A file that is replaced under its name stays
/// the one that was opened.
package final class InputFile: Sendable {
    /// The path the file was opened with.
    package let path: String
    /// Size in bytes when the file was opened, at least 1.
    package let count: Int
    private let descriptor: Int32
    private let opened: Version

    /// Opens the file at `path`.
    ///
    /// Throws `fileNotFound`, `unreadable` (a folder, a device, no permission) or `malformedFile`
    /// (an empty file).
    package init(opening path: String) throws(BitNetError) {
        // A C string would end at the zero and name another file.
        guard !path.utf8.contains(0) else { throw .fileNotFound(path: path) }
        // Without O_NONBLOCK, opening a named pipe would wait for a writer.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            let code = errno
            if code == ENOENT || code == ENOTDIR { throw .fileNotFound(path: path) }
            let reason =
                code == ENXIO
                ? "it is a socket or a device that is not there" : systemErrorMessage(code)
            throw .unreadable(path: path, reason: reason)
        }
        do throws(BitNetError) {
            let status = try Self.status(of: descriptor, path: path)
            count = try Self.size(of: status, path: path)
            opened = Version(status)
        } catch {
            _ = close(descriptor)
            throw error
        }
        self.path = path
        self.descriptor = descriptor
    }

    deinit { _ = close(descriptor) }

    private static func status(of descriptor: Int32, path: String) throws(BitNetError) -> stat {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw .unreadable(path: path, reason: systemErrorMessage(errno))
        }
        return status
    }

    private static func size(of status: stat, path: String) throws(BitNetError) -> Int {
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw .unreadable(path: path, reason: "it is a folder, not a file")
        default:
            throw .unreadable(
                path: path,
                reason: "it is not a regular file, which this has to be; save it to one first")
        }
        guard status.st_size > 0 else {
            throw .malformedFile(path: path, detail: "the file is empty; is the download complete?")
        }
        guard let size = Int(exactly: status.st_size) else {
            throw .unreadable(path: path, reason: "it is too large for this address space")
        }
        return size
    }

    /// What tells whether a file is still the one that was opened.
    private struct Version: Equatable {
        /// When it was written to last, and when anything of it was changed.
        let modified, changed: Time
        /// Its names, owner and rights.
        let links, owner, group, mode: Int

        init(_ status: stat) {
            #if canImport(Darwin)
                modified = Time(status.st_mtimespec)
                changed = Time(status.st_ctimespec)
            #else
                modified = Time(status.st_mtim)
                changed = Time(status.st_ctim)
            #endif
            links = Int(status.st_nlink)
            owner = Int(status.st_uid)
            group = Int(status.st_gid)
            mode = Int(status.st_mode)
        }

        /// Whether something but the content explains that `changed` is another: names, owner or
        /// rights.
        func hasOtherAttributes(than other: Self) -> Bool {
            (links, owner, group, mode) != (other.links, other.owner, other.group, other.mode)
        }
    }

    private struct Time: Equatable {
        let seconds, nanoseconds: Int

        init(_ time: timespec) {
            seconds = Int(time.tv_sec)
            nanoseconds = Int(time.tv_nsec)
        }
    }
}

// MARK: - Reading

extension InputFile {
    /// Copies the bytes from `offset` on, as many as `target` has, which the file had when it was
    /// opened.
    ///
    /// Throws `unreadable`, also where the file has become too short.
    func read(from offset: Int, into target: UnsafeMutableRawBufferPointer) throws(BitNetError) {
        precondition(offset >= 0 && target.count <= count - offset)
        var done = 0
        while done < target.count, let start = target.baseAddress {
            // No system reads 2 GB at once.
            let part = min(target.count - done, 1 << 30)
            let found = pread(descriptor, start + done, part, off_t(offset + done))
            if found < 0 {
                if errno == EINTR { continue }
                throw .unreadable(path: path, reason: systemErrorMessage(errno))
            }
            guard found > 0 else { throw hasChanged(size: offset + done) }
            done += found
        }
    }

    /// Throws `unreadable` where somebody has written to the file since it was opened, or has
    /// changed its size: what was read may be of two versions.
    ///
    /// Copying tools set the time of writing back to that of their source, so the time of the latest
    /// change of any kind counts, too, unless a file that was renamed, linked, removed, or got other
    /// rights explains it.
    package func checkUnchanged() throws(BitNetError) {
        let status = try Self.status(of: descriptor, path: path)
        let latest = Version(status)
        guard Int(status.st_size) == count, latest.modified == opened.modified,
            latest.changed == opened.changed || latest.hasOtherAttributes(than: opened)
                || !isStillNamed(status)
        else { throw hasChanged(size: Int(status.st_size)) }
    }

    /// Whether the path still names the file whose status this is.
    private func isStillNamed(_ status: stat) -> Bool {
        var named = stat()
        return stat(path, &named) == 0 && named.st_ino == status.st_ino
            && named.st_dev == status.st_dev
    }

    /// Runs `body`, which reads from the file.
    ///
    /// Throws `unreadable` where somebody has changed it since it was opened: what was read may be
    /// of two versions, and an error of `body` is likely to come from that.
    package func reading<Result>(
        _ body: () throws(BitNetError) -> Result
    ) throws(BitNetError) -> Result {
        do throws(BitNetError) {
            let result = try body()
            try checkUnchanged()
            return result
        } catch {
            try checkUnchanged()
            throw error
        }
    }

    private func hasChanged(size: Int) -> BitNetError {
        let what = size == count ? "" : ", from \(count) bytes to \(size)"
        return .unreadable(
            path: path,
            reason: "it was changed while it was read\(what); try again when nobody writes to it")
    }

    /// The first `size` bytes, or all there are.
    private func beginning(_ size: Int, of end: Int) throws(BitNetError) -> ByteRegion {
        let buffer = try AlignedBuffer<UInt8>(count: min(size, end), purpose: path)
        try read(from: 0, into: buffer.view.bytes)
        return ByteRegion(buffer, path: path, count: end)
    }

    /// The largest beginning of a file that is read before anybody knows how much is needed: no
    /// known model has more metadata.
    private static let firstBytes = 16 << 20

    /// Calls `parse` with the first `end` bytes of the file, of which only a beginning is in memory;
    /// with a longer one each time that was not enough.
    ///
    /// Throws `unreadable` where somebody changes the file meanwhile.
    package func parseBeginning<Result>(
        of end: Int, _ parse: (ByteRegion) throws(BitNetError) -> Result
    ) throws(BitNetError) -> Result {
        var size = InputFile.firstBytes
        while true {
            let region = try beginning(size, of: end)
            do throws(BitNetError) {
                return try reading { () throws(BitNetError) in try parse(region) }
            } catch {
                guard let needed = region.missing, size < end else { throw error }
                size = min(end, max(needed, size.multipliedReportingOverflow(by: 4).partialValue))
            }
        }
    }
}

// MARK: - Mapping

extension InputFile {
    /// The bytes of `range` mapped into memory for as long as somebody holds them. Whoever reads
    /// them trusts the file: if it is shortened, the operating system ends the process.
    ///
    /// Throws `unreadable`, `outOfMemory`.
    func map(_ range: Range<Int>) throws(BitNetError) -> BorrowedBytes {
        precondition(!range.isEmpty && range.lowerBound >= 0 && range.upperBound <= count)
        let page = max(1, Int(sysconf(Int32(_SC_PAGESIZE))))
        let start = range.lowerBound / page * page
        let length = range.upperBound - start
        guard let base = mmap(nil, length, PROT_READ, MAP_PRIVATE, descriptor, off_t(start)),
            base != MAP_FAILED
        else {
            let code = errno
            if code == ENOMEM { throw .outOfMemory(bytes: length, purpose: path) }
            throw .unreadable(path: path, reason: systemErrorMessage(code))
        }
        let mapping = Mapping(base: base, count: length)
        return BorrowedBytes(
            UnsafeRawBufferPointer(start: base + (range.lowerBound - start), count: range.count),
            owner: mapping)
    }

    private final class Mapping: Sendable {
        // Nobody writes through it.
        nonisolated(unsafe) private let base: UnsafeMutableRawPointer
        private let count: Int

        init(base: UnsafeMutableRawPointer, count: Int) {
            self.base = base
            self.count = count
        }

        deinit { munmap(base, count) }
    }
}

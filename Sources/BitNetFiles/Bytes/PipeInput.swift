#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

extension FileRegion {
    /// The whole of a file that a user has named: opened, or read to its end where it is a pipe.
    ///
    /// What a model's own files name is opened by `InputFile`, which refuses pipes: nobody meant to
    /// wait for those.
    ///
    /// - Throws: as `InputFile`, `BitNetError.unreadable` also where nothing comes through a pipe
    ///   for half a minute.
    package init(opening path: String) throws(BitNetError) {
        var status = stat()
        guard !path.utf8.contains(0), stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFIFO
        else {
            self.init(try InputFile(opening: path))
            return
        }
        self.init(ByteRegion(try PipeInput(opening: path).all(), path: path))
    }
}

/// A pipe being read to its end.
struct PipeInput: ~Copyable {
    private let path: String
    private let descriptor: Int32
    /// The longest time without a byte.
    private let patience: Duration

    init(opening path: String, patience: Duration = .seconds(30)) throws(BitNetError) {
        self.path = path
        self.patience = patience
        // Without O_NONBLOCK, opening would wait for a writer without end.
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw .unreadable(path: path, reason: systemErrorMessage(errno))
        }
    }

    deinit { _ = close(descriptor) }

    /// All bytes.
    ///
    /// - Throws: `BitNetError.unreadable`, `.malformedFile` where there are none, `.outOfMemory` for
    ///   more than half of the machine's memory, `.cancelled`.
    func all() throws(BitNetError) -> [UInt8] {
        let limit = sysconf(Int32(_SC_PHYS_PAGES)) / 2 * sysconf(Int32(_SC_PAGESIZE))
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            try waitForBytes()
            let count = read(descriptor, &part, part.count)
            if count < 0 {
                if errno == EINTR || errno == EAGAIN { continue }
                throw .unreadable(path: path, reason: systemErrorMessage(errno))
            }
            if count == 0 { break }
            guard bytes.count + count <= limit else {
                throw .outOfMemory(bytes: bytes.count + count, purpose: "what comes from \(path)")
            }
            bytes += part.prefix(count)
        }
        guard !bytes.isEmpty else {
            throw .malformedFile(path: path, detail: "nothing came through this pipe")
        }
        return bytes
    }

    /// Waits for bytes or the end.
    private func waitForBytes() throws(BitNetError) {
        let deadline = ContinuousClock.now + patience
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while poll(&request, 1, 100) < 1 {
            if Task.isCancelled { throw .cancelled }
            guard ContinuousClock.now < deadline else {
                throw .unreadable(
                    path: path, reason: "nothing comes through this pipe; start its writer first")
            }
        }
    }
}

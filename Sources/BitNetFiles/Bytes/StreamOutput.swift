#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A pipe or a device that takes bytes one after the other, and keeps what it has taken.
struct StreamOutput {
    let descriptor: Int32
    /// Whether a write may wait for a reader, and the most bytes that one takes without.
    private let isPipe: Bool
    private static let pipeBytes = 4096

    private init(_ descriptor: Int32, isPipe: Bool) {
        self.descriptor = descriptor
        self.isPipe = isPipe
        #if canImport(Darwin)
            _ = fcntl(descriptor, F_SETNOSIGPIPE, 1)
        #endif
    }

    /// Opens the pipe or device at `path`.
    ///
    /// A pipe is given a few seconds until somebody reads it.
    init(opening path: String, kind: mode_t) throws(BitNetError) {
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
        try self.init(checking: descriptor, path, kind: kind)
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
    }

    /// Another descriptor of an open file, so that closing it leaves that one open.
    init(duplicating number: Int32, path: String) throws(BitNetError) {
        let flags = fcntl(number, F_GETFL)
        guard flags >= 0 else {
            throw .unwritable(path: path, reason: systemErrorMessage(errno))
        }
        guard flags & O_ACCMODE != O_RDONLY else {
            throw .unwritable(path: path, reason: "it is closed, or open for reading only")
        }
        let descriptor = fcntl(number, F_DUPFD_CLOEXEC, 0)
        guard descriptor >= 0 else {
            throw .unwritable(path: path, reason: systemErrorMessage(errno))
        }
        try self.init(checking: descriptor, path, kind: nil)
    }

    /// Takes over `descriptor`, or closes it where it is not of that kind or a terminal.
    private init(
        checking descriptor: Int32, _ path: String, kind: mode_t?
    ) throws(BitNetError) {
        var status = stat()
        let found = fstat(descriptor, &status) == 0 ? status.st_mode & S_IFMT : nil
        var problem: String?
        if found == nil || found != (kind ?? found) {
            problem = "it has just become something else"
        } else if isatty(descriptor) == 1 {
            problem = "it is a terminal; give a file or a pipe"
        }
        if let problem {
            _ = Self.close(descriptor)
            throw .unwritable(path: path, reason: problem)
        }
        self.init(descriptor, isPipe: found == S_IFIFO || found == S_IFSOCK)
    }

    /// Writes all bytes; returns the `errno` of a failure.
    ///
    /// A pipe takes them a few at a time, so that a task that is cancelled need not wait for its
    /// reader.
    ///
    /// - Throws: `BitNetError.cancelled`.
    func write(_ bytes: ByteRegion) throws(BitNetError) -> Int32? {
        try withoutWriteSignals { () throws(BitNetError) in
            guard isPipe else { return bytes.write(toDescriptor: descriptor) }
            for start in stride(from: 0, to: bytes.count, by: Self.pipeBytes) {
                try waitForReader()
                let part = bytes.part(start..<min(start + Self.pipeBytes, bytes.count))
                if let code = part.write(toDescriptor: descriptor) { return code }
            }
            return nil
        }
    }

    /// Waits until the pipe has room.
    private func waitForReader() throws(BitNetError) {
        var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        while poll(&request, 1, 100) < 1 {
            if Task.isCancelled { throw .cancelled }
        }
    }

    /// Closes the stream; returns the `errno` of a failure.
    func close() -> Int32? { Self.close(descriptor) == 0 ? nil : errno }

    private static func close(_ descriptor: Int32) -> Int32 {
        #if canImport(Darwin)
            Darwin.close(descriptor)
        #elseif canImport(Musl)
            Musl.close(descriptor)
        #else
            Glibc.close(descriptor)
        #endif
    }
}

/// Runs `body`, which writes, so that a pipe whose reader has gone gives `EPIPE`, a file that has
/// reached the process's limit gives `EFBIG`, and neither ends the process.
func withoutWriteSignals<Result, Failure: Error>(
    _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
    #if canImport(Darwin)
        // A pipe is set so when it is opened.
        return try body()
    #else
        var (blocked, old, pending) = (sigset_t(), sigset_t(), sigset_t())
        sigemptyset(&blocked)
        sigpending(&pending)
        // One that is pending already is not from `body` and stays.
        for number in [SIGPIPE, SIGXFSZ] where sigismember(&pending, number) != 1 {
            sigaddset(&blocked, number)
        }
        pthread_sigmask(SIG_BLOCK, &blocked, &old)
        defer {
            // These signals are for this thread alone: what is taken here was raised by `body`.
            var now = timespec()
            while sigtimedwait(&blocked, nil, &now) > 0 {}
            pthread_sigmask(SIG_SETMASK, &old, nil)
        }
        return try body()
    #endif
}

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Says of the beginning of what comes through a pipe how many bytes it can have in all; nil where
/// more has to come first.
///
/// The region has the length that is possible at most, of which a beginning is in memory. Throws
/// where this is not what the reader wants.
package typealias PipeJudgement = (ByteRegion) throws(BitNetError) -> Int?

extension FileRegion {
    /// The whole of a file that a user has named: opened, or read to its end where it is a pipe.
    ///
    /// What a model's own files name is opened by `InputFile`, which refuses pipes: nobody meant to
    /// wait for those.
    ///
    /// - Parameter judge: asked about a pipe after some KB, and again each time there is twice as
    ///   much, until it knows.
    /// - Throws: as `InputFile`, `BitNetError.unreadable` also where nothing comes through a pipe
    ///   for half a minute; what `judge` throws.
    package init(
        opening path: String, judge: PipeJudgement
    ) throws(BitNetError) {
        var status = stat()
        guard !path.utf8.contains(0), stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFIFO
        else {
            self.init(try InputFile(opening: path))
            return
        }
        self.init(try PipeInput(opening: path).all(judge: judge))
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

    /// What is read before `judge` is asked first.
    private static let firstBytes = 4096

    /// The most bytes that are read: half of the machine's memory.
    private static var mostBytes: Int {
        max(firstBytes, sysconf(Int32(_SC_PHYS_PAGES)) / 2 * sysconf(Int32(_SC_PAGESIZE)))
    }

    /// All bytes.
    ///
    /// - Throws: `BitNetError.unreadable`, `.malformedFile` where there are none or more than
    ///   `judge` allows, `.outOfMemory` for more than half of the machine's memory, `.cancelled`.
    func all(judge: PipeJudgement) throws(BitNetError) -> ByteRegion {
        let purpose = "what comes from \(path)"
        var buffer = try AlignedBuffer<UInt8>(count: 1 << 20, purpose: purpose)
        var (count, next) = (0, Self.firstBytes)
        var limit: Int?
        while true {
            if count == buffer.count {
                let larger = try AlignedBuffer<UInt8>(count: 2 * count, purpose: purpose)
                larger.view[0..<count].copy(from: UnsafeRawBufferPointer(buffer.view.bytes))
                buffer = larger
            }
            let new = try read(into: buffer.view[count..<buffer.count])
            count += new
            let isAtEnd = new == 0
            if limit == nil, count >= next || isAtEnd, count > 0 {
                // A copy that ends where the bytes do: what is behind them has not come.
                let beginning = try AlignedBuffer<UInt8>(count: count, purpose: purpose)
                beginning.view.copy(from: UnsafeRawBufferPointer(buffer.view[0..<count].bytes))
                limit = try judge(
                    ByteRegion(beginning, path: path, count: isAtEnd ? count : Self.mostBytes))
                next = max(1 << 20, 2 * count)
            }
            if let limit, count > limit {
                throw .malformedFile(
                    path: path,
                    detail: "more comes through this pipe than the \(limit) bytes that belong to "
                        + "what it begins with; does its writer end?")
            }
            guard count <= Self.mostBytes else {
                throw .outOfMemory(bytes: count, purpose: purpose)
            }
            if isAtEnd { break }
        }
        guard count > 0 else {
            throw .malformedFile(path: path, detail: "nothing came through this pipe")
        }
        return ByteRegion(buffer, path: path, count: count)
    }

    /// Reads some bytes, at least one but at the end.
    private func read(into target: BufferView<UInt8>) throws(BitNetError) -> Int {
        while true {
            if Task.isCancelled { throw .cancelled }
            try waitForBytes()
            #if canImport(Darwin)
                let count = Darwin.read(descriptor, target.bytes.baseAddress, target.count)
            #elseif canImport(Musl)
                let count = Musl.read(descriptor, target.bytes.baseAddress, target.count)
            #else
                let count = Glibc.read(descriptor, target.bytes.baseAddress, target.count)
            #endif
            if count >= 0 { return count }
            guard errno == EINTR || errno == EAGAIN else {
                throw .unreadable(path: path, reason: systemErrorMessage(errno))
            }
        }
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

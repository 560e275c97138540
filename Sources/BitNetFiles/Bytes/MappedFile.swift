#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A whole file mapped into memory, read-only, for as long as the object lives.
///
/// Pages are read on first use, so opening a file of many gigabytes is instant. The file must not
/// be shortened by someone else while it is mapped: the operating system then ends the process.
package final class MappedFile: Sendable {
    /// The path the file was opened with.
    package let path: String
    /// Size in bytes, at least 1.
    package let count: Int
    // Immutable after init, and nobody writes through it.
    nonisolated(unsafe) private let base: UnsafeMutableRawPointer

    /// Maps the file at `path`.
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
        defer { _ = close(descriptor) }
        let size = try Self.size(of: descriptor, path: path)
        guard let mapped = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0),
            mapped != MAP_FAILED
        else { throw .unreadable(path: path, reason: systemErrorMessage(errno)) }
        self.path = path
        self.count = size
        self.base = mapped
    }

    deinit {
        munmap(base, count)
    }

    private static func size(of descriptor: Int32, path: String) throws(BitNetError) -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw .unreadable(path: path, reason: systemErrorMessage(errno))
        }
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

    /// Calls `body` with the bytes of the file, which are valid during the call only.
    func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(start: base, count: count))
    }

    /// Gives the memory of a byte range back to the operating system, which reads it again if
    /// needed.
    ///
    /// Only pages that lie wholly inside `range` are released; a range outside the file is ignored.
    package func release(_ range: Range<Int>) {
        let page = max(1, Int(sysconf(Int32(_SC_PAGESIZE))))
        let range = range.clamped(to: 0..<count)
        guard !range.isEmpty else { return }
        let first = (range.lowerBound + page - 1) / page * page
        // The last page of the file ends in padding that belongs to nobody else.
        let last = range.upperBound == count ? count : range.upperBound / page * page
        guard first < last else { return }
        madvise(base + first, last - first, MADV_DONTNEED)
    }
}

/// A range of bytes of a mapped file, or of bytes in memory.
///
/// The one window through which the file formats look at data: slices are checked against the
/// bounds, and keep the file mapped.
package struct ByteRegion: Sendable {
    private enum Storage: Sendable {
        case file(MappedFile)
        case memory([UInt8], path: String)
    }

    private let storage: Storage
    /// Where the region lies in its file (or in the array it was made from).
    package let range: Range<Int>

    /// The whole of a mapped file.
    package init(_ file: MappedFile) {
        storage = .file(file)
        range = 0..<file.count
    }

    /// Bytes in memory; `path` is what errors call them.
    package init(_ bytes: [UInt8], path: String = "memory") {
        storage = .memory(bytes, path: path)
        range = 0..<bytes.count
    }

    private init(storage: Storage, range: Range<Int>) {
        self.storage = storage
        self.range = range
    }

    /// The file the bytes come from, for messages.
    package var path: String {
        switch storage {
        case .file(let file): file.path
        case .memory(_, let path): path
        }
    }

    /// Size in bytes.
    package var count: Int { range.count }

    /// The part of the region at `part`, counted from the region's own start.
    ///
    /// Throws `malformedFile` where the region does not hold that part.
    package func slice(_ part: Range<Int>) throws(BitNetError) -> ByteRegion {
        guard part.lowerBound >= 0, part.upperBound <= count else {
            throw truncated(at: part.lowerBound, needed: part.count)
        }
        return self.part(part)
    }

    /// The part of the region at `part`, which the caller has checked against the bounds.
    func part(_ part: Range<Int>) -> ByteRegion {
        precondition(part.lowerBound >= 0 && part.upperBound <= count)
        // Cannot overflow: part.upperBound <= count.
        let start = range.lowerBound + part.lowerBound
        return ByteRegion(storage: storage, range: start..<start + part.count)
    }

    /// Calls `body` with the bytes, which are valid during the call only and need not be aligned.
    package func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        switch storage {
        case .file(let file):
            return try file.withUnsafeBytes { (all) throws(Failure) in
                try body(UnsafeRawBufferPointer(rebasing: all[range]))
            }
        case .memory(let bytes, _):
            return try bytes.withUnsafeBufferPointer { (all) throws(Failure) in
                try body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(all)[range]))
            }
        }
    }

    /// The bytes where a mapped file has them; nil for bytes in memory.
    package var borrowed: BorrowedBytes? {
        guard case .file(let file) = storage, !range.isEmpty else { return nil }
        return file.withUnsafeBytes {
            BorrowedBytes(UnsafeRawBufferPointer(rebasing: $0[range]), owner: file)
        }
    }

    /// A copy of the bytes.
    package var bytes: [UInt8] { withUnsafeBytes { Array($0) } }

    /// Tells the operating system that the bytes will not be needed soon; nothing for bytes in
    /// memory.
    package func release() {
        if case .file(let file) = storage { file.release(range) }
    }

    /// The little-endian integer at `offset`, counted from the region's start.
    package func integer<Value: FixedWidthInteger & BitwiseCopyable>(
        at offset: Int, as type: Value.Type = Value.self
    ) throws(BitNetError) -> Value {
        let size = MemoryLayout<Value>.size
        let (end, overflow) = offset.addingReportingOverflow(size)
        guard offset >= 0, !overflow, end <= count else {
            throw truncated(at: offset, needed: size)
        }
        return withUnsafeBytes { bytes in
            Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
        }
    }

    /// The text of the region, or nil where it is not UTF-8.
    var text: String? { withUnsafeBytes { String(validating: $0, as: UTF8.self) } }

    /// The text of the region, with U+FFFD where it is not UTF-8.
    var repairedText: String { withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }

    /// Writes all bytes to an open file; returns the `errno` of a failure.
    func write(toDescriptor descriptor: Int32) -> Int32? {
        withUnsafeBytes { bytes in
            var rest = bytes
            while let start = rest.baseAddress, !rest.isEmpty {
                #if canImport(Darwin)
                    let written = Darwin.write(descriptor, start, rest.count)
                #elseif canImport(Musl)
                    let written = Musl.write(descriptor, start, rest.count)
                #else
                    let written = Glibc.write(descriptor, start, rest.count)
                #endif
                if written < 0 {
                    if errno == EINTR { continue }
                    guard errno == EAGAIN else { return errno }
                    // Whoever has the other end has set it so that it does not wait.
                    var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    poll(&request, 1, -1)
                    continue
                }
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(written))
            }
            return nil
        }
    }

    /// The error for a read of `needed` bytes at `offset` (from the region's start).
    func truncated(at offset: Int, needed: Int) -> BitNetError {
        let left = max(0, count - max(0, offset))
        let position = range.lowerBound.addingReportingOverflow(offset).partialValue
        return .malformedFile(
            path: path,
            detail: "truncated at byte \(position): \(needed) bytes needed, \(left) left; "
                + "is the download complete?")
    }
}

/// The operating system's words for an `errno`.
func systemErrorMessage(_ code: Int32) -> String { String(cString: strerror(code)) }

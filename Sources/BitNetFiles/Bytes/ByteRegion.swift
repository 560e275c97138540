internal import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A range of bytes in memory, of a file or made by the program.
///
/// The one window through which the file formats look at data: slices are checked against the
/// bounds, and keep the memory alive.
package struct ByteRegion: Sendable {
    private enum Storage: Sendable {
        case bytes([UInt8], path: String)
        case file(Beginning)
    }

    /// The first bytes of a file.
    private final class Beginning: Sendable {
        let buffer: AlignedBuffer<UInt8>
        let path: String
        /// How many bytes somebody needed who did not find them in `buffer`, or 0.
        let missing = Atomic(0)

        init(_ buffer: AlignedBuffer<UInt8>, path: String) {
            self.buffer = buffer
            self.path = path
        }
    }

    private let storage: Storage
    /// Where the region lies in its file (or in the array it was made from).
    package let range: Range<Int>

    /// Bytes in memory; `path` is what errors call them.
    package init(_ bytes: [UInt8], path: String = "memory") {
        storage = .bytes(bytes, path: path)
        range = 0..<bytes.count
    }

    /// All of a file, which nobody changes meanwhile.
    package init(reading file: InputFile) throws(BitNetError) {
        let buffer = try AlignedBuffer<UInt8>(count: file.count, purpose: file.path)
        try file.read(from: 0, into: buffer.view.bytes)
        try file.checkUnchanged()
        self.init(buffer, path: file.path, count: file.count)
    }

    /// The first `count` bytes of a file, of which `buffer` may hold only a beginning. What lies
    /// behind that cannot be sliced, and `missing` tells that somebody tried.
    package init(_ buffer: AlignedBuffer<UInt8>, path: String, count: Int) {
        storage = .file(Beginning(buffer, path: path))
        range = 0..<count
    }

    private init(storage: Storage, range: Range<Int>) {
        self.storage = storage
        self.range = range
    }

    /// The file the bytes come from, for messages.
    package var path: String {
        switch storage {
        case .bytes(_, let path): path
        case .file(let file): file.path
        }
    }

    /// How many bytes of the file somebody needed that are not in memory.
    var missing: Int? {
        guard case .file(let file) = storage else { return nil }
        let missing = file.missing.load(ordering: .relaxed)
        return missing > 0 ? missing : nil
    }

    /// Whether the part, which lies in the region, is in memory; notes it if not.
    private func isInMemory(_ part: Range<Int>) -> Bool {
        guard case .file(let file) = storage else { return true }
        let end = range.lowerBound + part.upperBound
        if end <= file.buffer.count { return true }
        file.missing.store(end, ordering: .relaxed)
        return false
    }

    /// Size in bytes.
    package var count: Int { range.count }

    /// The part of the region at `part`, counted from the region's own start.
    ///
    /// Throws `malformedFile` where the region does not hold that part.
    package func slice(_ part: Range<Int>) throws(BitNetError) -> ByteRegion {
        guard part.lowerBound >= 0, part.upperBound <= count, isInMemory(part) else {
            throw truncated(at: part.lowerBound, needed: part.count)
        }
        return self.part(part)
    }

    /// The part of the region at `part`, which lies in it and in memory.
    func part(_ part: Range<Int>) -> ByteRegion {
        precondition(part.lowerBound >= 0 && part.upperBound <= count)
        // Cannot overflow: part.upperBound <= count.
        let start = range.lowerBound + part.lowerBound
        return ByteRegion(storage: storage, range: start..<start + part.count)
    }

    /// Calls `body` with the bytes, all of which are in memory; they are valid during the call only
    /// and need not be aligned.
    package func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        switch storage {
        case .file(let file):
            return try withExtendedLifetime(file) { (file) throws(Failure) in
                try body(UnsafeRawBufferPointer(file.buffer.view[range].bytes))
            }
        case .bytes(let bytes, _):
            return try bytes.withUnsafeBufferPointer { (all) throws(Failure) in
                try body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(all)[range]))
            }
        }
    }

    /// The bytes: a copy, unless they are all of an array in memory.
    package var bytes: [UInt8] {
        if case .bytes(let bytes, _) = storage, range.count == bytes.count { return bytes }
        return withUnsafeBytes { Array($0) }
    }

    /// The first `size` bytes, or all that are there, or all that are in memory.
    package func beginning(_ size: Int) -> [UInt8] {
        let there: Int
        if case .file(let file) = storage {
            there = file.buffer.count
        } else {
            there = range.upperBound
        }
        return part(0..<max(0, min(size, count, there - range.lowerBound))).bytes
    }

    /// The little-endian integer at `offset`, counted from the region's start.
    package func integer<Value: FixedWidthInteger & BitwiseCopyable>(
        at offset: Int, as type: Value.Type = Value.self
    ) throws(BitNetError) -> Value {
        let size = MemoryLayout<Value>.size
        let (end, overflow) = offset.addingReportingOverflow(size)
        guard offset >= 0, !overflow, end <= count, isInMemory(offset..<end) else {
            throw truncated(at: offset, needed: size)
        }
        return part(offset..<end).withUnsafeBytes { bytes in
            Value(littleEndian: bytes.loadUnaligned(as: Value.self))
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
        .truncated(path: path, range: range, at: offset, needed: needed)
    }
}

extension BitNetError {
    /// The error for a read of `needed` bytes at `offset` of `range`, a part of the file at `path`.
    static func truncated(
        path: String, range: Range<Int>, at offset: Int, needed: Int
    ) -> BitNetError {
        let left = max(0, range.count - max(0, offset))
        let position = range.lowerBound.addingReportingOverflow(offset).partialValue
        return .malformedFile(
            path: path,
            detail: "truncated at byte \(position): \(needed) bytes needed, \(left) left; "
                + "is the download complete?")
    }
}

/// The operating system's words for an `errno`.
func systemErrorMessage(_ code: Int32) -> String { String(cString: strerror(code)) }

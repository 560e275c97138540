/// A range of bytes of an open file, which are read when they are asked for, or of bytes in memory.
///
/// Slices are checked against the bounds, and keep the file open.
package struct FileRegion: Sendable {
    private enum Storage: Sendable {
        case file(InputFile)
        /// The bytes of the region.
        case memory(ByteRegion)
    }

    private let storage: Storage
    /// Where the region lies in its file (or in the array it was made from).
    package let range: Range<Int>

    /// The whole of a file.
    package init(_ file: InputFile) {
        storage = .file(file)
        range = 0..<file.count
    }

    /// Bytes in memory.
    package init(_ bytes: ByteRegion) {
        storage = .memory(bytes)
        range = bytes.range
    }

    private init(_ file: InputFile, _ range: Range<Int>) {
        storage = .file(file)
        self.range = range
    }

    /// The file the bytes come from, for messages.
    package var path: String {
        switch storage {
        case .file(let file): file.path
        case .memory(let bytes): bytes.path
        }
    }

    /// Size in bytes.
    package var count: Int { range.count }

    /// The file, unless the bytes are in memory.
    var file: InputFile? { if case .file(let file) = storage { file } else { nil } }
    /// Whether the bytes are in memory, so that nobody can change them.
    package var isInMemory: Bool { file == nil }

    /// The part of the region at `part`, counted from the region's own start.
    ///
    /// Throws `malformedFile` where the region does not hold that part.
    package func slice(_ part: Range<Int>) throws(BitNetError) -> FileRegion {
        guard part.lowerBound >= 0, part.upperBound <= count else {
            throw .truncated(path: path, range: range, at: part.lowerBound, needed: part.count)
        }
        switch storage {
        case .file(let file):
            // Cannot overflow: part.upperBound <= count.
            let start = range.lowerBound + part.lowerBound
            return FileRegion(file, start..<start + part.count)
        case .memory(let bytes): return FileRegion(try bytes.slice(part))
        }
    }

    /// Copies the part of the region at `part`, which is as long as `target`.
    ///
    /// Throws `unreadable` where the file has become too short, `malformedFile` where the region
    /// does not hold that part.
    package func read(
        _ part: Range<Int>, into target: BufferView<UInt8>
    ) throws(BitNetError) {
        let source = try slice(part)
        precondition(target.count == part.count)
        switch source.storage {
        case .file(let file): try file.read(from: source.range.lowerBound, into: target.bytes)
        case .memory(let bytes): bytes.withUnsafeBytes { target.copy(from: $0) }
        }
    }

    /// Copies all of the region, all threads at once.
    package func read(
        into target: BufferView<UInt8>, pool: WorkerPool
    ) throws(BitNetError) {
        precondition(target.count == count)
        // A few bytes in ten weights' time.
        try pool.tryParallel(count, granule: 4096, work: count * 8) {
            (_, part) throws(BitNetError) in try read(part, into: target[part])
        }
    }

    /// The bytes, in memory.
    package func read() throws(BitNetError) -> ByteRegion {
        switch storage {
        case .memory(let bytes): return bytes
        case .file(let file):
            let buffer = try AlignedBuffer<UInt8>(count: count, purpose: path)
            if count > 0 { try read(0..<count, into: buffer.view[0..<count]) }
            return ByteRegion(buffer, path: file.path, count: count)
        }
    }

    /// A copy of the bytes, of a region that is known to be small.
    package var bytes: [UInt8] { get throws(BitNetError) { try read().bytes } }

    /// Calls `body` with one part of the region after the other, each of up to `size` bytes.
    package func forEachPiece(
        of size: Int = 1 << 20, _ body: (ByteRegion) throws(BitNetError) -> Void
    ) throws(BitNetError) {
        for start in stride(from: 0, to: count, by: size) {
            try body(try slice(start..<min(start + size, count)).read())
        }
    }

    /// The bytes where a file has them, mapped; nil for bytes in memory and where there are none.
    package func mapped() throws(BitNetError) -> BorrowedBytes? {
        guard case .file(let file) = storage, !range.isEmpty else { return nil }
        return try file.map(range)
    }
}

// MARK: - Whole files

extension FileRegion {
    /// Runs `body`, which reads from the file; see `InputFile.reading`.
    package func reading<Result>(
        _ body: () throws(BitNetError) -> Result
    ) throws(BitNetError) -> Result {
        guard let file else { return try body() }
        return try file.reading(body)
    }

    /// Calls `parse` with the first `end` bytes; see `InputFile.parseBeginning`.
    package func parseBeginning<Result>(
        of end: Int, _ parse: (ByteRegion) throws(BitNetError) -> Result
    ) throws(BitNetError) -> Result {
        guard let file else { return try parse(try slice(0..<end).read()) }
        return try file.parseBeginning(of: end, parse)
    }
}

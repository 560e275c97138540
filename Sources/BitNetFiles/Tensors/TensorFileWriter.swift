/// What the header of a file that is written says about a tensor.
package struct AnnouncedTensor: Sendable, Hashable {
    package let name: String
    package let type: ElementType
    /// Sizes, outermost first, as the file has them: of a folder's packed trits a quarter of the rows.
    package let shape: [Int]

    package init(name: String, type: ElementType, shape: [Int]) {
        self.name = name
        self.type = type
        self.shape = shape
    }
}

/// The tensors of a file that is written: which of those that its header announces is due, and how
/// many of its bytes are still to come.
///
/// The file takes the target's place in `finish()`. Where that is never called, or something fails,
/// nothing is left behind and an existing target stays as it was (see `AtomicFile`).
struct TensorFileWriter: ~Copyable {
    private let path: String
    private let file: AtomicFile
    private let tensors: [AnnouncedTensor]
    /// Bytes of each tensor, and what the space for it is a multiple of.
    private let sizes: [Int]
    private let alignment: Int
    /// The tensor being written, and how many of its bytes are.
    private var current = 0
    private var written = 0
    private var failed = false

    /// Opens the file and writes its header.
    init(
        path: String, header: [UInt8], tensors: [AnnouncedTensor], sizes: [Int], alignment: Int = 1
    ) throws(BitNetError) {
        let file = try AtomicFile(replacing: path)
        try file.write(ByteRegion(header, path: path))
        self.file = file
        self.path = path
        self.tensors = tensors
        self.sizes = sizes
        self.alignment = alignment
        skipEmpty()
    }

    /// Appends bytes of the tensor `name`: all of them, or the next part.
    ///
    /// Tensors come in the order they were announced. `invalidArgument` where another tensor is due
    /// or the bytes are more than the tensor has left.
    mutating func append(_ bytes: ByteRegion, to name: String) throws(BitNetError) {
        guard current < tensors.count, tensors[current].name == name else {
            let due = current < tensors.count ? "'\(tensors[current].name)'" : "none"
            throw .invalidArgument(name: "name", detail: "tensor '\(name)' given, due is \(due)")
        }
        let left = sizes[current] - written
        guard bytes.count <= left else {
            throw .invalidArgument(
                name: "bytes",
                detail: "\(bytes.count) bytes for tensor '\(name)', which has \(left) of "
                    + "\(sizes[current]) left")
        }
        try write(bytes)
        written += bytes.count
        guard written == sizes[current] else { return }
        let rest = written % alignment
        if rest != 0 { try write(ByteRegion([UInt8](repeating: 0, count: alignment - rest))) }
        current += 1
        written = 0
        skipEmpty()
    }

    private mutating func skipEmpty() {
        while current < tensors.count, sizes[current] == 0 { current += 1 }
    }

    /// Puts the complete file in place of the target and returns its size in bytes.
    ///
    /// `invalidArgument` where data is missing, `unwritable` where the operating system refuses; in
    /// both cases nothing is left behind.
    consuming func finish() throws(BitNetError) -> Int {
        guard !failed else {
            throw .unwritable(path: path, reason: "an earlier write to it failed")
        }
        guard current == tensors.count else {
            throw .invalidArgument(
                name: "tensors", detail: "the data of '\(tensors[current].name)' is not complete")
        }
        try file.commit()
        return file.count
    }

    private mutating func write(_ bytes: ByteRegion) throws(BitNetError) {
        do { try file.write(bytes) } catch {
            failed = true
            throw error
        }
    }
}

/// Writes a GGUF file (version 3), one tensor after the other, without holding it in memory.
///
/// The file takes the target's place in `finish()`. Where that is never called, or something fails,
/// nothing is left behind and an existing target stays as it was. Nothing is written twice: the
/// target can also be a pipe, which takes the bytes as they come (see `AtomicFile`).
///
/// ```swift
/// var writer = try GGUFWriter(
///     path: "model.gguf",
///     metadata: [.init("general.architecture", .string("bitnet-b1.58"))],
///     tensors: [.init(name: "output_norm.weight", type: .f32, shape: [2560])])
/// try writer.append(bytes, to: "output_norm.weight")
/// try writer.finish()
/// ```
package struct GGUFWriter: ~Copyable {
    private let path: String
    private var data: TensorFileWriter

    /// Opens the file and writes metadata and tensor infos.
    ///
    /// Tensor data is aligned to `general.alignment` if `metadata` has it, else to 32 bytes. Throws
    /// `invalidArgument` for a duplicate or impossible entry, `unwritable` where the file cannot be
    /// created.
    package init(
        path: String, metadata: [GGUFFile.Entry], tensors: [AnnouncedTensor]
    ) throws(BitNetError) {
        let header = try GGUFHeaderWriter(metadata: metadata, tensors: tensors)
        let data = try TensorFileWriter(
            path: path, header: header.bytes, tensors: tensors, sizes: header.sizes,
            alignment: header.alignment)
        self.path = path
        self.data = data
    }

    /// Appends bytes of the tensor `name`: all of them, or the next part.
    ///
    /// Tensors come in the order they were announced. `invalidArgument` where another tensor is due
    /// or the bytes are more than the tensor has left.
    package mutating func append(_ bytes: ByteRegion, to name: String) throws(BitNetError) {
        try data.append(bytes, to: name)
    }

    /// Appends bytes of the tensor `name`: all of them, or the next part.
    package mutating func append(_ bytes: [UInt8], to name: String) throws(BitNetError) {
        try append(ByteRegion(bytes, path: path), to: name)
    }

    /// Appends what follows the codes of an I2_S tensor: the weight scale as float32, and 28 zero
    /// bytes.
    package mutating func appendI2SScale(_ scale: Float, to name: String) throws(BitNetError) {
        var writer = ByteWriter()
        writer.write(scale)
        writer.pad(to: ElementType.i2_s.storageTrailer)
        try append(writer.bytes, to: name)
    }

    /// Puts the complete file in place of the target and returns its size in bytes.
    ///
    /// `invalidArgument` where data is missing, `unwritable` where the operating system refuses; in
    /// both cases nothing is left behind.
    @discardableResult
    package consuming func finish() throws(BitNetError) -> Int {
        try data.finish()
    }
}

/// The bytes of a GGUF header, up to the start of the tensor data.
struct GGUFHeaderWriter {
    /// The header, padded to the alignment.
    var bytes: [UInt8] { writer.bytes }
    private(set) var alignment = 32
    /// Bytes of each tensor.
    private(set) var sizes: [Int] = []

    private var writer = ByteWriter()

    init(
        metadata: [GGUFFile.Entry], tensors: [AnnouncedTensor]
    ) throws(BitNetError) {
        if let entry = metadata.first(where: { $0.key == "general.alignment" }) {
            guard case .uint32(let value) = entry.value, value >= 8, value <= 1 << 30,
                value & (value - 1) == 0
            else {
                throw .invalidArgument(
                    name: "general.alignment",
                    detail: "expected a uint32 power of two from 8 to 2^30")
            }
            alignment = Int(value)
        }
        for byte in "GGUF".utf8 { writer.write(byte) }
        writer.write(3 as UInt32)
        writer.write(UInt64(tensors.count))
        writer.write(UInt64(metadata.count))
        try writeMetadata(metadata)
        try writeInfos(tensors)
        writer.pad(to: alignment)
    }

    private mutating func writeMetadata(_ metadata: [GGUFFile.Entry]) throws(BitNetError) {
        var keys: Set<[UInt8]> = []
        for entry in metadata {
            guard keys.insert(entry.keyBytes?.bytes ?? Array(entry.key.utf8)).inserted else {
                throw .invalidArgument(name: "metadata", detail: "'\(entry.key)' occurs twice")
            }
            if let bytes = entry.keyBytes {
                writer.write(stringOf: bytes)
            } else {
                writer.write(entry.key)
            }
            writer.write(entry.value.type.rawValue)
            write(entry.value)
        }
    }

    private mutating func writeInfos(_ tensors: [AnnouncedTensor]) throws(BitNetError) {
        var names: Set<ExactString> = []
        var offset = 0
        for tensor in tensors {
            guard names.insert(ExactString(tensor.name)).inserted else {
                throw .invalidArgument(name: "tensors", detail: "'\(tensor.name)' occurs twice")
            }
            guard let id = GGUFTensorType.id(of: tensor.type), (1...4).contains(tensor.shape.count),
                tensor.shape.allSatisfy({ $0 > 0 }),
                let size = tensor.type.storedByteCount(shape: tensor.shape)
            else {
                throw .invalidArgument(
                    name: "tensors",
                    detail: "'\(tensor.name)' cannot be \(tensor.type.rawValue) \(tensor.shape)")
            }
            writer.write(tensor.name)
            writer.write(UInt32(tensor.shape.count))
            for size in tensor.shape.reversed() { writer.write(UInt64(size)) }
            writer.write(id)
            writer.write(UInt64(offset))
            sizes.append(size)
            let (end, overflow) = offset.addingReportingOverflow(size)
            guard !overflow, end <= Int.max - alignment else {
                throw .invalidArgument(name: "tensors", detail: "their sizes add up to too much")
            }
            offset = (end + alignment - 1) & ~(alignment - 1)
        }
    }

    private mutating func write(_ value: GGUFValue) {
        switch value {
        case .uint8(let value): writer.write(value)
        case .int8(let value): writer.write(value)
        case .uint16(let value): writer.write(value)
        case .int16(let value): writer.write(value)
        case .uint32(let value): writer.write(value)
        case .int32(let value): writer.write(value)
        case .float32(let value): writer.write(value)
        case .bool(let value): writer.write(value)
        case .string(let value): writer.write(value)
        case .bytes(let value): writer.write(stringOf: value)
        case .array(let value): write(value)
        case .uint64(let value): writer.write(value)
        case .int64(let value): writer.write(value)
        case .float64(let value): writer.write(value)
        }
    }

    private mutating func write(_ array: GGUFArray) {
        writer.write(array.elementType.rawValue)
        writer.write(UInt64(array.count))
        switch array.contents {
        case .fixed(let region): writer.write(region)
        case .strings(let strings): writer.write(strings.region)
        case .arrays(let arrays): for inner in arrays { write(inner) }
        }
    }
}

internal import Foundation

/// Writes a safetensors file, one tensor after the other, without holding it in memory.
///
/// The file takes the target's place in `finish()`. Where that is never called, or something fails,
/// nothing is left behind and an existing target stays as it was (see `AtomicFile`).
///
/// ```swift
/// var writer = try SafetensorsWriter(
///     path: "model.safetensors",
///     tensors: [.init(name: "model.norm.weight", type: .f32, shape: [2560])])
/// try writer.append(bytes, to: "model.norm.weight")
/// try writer.finish()
/// ```
package struct SafetensorsWriter: ~Copyable {
    /// What the header says about a tensor.
    package struct TensorInfo: Sendable, Hashable {
        package let name: String
        package let type: ElementType
        /// Sizes, outermost first, as the file has them: of packed trits a quarter of the rows.
        package let shape: [Int]

        package init(name: String, type: ElementType, shape: [Int]) {
            self.name = name
            self.type = type
            self.shape = shape
        }

        fileprivate var byteCount: Int {
            shape.reduce(1, *) * SafetensorsWriter.widths[type, default: 0]
        }
    }

    private static let dtypes: [ElementType: String] = [
        .f32: "F32", .f16: "F16", .bf16: "BF16", .packedTernary: "U8",
    ]
    private static let widths: [ElementType: Int] = [
        .f32: 4, .f16: 2, .bf16: 2, .packedTernary: 1,
    ]

    private let path: String
    private let file: AtomicFile
    private let tensors: [TensorInfo]
    /// The tensor being written, and how many of its bytes are.
    private var current = 0
    private var written = 0

    /// Opens the file and writes the header.
    ///
    /// Throws `invalidArgument` for a type that is not F32, F16, BF16 or packed trits or a name that
    /// comes twice, `unwritable` where the file cannot be created.
    package init(
        path: String, metadata: [String: String] = [:], tensors: [TensorInfo]
    ) throws(BitNetError) {
        var members = try [
            "\"__metadata__\":"
                + SafetensorsWriter.json(metadata.merging(["format": "pt"]) { old, _ in old })
        ]
        var names: Set<String> = []
        var offset = 0
        for tensor in tensors {
            guard let dtype = SafetensorsWriter.dtypes[tensor.type] else {
                throw .invalidArgument(
                    name: "type", detail: "\(tensor.type.rawValue) is not written to safetensors")
            }
            guard names.insert(tensor.name).inserted else {
                throw .invalidArgument(name: "tensors", detail: "'\(tensor.name)' comes twice")
            }
            let end = offset + tensor.byteCount
            let shape = tensor.shape.map { "\($0)" }.joined(separator: ",")
            members.append(
                try SafetensorsWriter.json(tensor.name)
                    + ":{\"dtype\":\"\(dtype)\",\"shape\":[\(shape)],"
                    + "\"data_offsets\":[\(offset),\(end)]}")
            offset = end
        }
        var header = Array("{\(members.joined(separator: ","))}".utf8)
        while header.count % 8 != 0 { header.append(UInt8(ascii: " ")) }
        let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
        let file = try AtomicFile(replacing: path)
        try file.write(ByteRegion(length + header, path: path))
        self.path = path
        self.file = file
        self.tensors = tensors
        skipEmpty()
    }

    private static func json(_ value: some Encodable) throws(BitNetError) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do { return String(decoding: try encoder.encode(value), as: UTF8.self) } catch {
            throw .invalidArgument(name: "metadata", detail: "\(error)")
        }
    }

    /// Appends bytes of the tensor `name`: all of them, or the next part. Tensors come in the order
    /// they were announced.
    ///
    /// `invalidArgument` where another tensor is due or the bytes are more than it has left.
    package mutating func append(_ bytes: [UInt8], to name: String) throws(BitNetError) {
        guard current < tensors.count, tensors[current].name == name else {
            let due = current < tensors.count ? "'\(tensors[current].name)'" : "none"
            throw .invalidArgument(name: "name", detail: "tensor '\(name)' given, due is \(due)")
        }
        let left = tensors[current].byteCount - written
        guard bytes.count <= left else {
            throw .invalidArgument(
                name: "bytes",
                detail: "\(bytes.count) bytes for tensor '\(name)', which has \(left) left")
        }
        try file.write(ByteRegion(bytes, path: path))
        written += bytes.count
        guard written == tensors[current].byteCount else { return }
        current += 1
        written = 0
        skipEmpty()
    }

    /// Appends floats of the tensor `name`, a piece at a time, as its type: F32, F16 or BF16.
    package mutating func append(
        _ values: BufferView<Float>, to name: String
    ) throws(BitNetError) {
        guard let type = tensors.first(where: { $0.name == name })?.type,
            let width = SafetensorsWriter.widths[type], type != .packedTernary
        else { throw .invalidArgument(name: "name", detail: "'\(name)' holds no floats") }
        let piece = 1 << 18
        for start in stride(from: 0, to: values.count, by: piece) {
            let part = values[start..<min(start + piece, values.count)]
            let bytes = try AlignedBuffer<UInt8>(count: part.count * width, purpose: name)
            Codec.encode(type, part, into: bytes.view)
            try append(bytes.array, to: name)
        }
    }

    private mutating func skipEmpty() {
        while current < tensors.count, tensors[current].byteCount == 0 { current += 1 }
    }

    /// Puts the complete file in place of the target and returns its size in bytes.
    ///
    /// `invalidArgument` where data is missing, `unwritable` where the operating system refuses; in
    /// both cases nothing is left behind.
    @discardableResult
    package consuming func finish() throws(BitNetError) -> Int {
        guard current == tensors.count else {
            throw .invalidArgument(
                name: "tensors", detail: "the data of '\(tensors[current].name)' is not complete")
        }
        try file.commit()
        return file.count
    }
}

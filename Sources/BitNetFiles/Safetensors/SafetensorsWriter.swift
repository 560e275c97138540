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
    private static let dtypes: [ElementType: String] = [
        .f32: "F32", .f16: "F16", .bf16: "BF16", .packedTernary: "U8",
    ]
    private static let widths: [ElementType: Int] = [
        .f32: 4, .f16: 2, .bf16: 2, .packedTernary: 1,
    ]

    private let path: String
    private let types: [ExactString: ElementType]
    private var data: TensorFileWriter

    /// Opens the file and writes the header.
    ///
    /// Throws `invalidArgument` for a type that is not F32, F16, BF16 or packed trits or a name that
    /// comes twice, `unwritable` where the file cannot be created.
    package init(
        path: String, metadata: [String: String] = [:], tensors: [AnnouncedTensor]
    ) throws(BitNetError) {
        var members = try [
            "\"__metadata__\":"
                + SafetensorsWriter.json(metadata.merging(["format": "pt"]) { old, _ in old })
        ]
        var types: [ExactString: ElementType] = [:]
        var sizes: [Int] = []
        var offset = 0
        for tensor in tensors {
            guard let dtype = SafetensorsWriter.dtypes[tensor.type] else {
                throw .invalidArgument(
                    name: "type", detail: "\(tensor.type.rawValue) is not written to safetensors")
            }
            guard types.updateValue(tensor.type, forKey: ExactString(tensor.name)) == nil else {
                throw .invalidArgument(name: "tensors", detail: "'\(tensor.name)' comes twice")
            }
            let width = SafetensorsWriter.widths[tensor.type, default: 0]
            sizes.append(tensor.shape.reduce(width, *))
            let end = offset + sizes[sizes.count - 1]
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
        let data = try TensorFileWriter(
            path: path, header: length + header, tensors: tensors, sizes: sizes)
        self.path = path
        self.types = types
        self.data = data
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
        try data.append(ByteRegion(bytes, path: path), to: name)
    }

    /// Appends floats of the tensor `name`, a piece at a time, as its type: F32, F16 or BF16.
    package mutating func append(
        _ values: BufferView<Float>, to name: String
    ) throws(BitNetError) {
        guard let type = types[ExactString(name)], type != .packedTernary,
            let width = SafetensorsWriter.widths[type]
        else { throw .invalidArgument(name: "name", detail: "'\(name)' holds no floats") }
        let piece = 1 << 18
        for start in stride(from: 0, to: values.count, by: piece) {
            let part = values[start..<min(start + piece, values.count)]
            let bytes = try AlignedBuffer<UInt8>(count: part.count * width, purpose: name)
            Codec.encode(type, part, into: bytes.view)
            try append(bytes.array, to: name)
        }
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

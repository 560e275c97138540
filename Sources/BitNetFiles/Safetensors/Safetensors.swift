// A safetensors file: the header's length (u64), the header (JSON), the data.
// Header: {"name": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}, ...,
//          "__metadata__": {"format": "pt"}}; offsets count from the end of the header.

/// The checked directory of a safetensors file.
package struct SafetensorsFile: Sendable {
    /// The path the file was opened with.
    package let path: String
    /// The strings of the `__metadata__` entry.
    package let metadata: [String: String]
    /// All tensors, in the order of the header.
    package let tensors: [CheckpointTensor]

    private let positions: [ExactString: Int]

    /// Opens the file at `path`.
    ///
    /// Throws `fileNotFound`, `unreadable`, `malformedFile`, or `unsupportedFormat` for a dtype
    /// that `ElementType` does not have.
    package init(opening path: String) throws(BitNetError) {
        try self.init(FileRegion(try InputFile(opening: path)))
    }

    /// Reads the directory of a safetensors file that is in memory.
    package init(_ region: ByteRegion) throws(BitNetError) {
        try self.init(FileRegion(region))
    }

    private init(_ region: FileRegion) throws(BitNetError) {
        let header = try SafetensorsHeader(region)
        var tensors: [CheckpointTensor] = []
        var positions: [ExactString: Int] = [:]
        for entry in header.entries {
            guard let type = Self.types[entry.dtype] else {
                throw .unsupportedFormat(
                    path: region.path,
                    detail: "tensor \(entry.name.quoted) has the dtype \(entry.dtype)",
                    remedy: "save it as F32, F16 or BF16")
            }
            guard positions.updateValue(tensors.count, forKey: ExactString(entry.name)) == nil
            else {
                throw .malformedFile(
                    path: region.path, detail: "tensor \(entry.name.quoted) occurs twice")
            }
            tensors.append(
                try CheckpointTensor(
                    name: entry.name, type: type, shape: entry.shape, region: entry.region))
        }
        path = region.path
        metadata = header.metadata
        self.tensors = tensors
        self.positions = positions
    }

    /// The tensor called `name`, if there is one.
    package func tensor(named name: String) -> CheckpointTensor? {
        positions[ExactString(name)].map { tensors[$0] }
    }

    private static let types: [String: ElementType] = [
        "F32": .f32, "F16": .f16, "BF16": .bf16, "U8": .packedTernary, "I8": .i8, "I32": .i32,
        "I64": .i64,
    ]
}

/// The header of a safetensors file, with every offset checked, whatever the dtypes.
package struct SafetensorsHeader {
    package struct Entry {
        package var name: String
        package var dtype: String
        package var shape: [Int]
        package var region: FileRegion
    }

    /// The limit of the reference implementation.
    static let maximumHeader = 100_000_000
    /// The most entries of `__metadata__`.
    static let mostMetadata = 1 << 16
    private static let lengthSize = 8
    /// Bytes of one element of the dtypes whose size is fixed.
    private static let widths: [String: Int] = [
        "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "U16": 2, "I16": 2,
        "F16": 2, "BF16": 2, "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
        "C64": 8,
    ]

    package private(set) var entries: [Entry] = []
    package private(set) var metadata: [String: String] = [:]
    private let path: String

    package init(_ region: FileRegion) throws(BitNetError) {
        path = region.path
        let start = try region.slice(0..<Self.lengthSize).read()
        let length: UInt64 = try start.integer(at: 0)
        guard let length = Int(exactly: length), length <= Self.maximumHeader,
            length <= region.count - Self.lengthSize
        else {
            throw malformed(
                "a header of \(length) bytes in a file of \(region.count); "
                    + "is it a safetensors file, downloaded completely?")
        }
        let end = Self.lengthSize + length
        let json = try JSONValue(parsing: try region.slice(Self.lengthSize..<end).read())
        guard let object = json.object else { throw malformed("the header is not a JSON object") }
        let data = try region.slice(end..<region.count)
        let others = object["__metadata__"] == nil ? 0 : 1
        try CheckpointTensor.check(count: object.members.count - others, path: path)
        for member in object.members {
            if member.key == "__metadata__" {
                try readMetadata(member.value)
            } else {
                entries.append(try entry(member, in: data))
            }
        }
        try checkSpacing(of: data)
    }

    private mutating func readMetadata(_ value: JSONValue) throws(BitNetError) {
        if value == .null { return }
        guard let object = value.object else { throw malformed("__metadata__ is not an object") }
        let count = object.members.count
        guard count <= Self.mostMetadata else {
            throw malformed("__metadata__ has \(count) entries, more than \(Self.mostMetadata)")
        }
        for member in object.members {
            guard let text = member.value.string else {
                throw malformed("__metadata__: \(member.key.quoted) is not a string")
            }
            metadata[member.key] = text
        }
    }

    private func entry(
        _ member: JSONObject.Member, in data: FileRegion
    ) throws(BitNetError) -> Entry {
        let name = member.key
        guard let dtype = member.value["dtype"]?.string else {
            throw malformed("tensor \(name.quoted) has no dtype")
        }
        guard let width = Self.widths[dtype] else {
            throw .unsupportedFormat(
                path: path, detail: "tensor \(name.quoted) has the unknown dtype \(dtype)",
                remedy: "save it as F32, F16 or BF16")
        }
        let shape = try sizes(member.value["shape"], "tensor \(name.quoted): the shape")
        let offsets = try sizes(member.value["data_offsets"], "tensor \(name.quoted): data_offsets")
        guard offsets.count == 2, offsets[0] <= offsets[1], offsets[1] <= data.count else {
            throw malformed(
                "tensor \(name.quoted): data_offsets \(offsets) do not lie in the \(data.count) "
                    + "bytes "
                    + "of data; is the download complete?")
        }
        guard Self.byteCount(shape, width) == offsets[1] - offsets[0] else {
            throw malformed(
                "tensor \(name.quoted): \(dtype) \(shape) does not take "
                    + "\(offsets[1] - offsets[0]) bytes"
            )
        }
        return Entry(
            name: name, dtype: dtype, shape: shape,
            region: try data.slice(offsets[0]..<offsets[1]))
    }

    /// An array of whole numbers, none negative.
    private func sizes(_ value: JSONValue?, _ what: String) throws(BitNetError) -> [Int] {
        guard let elements = value?.array else { throw malformed("\(what) is not an array") }
        var sizes: [Int] = []
        for element in elements {
            guard case .int(let size) = element, size >= 0 else {
                throw malformed("\(what) holds \(element.kind)")
            }
            sizes.append(size)
        }
        return sizes
    }

    /// The product, nil where it overflows; zeros do not hide an overflow of the others.
    private static func byteCount(_ shape: [Int], _ width: Int) -> Int? {
        var product = width
        for size in shape where size != 0 {
            let (next, overflow) = product.multipliedReportingOverflow(by: size)
            guard !overflow else { return nil }
            product = next
        }
        return shape.contains(0) ? 0 : product
    }

    /// The format demands that tensors cover the data without gaps and overlaps.
    private func checkSpacing(of data: FileRegion) throws(BitNetError) {
        var end = data.range.lowerBound
        let sorted = entries.sorted {
            ($0.region.range.lowerBound, $0.region.range.upperBound)
                < ($1.region.range.lowerBound, $1.region.range.upperBound)
        }
        for entry in sorted {
            guard entry.region.range.lowerBound == end else {
                let problem =
                    entry.region.range.lowerBound < end ? "overlaps" : "leaves a gap after"
                throw malformed("tensor \(entry.name.quoted) \(problem) the tensor before it")
            }
            end = entry.region.range.upperBound
        }
        guard end == data.range.upperBound else {
            throw malformed("\(data.range.upperBound - end) bytes after the last tensor")
        }
    }

    private func malformed(_ detail: String) -> BitNetError {
        .malformedFile(path: path, detail: detail)
    }
}

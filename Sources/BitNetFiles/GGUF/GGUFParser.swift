/// Reads and checks the header of a GGUF file.
struct GGUFParser {
    /// What the header says, checked.
    struct Header {
        var version = 0
        var alignment = 32
        var metadata: [GGUFFile.Entry] = []
        var metadataPositions: [String: Int] = [:]
        var tensors: [CheckpointTensor] = []
        var tensorPositions: [String: Int] = [:]
    }

    /// A tensor info as in the file, its offset still relative to the data.
    struct Info {
        var name: String
        var type: ElementType
        var shape: [Int]
        var offset: Int
        /// Nil until it is known which type an id stands for.
        var settledSize: Int?
        var size: Int { settledSize ?? 0 }
    }

    /// Arrays of arrays occur in no known file; the limit keeps hostile ones from exhausting the
    /// stack.
    private static let maximumArrayDepth = 4
    private static let maximumDimensions = 4
    private static let smallestEntry = 8 + 4 + 1
    private static let smallestInfo = 8 + 4 + 8 + 4 + 8

    private let region: ByteRegion
    var path: String { region.path }
    var architecture: String {
        let position = header.metadataPositions["general.architecture"]
        return position.flatMap { header.metadata[$0].value.string } ?? ""
    }
    private var reader: ByteReader
    private(set) var header = Header()

    init(_ region: ByteRegion) {
        self.region = region
        reader = ByteReader(region)
    }

    mutating func parse() throws(BitNetError) -> Header {
        try parseVersion()
        let tensorCount = try reader.readCount(of: "tensors", size: Self.smallestInfo)
        let entryCount = try reader.readCount(of: "metadata entries", size: Self.smallestEntry)
        for _ in 0..<entryCount { try parseEntry() }
        try parseAlignment()
        var infos: [Info] = []
        for _ in 0..<tensorCount { infos.append(try parseInfo()) }
        try settleQ2(&infos, dataCount: max(0, region.count - dataStart))
        try placeTensors(infos)
        return header
    }

    private mutating func parseVersion() throws(BitNetError) {
        guard region.hasGGUFMagic else { throw reader.malformed("not a GGUF file") }
        _ = try reader.readBytes(4)
        let version = try reader.read(UInt32.self)
        if version & 0xFFFF == 0, version != 0 {
            throw .unsupportedFormat(
                path: region.path, detail: "the file is big-endian",
                remedy: "convert it with gguf_convert_endian.py (llama.cpp)")
        }
        guard version == 2 || version == 3 else {
            throw .unsupportedFormat(
                path: region.path, detail: "GGUF version \(version); versions 2 and 3 are read",
                remedy: "convert the original checkpoint again with a current converter")
        }
        header.version = Int(version)
    }
}

// Metadata.
extension GGUFParser {
    private mutating func parseEntry() throws(BitNetError) {
        let key = try reader.readString("a metadata key")
        let type = try parseType(of: key)
        let value = try parseValue(type, of: key)
        let position = header.metadata.count
        guard header.metadataPositions.updateValue(position, forKey: key) == nil else {
            throw reader.malformed("metadata '\(key)' occurs twice")
        }
        header.metadata.append(GGUFFile.Entry(key, value))
    }

    private mutating func parseType(of key: String) throws(BitNetError) -> GGUFValueType {
        let position = reader.position
        let id = try reader.read(UInt32.self)
        guard let type = GGUFValueType(rawValue: id) else {
            throw reader.malformed("metadata '\(key)': unknown type \(id) at byte \(position)")
        }
        return type
    }

    private mutating func parseValue(
        _ type: GGUFValueType, of key: String
    ) throws(BitNetError) -> GGUFValue {
        switch type {
        case .uint8: .uint8(try reader.read(UInt8.self))
        case .int8: .int8(try reader.read(Int8.self))
        case .uint16: .uint16(try reader.read(UInt16.self))
        case .int16: .int16(try reader.read(Int16.self))
        case .uint32: .uint32(try reader.read(UInt32.self))
        case .int32: .int32(try reader.read(Int32.self))
        case .float32: .float32(try reader.readFloat())
        case .bool: .bool(try reader.readBool())
        case .string: .string(try reader.readString("metadata '\(key)'"))
        case .array: .array(try parseArray(of: key, depth: 1))
        case .uint64: .uint64(try reader.read(UInt64.self))
        case .int64: .int64(try reader.read(Int64.self))
        case .float64: .float64(try reader.readDouble())
        }
    }

    private mutating func parseArray(of key: String, depth: Int) throws(BitNetError) -> GGUFArray {
        let type = try parseType(of: key)
        let size = type.minimumSize
        let count = try reader.readCount(of: "elements of metadata '\(key)'", size: size)
        switch type {
        case .string:
            let strings = try GGUFStringArray(reading: &reader, count: count)
            return GGUFArray(elementType: type, count: count, contents: .strings(strings))
        case .array:
            guard depth < Self.maximumArrayDepth else {
                throw reader.malformed("metadata '\(key)': arrays nested too deeply")
            }
            var arrays: [GGUFArray] = []
            for _ in 0..<count { arrays.append(try parseArray(of: key, depth: depth + 1)) }
            return GGUFArray(elementType: type, count: count, contents: .arrays(arrays))
        default:
            // Cannot overflow: readCount has found room for count * size bytes.
            let values = try reader.readBytes(count * size)
            let array = GGUFArray(elementType: type, count: count, contents: .fixed(values))
            if type == .bool, array.bools == nil {
                throw reader.malformed("metadata '\(key)': an element is not a truth value")
            }
            return array
        }
    }

    private mutating func parseAlignment() throws(BitNetError) {
        let key = "general.alignment"
        guard let position = header.metadataPositions[key] else { return }
        guard let value = header.metadata[position].value.int, value > 0, value <= 1 << 30,
            value & (value - 1) == 0
        else {
            throw .invalidMetadata(
                path: region.path, key: key, detail: "expected a power of two up to 2^30")
        }
        header.alignment = value
    }
}

// Tensors.
extension GGUFParser {
    private mutating func parseInfo() throws(BitNetError) -> Info {
        let name = try reader.readString("a tensor name")
        let position = header.tensorPositions.count
        guard header.tensorPositions.updateValue(position, forKey: name) == nil else {
            throw reader.malformed("tensor '\(name)' occurs twice")
        }
        let shape = try parseShape(of: name)
        let id = try reader.read(UInt32.self)
        if id == GGUFTensorType.q2 {
            let offset = try parseOffset(of: name)
            return Info(name: name, type: .q2_0, shape: shape, offset: offset, settledSize: nil)
        }
        let type = try GGUFTensorType.elementType(id: id, tensor: name, path: region.path)
        guard let size = type.storedByteCount(shape: shape) else {
            throw reader.malformed(
                "tensor '\(name)': \(type.rawValue) cannot have the shape \(shape)")
        }
        let offset = try parseOffset(of: name)
        return Info(name: name, type: type, shape: shape, offset: offset, settledSize: size)
    }

    private mutating func parseOffset(of name: String) throws(BitNetError) -> Int {
        let offset = try reader.read(UInt64.self)
        guard let start = Int(exactly: offset), start % header.alignment == 0 else {
            throw reader.malformed(
                "tensor '\(name)': offset \(offset) is not a multiple of \(header.alignment)")
        }
        return start
    }

    /// Where tensor data begins. The sum is small: a position in the file, plus at most 2^30.
    private var dataStart: Int {
        (reader.offset + header.alignment - 1) & ~(header.alignment - 1)
    }

    /// Dimensions are stored fastest first; shapes are `[rows, columns]`.
    private mutating func parseShape(of name: String) throws(BitNetError) -> [Int] {
        let count = try reader.read(UInt32.self)
        guard count >= 1, count <= Self.maximumDimensions else {
            throw reader.malformed(
                "tensor '\(name)': \(count) dimensions; 1 to \(Self.maximumDimensions) are allowed")
        }
        var shape: [Int] = []
        for _ in 0..<count {
            let size = try reader.read(UInt64.self)
            guard let size = Int(exactly: size), size > 0 else {
                throw reader.malformed("tensor '\(name)': a dimension is \(size)")
            }
            shape.append(size)
        }
        return shape.reversed()
    }

    private mutating func placeTensors(_ infos: [Info]) throws(BitNetError) {
        guard !infos.isEmpty else { return }
        guard dataStart <= region.count else {
            throw region.truncated(at: reader.offset, needed: dataStart - reader.offset)
        }
        let data = try region.slice(dataStart..<region.count)
        for info in infos {
            let (end, overflow) = info.offset.addingReportingOverflow(info.size)
            guard !overflow, end <= data.count else {
                throw reader.malformed(
                    "tensor '\(info.name)' takes \(info.size) bytes at offset \(info.offset), the "
                        + "data has \(data.count); is the download complete?")
            }
            header.tensors.append(
                try CheckpointTensor(
                    name: info.name, type: info.type, shape: info.shape,
                    region: try data.slice(info.offset..<end)))
        }
        try checkSpacing(infos, dataCount: data.count)
    }

    /// Tensors follow each other with nothing but padding between them.
    ///
    /// More or fewer bytes than type and shape need mean that the type is not what the file says:
    /// ids have been reused (see `GGUFTensorType`), and nothing else would show it.
    private func checkSpacing(_ infos: [Info], dataCount: Int) throws(BitNetError) {
        let sorted = infos.sorted { $0.offset < $1.offset }
        let next = sorted.dropFirst().map { $0.offset } + [dataCount]
        for (info, next) in zip(sorted, next) {
            // Every tensor lies inside the data, so nothing here can overflow.
            let room = next - info.offset
            guard info.size <= room else {
                throw reader.malformed(
                    "tensor '\(info.name)': \(info.type.rawValue) \(info.shape) takes \(info.size) "
                        + "bytes, but the next tensor begins after \(room)")
            }
            guard room - info.size < header.alignment else {
                throw reader.malformed(
                    "tensor '\(info.name)': \(info.type.rawValue) \(info.shape) takes \(info.size) "
                        + "bytes, but the file holds \(room) for it; its type is not what it says")
            }
        }
    }
}

extension ByteRegion {
    /// Whether the bytes begin as a GGUF file does.
    package var hasGGUFMagic: Bool { (try? integer(at: 0, as: UInt32.self)) == 0x4655_4747 }
}

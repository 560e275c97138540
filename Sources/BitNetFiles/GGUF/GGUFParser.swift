/// Reads and checks the header of a GGUF file.
struct GGUFParser {
    /// What the header says, checked.
    struct Header {
        var version = 0
        var alignment = 32
        var metadata: [GGUFFile.Entry] = []
        var metadataPositions: [ExactString: Int] = [:]
        var tensors: [CheckpointTensor] = []
        var tensorPositions: [ExactString: Int] = [:]
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
    static let maximumArrayDepth = 4
    static let maximumDimensions = 4
    /// The most metadata entries, and arrays inside arrays: what is known of one is several times as
    /// large as the entry. Real files have some fifty.
    static let maximumEntries = 1 << 16
    private var innerArrays = 0
    private static let smallestEntry = 8 + 4 + 1
    private static let smallestInfo = 8 + 4 + 8 + 4 + 8

    /// The file, of which the header at least is in memory.
    private let region: ByteRegion
    private let file: FileRegion
    var path: String { region.path }
    var architecture: String {
        value(of: "general.architecture")?.string ?? ""
    }
    private var reader: ByteReader
    private(set) var header = Header()

    /// The keys that are not UTF-8, to find those that occur twice.
    private var otherKeys: Set<[UInt8]> = []

    init(_ region: ByteRegion, file: FileRegion) {
        self.region = region
        self.file = file
        reader = ByteReader(region)
    }

    private func value(of key: String) -> GGUFValue? {
        header.metadataPositions[ExactString(key)].map { header.metadata[$0].value }
    }

    mutating func parse() throws(BitNetError) -> Header {
        var infos = try parseInfos()
        try settleQ2(&infos)
        try placeTensors(infos)
        return header
    }

    /// Reads all of the header; tensors are not looked for in the file yet.
    private mutating func parseInfos() throws(BitNetError) -> [Info] {
        try parseVersion()
        let tensorCount = try reader.readCount(of: "tensors", size: Self.smallestInfo)
        let entryCount = try reader.readCount(of: "metadata entries", size: Self.smallestEntry)
        try CheckpointTensor.check(count: tensorCount, path: path)
        guard entryCount <= Self.maximumEntries else {
            throw reader.malformed(
                "\(entryCount) metadata entries, more than the \(Self.maximumEntries) that are read"
            )
        }
        for _ in 0..<entryCount { try parseEntry() }
        try parseAlignment()
        var infos: [Info] = []
        for _ in 0..<tensorCount { infos.append(try parseInfo()) }
        return infos
    }

    /// Says of the beginning of a GGUF file how many bytes it has at most, padding behind the last
    /// tensor included; nil where the header does not end in it.
    static func mostBytes(of beginning: ByteRegion) throws(BitNetError) -> Int? {
        var parser = GGUFParser(beginning, file: FileRegion(beginning))
        do throws(BitNetError) {
            var end = 0
            for info in try parser.parseInfos() {
                // No type takes more than eight bytes for an element.
                let bytes = elementCount(of: info.shape + [8]) ?? .max
                end = max(
                    end,
                    info.offset.addingReportingOverflow(bytes).overflow
                        ? .max : info.offset + bytes)
            }
            return end.addingReportingOverflow(parser.dataStart + mostPadding).overflow
                ? .max : end + parser.dataStart + mostPadding
        } catch {
            guard beginning.missing != nil else { throw error }
            return nil
        }
    }

    /// What may follow the last tensor in a pipe.
    private static let mostPadding = 1 << 20

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
        let bytes = try reader.readStringBytes("a metadata key")
        let key = bytes.repairedText
        let type = try parseType(of: key)
        let entry = GGUFFile.Entry(key: bytes, try parseValue(type, of: key))
        let position = header.metadata.count
        let isNew =
            entry.keyBytes == nil
            ? header.metadataPositions.updateValue(position, forKey: ExactString(key)) == nil
            : otherKeys.insert(bytes.bytes).inserted
        guard isNew else { throw reader.malformed("metadata \(key.quoted) occurs twice") }
        header.metadata.append(entry)
    }

    private mutating func parseType(of key: String) throws(BitNetError) -> GGUFValueType {
        let position = reader.position
        let id = try reader.read(UInt32.self)
        guard let type = GGUFValueType(rawValue: id) else {
            throw reader.malformed("metadata \(key.quoted): unknown type \(id) at byte \(position)")
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
        case .string: try parseString(of: key)
        case .array: .array(try parseArray(of: key, depth: 1))
        case .uint64: .uint64(try reader.read(UInt64.self))
        case .int64: .int64(try reader.read(Int64.self))
        case .float64: .float64(try reader.readDouble())
        }
    }

    /// Text that is not UTF-8 is an error only where somebody needs it.
    private mutating func parseString(of key: String) throws(BitNetError) -> GGUFValue {
        let bytes = try reader.readStringBytes("metadata \(key.quoted)")
        return bytes.text.map { .string($0) } ?? .bytes(bytes)
    }

    private mutating func parseArray(of key: String, depth: Int) throws(BitNetError) -> GGUFArray {
        let type = try parseType(of: key)
        let size = type.minimumSize
        let count = try reader.readCount(of: "elements of metadata \(key.quoted)", size: size)
        switch type {
        case .string:
            let strings = try GGUFStringArray(reading: &reader, count: count)
            return GGUFArray(elementType: type, count: count, contents: .strings(strings))
        case .array:
            guard depth < Self.maximumArrayDepth else {
                throw reader.malformed("metadata \(key.quoted): arrays nested too deeply")
            }
            innerArrays += count
            guard innerArrays <= Self.maximumEntries else {
                throw reader.malformed(
                    "metadata \(key.quoted): more than \(Self.maximumEntries) arrays inside arrays")
            }
            var arrays: [GGUFArray] = []
            for _ in 0..<count { arrays.append(try parseArray(of: key, depth: depth + 1)) }
            return GGUFArray(elementType: type, count: count, contents: .arrays(arrays))
        default:
            // Cannot overflow: readCount has found room for count * size bytes.
            let values = try reader.readBytes(count * size)
            let array = GGUFArray(elementType: type, count: count, contents: .fixed(values))
            if type == .bool, array.bools == nil {
                throw reader.malformed("metadata \(key.quoted): an element is not a truth value")
            }
            return array
        }
    }

    private mutating func parseAlignment() throws(BitNetError) {
        let key = "general.alignment"
        guard let value = value(of: key) else { return }
        guard let alignment = value.int, alignment > 0, alignment <= 1 << 30,
            alignment % 8 == 0 || alignment & (alignment - 1) == 0
        else {
            throw .invalidMetadata(
                path: region.path, key: key,
                detail: "\(value.shown) is neither a multiple of 8 nor a power of two up to 2^30")
        }
        header.alignment = alignment
    }
}

// Tensors.
extension GGUFParser {
    private mutating func parseInfo() throws(BitNetError) -> Info {
        let name = try reader.readString("a tensor name")
        let position = header.tensorPositions.count
        guard header.tensorPositions.updateValue(position, forKey: ExactString(name)) == nil else {
            throw reader.malformed("tensor \(name.quoted) occurs twice")
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
                "tensor \(name.quoted): \(type.rawValue) cannot have the shape \(shape)")
        }
        let offset = try parseOffset(of: name)
        return Info(name: name, type: type, shape: shape, offset: offset, settledSize: size)
    }

    private mutating func parseOffset(of name: String) throws(BitNetError) -> Int {
        let offset = try reader.read(UInt64.self)
        guard let start = Int(exactly: offset), start % header.alignment == 0 else {
            throw reader.malformed(
                "tensor \(name.quoted): offset \(offset) is not a multiple of \(header.alignment)")
        }
        return start
    }

    /// Where tensor data begins. The sum is small: a position in the file, plus at most 2^30.
    private var dataStart: Int {
        (reader.offset + header.alignment - 1) / header.alignment * header.alignment
    }

    /// What follows the header, nothing where the file ends before.
    var data: FileRegion {
        get throws(BitNetError) { try file.slice(min(dataStart, file.count)..<file.count) }
    }

    /// Dimensions are stored fastest first; shapes are `[rows, columns]`.
    private mutating func parseShape(of name: String) throws(BitNetError) -> [Int] {
        let count = try reader.read(UInt32.self)
        guard count >= 1, count <= Self.maximumDimensions else {
            throw reader.malformed(
                "tensor \(name.quoted): \(count) dimensions; 1 to \(Self.maximumDimensions) are "
                    + "allowed")
        }
        var shape: [Int] = []
        for _ in 0..<count {
            let size = try reader.read(UInt64.self)
            guard let size = Int(exactly: size), size > 0 else {
                throw reader.malformed("tensor \(name.quoted): a dimension is \(size)")
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
        let data = try data
        for info in infos {
            let (end, overflow) = info.offset.addingReportingOverflow(info.size)
            guard !overflow, end <= data.count else {
                throw reader.malformed(
                    "tensor \(info.name.quoted) takes \(info.size) bytes at offset "
                        + "\(info.offset), the "
                        + "data has \(data.count); is the download complete?")
            }
            header.tensors.append(
                try CheckpointTensor(
                    name: info.name, type: info.type, shape: info.shape,
                    region: try data.slice(info.offset..<end)))
        }
        try checkSpacing(infos, in: data)
    }

    /// Tensors follow each other with nothing but padding between them: less than the alignment, or
    /// zeros.
    ///
    /// More or fewer bytes than type and shape need mean that the type is not what the file says:
    /// ids have been reused (see `GGUFTensorType`), and nothing else would show it.
    private func checkSpacing(_ infos: [Info], in data: FileRegion) throws(BitNetError) {
        let sorted = infos.sorted { $0.offset < $1.offset }
        let next = sorted.dropFirst().map { $0.offset } + [data.count]
        for (info, next) in zip(sorted, next) {
            // Every tensor lies inside the data, so nothing here can overflow.
            let room = next - info.offset
            guard info.size <= room else {
                throw reader.malformed(
                    "tensor \(info.name.quoted): \(info.type.rawValue) \(info.shape) takes "
                        + "\(info.size) "
                        + "bytes, but the next tensor begins after \(room)")
            }
            if room - info.size < header.alignment { continue }
            guard try data.isZero(info.offset + info.size..<next) else {
                throw reader.malformed(
                    "tensor \(info.name.quoted): \(info.type.rawValue) \(info.shape) takes "
                        + "\(info.size) "
                        + "bytes, but the file holds \(room) for it, and what follows is not "
                        + "padding; "
                        + "its type is not what it says")
            }
        }
    }
}

extension ByteRegion {
    /// Whether the bytes begin as a GGUF file does.
    package var hasGGUFMagic: Bool { (try? integer(at: 0, as: UInt32.self)) == 0x4655_4747 }
}

extension FileRegion {
    /// Whether the file begins as a GGUF file does.
    package var hasGGUFMagic: Bool {
        get throws(BitNetError) { try slice(0..<min(4, count)).read().hasGGUFMagic }
    }

    /// Whether these bytes, which are there, are all zero.
    func isZero(_ range: Range<Int>) throws(BitNetError) -> Bool {
        var start = range.lowerBound
        while start < range.upperBound {
            // A piece at a time: what is not padding shows early, and may be large.
            let end = min(start + 4096, range.upperBound)
            guard try slice(start..<end).bytes.allSatisfy({ $0 == 0 }) else { return false }
            start = end
        }
        return true
    }
}

// A GGUF file, little-endian throughout:
//
//   "GGUF"  version: u32  tensor count: u64  metadata count: u64
//   metadata      key: string, type: u32, value        string = length: u64, bytes
//   tensor infos  name: string, dimension count: u32, dimensions: u64... (fastest first),
//                 type: u32, offset: u64 (from the start of the data)
//   padding to `general.alignment` (32)
//   tensor data, each padded to the alignment
//
// The specification wants an alignment that is a multiple of 8, llama.cpp one that is a power of two.
// Files that keep to either are read; files are written so that they keep to both. Padding is zero
// bytes; more of them than the alignment asks for is read as padding, too.

/// The checked directory of a GGUF file (versions 2 and 3): metadata and tensors.
///
/// Opening reads and checks the header only; tensor data stays in the file. Every size, offset and
/// count is checked against the file and against each other, so that what is listed can be read.
package struct GGUFFile: Sendable {
    /// One metadata key and its value.
    package struct Entry: Sendable {
        /// The key, with U+FFFD where its bytes are not UTF-8.
        package let key: String
        package let value: GGUFValue
        /// The key as in the file, where that is not UTF-8.
        let keyBytes: ByteRegion?

        package init(_ key: String, _ value: GGUFValue) {
            self.key = key
            self.value = value
            keyBytes = nil
        }

        /// An entry whose key is `bytes`.
        init(key bytes: ByteRegion, _ value: GGUFValue) {
            let text = bytes.text
            key = text ?? bytes.repairedText
            keyBytes = text == nil ? bytes : nil
            self.value = value
        }
    }

    /// The path the file was opened with.
    package let path: String
    /// The format version, 2 or 3.
    package let version: Int
    /// Tensor data starts at multiples of this many bytes.
    package let alignment: Int
    /// All metadata, in the order of the file.
    package let metadata: [Entry]
    /// All tensors, in the order of the file, shapes as `[rows, columns]`.
    package let tensors: [CheckpointTensor]

    private let metadataPositions: [ExactString: Int]
    private let tensorPositions: [ExactString: Int]

    /// Opens the file at `path`.
    ///
    /// Throws `fileNotFound`, `unreadable`, `malformedFile`, or `unsupportedFormat` for another
    /// version, byte order, or tensor type.
    package init(opening path: String) throws(BitNetError) {
        try self.init(FileRegion(try InputFile(opening: path)))
    }

    /// Reads the directory of a GGUF file that is open.
    package init(_ file: FileRegion) throws(BitNetError) {
        let header = try file.parseBeginning(of: file.count) { (region) throws(BitNetError) in
            var parser = GGUFParser(region, file: file)
            return try parser.parse()
        }
        self.init(header, path: file.path)
    }

    /// Reads the directory of a GGUF file that is in memory.
    package init(_ region: ByteRegion) throws(BitNetError) {
        var parser = GGUFParser(region, file: FileRegion(region))
        self.init(try parser.parse(), path: region.path)
    }

    /// Says of the beginning of a GGUF file how many bytes it can have; nil where the header does not
    /// end in it.
    ///
    /// Throws as `init(_:)`, for what is wrong in the beginning.
    package static func mostBytes(of beginning: ByteRegion) throws(BitNetError) -> Int? {
        try GGUFParser.mostBytes(of: beginning)
    }

    private init(_ header: GGUFParser.Header, path: String) {
        self.path = path
        version = header.version
        alignment = header.alignment
        metadata = header.metadata
        metadataPositions = header.metadataPositions
        tensors = header.tensors
        tensorPositions = header.tensorPositions
    }

    /// The value of `key`, if there is one.
    package subscript(key: String) -> GGUFValue? {
        metadataPositions[ExactString(key)].map { metadata[$0].value }
    }

    /// The tensor called `name`, if there is one.
    package func tensor(named name: String) -> CheckpointTensor? {
        tensorPositions[ExactString(name)].map { tensors[$0] }
    }
}

// Typed access to metadata: absent is nil, another type is `invalidMetadata` naming file and key.
extension GGUFFile {
    /// The text at `key`; nil where absent, `invalidMetadata` for another type.
    package func string(_ key: String) throws(BitNetError) -> String? {
        try typed(key, "a string") { $0.string }
    }

    /// The whole number at `key`, of any integer type; nil where absent.
    package func int(_ key: String) throws(BitNetError) -> Int? {
        try typed(key, "a whole number") { $0.int }
    }

    /// The float32 or float64 at `key`; nil where absent.
    package func float(_ key: String) throws(BitNetError) -> Double? {
        try typed(key, "a float") { $0.double }
    }

    /// The truth value at `key`; nil where absent.
    package func bool(_ key: String) throws(BitNetError) -> Bool? {
        try typed(key, "a truth value") { $0.bool }
    }

    /// The array of strings at `key`; nil where absent.
    package func strings(_ key: String) throws(BitNetError) -> GGUFStringArray? {
        try typed(key, "an array of strings") { $0.array?.strings }
    }

    /// The array of whole numbers at `key`, of any integer type; nil where absent.
    package func ints(_ key: String) throws(BitNetError) -> [Int]? {
        try typed(key, "an array of whole numbers") { $0.array?.ints }
    }

    /// The array of float32 or float64 numbers at `key`; nil where absent.
    package func floats(_ key: String) throws(BitNetError) -> [Double]? {
        try typed(key, "an array of floats") { $0.array?.doubles }
    }

    /// The text at `key`; `invalidMetadata` where absent or of another type.
    package func requiredString(_ key: String) throws(BitNetError) -> String {
        try required(key, try string(key))
    }

    /// The whole number at `key`; `invalidMetadata` where absent or of another type.
    package func requiredInt(_ key: String) throws(BitNetError) -> Int {
        try required(key, try int(key))
    }

    /// The float at `key`; `invalidMetadata` where absent or of another type.
    package func requiredFloat(_ key: String) throws(BitNetError) -> Double {
        try required(key, try float(key))
    }

    private func required<Value>(_ key: String, _ value: Value?) throws(BitNetError) -> Value {
        guard let value else {
            throw .invalidMetadata(path: path, key: key, detail: "the key is missing")
        }
        return value
    }

    private func typed<Value>(
        _ key: String, _ expected: String, _ convert: (GGUFValue) -> Value?
    ) throws(BitNetError) -> Value? {
        guard let value = self[key] else { return nil }
        guard let converted = convert(value) else {
            let found = value.array.map { "array of \($0.elementType)" } ?? value.kind
            throw .invalidMetadata(
                path: path, key: key, detail: "expected \(expected), found \(found)")
        }
        return converted
    }
}

extension GGUFValue {
    /// The type, for messages.
    fileprivate var kind: String {
        if case .bytes = self { "text that is not valid UTF-8" } else { "\(type)" }
    }
}

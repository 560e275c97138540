// A saved session, all numbers little-endian:
//
//     8 bytes    "BNKSESSN"
//     u32        version, 1; 2 where tools were called
//     u64        fingerprint of the model
//     u64        most tokens of the context
//     u8         1 with a sliding window, else 0; then u64 sinks, u64 tokens kept (0 without)
//     string     precision of the cache: f32, f16, int8
//     u64 count  messages: string role, string content; in version 2 also a string with calls and
//                the name of a tool, as JSON
//     u64        tokens of the conversation left out after the sinks
//     u64 count  tokens in the cache, u32 each
//     bytes      keys and values: for each layer the keys of each head, then the values; for int8
//                each run of elements is followed by its scales, float32
//     u64        checksum of everything before
//
// A string is a u64 length and that many bytes of UTF-8.

/// What a file says of a session, without keys and values.
struct SessionFile {
    static let magic = Array("BNKSESSN".utf8)
    static let version: UInt32 = 2
    private static let checksumSize = 8

    var fingerprint: UInt64
    var limit: Int
    var sliding: SlidingWindow?
    var precision: KVCachePrecision
    var messages: [ChatMessage]
    var dropped: Int
    var tokens: [Int]
}

// MARK: - Writing

extension SessionFile {
    /// Writes the file whole or not at all.
    ///
    /// - Throws: `BitNetError.unwritable`.
    func write(to path: String, parts: [CacheBytes]) throws(BitNetError) {
        let file = try AtomicFile(replacing: path, isPrivate: true)
        var checksum = Checksum()
        func put(_ bytes: [UInt8]) throws(BitNetError) {
            let region = ByteRegion(bytes)
            checksum.update(region)
            try file.write(region)
        }
        try put(header)
        for part in parts { try part.forEachPiece(put) }
        var end = ByteWriter()
        end.write(checksum.value)
        try file.write(ByteRegion(end.bytes))
        try file.commit()
    }

    private var header: [UInt8] {
        var writer = ByteWriter()
        writer.write(ByteRegion(Self.magic))
        let hasTools = messages.contains(where: \.needsTools)
        writer.write(hasTools ? Self.version : 1)
        writer.write(fingerprint)
        writer.write(UInt64(limit))
        writer.write(sliding != nil)
        writer.write(UInt64(sliding?.sinks ?? 0))
        writer.write(UInt64(sliding?.kept ?? 0))
        writer.write(precision.rawValue)
        writer.write(UInt64(messages.count))
        for message in messages {
            writer.write(message.role.rawValue)
            writer.write(message.content)
            if hasTools { writer.write(message.toolJSON) }
        }
        writer.write(UInt64(dropped))
        writer.write(UInt64(tokens.count))
        for token in tokens { writer.write(UInt32(truncatingIfNeeded: token)) }
        return writer.bytes
    }
}

// MARK: - Reading

extension SessionFile {
    /// Reads the header; keys and values are what `parts` has.
    ///
    /// - Throws: `BitNetError.malformedFile` for a file that is damaged or something else,
    ///   `.unsupportedFormat` for a later version or another model's session, `.fileNotFound`,
    ///   `.unreadable`, also where somebody changes the file while it is read.
    static func read(
        _ whole: FileRegion, fingerprint: @autoclosure () -> UInt64
    ) throws(BitNetError) -> (file: SessionFile, parts: FileRegion) {
        let end = whole.count - checksumSize
        try whole.reading { () throws(BitNetError) in try checkIsWhole(whole, end: end) }
        let (file, size) = try whole.parseBeginning(of: end) { (region) throws(BitNetError) in
            var reader = ByteReader(region)
            let version = try checkKind(&reader)
            let saved = try checkModel(&reader, fingerprint())
            return (
                try SessionFile(&reader, version: version, fingerprint: saved), reader.offset
            )
        }
        return (file, try whole.slice(size..<end))
    }

    /// Says of the beginning of a session how many bytes it can have.
    ///
    /// - Throws: as `read`, for what is wrong in the beginning.
    static func mostBytes(
        of beginning: ByteRegion, model: BitNetModel
    ) throws(BitNetError) -> Int? {
        var reader = ByteReader(beginning)
        try checkKind(&reader)
        _ = try checkModel(&reader, model.fingerprint)
        let c = model.configuration
        // A key or a value has four bytes at most, or one and its share of a scale.
        let state = c.cachedElements * 4 + 4
        let (cache, overflow) = state.multipliedReportingOverflow(by: c.contextLength)
        return overflow
            ? .max : cache.addingReportingOverflow(mostText).overflow ? .max : cache + mostText
    }

    /// What messages and the rest of the header may take in a pipe.
    private static let mostText = 1 << 30

    private static func checkModel(
        _ reader: inout ByteReader, _ fingerprint: UInt64
    ) throws(BitNetError) -> UInt64 {
        let saved = try reader.read(UInt64.self)
        guard saved == fingerprint else {
            throw .unsupportedFormat(
                path: reader.region.path, detail: "the session was saved with another model",
                remedy: "restore it with the model it was saved with")
        }
        return saved
    }

    /// Checks that the file is a session, and that the first `end` bytes have the checksum that
    /// follows them.
    private static func checkIsWhole(_ file: FileRegion, end: Int) throws(BitNetError) {
        var kind = ByteReader(try file.slice(0..<min(file.count, magic.count + 4)).read())
        try checkKind(&kind)
        guard end >= kind.offset else { throw kind.malformed("the session is cut off") }
        var checksum = Checksum()
        try file.slice(0..<end).forEachPiece { (piece) throws(BitNetError) in
            checksum.update(piece)
        }
        let stored = try file.slice(end..<file.count).read()
        guard try stored.integer(at: 0, as: UInt64.self) == checksum.value else {
            throw kind.malformed("the session is damaged or cut off: its checksum is wrong")
        }
    }

    /// Refuses to replace a file that holds something else than a session.
    static func checkReplaceable(_ path: String) throws(BitNetError) {
        try AtomicFile.check(path, beginsWith: magic, what: "saved session")
    }

    /// Whether a file begins as a session does; false for what cannot be read.
    static func isThere(_ path: String) -> Bool {
        guard let file = try? InputFile(opening: path), file.count >= magic.count else {
            return false
        }
        return (try? FileRegion(file).slice(0..<magic.count).bytes) == magic
    }

    @discardableResult
    private static func checkKind(_ reader: inout ByteReader) throws(BitNetError) -> UInt32 {
        guard reader.remaining >= magic.count, try reader.readBytes(magic.count).bytes == magic
        else { throw reader.malformed("is not a saved session") }
        let version = try reader.read(UInt32.self)
        guard (1...Self.version).contains(version) else {
            throw .unsupportedFormat(
                path: reader.region.path,
                detail: "version \(version) of saved sessions is not supported",
                remedy: "this library reads versions up to \(Self.version)")
        }
        return version
    }

    private init(
        _ reader: inout ByteReader, version: UInt32, fingerprint: UInt64
    ) throws(BitNetError) {
        self.fingerprint = fingerprint
        limit = try reader.readSize("context")
        let isSliding = try reader.readBool()
        let (sinks, kept) = (try reader.readSize("sinks"), try reader.readSize("kept tokens"))
        if isSliding {
            sliding = try SlidingWindow(.slidingWindow(sinks: sinks, keeping: kept), limit: limit)
        }
        let name = try reader.readString("precision")
        guard let precision = KVCachePrecision(rawValue: name) else {
            throw reader.malformed("\(name.quoted) is no precision of a KV cache")
        }
        self.precision = precision
        messages = []
        // A message has two lengths.
        for _ in 0..<(try reader.readCount(of: "messages", size: 16)) {
            let name = try reader.readString("role")
            guard let role = ChatMessage.Role(rawValue: name) else {
                throw reader.malformed("\(name.quoted) is no role of a message")
            }
            var message = ChatMessage(role, try reader.readString("message"))
            if version >= 2 { try message.readTools(&reader) }
            messages.append(message)
        }
        dropped = try reader.readSize("left out tokens")
        tokens = []
        for _ in 0..<(try reader.readCount(of: "tokens", size: 4)) {
            tokens.append(Int(try reader.read(UInt32.self)))
        }
    }
}

extension ByteReader {
    /// A 64-bit number that an `Int32` could hold: nothing that is computed from it overflows.
    fileprivate mutating func readSize(_ what: String) throws(BitNetError) -> Int {
        let value = try read(UInt64.self)
        guard value <= UInt64(Int32.max) else { throw malformed("\(value) \(what) are too many") }
        return Int(value)
    }
}

// MARK: - Tools

extension ChatMessage {
    /// Whether a file has to say more of the message than who says what.
    fileprivate var needsTools: Bool { role == .tool || !toolCalls.isEmpty || toolName != nil }

    /// The calls, and the name of a tool, as JSON.
    fileprivate var toolJSON: String {
        var members: [JSONTree.Member] = []
        if !toolCalls.isEmpty {
            let calls = toolCalls.map { call in
                JSONTree.object([
                    .init(key: "name", value: .string(call.name)),
                    .init(key: "arguments", value: .string(call.arguments)),
                ])
            }
            members.append(.init(key: "calls", value: .list(calls)))
        }
        if let toolName { members.append(.init(key: "tool", value: .string(toolName))) }
        return JSONTree.object(members).text
    }

    fileprivate mutating func readTools(_ reader: inout ByteReader) throws(BitNetError) {
        let text = try reader.readString("calls")
        guard let tree = try? JSONTree(parsing: text, "calls"), tree.isObject else {
            throw reader.malformed("\(text.quoted) is not what a message has of tools")
        }
        for call in tree["calls"]?.elements ?? [] {
            guard let name = call["name"]?.string, let arguments = call["arguments"]?.string else {
                throw reader.malformed("\(call.text.quoted) is no call of a tool")
            }
            toolCalls.append(ToolCall(name: name, arguments: arguments))
        }
        toolName = tree["tool"]?.string
    }
}

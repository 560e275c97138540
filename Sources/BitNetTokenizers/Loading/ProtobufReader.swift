/// Reads the fields of a Protocol Buffers message, one after the other, checking every length.
///
/// Source: the wire format in the Protocol Buffers documentation.
struct ProtobufReader {
    /// The value of a field.
    enum Value {
        case integer(UInt64)
        case float(Float)
        case bytes(Range<Int>)
        /// A 64-bit field, which no message here has a use for.
        case fixed64
    }

    let bytes: [UInt8]
    private let end: Int
    private(set) var position: Int

    /// A reader of the message `bytes[range]`, by default of all bytes.
    init(_ bytes: [UInt8], _ range: Range<Int>? = nil) {
        self.bytes = bytes
        position = range?.lowerBound ?? 0
        end = range?.upperBound ?? bytes.count
    }

    /// The next field, nil at the end of the message.
    mutating func next() throws(BitNetError) -> (field: Int, value: Value)? {
        guard position < end else { return nil }
        let tag = try varint()
        guard tag >> 3 > 0, tag >> 3 <= 0x1FFF_FFFF else {
            throw malformed("field \(tag >> 3) does not exist")
        }
        let field = Int(tag >> 3)
        switch tag & 7 {
        case 0: return (field, .integer(try varint()))
        case 1:
            _ = try take(8)
            return (field, .fixed64)
        case 2:
            let length = try varint()
            guard let count = Int(exactly: length) else {
                throw malformed("a field of \(length) bytes")
            }
            return (field, .bytes(try take(count)))
        case 5:
            let bits = bytes[try take(4)].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            return (field, .float(Float(bitPattern: bits)))
        default: throw malformed("wire type \(tag & 7) does not exist")
        }
    }

    private mutating func take(_ count: Int) throws(BitNetError) -> Range<Int> {
        guard count <= end - position else {
            throw malformed(
                "truncated: \(count) bytes needed, \(end - position) left; is the download "
                    + "complete?")
        }
        defer { position += count }
        return position..<position + count
    }

    private mutating func varint() throws(BitNetError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            let byte = bytes[try take(1).lowerBound]
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw malformed("a number of more than ten bytes")
    }

    func malformed(_ detail: String) -> BitNetError {
        .tokenizer(detail: "tokenizer.model, byte \(position): \(detail)")
    }
}

/// A cursor over little-endian binary data that throws instead of reading past the end.
///
/// Counts read from a file are never trusted: `readCount` bounds them by the bytes that remain, so
/// nothing larger than the file itself is ever allocated.
package struct ByteReader {
    package let region: ByteRegion
    /// Bytes read so far, from the region's start.
    package private(set) var offset = 0

    package init(_ region: ByteRegion) { self.region = region }

    package var remaining: Int { region.count - offset }

    /// The position in the file, for messages.
    var position: Int { region.range.lowerBound + offset }

    package mutating func read<Value: FixedWidthInteger & BitwiseCopyable>(
        _ type: Value.Type
    ) throws(BitNetError) -> Value {
        let value = try region.integer(at: offset, as: type)
        offset += MemoryLayout<Value>.size
        return value
    }

    mutating func readFloat() throws(BitNetError) -> Float {
        Float(bitPattern: try read(UInt32.self))
    }

    mutating func readDouble() throws(BitNetError) -> Double {
        Double(bitPattern: try read(UInt64.self))
    }

    package mutating func readBool() throws(BitNetError) -> Bool {
        let start = position
        let byte = try read(UInt8.self)
        guard byte <= 1 else { throw malformed("byte \(start): \(byte) is not a truth value") }
        return byte == 1
    }

    /// The next `count` bytes.
    package mutating func readBytes(_ count: Int) throws(BitNetError) -> ByteRegion {
        guard count >= 0, count <= remaining else {
            throw region.truncated(at: offset, needed: count)
        }
        let bytes = try region.slice(offset..<offset + count)
        offset += count
        return bytes
    }

    /// A 64-bit count of things of at least `size` bytes each, which must fit in what remains.
    package mutating func readCount(of what: String, size: Int) throws(BitNetError) -> Int {
        let start = position
        let count = try read(UInt64.self)
        guard let count = Int(exactly: count), count <= remaining / max(1, size) else {
            throw malformed(
                "byte \(start): \(count) \(what) cannot fit in the \(remaining) bytes that follow; "
                    + "is the download complete?")
        }
        return count
    }

    /// The bytes of a string: a 64-bit length and that many bytes.
    mutating func readStringBytes(_ what: String) throws(BitNetError) -> ByteRegion {
        try readBytes(try readCount(of: "bytes of \(what)", size: 1))
    }

    /// A string: a 64-bit length and that many bytes of UTF-8.
    package mutating func readString(_ what: String) throws(BitNetError) -> String {
        let start = position
        let bytes = try readStringBytes(what)
        guard let text = bytes.text else {
            throw malformed("byte \(start): \(what) is not valid UTF-8")
        }
        return text
    }

    package func malformed(_ detail: String) -> BitNetError {
        .malformedFile(path: region.path, detail: detail)
    }
}

/// Appends little-endian binary data to a buffer; the counterpart of `ByteReader`.
package struct ByteWriter {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package mutating func write<Value: FixedWidthInteger>(_ value: Value) {
        var rest = value
        for _ in 0..<Value.bitWidth / 8 {
            bytes.append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }

    package mutating func write(_ value: Float) { write(value.bitPattern) }

    package mutating func write(_ value: Double) { write(value.bitPattern) }

    package mutating func write(_ value: Bool) { bytes.append(value ? 1 : 0) }

    /// A 64-bit length and the UTF-8 bytes.
    package mutating func write(_ text: String) {
        write(UInt64(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    /// A 64-bit length and the bytes of a string, whatever they are.
    mutating func write(stringOf bytes: ByteRegion) {
        write(UInt64(bytes.count))
        write(bytes)
    }

    package mutating func write(_ region: ByteRegion) { bytes.append(contentsOf: region.bytes) }

    /// Zero bytes up to a multiple of `alignment`.
    package mutating func pad(to alignment: Int) {
        while bytes.count % alignment != 0 { bytes.append(0) }
    }
}

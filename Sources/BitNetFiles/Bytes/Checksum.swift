/// A 64-bit checksum of bytes, and a fingerprint of values: changing any single byte always changes
/// it, other damage goes unnoticed once in 2^64. It is no protection against an adversary.
///
/// Every word is xored into the state, which is then multiplied by an odd constant and folded: steps
/// that can be undone, so that two texts that differ in one word end in different states. The result
/// does not depend on how the bytes are split over calls.
package struct Checksum {
    private var state: UInt64 = 0x9E37_79B9_7F4A_7C15
    private var count: UInt64 = 0
    /// Bytes of an unfinished word, the first one lowest.
    private var pending: UInt64 = 0

    package init() {}

    /// Takes the next bytes.
    package mutating func update(_ region: ByteRegion) {
        region.withUnsafeBytes { bytes in
            var offset = 0
            while offset < bytes.count, count % 8 != 0 {
                add(byte: bytes[offset])
                offset += 1
            }
            while offset + 8 <= bytes.count {
                let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                add(word: UInt64(littleEndian: word))
                count &+= 8
                offset += 8
            }
            while offset < bytes.count {
                add(byte: bytes[offset])
                offset += 1
            }
        }
    }

    package mutating func update(_ bytes: [UInt8]) { update(ByteRegion(bytes)) }

    /// Takes a text, and where it ends.
    package mutating func update(_ text: String) {
        update(Array(text.utf8))
        update(UInt64(text.utf8.count))
    }

    package mutating func update(_ value: UInt64) {
        var writer = ByteWriter()
        writer.write(value)
        update(writer.bytes)
    }

    package mutating func update(_ values: [Float]) {
        var writer = ByteWriter()
        for value in values { writer.write(value) }
        update(writer.bytes)
    }

    /// The checksum of everything so far.
    package var value: UInt64 {
        var end = self
        end.add(word: pending)
        end.add(word: count)
        return end.state
    }

    private mutating func add(byte: UInt8) {
        pending |= UInt64(byte) << (8 * (count % 8))
        count &+= 1
        if count % 8 == 0 {
            add(word: pending)
            pending = 0
        }
    }

    private mutating func add(word: UInt64) {
        state = (state ^ word) &* 0xD6E8_FEB8_6659_FD93
        state ^= state >> 32
    }
}

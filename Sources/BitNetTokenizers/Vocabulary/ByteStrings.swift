/// Many byte strings in one buffer: the tokens or merges of a vocabulary.
///
/// A vocabulary has some 400,000 strings of a few bytes; one buffer with offsets holds them without
/// an allocation each, and takes raw bytes from a file as they are.
package struct ByteStrings: Sendable {
    /// The bytes of all strings, one after the other.
    private(set) var storage: [UInt8] = []
    /// Where each string ends in `storage`; it starts where the one before ends. 32 bits hold it, as
    /// readers take no more than `mostBytes` of a file, and no spelling doubles that.
    private var ends: [UInt32] = []

    /// The most bytes of a file that is read into strings.
    package static let mostBytes = 1 << 30

    /// No strings.
    package init() {}

    /// The UTF-8 bytes of `strings`.
    package init(_ strings: some Sequence<String>) {
        for string in strings { append(string.utf8) }
    }

    /// Number of strings.
    package var count: Int { ends.count }

    /// The bytes of string `index`, in `0..<count`.
    package subscript(index: Int) -> ArraySlice<UInt8> { storage[range(index)] }

    /// Where the bytes of string `index`, in `0..<count`, are in `storage`.
    func range(_ index: Int) -> Range<Int> {
        (index == 0 ? 0 : Int(ends[index - 1]))..<Int(ends[index])
    }

    /// String `index` for a message, cut, with U+FFFD for what is not UTF-8.
    func text(_ index: Int) -> String {
        String(decoding: self[index].prefix(4 * 60 + 4), as: UTF8.self).cut(to: 60)
    }

    /// Refuses a file of `count` bytes that is more than is read into strings.
    ///
    /// - Throws: `BitNetError.tokenizer` naming the file.
    package static func check(_ count: Int, of name: String) throws(BitNetError) {
        guard count <= mostBytes else {
            throw .tokenizer(
                detail: "\(name) has \(count) bytes, more than the \(mostBytes) that are read")
        }
    }

    /// Makes room for `count` strings of `bytes` bytes in total.
    package mutating func reserveCapacity(_ count: Int, bytes: Int) {
        ends.reserveCapacity(count)
        storage.reserveCapacity(bytes)
    }

    /// Appends one string.
    package mutating func append(_ bytes: some Sequence<UInt8>) {
        storage.append(contentsOf: bytes)
        ends.append(UInt32(storage.count))
    }

    /// Appends one string that `body` writes.
    @inline(__always)
    mutating func append<Result>(writing body: (inout [UInt8]) -> Result) -> Result {
        let result = body(&storage)
        ends.append(UInt32(storage.count))
        return result
    }

    /// Takes the last string away.
    mutating func removeLast() {
        storage.removeLast(range(count - 1).count)
        ends.removeLast()
    }

    /// Puts other bytes in the place of the last string.
    mutating func replaceLast(_ bytes: some Sequence<UInt8>) {
        removeLast()
        append(bytes)
    }
}

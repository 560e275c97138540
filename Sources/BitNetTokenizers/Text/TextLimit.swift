/// How long a text may be, also after it is normalised.
enum TextLimit {
    /// The most bytes, so that places in a text fit in 32 bits.
    static let longest = 1 << 30

    /// Refuses a text of `length` bytes that is too long.
    static func check(length: Int) throws(BitNetError) {
        guard length <= longest else {
            throw .invalidArgument(
                name: "text",
                detail: "\(length) bytes are more than the \(longest) that are encoded at once; "
                    + "encode it in parts")
        }
    }
}

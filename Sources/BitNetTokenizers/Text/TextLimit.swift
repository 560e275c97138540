/// How long one text may be, how long it may become while it is normalised, and how many tokens it may
/// have.
///
/// Steps of a normaliser multiply, and each byte they write takes more memory while it is encoded.
/// Without a limit for every text, a short prompt could take all the memory there is.
struct TextLimit {
    /// The most bytes, so that places in a text fit in 32 bits.
    static let longest = 1 << 30
    /// The most bytes that all bytes of a text together become on average, and those that every text
    /// may become. No character becomes more than eleven times as long in a normal form.
    static let (growth, shortest) = (12, 1 << 16)

    /// Bytes that may still be made of the text.
    private var room: Int
    private let most: Int
    /// Tokens that whoever wants them can use.
    private let tokens: Int

    /// The limits of a text of `count` bytes, of which nobody uses more than `tokens` tokens.
    init(of count: Int = longest, tokens: Int = .max) {
        let (grown, overflow) = count.multipliedReportingOverflow(by: Self.growth)
        most = overflow ? Self.longest : min(Self.longest, grown + Self.shortest)
        room = most
        self.tokens = tokens
    }

    /// Refuses a text of `length` bytes that is too long.
    static func check(length: Int) throws(BitNetError) {
        guard length <= longest else {
            throw .invalidArgument(
                name: "text",
                detail: "\(length) bytes are more than the \(longest) that are encoded at once; "
                    + "encode it in parts")
        }
    }

    /// Refuses a part of the text that has become `length` bytes, with what was made before.
    func check(length: Int) throws(BitNetError) {
        guard length <= room else {
            throw .invalidArgument(
                name: "text",
                detail: "the normalizer makes more than \(most) bytes of it, "
                    + "\(Self.growth) for each and \(Self.shortest), which is the most that is "
                    + "encoded")
        }
    }

    /// Counts a part that has become `length` bytes.
    mutating func take(length: Int) throws(BitNetError) {
        try check(length: length)
        room -= length
    }

    /// Tokens beyond those wanted that are still counted, so that most errors have the exact number.
    private static let counted = 1 << 16

    /// Ends the work on a text that has `count` tokens at least where those are far too many.
    @inline(__always)
    func check(tokens count: Int) throws(BitNetError) {
        if count > Self.counted, count / 4 > tokens { throw tooMany(count) }
    }

    private func tooMany(_ count: Int) -> BitNetError {
        .contextWindowExceeded(limit: tokens, requested: count)
    }
}

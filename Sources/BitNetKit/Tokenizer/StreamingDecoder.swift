/// Turns tokens into text one at a time, whole characters only.
///
/// A character can be spread over several tokens; its bytes are held back until it is whole. The
/// texts returned, one after the other, are exactly what `Tokenizer.decode(_:skippingSpecial:)`
/// makes of all ids at once.
///
/// ```swift
/// var decoder = StreamingDecoder(tokenizer: tokenizer)
/// for id in ids { print(decoder.append(id), terminator: "") }
/// print(decoder.finish())
/// ```
public struct StreamingDecoder: Sendable {
    private let tokenizer: Tokenizer
    private let skipsSpecial: Bool
    private var repair = UTF8Repair()
    /// Kept from token to token, so that decoding one does not allocate.
    private var complete: [UInt8] = []

    /// A decoder at the start of a text; with `skippingSpecial` special tokens decode to nothing.
    public init(tokenizer: Tokenizer, skippingSpecial: Bool = false) {
        self.tokenizer = tokenizer
        skipsSpecial = skippingSpecial
    }

    /// The text that token `id` completes, often empty in the middle of a character.
    ///
    /// Bytes that can not become a character are U+FFFD at once; an id out of range is nothing.
    public mutating func append(_ id: Int) -> String {
        complete.removeAll(keepingCapacity: true)
        if let bytes = tokenizer.slice(of: id, skippingSpecial: skipsSpecial) {
            repair.append(bytes, to: &complete)
        }
        return String(decoding: complete, as: UTF8.self)
    }

    /// Ends the text: U+FFFD if it stops in the middle of a character, else nothing.
    ///
    /// The decoder is at the start of a text again.
    public mutating func finish() -> String {
        complete.removeAll(keepingCapacity: true)
        repair.finish(to: &complete)
        return String(decoding: complete, as: UTF8.self)
    }
}

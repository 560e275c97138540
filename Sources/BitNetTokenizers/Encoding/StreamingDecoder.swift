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
    private var assembler: TextAssembler
    /// Kept from token to token, so that decoding one does not allocate.
    private var complete: [UInt8] = []

    /// A decoder at the start of a text; with `skippingSpecial` special tokens decode to nothing.
    ///
    /// With `continuing` it is in the middle of a text instead: a sentencepiece tokenizer's space
    /// before the first word stays, so that the text can follow that of a prompt.
    public init(tokenizer: Tokenizer, skippingSpecial: Bool = false, continuing: Bool = false) {
        self.tokenizer = tokenizer
        skipsSpecial = skippingSpecial
        assembler = TextAssembler(tokenizer.storage.decoding, isAtStart: !continuing)
    }

    /// The text that token `id` completes, often empty in the middle of a character.
    ///
    /// Bytes that can not become a character are U+FFFD at once; an id out of range is nothing.
    public mutating func append(_ id: Int) -> String {
        complete.removeAll(keepingCapacity: true)
        if let bytes = tokenizer.slice(of: id, skippingSpecial: skipsSpecial) {
            let isByte = tokenizer.vocabulary.kinds[id] == .byte
            assembler.append(bytes, isByte: isByte, to: &complete)
        }
        return String(decoding: complete, as: UTF8.self)
    }

    /// Ends the text: U+FFFD if it stops in the middle of a character, else nothing.
    ///
    /// The decoder is at the start of a text again.
    public mutating func finish() -> String {
        complete.removeAll(keepingCapacity: true)
        assembler.finish(to: &complete)
        return String(decoding: complete, as: UTF8.self)
    }
}

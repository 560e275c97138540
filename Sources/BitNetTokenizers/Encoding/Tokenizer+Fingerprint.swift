extension Tokenizer {
    /// A number that tells this tokenizer's ids from any other's: of its tokens, what each is for,
    /// its merges, the tokens that frame a text, and what it makes of a text with everything that
    /// word cuts and normalisers look for. The same whichever kind of file it comes from.
    ///
    /// Token files hold it: another value makes them unreadable.
    package var fingerprint: UInt64 {
        var checksum = Checksum()
        checksum.update(UInt64(vocabulary.count))
        for id in 0..<vocabulary.count {
            let token = vocabulary.tokens[id]
            checksum.update(Array(token))
            checksum.update(UInt64(token.count) << 8 | UInt64(vocabulary.kinds[id].rawValue))
        }
        for (left, right) in storage.encoder.merges.pairs {
            checksum.update(UInt64(left) << 32 | UInt64(right))
        }
        let frame = [addsBeginOfText ? beginOfText : nil, endOfText].map { $0 ?? -1 }
        // Only cancelled work fails, and nobody cancels this.
        let sample = (try? encode(Self.sample, effort: Effort())) ?? []
        for id in frame + appendedTokens + sample { checksum.update(UInt64(bitPattern: Int64(id))) }
        return checksum.value
    }

    private static let sample =
        " It's 12345 o'clock,  she'LL say:\t\u{FB01}n e\u{301}\u{212B} \u{65E5}\u{672C}!?\r\n\r\n  x\n ..a"
}

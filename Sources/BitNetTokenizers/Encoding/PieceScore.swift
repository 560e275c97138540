/// Scores of sentencepiece as integers that are smaller the sooner a token is merged.
enum PieceScore {
    /// The place of a score in the order; higher scores come first, equal ones are equal.
    static func priority(_ score: Float) -> UInt32 {
        // Adding zero makes the negative zero positive.
        let bits = (score + 0).bitPattern
        // Bits of floats rise with the value once those of negative ones are turned round.
        return ~(bits >> 31 == 1 ? ~bits : bits | 1 << 31)
    }

    /// The score with this priority.
    static func score(_ priority: UInt32) -> Float {
        let rising = ~priority
        return Float(bitPattern: rising >> 31 == 1 ? rising & ~(1 << 31) : ~rising)
    }
}

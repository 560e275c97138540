extension Normalizer {
    /// The most bytes that one byte of a text may become, and that may be put before a text.
    ///
    /// Real normalisers write three for one. A file can ask for more than any memory has: forty
    /// steps that each write two letters for one make 2^40 of one.
    static let (mostGrowth, longestPrefix) = (256.0, 4096.0)

    /// Refuses steps that could make a text too long.
    ///
    /// - Throws: `BitNetError.tokenizer` with the growth that is possible.
    func checkGrowth() throws(BitNetError) {
        let (growth, prefix) = growth
        guard growth <= Self.mostGrowth, prefix <= Self.longestPrefix else {
            throw .tokenizer(
                detail: "the normalizer's \(steps.count) steps can write \(Self.text(growth)) "
                    + "bytes for one and put \(Self.text(prefix)) before a text, more than the "
                    + "\(Int(Self.mostGrowth)) and \(Int(Self.longestPrefix)) that are supported")
        }
    }

    private static func text(_ number: Double) -> String {
        number < 1e15 ? "\(Int(number.rounded(.up)))" : "more than 10^15"
    }

    /// Bounds for the bytes that become of one, and of what is put before a text.
    ///
    /// From the last step to the first: `weights` has what becomes of each byte in the steps after.
    private var growth: (perByte: Double, prefix: Double) {
        var weights = [Double](repeating: 1, count: 256)
        var prefix = 0.0
        var (hasForm, hasLowercase) = (false, false)
        func weight(of text: [UInt8]) -> Double { text.reduce(0) { $0 + weights[Int($1)] } }
        func raise(_ bytes: some Sequence<UInt8>, to weight: Double) {
            for byte in bytes { weights[Int(byte)] = max(weights[Int(byte)], weight) }
        }
        for step in steps.reversed() {
            switch step {
            case .prepend(let text, _): prefix += weight(of: text)
            case .replace(let pattern, let replacement):
                // A match is spread over its bytes.
                raise(pattern, to: weight(of: replacement) / Double(max(1, pattern.count)))
            case .replaceMatches(_, let replacement):
                raise(0...UInt8.max, to: weight(of: replacement))
            case .form:
                // No character becomes more than eleven times as long (U+FDFA), and only once.
                let most = weights.max() ?? 1
                raise(0x80...UInt8.max, to: hasForm ? most : 12 * most)
                hasForm = true
            case .lowercase:
                for byte in UInt8(ascii: "A")...UInt8(ascii: "Z") {
                    raise(CollectionOfOne(byte), to: weights[Int(byte | 0x20)])
                }
                let most = weights.max() ?? 1
                raise(0x80...UInt8.max, to: hasLowercase ? most : 2 * most)
                hasLowercase = true
            case .strip, .markSpaces, .spellSpaces: break
            }
        }
        return (weights.max() ?? 1, prefix)
    }
}

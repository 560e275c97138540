/// Bytes that the article on ternary models shows, what it says of them, and what they are.
public struct ArticleExample: Sendable, Hashable, Codable {
    /// What the article shows the bytes for.
    public let topic: String
    /// What the article says the bytes are.
    public let printed: String
    /// What is right and what is not, in a sentence or two.
    public let finding: String
    /// The article's bytes, read in every way.
    public let readings: ByteReadings
    /// Bytes that are what the article says, where there are any.
    public let correction: ByteReadings?

    /// The article's three examples, in its order.
    public static let all = [
        ArticleExample(
            topic: "four FP16 weights",
            printed: "0.1235, -0.4561, 2.5012, 0.0078",
            finding:
                "As FP16, low byte first, these bytes are other numbers. The article's numbers "
                + "are the bytes below, the third rounded to 2.502.",
            readings: ByteReadings(of: [0x4A, 0x3C, 0xBD, 0xBF, 0x12, 0x40, 0xE1, 0x3B]),
            correction: ByteReadings(of: [0xE7, 0x2F, 0x4C, 0xB7, 0x01, 0x41, 0xFD, 0x1F])),
        ArticleExample(
            topic: "one byte with five weights",
            printed: "\"could represent five different weights at once\"",
            finding: "It can: 3^5 = 243 of the 256 bytes are five trits. Which five depends on the "
                + "format: TQ1_0 files and plain base 3 disagree about this very byte.",
            readings: ByteReadings(of: [0x4B]), correction: nil),
        ArticleExample(
            topic: "packed ternary weights",
            printed: "[1, 1, 1, 1], [0, 0, 0, 0], [-1, 1, -1, 1], ...",
            finding:
                "No real format reads them so. With two bits a weight 00 is -1 four times, 55 is "
                + "0 four times, AA is +1 four times, and FF is no trits: code 3 means a damaged "
                + "file. The bytes below are what the article says, in I2_S.",
            readings: ByteReadings(of: [0xFF, 0x00, 0xAA, 0x55, 0xFF, 0x00]),
            correction: ByteReadings(of: [0xAA, 0x55, 0x22])),
    ]
}

extension ArticleExample: CustomStringConvertible {
    /// The bytes as printed and as they are, in up to 80 columns.
    public var description: String { shown.plain }

    package var shown: [ShownLine] {
        var lines = [ShownLine("\(topic): the article's bytes")]
        lines.append(ShownLine("says      \(printed)"))
        lines += readings.shown
        lines.append(ShownLine())
        lines += finding.wrapped(to: 78).map { ShownLine($0) }
        if let correction {
            lines.append(ShownLine())
            lines += correction.shown
        }
        return lines
    }
}

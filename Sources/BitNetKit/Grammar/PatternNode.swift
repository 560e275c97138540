/// A part of a regular expression of a schema.
indirect enum PatternNode {
    case set(PatternSet)
    case sequence([PatternNode])
    case choice([PatternNode])
    case repetition(PatternNode, minimum: Int, maximum: Int?)
    /// Nothing, at the beginning of a text alone.
    case start
    /// Nothing, at the end of a text alone.
    case end
}

/// A set of characters as the dialects of regular expressions see it: `\d` is ten digits in
/// ECMAScript and those of all scripts in Python. Texts keep to both, so that whoever checks them
/// agrees.
struct PatternSet: Hashable {
    /// Characters that are in it by every dialect.
    var sure: [ClosedRange<UInt32>]
    /// Characters that are in it by some dialect.
    var possible: [ClosedRange<UInt32>]

    init(_ ranges: [ClosedRange<UInt32>]) { (sure, possible) = (ranges, ranges) }

    init(sure: [ClosedRange<UInt32>], possible: [ClosedRange<UInt32>]) {
        (self.sure, self.possible) = (sure, possible)
    }

    var complement: PatternSet {
        PatternSet(
            sure: GrammarNode.complement(of: possible), possible: GrammarNode.complement(of: sure))
    }

    mutating func formUnion(_ other: PatternSet) {
        sure += other.sure
        possible += other.possible
    }

    /// Everything but ends of lines, `.`.
    static let any = PatternSet([0x0A...0x0A, 0x0D...0x0D, 0x2028...0x2029]).complement

    static let digit = PatternSet(
        sure: [0x30...0x39], possible: ranges { $0.generalCategory == .decimalNumber })

    static let word: PatternSet = {
        let sure: [ClosedRange<UInt32>] = [0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A]
        let other = ranges { properties in
            switch properties.generalCategory {
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter,
                .otherLetter, .decimalNumber, .letterNumber, .otherNumber, .nonspacingMark,
                .spacingMark, .enclosingMark, .connectorPunctuation:
                true
            default: properties.numericType != nil
            }
        }
        return PatternSet(sure: sure, possible: sure + other)
    }()

    static let space: PatternSet = {
        let sure: [ClosedRange<UInt32>] = [
            0x09...0x0D, 0x20...0x20, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A,
            0x2028...0x2029, 0x202F...0x202F, 0x205F...0x205F, 0x3000...0x3000,
        ]
        let other: [ClosedRange<UInt32>] = [
            0x1C...0x1F, 0x85...0x85, 0x180E...0x180E, 0xFEFF...0xFEFF,
        ]
        return PatternSet(sure: sure, possible: sure + other)
    }()

    private static func ranges(
        _ holds: (Unicode.Scalar.Properties) -> Bool
    ) -> [ClosedRange<UInt32>] {
        var ranges: [ClosedRange<UInt32>] = []
        for code in 0...0x10FFFF as ClosedRange<UInt32> {
            guard let scalar = Unicode.Scalar(code), holds(scalar.properties) else { continue }
            if let last = ranges.last, last.upperBound + 1 == code {
                ranges[ranges.count - 1] = last.lowerBound...code
            } else {
                ranges.append(code...code)
            }
        }
        return ranges
    }
}

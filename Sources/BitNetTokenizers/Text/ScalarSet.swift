/// A set of characters, as a class of a regular expression names it.
struct ScalarSet: Sendable, Equatable {
    enum Member: Sendable, Equatable {
        case range(ClosedRange<UInt32>)
        /// `\p{L}`, `\p{Lu}`: a general category or the first letter of some.
        case category(String)
        /// `\s`.
        case whitespace
        /// `\w`: letters, marks, numbers and connectors.
        case word
        /// All that is not in a set, for `\S` or `\P{L}` in a class.
        case except([Member])
    }

    var members: [Member] = []
    var isInverted = false
    var ignoresCase = false

    func contains(_ scalar: Unicode.Scalar) -> Bool {
        var found = Self.contains(scalar, members)
        if !found, ignoresCase {
            found = scalar.caseVariants.contains { Self.contains($0, members) }
        }
        return found != isInverted
    }

    private static func contains(_ scalar: Unicode.Scalar, _ members: [Member]) -> Bool {
        members.contains { member in
            switch member {
            case .range(let range): range.contains(scalar.value)
            case .category(let name): scalar.categoryName.hasPrefix(name)
            case .whitespace: scalar.properties.isWhitespace
            case .word:
                ["L", "M", "N", "Pc"].contains { scalar.categoryName.hasPrefix($0) }
            case .except(let others): !contains(scalar, others)
            }
        }
    }

    /// The names of the general categories, and their first letters.
    static let categories: Set<String> = {
        let names = [
            "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps",
            "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs",
            "Co", "Cn",
        ]
        return Set(names).union(names.map { String($0.prefix(1)) })
    }()
}

extension Unicode.Scalar {
    /// Characters that are the same but for case.
    fileprivate var caseVariants: [Unicode.Scalar] {
        let upper = properties.uppercaseMapping.unicodeScalars
        let first = upper.count == 1 ? upper.first ?? self : self
        let lower = first.properties.lowercaseMapping.unicodeScalars
        let second = lower.count == 1 ? lower.first ?? self : self
        // The long s and the Kelvin sign are the only ones that fold to ASCII letters.
        switch second {
        case "s": return ["s", "S", "\u{17F}"]
        case "k": return ["k", "K", "\u{212A}"]
        default: return [first, second]
        }
    }

    /// The two-letter name of the general category.
    fileprivate var categoryName: String {
        switch properties.generalCategory {
        case .uppercaseLetter: "Lu"
        case .lowercaseLetter: "Ll"
        case .titlecaseLetter: "Lt"
        case .modifierLetter: "Lm"
        case .otherLetter: "Lo"
        case .nonspacingMark: "Mn"
        case .spacingMark: "Mc"
        case .enclosingMark: "Me"
        case .decimalNumber: "Nd"
        case .letterNumber: "Nl"
        case .otherNumber: "No"
        case .connectorPunctuation: "Pc"
        case .dashPunctuation: "Pd"
        case .openPunctuation: "Ps"
        case .closePunctuation: "Pe"
        case .initialPunctuation: "Pi"
        case .finalPunctuation: "Pf"
        case .otherPunctuation: "Po"
        case .mathSymbol: "Sm"
        case .currencySymbol: "Sc"
        case .modifierSymbol: "Sk"
        case .otherSymbol: "So"
        case .spaceSeparator: "Zs"
        case .lineSeparator: "Zl"
        case .paragraphSeparator: "Zp"
        case .control: "Cc"
        case .format: "Cf"
        case .surrogate: "Cs"
        case .privateUse: "Co"
        case .unassigned: "Cn"
        @unknown default: "Cn"
        }
    }
}

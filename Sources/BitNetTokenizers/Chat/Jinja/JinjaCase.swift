// Upper and lower case, and kinds of characters, as Python has them: by code point, but for a sigma
// at a word's end.
extension String {
    /// Python's `lower`.
    var pythonLowered: String {
        // Only a sigma depends on what is around it.
        guard unicodeScalars.contains("\u{3A3}") else { return lowercased() }
        let scalars = Array(unicodeScalars)
        return scalars.indices.map { Self.lowered(scalars, at: $0) }.joined()
    }

    /// Python's `capitalize`.
    var capitalizedFirst: String {
        let scalars = Array(unicodeScalars)
        guard let first = scalars.first else { return "" }
        return first.properties.titlecaseMapping
            + scalars.indices.dropFirst().map { Self.lowered(scalars, at: $0) }.joined()
    }

    /// Python's `title`: every letter after something that is none is a capital.
    var titled: String {
        let scalars = Array(unicodeScalars)
        var result = ""
        var isInWord = false
        for (index, scalar) in scalars.enumerated() {
            result +=
                isInWord
                ? Self.lowered(scalars, at: index) : scalar.properties.titlecaseMapping
            isInWord = scalar.properties.isCased
        }
        return result
    }

    /// Python's `swapcase`.
    var caseSwapped: String {
        let scalars = Array(unicodeScalars)
        var result = ""
        for (index, scalar) in scalars.enumerated() {
            let properties = scalar.properties
            if properties.isUppercase {
                result += Self.lowered(scalars, at: index)
            } else if properties.isLowercase {
                result += properties.uppercaseMapping
            } else {
                result.append(scalar)
            }
        }
        return result
    }

    private static func lowered(_ scalars: [Unicode.Scalar], at index: Int) -> String {
        guard scalars[index] == "\u{3A3}" else { return scalars[index].properties.lowercaseMapping }
        let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
        let after = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
        let isFinal = before?.properties.isCased == true && after?.properties.isCased != true
        return isFinal ? "\u{3C2}" : "\u{3C3}"
    }

    /// Python's `istitle`.
    private var isTitled: Bool {
        var isInWord = false
        var hasCase = false
        for scalar in unicodeScalars {
            let properties = scalar.properties
            if properties.isUppercase || properties.generalCategory == .titlecaseLetter {
                if isInWord { return false }
                (isInWord, hasCase) = (true, true)
            } else if properties.isLowercase {
                if !isInWord { return false }
            } else {
                isInWord = false
            }
        }
        return hasCase
    }

    /// Python's `isupper` or `islower`.
    private func isAllCased(isUpper: Bool) -> Bool {
        var hasCase = false
        for scalar in unicodeScalars {
            let properties = scalar.properties
            if properties.generalCategory == .titlecaseLetter { return false }
            if properties.isUppercase || properties.isLowercase {
                guard properties.isUppercase == isUpper else { return false }
                hasCase = true
            }
        }
        return hasCase
    }

    /// What Python's method `name`, one of those that begin with `is`, says; nil for another name.
    func hasProperty(_ name: String) -> Bool? {
        func all(_ condition: (Unicode.Scalar) -> Bool) -> Bool {
            !unicodeScalars.isEmpty && unicodeScalars.allSatisfy(condition)
        }
        switch name {
        case "isdecimal": return all(\.isDecimalDigit)
        case "isdigit":
            return all { [.decimal, .digit].contains($0.properties.numericType) }
        case "isnumeric": return all { $0.properties.numericType != nil }
        case "isalpha": return all(\.isLetter)
        case "isalnum": return all { $0.isLetter || $0.properties.numericType != nil }
        case "isspace": return all(\.isPythonSpace)
        case "isascii": return utf8.allSatisfy { $0 < 0x80 }
        case "isprintable": return unicodeScalars.allSatisfy(\.isPythonPrintable)
        case "isupper", "islower": return isAllCased(isUpper: name == "isupper")
        case "istitle": return isTitled
        case "isidentifier":
            guard let first = unicodeScalars.first else { return false }
            return (first == "_" || first.properties.isXIDStart)
                && unicodeScalars.dropFirst().allSatisfy(\.properties.isXIDContinue)
        default: return nil
        }
    }
}

extension Unicode.Scalar {
    /// Whether Python's `str.isalpha` counts it as a letter.
    var isLetter: Bool {
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
            true
        default: false
        }
    }

    /// Whether Python's `str.isprintable` counts it as printable.
    var isPythonPrintable: Bool {
        if self == " " { return true }
        switch properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
            .paragraphSeparator, .spaceSeparator:
            return false
        default: return true
        }
    }
}

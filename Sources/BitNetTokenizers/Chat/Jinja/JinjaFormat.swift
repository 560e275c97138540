/// How one value is formatted: what Python's `%` operator and `format` have in common.
struct JinjaFormat {
    /// What fills a value up to `width`, and where the value stands in it: `<`, `>`, `^` or `=`.
    var fill: Unicode.Scalar = " "
    var alignment: Unicode.Scalar?
    /// `+` or space before what is not negative.
    var sign: Unicode.Scalar = "-"
    /// The form of `#`: prefixes, and points that are always there.
    var isAlternate = false
    var width = 0
    var grouping: Unicode.Scalar?
    var precision: Int?
    var type: Unicode.Scalar?

    /// Fills `body`, which has `sign` before it, up to the width.
    func filled(_ prefix: String, _ body: String, alignment standard: Unicode.Scalar) -> String {
        let count = prefix.unicodeScalars.count + body.unicodeScalars.count
        let room = max(0, width - count)
        func filling(_ count: Int) -> String { String(repeating: String(fill), count: count) }
        switch alignment ?? standard {
        case "<": return prefix + body + filling(room)
        case "^": return filling(room / 2) + prefix + body + filling(room - room / 2)
        case "=": return prefix + filling(room) + body
        default: return filling(room) + prefix + body
        }
    }

    /// What stands before a number.
    func prefix(isNegative: Bool) -> String {
        isNegative ? "-" : sign == "-" ? "" : String(sign)
    }

    /// The digits with `grouping` between every `size` of them.
    func grouped(_ digits: String, size: Int = 3) -> String {
        guard let grouping else { return digits }
        var result = String.UnicodeScalarView()
        let scalars = Array(digits.unicodeScalars)
        for (index, scalar) in scalars.enumerated() {
            if index > 0, (scalars.count - index) % size == 0 { result.append(grouping) }
            result.append(scalar)
        }
        return String(result)
    }

    /// A whole number in base 2, 8, 10 or 16, by `type`.
    func text(of number: JinjaInteger) -> String {
        let forms: [Unicode.Scalar: (radix: UInt32, prefix: String)] = [
            "b": (2, "0b"), "o": (8, "0o"), "x": (16, "0x"), "X": (16, "0X"),
        ]
        let form = type.flatMap { forms[$0] }
        var digits = number.magnitude.text(radix: form?.radix ?? 10)
        if type == "X" { digits = digits.uppercased() }
        digits = grouped(digits, size: form == nil ? 3 : 4)
        let sign = prefix(isNegative: number.isNegative)
        return filled(sign + (isAlternate ? form?.prefix ?? "" : ""), digits, alignment: ">")
    }

    /// A decimal as `e`, `f`, `g`, `%` or, without a type, as it prints.
    func text(of number: Double) -> String {
        let isUpper = type.map { ("A"..."Z").contains($0) } ?? false
        let isPercent = type == "%"
        let value = isPercent ? number * 100 : number
        let sign = prefix(isNegative: value.sign == .minus && !value.isNaN)
        var body: String
        if value.isNaN || value.isInfinite {
            body = value.isNaN ? "nan" : "inf"
        } else {
            body = digits(of: value)
            let whole = body.utf8.prefix { (0x30...0x39).contains($0) }.count
            body = grouped(String(body.prefix(whole))) + body.dropFirst(whole)
        }
        if isUpper { body = body.uppercased() }
        return filled(sign, body + (isPercent ? "%" : ""), alignment: ">")
    }

    private func digits(of value: Double) -> String {
        switch type {
        case "f", "F", "%":
            let places = precision ?? 6
            return value.fixedDigits(places: places) + (isAlternate && places == 0 ? "." : "")
        case "e", "E":
            let digits = value.scientificDigits(places: precision ?? 6)
            return digits.scientific(hasPoint: isAlternate)
        case nil where precision == nil:
            return value.magnitude.pythonSpelling
        default:
            return general(value)
        }
    }

    /// As `g`: whichever of the two forms is shorter. Without a type one digit follows the point.
    private func general(_ value: Double) -> String {
        let count = max(precision ?? 6, 1)
        var digits = value.scientificDigits(places: count - 1)
        let isPlain = digits.exponent >= -4 && digits.exponent < count - (type == nil ? 1 : 0)
        if !isAlternate {
            while digits.digits.utf8.count > 1, digits.digits.utf8.last == 0x30 {
                digits.digits.removeLast()
            }
        }
        guard isPlain else { return digits.scientific(hasPoint: isAlternate) }
        let places = max(digits.digits.utf8.count - 1 - digits.exponent, type == nil ? 1 : 0)
        let text = digits.fixed(places: places)
        return isAlternate && places == 0 ? text + "." : text
    }
}

extension JinjaFormat {
    /// A format specification of Python: `[[fill]align][sign][#][0][width][grouping][.precision][type]`;
    /// nil where it is malformed or has something else.
    init?(specification: String) {
        var rest = Array(specification.unicodeScalars)[...]
        var hasFill = false
        let alignments: [Unicode.Scalar] = ["<", ">", "^", "="]
        if let second = rest.dropFirst().first, alignments.contains(second) {
            fill = rest.removeFirst()
            hasFill = true
            alignment = rest.removeFirst()
        } else if let first = rest.first, alignments.contains(first) {
            alignment = rest.removeFirst()
        }
        if let first = rest.first, ["+", "-", " "].contains(first) { sign = rest.removeFirst() }
        if rest.first == "#" {
            isAlternate = true
            rest.removeFirst()
        }
        if rest.first == "0" {
            if !hasFill { fill = "0" }
            if alignment == nil { alignment = "=" }
            rest.removeFirst()
        }
        guard let width = Self.takeNumber(&rest) else { return nil }
        self.width = width
        if rest.first == "," || rest.first == "_" { grouping = rest.removeFirst() }
        if rest.first == "." {
            rest.removeFirst()
            guard let first = rest.first, ("0"..."9").contains(first),
                let precision = Self.takeNumber(&rest)
            else { return nil }
            self.precision = precision
        }
        if let last = rest.first {
            type = last
            rest.removeFirst()
        }
        guard rest.isEmpty else { return nil }
    }

    /// The digits that come next, as a number; 0 where none does, nil where it is too large.
    static func takeNumber(_ rest: inout ArraySlice<Unicode.Scalar>) -> Int? {
        var number = 0
        while let scalar = rest.first, ("0"..."9").contains(scalar) {
            number = number * 10 + Int(scalar.value) - 0x30
            guard number <= JinjaEvaluator.maximumWork else { return nil }
            rest.removeFirst()
        }
        return number
    }
}

extension JinjaDigits {
    /// The digits as `d.ddde+xx`, with a point where it is asked for.
    fileprivate func scientific(hasPoint: Bool) -> String {
        guard hasPoint, digits.utf8.count == 1 else { return scientific }
        return digits + "." + scientific.dropFirst()
    }
}

// Numbers between bounds: rules over their digits, so that bounds of any length are exact.
extension JSONSchemaGrammar {
    /// The keywords that bound numbers.
    static let numberKeywords: Set<String> = [
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    ]
    /// The most that `multipleOf` may be, its point left out.
    private static let maximumFactor = 1_000_000
    /// The most digits of a lower bound.
    private static let maximumDigits = 300

    /// A number of `type`, `integer` or `number`.
    mutating func number(
        ofType type: String, _ schema: JSONValue, at place: String
    ) throws(BitNetError) -> GrammarNode {
        let isInteger = type == "integer"
        guard let bounds = try numberBounds(schema, isInteger: isInteger, at: place) else {
            return isInteger ? integer : number
        }
        var signs: [GrammarNode] = []
        for isNegative in [false, true] {
            guard let magnitude = bounds.magnitude(isNegative: isNegative) else { continue }
            guard let automaton = DecimalAutomaton.automaton(magnitude, effort) else {
                try effort.check()
                throw .grammar(
                    detail: "\(place): numbers in these bounds take too many rules; use a smaller "
                        + "multipleOf, or bounds that are closer together")
            }
            if automaton.isEmpty { continue }
            let digits = rule("digits", automaton, end: .sequence([])) { _, indices in
                .scalars(indices.flatMap { DecimalAutomaton.classes[$0] })
            }
            signs.append(isNegative ? .sequence([.text("-"), digits]) : digits)
        }
        guard !signs.isEmpty else {
            throw .grammar(detail: "\(place): no \(type) is in the bounds")
        }
        return .choice(signs)
    }

    /// The bounds that a schema gives; nil for none.
    private func numberBounds(
        _ schema: JSONValue, isInteger: Bool, at place: String
    ) throws(BitNetError) -> NumberBounds? {
        guard Self.numberKeywords.contains(where: { schema[$0] != nil }) else { return nil }
        var bounds = NumberBounds()
        bounds.lower = try bound(schema, "minimum", "exclusiveMinimum", at: place) { $0 > $1 }
        bounds.upper = try bound(schema, "maximum", "exclusiveMaximum", at: place) { $0 < $1 }
        if let lower = bounds.lower?.value, lower.whole.count > Self.maximumDigits {
            throw .grammar(
                detail: "\(place): a lower bound has more than \(Self.maximumDigits) digits")
        }
        bounds.maximumFraction = isInteger ? 0 : .max
        guard let multiple = try decimal(schema, "multipleOf", at: place) else { return bounds }
        guard !multiple.isNegative, !multiple.isZero else {
            throw .grammar(detail: "\(place): multipleOf is not greater than 0")
        }
        let digits = (multiple.whole + multiple.fraction).drop { $0 == 0 }
        guard digits.count <= 7, multiple.fraction.count <= 18 else {
            throw tooLarge(schema["multipleOf"]?.spelling, place)
        }
        bounds.factor = digits.reduce(0) { $0 * 10 + Int($1) }
        bounds.scale = multiple.fraction.count
        guard bounds.factor <= Self.maximumFactor else {
            throw tooLarge(schema["multipleOf"]?.spelling, place)
        }
        if !isInteger { bounds.maximumFraction = multiple.fraction.count }
        return bounds
    }

    private func tooLarge(_ spelling: String?, _ place: String) -> BitNetError {
        .grammar(
            detail: "\(place): multipleOf is \((spelling ?? "").cut(to: 60)), which is not "
                + "supported: at most \(Self.maximumFactor), its point left out, with at most 18 "
                + "digits after the point")
    }

    /// The narrower of two bounds. In older drafts `exclusive` is a truth value.
    private func bound(
        _ schema: JSONValue, _ name: String, _ exclusive: String, at place: String,
        isNarrower: (DecimalNumber, DecimalNumber) -> Bool
    ) throws(BitNetError) -> NumberBounds.Bound? {
        let closed = try decimal(schema, name, at: place)
        if let isOpen = schema[exclusive]?.bool {
            return closed.map { .init(value: $0, isOpen: isOpen) }
        }
        let open = try decimal(schema, exclusive, at: place)
        guard let closed, let open else {
            return closed.map { .init(value: $0, isOpen: false) }
                ?? open.map { .init(value: $0, isOpen: true) }
        }
        return isNarrower(closed, open)
            ? .init(value: closed, isOpen: false) : .init(value: open, isOpen: true)
    }

    private func decimal(
        _ schema: JSONValue, _ name: String, at place: String
    ) throws(BitNetError) -> DecimalNumber? {
        guard let value = schema[name] else { return nil }
        guard let spelling = value.spelling else {
            throw .grammar(detail: "\(place): \(name) is \(value.kind), not a number")
        }
        guard let number = DecimalNumber(spelling) else {
            throw .grammar(
                detail: "\(place): \(name) is \(spelling.cut(to: 60)), which has too "
                    + "many digits")
        }
        return number
    }
}

// Strings of a length, or in which a regular expression matches.
extension JSONSchemaGrammar {
    mutating func string(_ schema: JSONValue, at place: String) throws(BitNetError) -> GrammarNode {
        let bounds = try bounds(schema, "minLength", "maxLength", at: place)
        guard let value = schema["pattern"] else {
            return .sequence([
                .text("\""), .repetition(character, minimum: bounds.0, maximum: bounds.1),
                .text("\""),
            ])
        }
        guard let pattern = value.string else {
            throw .grammar(detail: "\(place): pattern is \(value.kind), not a string")
        }
        let node = try PatternParser.parse(pattern, at: place)
        guard
            let automaton = PatternAutomaton.automaton(
                node, minimum: bounds.0, maximum: bounds.1, effort)
        else {
            try effort.check()
            throw .grammar(
                detail: "\(place): pattern \(pattern.quoted) takes too many rules; use smaller "
                    + "counts, "
                    + "or fewer of its parts at once")
        }
        guard !automaton.isEmpty else {
            throw .grammar(
                detail: "\(place): pattern \(pattern.quoted) matches no string of these lengths")
        }
        // Rules for the sets of characters that there are: states have most of them in common.
        var made: [[Int]: GrammarNode] = [:]
        let contents = rule("pattern", automaton, end: .text("\"")) { grammar, indices in
            if let known = made[indices] { return known }
            let ranges = indices.flatMap { automaton.classes[$0] }
            let node = grammar.rule("characters", Self.written(ranges))
            made[indices] = node
            return node
        }
        return .sequence([.text("\""), contents])
    }

    /// One of these characters as it is written in a string: as it is where that is allowed, else as
    /// an escape.
    private static func written(_ ranges: [ClosedRange<UInt32>]) -> GrammarNode {
        let short: [UInt32: String] = [
            0x08: "\\b", 0x09: "\\t", 0x0A: "\\n", 0x0C: "\\f", 0x0D: "\\r", 0x22: "\\\"",
            0x5C: "\\\\",
        ]
        let escaped = (0...0x1F as ClosedRange<UInt32>) + [0x22, 0x5C]
        let others = GrammarNode.complement(of: ranges) + escaped.map { $0...$0 }
        // Half a surrogate pair is no character.
        let plain = GrammarNode.complement(of: others + [0xD800...0xDFFF])
        var choices: [GrammarNode] = plain.isEmpty ? [] : [.scalars(plain)]
        for code in escaped where ranges.contains(where: { $0.contains(code) }) {
            if let text = short[code] { choices.append(.text(text)) }
            guard code < 0x20 else { continue }
            let digits = String(code + 0x100, radix: 16).dropFirst()
            choices.append(.text("\\u00" + digits))
        }
        return choices.count == 1 ? choices[0] : .choice(choices)
    }
}

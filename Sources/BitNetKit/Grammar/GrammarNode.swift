/// What a rule of a grammar is made of, before it is compiled.
indirect enum GrammarNode: Sendable {
    /// These bytes.
    case literal([UInt8])
    /// One character out of these code points.
    case scalars([ClosedRange<UInt32>])
    case rule(String)
    case sequence([GrammarNode])
    case choice([GrammarNode])
    /// At least `minimum` times, at most `maximum` if there is one.
    case repetition(GrammarNode, minimum: Int, maximum: Int?)

    /// A text.
    static func text(_ text: String) -> Self { .literal(Array(text.utf8)) }

    static func optional(_ node: GrammarNode) -> Self {
        .repetition(node, minimum: 0, maximum: 1)
    }

    /// The characters of a text, one of them.
    static func any(of text: String) -> Self {
        .scalars(text.unicodeScalars.map { $0.value...$0.value })
    }

    /// The same code points in ranges that neither overlap nor touch, in order.
    static func merged(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
        var merged: [ClosedRange<UInt32>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, range.lowerBound <= last.upperBound + 1 {
                merged[merged.count - 1] =
                    last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        return merged
    }

    /// The code points that are in none of `ranges`.
    static func complement(of ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
        var rest: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if range.lowerBound > next { rest.append(next...range.lowerBound - 1) }
            next = max(next, range.upperBound + 1)
        }
        if next <= 0x10FFFF { rest.append(next...0x10FFFF) }
        return rest
    }
}

/// A rule with its name.
struct GrammarRule: Sendable {
    let name: String
    let node: GrammarNode
}

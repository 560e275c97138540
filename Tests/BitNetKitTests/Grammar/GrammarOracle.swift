@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Every text of a grammar up to a length, found by writing rules out: slow and obviously right.
struct GrammarOracle {
    let texts: Set<[UInt8]>
    private let beginnings: Set<[UInt8]>

    init(_ rules: [GrammarRule], root: String, length: Int) {
        var known: [String: Set<[UInt8]>] = [:]
        var hasChanged = true
        while hasChanged {
            hasChanged = false
            for rule in rules {
                let texts = Self.texts(rule.node, known, length)
                if texts != known[rule.name] ?? [] {
                    known[rule.name] = texts
                    hasChanged = true
                }
            }
        }
        texts = known[root] ?? []
        var beginnings: Set<[UInt8]> = []
        for text in texts {
            for count in 0...text.count { beginnings.insert(Array(text.prefix(count))) }
        }
        self.beginnings = beginnings
    }

    /// The bytes that texts are made of: tokens with others are not looked at.
    static let bytes = Set("ab01\"{}[],:é✓".utf8)

    /// All characters with these bytes.
    private static let alphabet: [Unicode.Scalar] = {
        let ascii = bytes.filter { $0 < 0x80 }.map { Unicode.Scalar($0) }
        let tails = bytes.filter { (0x80..<0xC0).contains($0) }
        var texts: [[UInt8]] = tails.map { [0xC3, $0] }
        for first in tails { texts += tails.map { [0xE2, first, $0] } }
        return ascii + texts.flatMap { String(decoding: $0, as: UTF8.self).unicodeScalars }
    }()

    /// Whether a text of the grammar begins like this.
    func allows(_ beginning: [UInt8]) -> Bool { beginnings.contains(beginning) }

    private static func texts(
        _ node: GrammarNode, _ known: [String: Set<[UInt8]>], _ length: Int
    ) -> Set<[UInt8]> {
        switch node {
        case .literal(let bytes): return bytes.count <= length ? [bytes] : []
        case .scalars(let ranges):
            var texts: Set<[UInt8]> = []
            for scalar in alphabet where ranges.contains(where: { $0.contains(scalar.value) }) {
                texts.insert(Array(String(scalar).utf8))
            }
            return texts
        case .rule(let name): return known[name] ?? []
        case .sequence(let nodes):
            return nodes.reduce([[]]) { joined($0, texts($1, known, length), length) }
        case .choice(let nodes):
            return nodes.reduce([]) { $0.union(texts($1, known, length)) }
        case .repetition(let node, let minimum, let maximum):
            let part = texts(node, known, length)
            var result: Set<[UInt8]> = []
            var current: Set<[UInt8]> = [[]]
            for count in 0...min(maximum ?? length + minimum, length + minimum) {
                if count >= minimum { result.formUnion(current) }
                current = joined(current, part, length)
            }
            return result
        }
    }

    private static func joined(
        _ left: Set<[UInt8]>, _ right: Set<[UInt8]>, _ length: Int
    ) -> Set<[UInt8]> {
        var result: Set<[UInt8]> = []
        for first in left {
            for second in right where first.count + second.count <= length {
                result.insert(first + second)
            }
        }
        return result
    }
}

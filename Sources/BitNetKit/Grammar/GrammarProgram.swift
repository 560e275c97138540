/// A set of bytes.
struct ByteSet: Sendable, Hashable {
    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    init(_ range: ClosedRange<UInt8>) { for byte in range { insert(byte) } }

    private mutating func insert(_ byte: UInt8) {
        let bit = UInt64(1) << UInt64(byte & 63)
        switch byte >> 6 {
        case 0: words.0 |= bit
        case 1: words.1 |= bit
        case 2: words.2 |= bit
        default: words.3 |= bit
        }
    }

    func contains(_ byte: UInt8) -> Bool {
        let word =
            switch byte >> 6 {
            case 0: words.0
            case 1: words.1
            case 2: words.2
            default: words.3
            }
        return word >> UInt64(byte & 63) & 1 == 1
    }

    static func == (left: Self, right: Self) -> Bool { left.words == right.words }

    func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
        hasher.combine(words.2)
        hasher.combine(words.3)
    }
}

/// A compiled grammar: rules whose alternatives are sequences of byte sets and rules.
struct GrammarProgram: Sendable, Hashable {
    /// The most symbols a grammar may have: repetitions are written out.
    static let maximumSize = 1 << 20

    /// A place in an alternative.
    enum Symbol: Sendable, Hashable {
        case bytes(ByteSet)
        case rule(Int)
        case end
    }

    /// All alternatives, one after the other, each ended by `end`.
    private(set) var symbols: [Symbol] = []
    /// For each rule, where its alternatives start.
    private(set) var alternatives: [[Int]] = []
    private(set) var root = 0
    /// Rules by name; those without come from groups and repetitions.
    private var names: [String: Int] = [:]

    /// Compiles rules and refuses those that have no end or no beginning.
    init(
        _ rules: [GrammarRule], root: String, _ effort: Effort = Effort()
    ) throws(BitNetError) {
        for rule in rules {
            guard names.updateValue(names.count, forKey: rule.name) == nil else {
                throw .grammar(detail: "the rule \(rule.name.quoted) is there twice")
            }
        }
        guard let start = names[root] else {
            throw .grammar(detail: "there is no rule '\(root)' to begin with")
        }
        self.root = start
        alternatives = rules.map { _ in [] }
        for (index, rule) in rules.enumerated() {
            let choices = if case .choice(let nodes) = rule.node { nodes } else { [rule.node] }
            try define(index, choices, effort)
        }
        try effort.check()
        try check()
        try effort.check()
    }

    /// More alternatives than this are sorted by how they begin.
    private static let maximumUnsorted = 8

    /// Gives a rule its alternatives.
    private mutating func define(
        _ rule: Int, _ choices: [GrammarNode], _ effort: Effort
    ) throws(BitNetError) {
        let isLong = choices.count > Self.maximumUnsorted
        var texts: [Beginning] = []
        for choice in choices {
            if isLong, let text = Beginning(choice) {
                texts.append(text)
                continue
            }
            var sequence: [Symbol] = []
            try append(choice, to: &sequence, effort)
            try finish(sequence, of: rule, effort)
        }
        try define(rule, texts, effort)
    }

    /// Alternatives that begin with a text, as a tree: of thousands of words, those that begin alike
    /// then have one stack.
    private mutating func define(
        _ rule: Int, _ texts: [Beginning], _ effort: Effort
    ) throws(BitNetError) {
        var pending = [(rule: rule, texts: texts)]
        while let (rule, texts) = pending.popLast() {
            var groups: [[Beginning]] = Array(repeating: [], count: 257)
            try effort.spend(texts.count + groups.count)
            for text in texts { groups[text.bytes.first.map { Int($0) + 1 } ?? 0].append(text) }
            for (index, group) in groups.enumerated() {
                if index == 0 || group.count == 1 {
                    for text in group { try finish(text, of: rule, effort) }
                } else if let first = group.first {
                    let shared = group.reduce(first.bytes.count) { count, text in
                        zip(first.bytes.prefix(count), text.bytes).prefix { $0 == $1 }.count
                    }
                    let more = makeRule()
                    try finish(
                        Self.symbols(first.bytes.prefix(shared)) + [.rule(more)], of: rule, effort)
                    pending.append((more, group.map { $0.dropFirst(shared) }))
                }
            }
        }
    }

    private mutating func finish(
        _ text: Beginning, of rule: Int, _ effort: Effort
    ) throws(BitNetError) {
        try checkRoom(for: text.bytes.count)
        var sequence = Self.symbols(text.bytes)
        for node in text.rest { try append(node, to: &sequence, effort) }
        try finish(sequence, of: rule, effort)
    }

    private static func symbols(_ bytes: ArraySlice<UInt8>) -> [Symbol] {
        bytes.map { .bytes(ByteSet($0...$0)) }
    }

    /// An alternative as the text that it begins with and what follows.
    private struct Beginning {
        var bytes: ArraySlice<UInt8>
        let rest: [GrammarNode]

        /// Nil where the alternative does not begin with a text.
        init?(_ node: GrammarNode) {
            var nodes = if case .sequence(let nodes) = node { nodes[...] } else { [node][...] }
            var bytes: [UInt8] = []
            let count = nodes.count
            while case .literal(let text)? = nodes.first {
                bytes += text
                nodes.removeFirst()
            }
            guard nodes.count < count else { return nil }
            (self.bytes, rest) = (bytes[...], Array(nodes))
        }

        func dropFirst(_ count: Int) -> Self {
            var text = self
            text.bytes = bytes.dropFirst(count)
            return text
        }
    }

    private mutating func finish(
        _ sequence: [Symbol], of rule: Int, _ effort: Effort
    ) throws(BitNetError) {
        try effort.spend(sequence.count + 1)
        try checkRoom(for: sequence.count)
        alternatives[rule].append(symbols.count)
        symbols += sequence
        symbols.append(.end)
    }

    /// Refuses what has `count` more symbols than there are, before they take memory.
    private func checkRoom(for count: Int) throws(BitNetError) {
        guard symbols.count + count < Self.maximumSize else {
            throw .grammar(
                detail: "the grammar is too large: it has more than the \(Self.maximumSize) places "
                    + "that are supported, one for each byte of its texts and each repetition; "
                    + "shorten the texts, or use fewer or smaller repetitions")
        }
    }

    /// A new rule without a name.
    private mutating func makeRule() -> Int {
        alternatives.append([])
        return alternatives.count - 1
    }

    private mutating func append(
        _ node: GrammarNode, to sequence: inout [Symbol], _ effort: Effort
    ) throws(BitNetError) {
        try effort.spend(1)
        switch node {
        case .literal(let bytes):
            try checkRoom(for: sequence.count + bytes.count)
            for byte in bytes { sequence.append(.bytes(ByteSet(byte...byte))) }
        case .scalars(let ranges): try appendScalars(ranges, to: &sequence, effort)
        case .rule(let name):
            guard let index = names[name] else {
                throw .grammar(detail: "there is no rule \(name.quoted)")
            }
            sequence.append(.rule(index))
        case .sequence(let nodes):
            for node in nodes { try append(node, to: &sequence, effort) }
        case .choice(let nodes):
            let rule = makeRule()
            try define(rule, nodes, effort)
            sequence.append(.rule(rule))
        case .repetition(let node, let minimum, let maximum):
            try appendRepetition(of: node, minimum, maximum, to: &sequence, effort)
        }
    }

    private mutating func appendScalars(
        _ ranges: [ClosedRange<UInt32>], to sequence: inout [Symbol], _ effort: Effort
    ) throws(BitNetError) {
        // Each character once: two ways to read it would be two ways to go on.
        let encodings = GrammarNode.merged(ranges).flatMap(UTF8Ranges.sequences)
        if encodings.count == 1 {
            sequence += encodings[0].map { .bytes(ByteSet($0)) }
            return
        }
        let rule = makeRule()
        for encoding in encodings {
            try finish(encoding.map { .bytes(ByteSet($0)) }, of: rule, effort)
        }
        sequence.append(.rule(rule))
    }

    private mutating func appendRepetition(
        of node: GrammarNode, _ minimum: Int, _ maximum: Int?, to sequence: inout [Symbol],
        _ effort: Effort
    ) throws(BitNetError) {
        let part = makeRule()
        try define(part, [node], effort)
        try checkRoom(for: sequence.count + minimum)
        sequence += repeatElement(.rule(part), count: minimum)
        guard let maximum else {
            let more = makeRule()
            try finish([.rule(part), .rule(more)], of: more, effort)
            try finish([], of: more, effort)
            sequence.append(.rule(more))
            return
        }
        // Each rule is one more of the part, or none: the last one made allows all.
        var more: Int?
        for _ in 0..<max(maximum - minimum, 0) {
            let rule = makeRule()
            try finish([.rule(part)] + (more.map { [.rule($0)] } ?? []), of: rule, effort)
            try finish([], of: rule, effort)
            more = rule
        }
        if let more { sequence.append(.rule(more)) }
    }
}

// MARK: - Checks

extension GrammarProgram {
    private func name(of rule: Int) -> String {
        names.first { $0.value == rule }.map { "the rule \($0.key.quoted)" } ?? "a group"
    }

    /// The symbols of the alternative that starts at `position`.
    private func sequence(at position: Int) -> ArraySlice<Symbol> {
        symbols[position...].prefix { $0 != .end }
    }

    private func check() throws(BitNetError) {
        let ends = closed(matchingNothing: false)
        if let rule = ends.indices.first(where: { !ends[$0] }) {
            throw .grammar(detail: "\(name(of: rule)) has no end: it always needs itself again")
        }
        let empty = closed(matchingNothing: true)
        try checkLeftRecursion(empty)
    }

    /// The rules with an alternative of whose rules all are among these, and without bytes with
    /// `matchingNothing`; each place in the grammar is looked at once or twice.
    private func closed(matchingNothing: Bool) -> [Bool] {
        var known = [Bool](repeating: false, count: alternatives.count)
        // For each alternative the places that are not known yet, and its rule.
        var (missing, owners): ([Int], [Int]) = ([], [])
        var users: [[Int]] = alternatives.map { _ in [] }
        var pending: [Int] = []
        for rule in alternatives.indices {
            for start in alternatives[rule] {
                let sequence = sequence(at: start)
                let parts = sequence.compactMap {
                    if case .rule(let part) = $0 { part } else { nil }
                }
                if matchingNothing, parts.count < sequence.count { continue }
                for part in parts { users[part].append(missing.count) }
                missing.append(parts.count)
                owners.append(rule)
                if parts.isEmpty { pending.append(rule) }
            }
        }
        while let rule = pending.popLast() {
            guard !known[rule] else { continue }
            known[rule] = true
            for alternative in users[rule] {
                missing[alternative] -= 1
                if missing[alternative] == 0 { pending.append(owners[alternative]) }
            }
        }
        return known
    }

    /// Refuses rules that begin with themselves and have something left to match afterwards: without
    /// reading a byte, there would be ever more to match.
    private func checkLeftRecursion(_ empty: [Bool]) throws(BitNetError) {
        var edges: [[(target: Int, grows: Bool)]] = alternatives.map { _ in [] }
        for rule in alternatives.indices {
            for start in alternatives[rule] {
                let sequence = sequence(at: start)
                for (index, symbol) in zip(sequence.indices, sequence) {
                    guard case .rule(let target) = symbol else { break }
                    edges[rule].append((target, index + 1 < sequence.endIndex))
                    if !empty[target] { break }
                }
            }
        }
        let component = Self.components(edges.map { $0.map(\.target) })
        for rule in edges.indices {
            for edge in edges[rule] where edge.grows && component[rule] == component[edge.target] {
                throw .grammar(
                    detail: "\(name(of: rule)) begins with itself; write what is repeated with *")
            }
        }
    }

    /// The strongly connected component of every node (Tarjan's algorithm, without recursion).
    private static func components(_ edges: [[Int]]) -> [Int] {
        var order = [Int](repeating: -1, count: edges.count)
        var low = order
        var component = order
        var (open, path, next): ([Int], [(node: Int, edge: Int)], Int) = ([], [], 0)
        for start in edges.indices where order[start] < 0 {
            path.append((start, 0))
            while let (node, edge) = path.last {
                if edge == 0 {
                    order[node] = next
                    low[node] = next
                    next += 1
                    open.append(node)
                }
                if edge < edges[node].count {
                    path[path.count - 1].edge += 1
                    let target = edges[node][edge]
                    if order[target] < 0 {
                        path.append((target, 0))
                    } else if component[target] < 0 {
                        low[node] = min(low[node], order[target])
                    }
                    continue
                }
                path.removeLast()
                if let parent = path.last?.node { low[parent] = min(low[parent], low[node]) }
                guard low[node] == order[node] else { continue }
                while let member = open.popLast() {
                    component[member] = node
                    if member == node { break }
                }
            }
        }
        return component
    }
}

extension JSONSchemaGrammar {
    /// An object: its properties in the order of the schema, then others if there may be any.
    mutating func object(_ schema: JSONValue, at place: String) throws(BitNetError) -> GrammarNode {
        let properties = (schema["properties"]?.object?.members).map { Array($0) } ?? []
        if let value = schema["properties"], value.object == nil {
            throw .grammar(detail: "\(place): properties is \(value.kind), not an object")
        }
        let required = try required(schema, properties.map(\.key), at: place)
        var members: [(node: GrammarNode, isRequired: Bool)] = []
        for (key, value) in properties.map({ ($0.key, $0.value) }) {
            try effort.spend(1 + key.utf8.count)
            let node = GrammarNode.sequence([
                .text(key.jsonLiteral(isASCII: false) + ":"), space,
                try node(value, at: Self.place(place + "/properties", key)),
            ])
            members.append((node, required.contains(ExactString(key))))
        }
        let others = try others(schema, properties.map(\.key), at: place)
        return rule(
            "object", .sequence([.text("{"), contents(members, others), space, .text("}")]))
    }

    private func required(
        _ schema: JSONValue, _ keys: [String], at place: String
    ) throws(BitNetError) -> Set<ExactString> {
        guard let value = schema["required"] else { return [] }
        let names = value.array?.compactMap(\.string) ?? []
        guard let count = value.array?.count, count == names.count else {
            throw .grammar(detail: "\(place): required is no list of names")
        }
        let known = Set(keys.map(ExactString.init))
        if let missing = names.first(where: { !known.contains(ExactString($0)) }) {
            throw .grammar(detail: "\(place): \(missing.quoted) is required, but no property")
        }
        return Set(names.map(ExactString.init))
    }

    /// One member that the schema does not name; nil where there may be none.
    private mutating func others(
        _ schema: JSONValue, _ keys: [String], at place: String
    ) throws(BitNetError) -> GrammarNode? {
        let additional = schema["additionalProperties"]
        if additional == .bool(false) { return nil }
        // An object of which nothing is said has any members; one with properties those alone.
        guard let schema = additional ?? (keys.isEmpty ? .bool(true) : nil) else { return nil }
        let value = try node(schema, at: "\(place)/additionalProperties")
        let key = keys.isEmpty ? string : try keyOutside(keys)
        return rule("other", .sequence([key, .text(":"), space, value]))
    }

    /// The members, of which each is in one rule: that of those that are left where it may come.
    private mutating func contents(
        _ members: [(node: GrammarNode, isRequired: Bool)], _ others: GrammarNode?
    ) -> GrammarNode {
        let prefix = "members-\(rules.count)-"
        let separated = GrammarNode.sequence([.text(","), space])
        // One or more of the members that are left, and what follows a member before them.
        var rest: GrammarNode?
        var next = GrammarNode.sequence([])
        var isNeeded = false
        if let others {
            next = .repetition(.sequence([separated, others]), minimum: 0, maximum: nil)
            rest = .sequence([others, next])
        }
        for (index, member) in members.enumerated().reversed() {
            // Rules of their own, or what follows would be written out twice for every member.
            add(prefix + "\(index)-next", next)
            let here = GrammarNode.sequence([member.node, .rule(prefix + "\(index)-next")])
            let choices = member.isRequired ? [here] : [here] + [rest].compactMap(\.self)
            add(prefix + "\(index)", .choice(choices))
            isNeeded = isNeeded || member.isRequired
            let left = GrammarNode.rule(prefix + "\(index)")
            let more = GrammarNode.sequence([separated, left])
            rest = left
            next = isNeeded ? more : .optional(more)
        }
        guard let rest else { return .sequence([]) }
        let all = GrammarNode.sequence([space, rest])
        return isNeeded ? all : .optional(all)
    }

    /// A key that is none of `keys`: without escapes, so that none can be spelled another way.
    private mutating func keyOutside(_ keys: [String]) throws(BitNetError) -> GrammarNode {
        let plain: [ClosedRange<UInt32>] = [0...0x1F, 0x22...0x22, 0x5C...0x5C]
        let rest = GrammarNode.sequence([
            .repetition(.scalars(GrammarNode.complement(of: plain)), minimum: 0, maximum: nil),
            .text("\""),
        ])
        var groups: [Group] = [Group(node: 0, keys: keys.map { Array($0.unicodeScalars)[...] })]
        let prefix = "key-\(rules.count)-"
        var next = 0
        // One rule for each beginning that some key has.
        while next < groups.count {
            let group = groups[next]
            var choices: [GrammarNode] = []
            if !group.keys.contains(where: \.isEmpty) { choices.append(.text("\"")) }
            var byFirst: [(Unicode.Scalar, [ArraySlice<Unicode.Scalar>])] = []
            var places: [Unicode.Scalar: Int] = [:]
            try effort.spend(group.keys.count)
            for key in group.keys {
                guard let first = key.first else { continue }
                if let index = places[first] {
                    byFirst[index].1.append(key.dropFirst())
                } else {
                    places[first] = byFirst.count
                    byFirst.append((first, [key.dropFirst()]))
                }
            }
            for (first, keys) in byFirst where !plain.contains(where: { $0.contains(first.value) })
            {
                choices.append(
                    .sequence([.text("\(first)"), .rule(prefix + "\(groups.count)")]))
                groups.append(Group(node: groups.count, keys: keys))
            }
            let taken = plain + byFirst.map { $0.0.value...$0.0.value }
            choices.append(
                .sequence([.scalars(GrammarNode.complement(of: taken)), rest]))
            add(prefix + "\(group.node)", .choice(choices))
            next += 1
        }
        return .sequence([.text("\""), .rule(prefix + "0")])
    }

    /// What is left of the keys that begin alike.
    private struct Group {
        let node: Int
        let keys: [ArraySlice<Unicode.Scalar>]
    }
}

/// Turns a JSON schema into the rules of a grammar.
struct JSONSchemaGrammar {
    /// Schemas inside schemas; reading them recurses.
    private static let maximumDepth = 64

    var rules: [GrammarRule] = []
    private var names: Set<String> = []
    let root: JSONValue
    /// References that have a rule, by what they refer to.
    var references: [ExactString: String] = [:]
    /// The members of the root that references lead into.
    var containers: Set<ExactString> = []
    var pending: [(name: String, schema: JSONValue, place: String)] = []
    private var depth = 0

    let effort: Effort

    private init(_ root: JSONValue, _ effort: Effort) {
        self.root = root
        self.effort = effort
    }

    /// The rules of a schema; the one to begin with is `root`.
    static func rules(
        of text: String, _ effort: Effort = Effort()
    ) throws(BitNetError) -> [GrammarRule] {
        let schema = try JSONValue(text) { .grammar(detail: "the JSON schema is no JSON: \($0)") }
        try effort.spend(text.utf8.count)
        var grammar = JSONSchemaGrammar(schema, effort)
        try grammar.findContainers()
        grammar.references[ExactString("#")] = "root"
        grammar.pending = [("root", schema, "#")]
        while let next = grammar.pending.popLast() {
            let node = try grammar.node(next.schema, at: next.place)
            grammar.add(next.name, node)
        }
        return grammar.rules
    }

    // MARK: - Rules

    mutating func add(_ name: String, _ node: GrammarNode) {
        names.insert(name)
        rules.append(GrammarRule(name: name, node: node))
    }

    /// A rule for `node` alone, so that whatever uses it twice does not write it out twice.
    mutating func rule(_ kind: String, _ node: GrammarNode) -> GrammarNode {
        let name = "\(kind)-\(rules.count)"
        add(name, node)
        return .rule(name)
    }

    /// A rule of which there is one, made when it is first used.
    mutating func shared(
        _ name: String, _ make: (inout JSONSchemaGrammar) -> GrammarNode
    ) -> GrammarNode {
        if names.insert(name).inserted {
            let node = make(&self)
            rules.append(GrammarRule(name: name, node: node))
        }
        return .rule(name)
    }

    // MARK: - Schemas

    /// Keywords that say nothing about which texts are valid.
    private static let annotations: Set<String> = [
        "title", "description", "default", "examples", "$schema", "$id", "$comment", "$defs",
        "definitions", "deprecated", "readOnly", "writeOnly",
    ]

    mutating func node(_ schema: JSONValue, at place: String) throws(BitNetError) -> GrammarNode {
        guard depth < Self.maximumDepth else {
            throw .grammar(detail: "\(place): schemas are nested too deep")
        }
        depth += 1
        defer { depth -= 1 }
        try effort.spend(1)
        if schema == .bool(true) { return anyValue }
        guard let object = schema.object else {
            throw .grammar(detail: "\(place): expected a schema, found \(schema.kind)")
        }
        let keywords = object.members.map(\.key).filter {
            !Self.annotations.contains($0) && !(depth == 1 && place == "#" && isContainer($0))
        }
        if let reference = object["$ref"] {
            try check(keywords, ["$ref"], place)
            return try node(of: reference, at: place)
        }
        if let value = object["const"] {
            try check(keywords, ["const", "type"], place)
            return try literals([value], schema, at: place)
        }
        if let values = object["enum"] {
            try check(keywords, ["enum", "type"], place)
            guard let values = values.array, !values.isEmpty else {
                throw .grammar(detail: "\(place): enum is no list of values")
            }
            return try literals(Array(values), schema, at: place)
        }
        for name in ["anyOf", "oneOf"] {
            guard let choices = object[name] else { continue }
            try check(keywords, [name], place)
            return try choice(choices, at: "\(place)/\(name)")
        }
        return try typed(schema, keywords, at: place)
    }

    /// The place of a part, for messages; a long one is cut, or names would be copied into every part.
    static func place(_ place: String, _ part: String) -> String {
        place.utf8.count > 2000 ? place : place + "/" + part.cut(to: 60)
    }

    private func check(
        _ keywords: [String], _ allowed: Set<String>, _ place: String
    ) throws(BitNetError) {
        if let other = keywords.first(where: { !allowed.contains($0) }) {
            throw .grammar(detail: "\(place): the keyword \(other.quoted) is not supported here")
        }
    }

    private mutating func choice(
        _ choices: JSONValue, at place: String
    ) throws(BitNetError) -> GrammarNode {
        guard let choices = choices.array, !choices.isEmpty else {
            throw .grammar(detail: "\(place): expected a list of schemas")
        }
        var nodes: [GrammarNode] = []
        for (index, schema) in choices.enumerated() {
            nodes.append(try node(schema, at: Self.place(place, "\(index)")))
        }
        return .choice(nodes)
    }

    /// What the keywords of each type are.
    private static let keywords: [String: Set<String>] = [
        "object": ["properties", "required", "additionalProperties"],
        "array": ["items", "minItems", "maxItems"],
        "string": ["minLength", "maxLength", "pattern"], "number": numberKeywords,
        "integer": numberKeywords, "boolean": [], "null": [],
    ]

    /// The types that a schema names, if it names any.
    private func types(_ schema: JSONValue, at place: String) throws(BitNetError) -> [String]? {
        guard let type = schema["type"] else { return nil }
        let listed = type.array.map { Array($0) } ?? [type]
        let types = listed.compactMap(\.string)
        guard types.count == listed.count, !types.isEmpty else {
            throw .grammar(detail: "\(place): type is not the name of a type")
        }
        if let unknown = types.first(where: { Self.keywords[$0] == nil }) {
            throw .grammar(detail: "\(place): there is no type \(unknown.quoted)")
        }
        return types
    }

    /// Those of `values` that have the schema's type.
    private func literals(
        _ values: [JSONValue], _ schema: JSONValue, at place: String
    ) throws(BitNetError) -> GrammarNode {
        let types = try types(schema, at: place)
        let fitting = values.filter { value in
            types.map { $0.contains(where: value.isOfType) } ?? true
        }
        guard !fitting.isEmpty else {
            throw .grammar(detail: "\(place): no value of enum or const has the type")
        }
        var texts: [GrammarNode] = []
        for value in fitting {
            try effort.spend(1)
            texts.append(.text(try value.compactText(at: place)))
        }
        return texts.count == 1 ? texts[0] : .choice(texts)
    }

    private mutating func typed(
        _ schema: JSONValue, _ keywords: [String], at place: String
    ) throws(BitNetError) -> GrammarNode {
        if keywords.isEmpty { return anyValue }
        // A schema with the keywords of one type alone means that type.
        let types =
            try types(schema, at: place)
            ?? ["object", "array", "string", "number"].filter { type in
                keywords.contains { Self.keywords[type]?.contains($0) ?? false }
            }
        let allowed = types.reduce(into: Set(["type"])) { $0.formUnion(Self.keywords[$1] ?? []) }
        try check(keywords, allowed, place)
        var nodes: [GrammarNode] = []
        for type in types { nodes.append(try node(ofType: type, schema, at: place)) }
        return nodes.count == 1 ? nodes[0] : .choice(nodes)
    }

    private mutating func node(
        ofType type: String, _ schema: JSONValue, at place: String
    ) throws(BitNetError) -> GrammarNode {
        switch type {
        case "object": return try object(schema, at: place)
        case "array": return try array(schema, at: place)
        case "string": return try string(schema, at: place)
        case "integer", "number": return try number(ofType: type, schema, at: place)
        case "boolean": return .choice([.text("true"), .text("false")])
        default: return .text("null")
        }
    }

    /// The two bounds of a length.
    func bounds(
        _ schema: JSONValue, _ least: String, _ most: String, at place: String
    ) throws(BitNetError) -> (Int, Int?) {
        var found: [Int?] = []
        for name in [least, most] {
            guard let value = schema[name] else {
                found.append(nil)
                continue
            }
            guard let count = value.int, (0...GBNFParser.maximumCount).contains(count) else {
                throw .grammar(
                    detail: "\(place): \(name) is not in 0...\(GBNFParser.maximumCount)")
            }
            found.append(count)
        }
        let minimum = found[0] ?? 0
        guard found[1].map({ $0 >= minimum }) ?? true else {
            throw .grammar(detail: "\(place): \(most) is less than \(least)")
        }
        return (minimum, found[1])
    }
}

extension JSONValue {
    /// Whether the value has a type of JSON schema.
    fileprivate func isOfType(_ type: String) -> Bool {
        switch self {
        case .null: type == "null"
        case .bool: type == "boolean"
        case .int, .double, .decimal, .notFinite:
            type == "number" || type == "integer" && isWholeNumber
        case .string: type == "string"
        case .array: type == "array"
        case .object: type == "object"
        }
    }

    private var isWholeNumber: Bool { spelling.flatMap { DecimalNumber($0) }?.isWhole ?? false }

    /// The value as JSON without spaces, its numbers as they are spelled in the schema.
    fileprivate func compactText(at place: String) throws(BitNetError) -> String {
        switch self {
        case .null: return "null"
        case .bool(let value): return "\(value)"
        case .int, .double, .decimal, .notFinite:
            guard let spelling else {
                throw .grammar(detail: "\(place): \(kind) is no number of JSON")
            }
            return spelling
        case .string(let text): return text.jsonLiteral(isASCII: false)
        case .array(let values):
            var texts: [String] = []
            for value in values { texts.append(try value.compactText(at: place)) }
            return "[" + texts.joined(separator: ",") + "]"
        case .object(let object):
            var texts: [String] = []
            for member in object.members {
                let value = try member.value.compactText(at: place)
                texts.append(member.key.jsonLiteral(isASCII: false) + ":" + value)
            }
            return "{" + texts.joined(separator: ",") + "}"
        }
    }
}

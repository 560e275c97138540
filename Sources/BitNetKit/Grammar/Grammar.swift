/// What a response has to look like: only tokens that keep to it are chosen.
///
/// What a token costs is bounded: one step for each byte in the tree of the vocabulary's tokens (some
/// 275,000 for the 128,256 tokens of Llama 3), and 4,194,304 for finding out which bytes may follow
/// which. A grammar that needs more, or that may go on in more than 4,096 ways from one place, ends
/// with `BitNetError.grammar` where it does; none of its texts is left out. A grammar or schema has at
/// most 4 MiB of text and 1,048,576 places when its repetitions are written out.
///
/// ```swift
/// let yesOrNo = try Grammar(gbnf: #"root ::= "yes" | "no""#)
/// let person = try Grammar(
///     jsonSchema: #"{"type": "object", "properties": {"name": {"type": "string"}}}"#)
/// ```
public struct Grammar: Sendable {
    let program: GrammarProgram
    /// What it was made from.
    let source: Source

    enum Source: Sendable {
        case gbnf(String, root: String)
        case jsonSchema(String)
        /// Rules of this library that no text says.
        case rules
    }

    /// A grammar in a subset of GBNF, the notation of llama.cpp: rules `name ::= ...`, literals,
    /// character classes, `.`, groups, `|`, `*`, `+`, `?`, `{m}`, `{m,}`, `{m,n}`, comments from `#`.
    ///
    /// - Parameters:
    ///   - gbnf: the rules.
    ///   - root: the rule that the whole response has to match.
    /// - Throws: `BitNetError.grammar` with the line that is malformed, or the rule that is missing,
    ///   left-recursive or without an end; `.cancelled` soon after the current task is cancelled.
    public init(gbnf: String, root: String = "root") throws(BitNetError) {
        try self.init(gbnf: gbnf, root: root, effort: .ofTask())
    }

    init(gbnf: String, root: String = "root", effort: Effort) throws(BitNetError) {
        try Self.check(gbnf, effort)
        try self.init(
            rules: try GBNFParser.rules(of: gbnf, effort), root: root,
            source: .gbnf(gbnf, root: root), effort)
    }

    /// A grammar of the JSON texts that are valid under a JSON schema.
    ///
    /// Read are `type`, `properties`, `required`, `additionalProperties`, `items`, `minItems`,
    /// `maxItems`, `minLength`, `maxLength`, `pattern`, `minimum`, `maximum`, `exclusiveMinimum`,
    /// `exclusiveMaximum`, `multipleOf`, `enum`, `const`, `anyOf`, `oneOf`, `$ref` to any place in
    /// the schema, and annotations. Properties come in the schema's order, others only where
    /// `additionalProperties` asks for them; of a `oneOf` any alternative may come.
    ///
    /// Numbers of `enum` and `const` are written as the schema spells them. Bounds are exact,
    /// whatever their length; without an upper one, whole numbers have at most 18 digits (or one
    /// more than the lower bound), and numbers with a fraction 15. A `pattern` may match anywhere
    /// in the string; it has literals, classes, `.`, `\d \w \s` and their opposites, groups, `|`,
    /// repetitions, `^` and `$`. Where ECMAScript and Python differ, strings match in both.
    ///
    /// - Throws: `BitNetError.grammar` where the schema is not JSON or has another keyword, which
    ///   would be ignored otherwise; `.cancelled` soon after the current task is cancelled.
    public init(jsonSchema: String) throws(BitNetError) {
        try self.init(jsonSchema: jsonSchema, effort: .ofTask())
    }

    init(jsonSchema: String, effort: Effort) throws(BitNetError) {
        try Self.check(jsonSchema, effort)
        try self.init(
            rules: try JSONSchemaGrammar.rules(of: jsonSchema, effort), root: "root",
            source: .jsonSchema(jsonSchema), effort)
    }

    /// Texts between which there is JSON of a schema, or else, if `orText`, any text that begins with
    /// another character.
    init(
        jsonSchema: JSONSchema, between fixed: (before: String, after: String), orText: Bool
    ) throws(BitNetError) {
        let (effort, schema) = (Effort.ofTask(), jsonSchema.json)
        try Self.check(schema, effort)
        var rules = try JSONSchemaGrammar.rules(of: schema, effort)
        let call = GrammarNode.sequence([.text(fixed.before), .rule("root"), .text(fixed.after)])
        var choices = [call]
        if orText, let first = (fixed.before + "{").unicodeScalars.first {
            let others = GrammarNode.complement(of: [first.value...first.value, 0xD800...0xDFFF])
            let any = GrammarNode.complement(of: [0xD800...0xDFFF])
            choices.append(
                .sequence([
                    .scalars(others), .repetition(.scalars(any), minimum: 0, maximum: nil),
                ]))
        }
        // Names of a schema's rules have no space in them.
        rules.append(GrammarRule(name: "the whole", node: .choice(choices)))
        try self.init(rules: rules, root: "the whole", source: .rules, effort)
    }

    /// The most bytes that a grammar or schema may have.
    package static let longestSource = 1 << 22

    private static func check(_ source: String, _ effort: Effort) throws(BitNetError) {
        try effort.check()
        guard source.utf8.count <= longestSource else {
            throw .grammar(
                detail:
                    "it has \(source.utf8.count) bytes, more than the \(longestSource) that are "
                    + "supported")
        }
    }

    private init(
        rules: [GrammarRule], root: String, source: Source, _ effort: Effort
    ) throws(BitNetError) {
        self.source = source
        program = try GrammarProgram(rules, root: root, effort)
        // Too many ways to begin: better known now than with the first token.
        _ = try GrammarAutomaton(program).start()
    }
}

extension Grammar: Hashable {
    /// Grammars are the same that have the same rules, however they are written.
    public static func == (left: Self, right: Self) -> Bool { left.program == right.program }

    /// Hashes the rules.
    public func hash(into hasher: inout Hasher) { hasher.combine(program) }
}

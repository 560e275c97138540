/// What a response has to look like: only tokens that keep to it are chosen.
///
/// ```swift
/// let yesOrNo = try Grammar(gbnf: #"root ::= "yes" | "no""#)
/// let person = try Grammar(
///     jsonSchema: #"{"type": "object", "properties": {"name": {"type": "string"}}}"#)
/// ```
public struct Grammar: Sendable, Hashable {
    let program: GrammarProgram

    /// A grammar in a subset of GBNF, the notation of llama.cpp: rules `name ::= ...`, literals,
    /// character classes, `.`, groups, `|`, `*`, `+`, `?`, `{m}`, `{m,}`, `{m,n}`, comments from `#`.
    ///
    /// - Parameters:
    ///   - gbnf: the rules.
    ///   - root: the rule that the whole response has to match.
    /// - Throws: `BitNetError.grammar` with the line that is malformed, or the rule that is missing,
    ///   left-recursive or without an end.
    public init(gbnf: String, root: String = "root") throws(BitNetError) {
        try self.init(rules: try GBNFParser.rules(of: gbnf), root: root)
    }

    /// A grammar of the JSON texts that are valid under a JSON schema.
    ///
    /// Read are `type`, `properties`, `required`, `additionalProperties`, `items`, `minItems`,
    /// `maxItems`, `minLength`, `maxLength`, `enum`, `const`, `anyOf`, `oneOf`, `$ref` into `$defs`
    /// and `definitions`, and annotations. Properties come in the schema's order, others only where
    /// `additionalProperties` asks for them; of a `oneOf` any alternative may come.
    ///
    /// - Throws: `BitNetError.grammar` where the schema is not JSON or has another keyword, which
    ///   would be ignored otherwise.
    public init(jsonSchema: String) throws(BitNetError) {
        try self.init(rules: try JSONSchemaGrammar.rules(of: jsonSchema), root: "root")
    }

    private init(rules: [GrammarRule], root: String) throws(BitNetError) {
        program = try GrammarProgram(rules, root: root)
        // Too many ways to begin: better known now than with the first token.
        _ = try GrammarAutomaton(program).start()
    }
}

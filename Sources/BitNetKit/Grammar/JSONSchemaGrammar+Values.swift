// The parts of JSON (RFC 8259) that rules are made of.
extension JSONSchemaGrammar {
    /// Space between tokens: none, one, or a new line with an indent. More would let a model that
    /// likes space go on for ever.
    var space: GrammarNode {
        mutating get {
            shared("space") { _ in
                .optional(
                    .choice([
                        .text(" "),
                        .sequence([
                            .text("\n"),
                            .repetition(.any(of: " \t"), minimum: 0, maximum: 20),
                        ]),
                    ]))
            }
        }
    }

    /// One character of a string, escaped or not.
    var character: GrammarNode {
        mutating get {
            shared("character") { _ in
                let plain = GrammarNode.complement(of: [0...0x1F, 0x22...0x22, 0x5C...0x5C])
                let hex = GrammarNode.scalars([0x30...0x39, 0x41...0x46, 0x61...0x66])
                // Not D800 to DFFF: half a pair is no character.
                let notD = GrammarNode.scalars([
                    0x30...0x39, 0x41...0x43, 0x45...0x46, 0x61...0x63, 0x65...0x66,
                ])
                return .choice([
                    .scalars(plain),
                    .sequence([.text("\\"), .any(of: "\"\\/bfnrt")]),
                    .sequence([.text("\\u"), notD, hex, hex, hex]),
                    .sequence([.text("\\u"), .any(of: "dD"), .any(of: "01234567"), hex, hex]),
                ])
            }
        }
    }

    var string: GrammarNode {
        mutating get {
            shared("string") { grammar in
                .sequence([
                    .text("\""),
                    .repetition(grammar.character, minimum: 0, maximum: nil), .text("\""),
                ])
            }
        }
    }

    /// A whole number that every reader can hold.
    var integer: GrammarNode {
        mutating get {
            shared("integer") { _ in
                .sequence([
                    .optional(.text("-")),
                    .choice([
                        .text("0"),
                        .sequence([
                            .scalars([0x31...0x39]),
                            .repetition(.scalars([0x30...0x39]), minimum: 0, maximum: 17),
                        ]),
                    ]),
                ])
            }
        }
    }

    /// A number that a double can hold.
    var number: GrammarNode {
        mutating get {
            shared("number") { grammar in
                let digit = GrammarNode.scalars([0x30...0x39])
                return .sequence([
                    grammar.integer,
                    .optional(
                        .sequence([.text("."), .repetition(digit, minimum: 1, maximum: 16)])),
                    .optional(
                        .sequence([
                            .any(of: "eE"), .optional(.any(of: "+-")),
                            .repetition(digit, minimum: 1, maximum: 2),
                        ])),
                ])
            }
        }
    }

    /// Any JSON value.
    var anyValue: GrammarNode {
        mutating get {
            shared("value") { grammar in
                let value = GrammarNode.rule("value")
                let space = grammar.space
                let member = GrammarNode.sequence([
                    grammar.string, .text(":"), space, value,
                ])
                return .choice([
                    Self.list(of: member, between: ("{", "}"), space, minimum: 0, maximum: nil),
                    Self.list(of: value, between: ("[", "]"), space, minimum: 0, maximum: nil),
                    grammar.string, grammar.number, .text("true"), .text("false"), .text("null"),
                ])
            }
        }
    }

    /// Parts with commas between them, in brackets.
    static func list(
        of part: GrammarNode, between brackets: (String, String), _ space: GrammarNode,
        minimum: Int, maximum: Int?
    ) -> GrammarNode {
        let more = GrammarNode.sequence([.text(","), space, part])
        let parts = GrammarNode.sequence([
            space, part,
            .repetition(
                more, minimum: max(minimum - 1, 0), maximum: maximum.map { max($0 - 1, 0) }),
        ])
        let contents: GrammarNode =
            maximum == 0 ? .sequence([]) : minimum == 0 ? .optional(parts) : parts
        return .sequence([.text(brackets.0), contents, space, .text(brackets.1)])
    }

    mutating func array(_ schema: JSONValue, at place: String) throws(BitNetError) -> GrammarNode {
        let bounds = try bounds(schema, "minItems", "maxItems", at: place)
        let items = try schema["items"].map { (items) throws(BitNetError) in
            try node(items, at: "\(place)/items")
        }
        // A list has its element in two places: written out, lists in lists would double each time.
        let item = items.map { rule("item", $0) } ?? anyValue
        return Self.list(
            of: item, between: ("[", "]"), space, minimum: bounds.0,
            maximum: bounds.1)
    }
}

// Tools in templates: what a template sees of them, and how it writes calls.

extension JinjaValue {
    /// How deep the JSON of tools may be nested: printing recurses, and templates put it into more.
    private static let maximumJSONDepth = 48

    /// A JSON text as a template sees it.
    ///
    /// - Throws: `BitNetError.chatTemplate` where `text` is no JSON; `what` names it.
    init(json text: String, _ what: String) throws(BitNetError) {
        self.init(try JSONValue(text) { .chatTemplate(detail: "\(what) is no JSON: \($0)") })
        guard depth <= Self.maximumJSONDepth else {
            throw .chatTemplate(detail: "\(what) is nested too deep")
        }
    }

    private init(_ value: JSONValue) {
        switch value {
        case .null: self = .none
        case .bool(let value): self = .bool(value)
        case .int(let value): self = .integer(value)
        case .double(let value): self = .float(value)
        case .decimal(let decimal): self = .float(decimal.double)
        case .notFinite(let spelling, _): self = .string(spelling)
        case .string(let text): self = .string(text)
        case .array(let values): self = .list(JinjaList(values.map { JinjaValue($0) }))
        case .object(let object):
            self = .dictionary(
                JinjaDictionary(object.members.map { ($0.key, JinjaValue($0.value)) }))
        }
    }
}

extension ToolDescription {
    /// As OpenAI's API has it, which templates are written for.
    var value: JinjaValue {
        get throws(BitNetError) {
            let parameters = try JinjaValue(
                json: parameters, "the schema of the tool \(name.quoted)")
            let function = JinjaDictionary([
                ("name", .string(name)), ("description", .string(description)),
                ("parameters", parameters),
            ])
            return .dictionary(
                JinjaDictionary([
                    ("type", .string("function")), ("function", .dictionary(function)),
                ]))
        }
    }

    static func list(_ tools: [ToolDescription]) throws(BitNetError) -> JinjaValue {
        var values: [JinjaValue] = []
        for tool in tools { values.append(try tool.value) }
        return .list(JinjaList(values))
    }
}

extension ChatMessage {
    /// The messages as templates see them. Calls have numbers, nine characters long as some templates
    /// want them; a tool's message has that of the call it follows.
    static func values(of messages: [ChatMessage]) throws(BitNetError) -> [JinjaValue] {
        var values: [JinjaValue] = []
        var (made, answered) = (0, 0)
        for message in messages {
            var members: [(String, JinjaValue)] = [
                ("role", .string(message.role.rawValue)), ("content", .string(message.content)),
            ]
            var calls: [JinjaValue] = []
            for call in message.toolCalls {
                let function = JinjaDictionary([
                    ("name", .string(call.name)),
                    (
                        "arguments",
                        try JinjaValue(json: call.arguments, "a call of \(call.name.quoted)")
                    ),
                ])
                calls.append(
                    .dictionary(
                        JinjaDictionary([
                            ("id", .string(identifier(made))), ("type", .string("function")),
                            ("function", .dictionary(function)),
                        ])))
                made += 1
            }
            if !calls.isEmpty { members.append(("tool_calls", .list(JinjaList(calls)))) }
            if message.role == .tool {
                members.append(("name", .string(message.toolName ?? "")))
                members.append(("tool_call_id", .string(identifier(answered))))
                answered += 1
            }
            values.append(.dictionary(JinjaDictionary(members)))
        }
        return values
    }

    private static func identifier(_ number: Int) -> String {
        "call" + String(100_000 + number % 100_000).dropFirst()
    }
}

/// How a template writes a call: `prefix`, a JSON object of name and arguments, `suffix`.
package struct ToolCallFormat: Sendable, Hashable {
    /// What comes before the object.
    package let prefix: String
    /// The key of the tool's name.
    package let nameKey: String
    /// The key of the arguments.
    package let argumentsKey: String
    /// What comes after the object, before the turn ends.
    package let suffix: String
}

extension ChatTemplate {
    /// How the template writes calls, found by rendering one; nil where it does not tell a model of
    /// tools, of calls and of results, or writes calls another way.
    package var toolCallFormat: ToolCallFormat? {
        guard source.containsExactly("tools") else { return nil }
        let tool = ToolDescription(
            name: "probe_tool", description: "probe description",
            parameters: #"{"type":"object","properties":{"probe_key":{"type":"string"}}}"#)
        let call = ToolCall(name: tool.name, arguments: #"{"probe_key": "probe value"}"#)
        let question = ChatMessage(.user, "probe question")
        func text(_ messages: [ChatMessage], _ addsGenerationPrompt: Bool = false) -> String? {
            try? render(
                messages, tools: [tool], addsGenerationPrompt: addsGenerationPrompt,
                effort: Effort())
        }
        let calling = ChatMessage(.assistant, "", toolCalls: [call])
        guard let prompt = text([question], true), prompt.containsExactly(tool.name),
            prompt.containsExactly(tool.description),
            let called = text([question, calling])?.rest(after: prompt),
            let answered = text([question, ChatMessage(.assistant, "probe answer")])?
                .rest(after: prompt)?.rest(after: "probe answer"),
            text([question, calling, ChatMessage(tool: tool.name, "probe result")])?
                .containsExactly("probe result") == true
        else { return nil }
        return Self.format(of: called, call, end: answered)
    }

    /// The parts of `text`, in which `call` is written and which closes with `end`.
    private static func format(
        of text: String, _ call: ToolCall, end: String
    ) -> ToolCallFormat? {
        let bytes = Array(text.utf8)
        for start in bytes.indices where bytes[start] == UInt8(ascii: "{") {
            guard let close = bytes.lastIndex(of: UInt8(ascii: "}")), close > start else { break }
            let object = Array(bytes[start...close])
            guard let value = try? JSONValue(parsing: ByteRegion(object)),
                let members = value.object?.members, members.count == 2,
                let name = members.first(where: { $0.value.string == call.name })?.key,
                let arguments = members.first(where: { $0.value["probe_key"] != nil })?.key
            else { continue }
            let rest = Array(bytes[(close + 1)...])
            let tail = Array(end.utf8)
            guard rest.suffix(tail.count).elementsEqual(tail) else { return nil }
            return ToolCallFormat(
                prefix: String(decoding: bytes[..<start], as: UTF8.self), nameKey: name,
                argumentsKey: arguments,
                suffix: String(decoding: rest.dropLast(tail.count), as: UTF8.self))
        }
        return nil
    }
}

extension String {
    /// What follows `beginning`, byte for byte; nil where the text begins otherwise.
    fileprivate func rest(after beginning: String) -> String? {
        guard utf8.starts(with: beginning.utf8) else { return nil }
        return String(decoding: utf8.dropFirst(beginning.utf8.count), as: UTF8.self)
    }
}

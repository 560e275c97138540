/// How a conversation with tools is written for a model: by its chat template where that knows tools,
/// else in a format of this library, in which every message of the model is JSON:
///
///     {"tool": "weather", "arguments": {"city": "Oslo"}}
///     {"answer": "It rains in Oslo."}
///
/// The tools are then described in the system message, and a result is a user's message.
enum ToolFormat: Sendable {
    case generic
    case template(ToolCallFormat)

    /// What a model has said.
    enum Output: Sendable, Hashable {
        case answer(String)
        case call(ToolCall)
    }

    /// The keys of the generic format.
    private static let keys = (tool: "tool", arguments: "arguments", answer: answerKey)
    static let answerKey = "answer"

    // MARK: - The grammar

    /// What the model may say: a call of one of `tools`, or else an answer if `allowsAnswer`.
    func grammar(_ tools: [Tool], allowsAnswer: Bool) throws(BitNetError) -> Grammar {
        switch self {
        case .generic:
            var choices = tools.map { Self.call($0, Self.keys.tool, Self.keys.arguments) }
            if allowsAnswer {
                choices.append(
                    .object([(Self.keys.answer, JSONSchema(type: "string"), true)]))
            }
            return try Grammar(jsonSchema: .anyOf(choices))
        case .template(let format):
            let choices = tools.map { Self.call($0, format.nameKey, format.argumentsKey) }
            return try Grammar(
                jsonSchema: .anyOf(choices), between: (format.prefix, format.suffix),
                orText: allowsAnswer)
        }
    }

    private static func call(_ tool: Tool, _ name: String, _ arguments: String) -> JSONSchema {
        .object([
            (name, JSONSchema([("const", .string(tool.name))]), true),
            (arguments, tool.parameters, true),
        ])
    }

    // MARK: - What the model has said

    /// What a response says; nil where a call or an answer is not complete.
    func output(of text: String) -> Output? {
        switch self {
        case .generic:
            guard let tree = Self.object(text) else { return nil }
            if let answer = tree[Self.keys.answer]?.string { return .answer(answer) }
            return Self.call(tree, Self.keys.tool, Self.keys.arguments)
        case .template(let format):
            let beginning = format.prefix.first ?? "{"
            guard text.first == beginning else { return .answer(text) }
            guard text.hasPrefix(format.prefix), text.hasSuffix(format.suffix),
                text.count >= format.prefix.count + format.suffix.count,
                let tree = Self.object(
                    String(text.dropFirst(format.prefix.count).dropLast(format.suffix.count)))
            else { return nil }
            return Self.call(tree, format.nameKey, format.argumentsKey)
        }
    }

    private static func object(_ text: String) -> JSONTree? {
        guard let tree = try? JSONTree(parsing: text, "a response"), tree.isObject else {
            return nil
        }
        return tree
    }

    private static func call(_ tree: JSONTree, _ name: String, _ arguments: String) -> Output? {
        guard let name = tree[name]?.string, let arguments = tree[arguments] else { return nil }
        return .call(ToolCall(name: name, arguments: arguments.text))
    }

    /// The message that a response becomes; nil where it is not complete.
    func message(of text: String) -> ChatMessage? {
        switch output(of: text) {
        case .answer(let answer)?: ChatMessage(.assistant, answer)
        case .call(let call)?: ChatMessage(.assistant, "", toolCalls: [call])
        case nil: nil
        }
    }

    // MARK: - The generic format

    /// A conversation without tools that says the same, for a template that knows none; without a
    /// template, messages are joined as they are and bring their own line ends.
    static func generic(
        _ messages: [ChatMessage], _ tools: [ToolDescription], hasTemplate: Bool
    ) -> [ChatMessage] {
        let end = hasTemplate ? "" : "\n"
        var plain = messages.map { message in
            if let call = message.toolCalls.first {
                return ChatMessage(.assistant, message.content + text(of: call) + end)
            }
            guard message.role == .tool else { return message }
            let name = message.toolName.map { " of \($0)" } ?? ""
            return ChatMessage(.user, "Result\(name): \(message.content)" + end)
        }
        guard !tools.isEmpty else { return plain }
        let instructions = instructions(tools)
        if let first = plain.first, first.role == .system {
            plain[0].content = first.content + "\n\n" + instructions + end
        } else {
            plain.insert(ChatMessage(.system, instructions + end), at: 0)
        }
        return plain
    }

    private static func text(of call: ToolCall) -> String {
        "{\(keys.tool.jsonLiteral(isASCII: false)): \(call.name.jsonLiteral(isASCII: false)), "
            + "\(keys.arguments.jsonLiteral(isASCII: false)): \(call.arguments)}"
    }

    private static func instructions(_ tools: [ToolDescription]) -> String {
        var lines = [
            "You can call tools. Each of your messages is one JSON object and nothing else:",
            #"{"tool": NAME, "arguments": {...}} calls a tool, and its result comes next;"#,
            #"{"answer": TEXT} answers the user."#, "Tools:",
        ]
        for tool in tools {
            lines.append("- \(tool.name): \(tool.description)")
            lines.append("  arguments: \(tool.parameters)")
        }
        return lines.joined(separator: "\n")
    }
}

extension BitNetModel {
    /// How conversations with tools are written for the model.
    var toolFormat: ToolFormat {
        guard let format = chatTemplate?.toolCallFormat, let tokenizer = workingTokenizer,
            let written = try? tokenizer.encode(format.prefix + format.suffix, special: true),
            // Special tokens are no text that a response could have.
            !written.contains(where: tokenizer.isSpecial)
        else { return .generic }
        return .template(format)
    }
}

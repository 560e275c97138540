import BitNetSampleModel
import Foundation
import Synchronization
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Makes a model say given texts, one response after the other.
final class Script: Sendable {
    private let tokens: [Int]
    private let next = Mutex(0)

    init(_ model: BitNetModel, _ texts: [String]) throws {
        let end = try #require(model.endTokens.min())
        tokens = try texts.flatMap { try model.tokenizer.encode($0) + [end] }
    }

    var isOver: Bool { next.withLock { $0 == tokens.count } }

    var processor: LogitProcessor {
        { [self] _, logits in
            let token = next.withLock { index in
                defer { index += 1 }
                return tokens[index % tokens.count]
            }
            for id in logits.indices where id != token { logits[id] = -.infinity }
        }
    }
}

@Suite("Tools")
struct ToolTests {
    struct Sum: Codable {
        var a: Int
        var b: Int
    }

    private func adder() throws -> Tool {
        try Tool("add", "Adds two numbers.", arguments: Sum.self) { "\($0.a + $0.b)" }
    }

    private let call = #"{"tool":"add","arguments":{"a":2,"b":40}}"#
    private let answer = #"{"answer":"It is 42."}"#

    @Test("a call is run, its result is read, and the answer is a message like any other")
    func generic() async throws {
        let model = try await BitNetModel.sample()
        let session = try BitNetSession(model: model)
        let script = try Script(model, [call, answer])
        let result = try await session.respond(
            to: "2 + 40?", tools: [adder()], processors: [script.processor])
        #expect(script.isOver)
        #expect(result.text == "It is 42.")
        let sum = ToolCall(name: "add", arguments: #"{"a":2,"b":40}"#)
        #expect(result.calls == [ToolResult.Call(call: sum, output: "42")])
        #expect(result.responses.map(\.text) == [call, answer])
        #expect(result.responses[1].statistics.cachedPromptTokens > 50)
        let messages = [
            ChatMessage(.user, "2 + 40?"), ChatMessage(.assistant, "", toolCalls: [sum]),
            ChatMessage(tool: "add", "42"), ChatMessage(.assistant, "It is 42."),
        ]
        #expect(await session.messages == messages)
        #expect(await session.turnCount == 1)
        #expect(
            try JSONDecoder().decode([ChatMessage].self, from: JSONEncoder().encode(messages))
                == messages)
        #expect(
            try JSONDecoder().decode(ToolResult.self, from: JSONEncoder().encode(result)) == result)
        // Later turns see what was called.
        let options = GenerationOptions(maximumResponseTokens: 4)
        let expected = try await session.fresh(" So", options)
        #expect(try await session.respond(to: " So", options: options).tokens == expected.tokens)
        try await session.rewind(toTurn: 0)
        #expect(await session.messages.isEmpty)
    }

    @Test("the prompt of the generic format names tools, arguments and results")
    func prompt() throws {
        let tools = [try adder().toolDescription]
        let messages = [
            ChatMessage(.system, "Be brief."), ChatMessage(.user, "2 + 40?"),
            ChatMessage(
                .assistant, "", toolCalls: [ToolCall(name: "add", arguments: #"{"a":2,"b":40}"#)]),
            ChatMessage(tool: "add", "42"),
        ]
        let plain = ToolFormat.generic(messages, tools, hasTemplate: true)
        #expect(plain.map(\.role) == [.system, .user, .assistant, .user])
        #expect(plain[0].content.hasPrefix("Be brief.\n\n"))
        #expect(plain[0].content.contains("- add: Adds two numbers."))
        #expect(plain[0].content.contains(try JSONSchema(of: Sum.self).json))
        #expect(plain[2].content == #"{"tool": "add", "arguments": {"a":2,"b":40}}"#)
        #expect(plain[3].content == "Result of add: 42")
        #expect(ToolFormat.generic([messages[1]], tools, hasTemplate: true)[0].role == .system)
        #expect(ToolFormat.generic([messages[1]], [], hasTemplate: true) == [messages[1]])
    }

    @Test("calls are held to the tools and their schemas, and a required one comes first")
    func grammar() throws {
        let tools = [
            try adder(),
            try Tool(
                "stop", "Stops.",
                parameters: JSONSchema(json: #"{"type":"object","properties":{}}"#)
            ) { $0 },
        ]
        func allows(_ text: String, _ format: ToolFormat, _ allowsAnswer: Bool = true) throws
            -> Bool
        {
            var automaton = GrammarAutomaton(
                try format.grammar(tools, allowsAnswer: allowsAnswer).program)
            var state = automaton.state(of: try automaton.start())
            for byte in text.utf8 { state = try automaton.next(state, byte) }
            return automaton.isAccepting(state)
        }
        #expect(try allows(call, .generic) && allows(answer, .generic))
        #expect(try !allows(answer, .generic, false) && allows(call, .generic, false))
        #expect(try allows(#"{"tool": "stop", "arguments": {}}"#, .generic))
        for wrong in [
            #"{"tool":"adds","arguments":{"a":2,"b":40}}"#, #"{"tool":"add","arguments":{"a":2}}"#,
            #"{"tool":"stop","arguments":[]}"#, "42", call + call,
            #"{"tool":"add","arguments":{"a":"2","b":40}}"#,
        ] {
            #expect(try !allows(wrong, .generic), "\(wrong)")
        }
        let qwen = ToolFormat.template(
            ToolCallFormat(
                prefix: "<tool_call>\n", nameKey: "name", argumentsKey: "arguments",
                suffix: "\n</tool_call>"))
        let inner = #"{"name": "add", "arguments": {"a": 1, "b": 2}}"#
        #expect(try allows("<tool_call>\n\(inner)\n</tool_call>", qwen))
        #expect(try allows("It is é 3 < 4.\n{", qwen))
        for wrong in ["<b>3</b>", inner.replacing("add", with: "no"), "", "<tool_call>\n\(inner)"] {
            #expect(try allows(wrong, qwen) == (wrong.first == "{"), "\(wrong)")
        }
        #expect(try !allows("It is 3.", qwen, false))
        #expect(
            qwen.output(of: "<tool_call>\n\(inner)\n</tool_call>")
                == .call(ToolCall(name: "add", arguments: #"{"a":1,"b":2}"#)))
        #expect(qwen.output(of: "It is 3.") == .answer("It is 3."))
        #expect(qwen.output(of: "<tool_call>\n\(inner)") == nil)
        #expect(ToolFormat.generic.output(of: call.dropLast().description) == nil)
    }

    @Test("more calls than allowed are an error, and the session is as it was")
    func rounds() async throws {
        let model = try await BitNetModel.sample()
        let session = try BitNetSession(model: model, instructions: "Once")
        let before = await session.messages
        for limit in 0...2 {
            let script = try Script(model, [String](repeating: call, count: limit + 1))
            let count = Mutex(0)
            let tool = try Tool("add", "Adds.", arguments: Sum.self) { _ in
                count.withLock { $0 += 1 }
                return "no"
            }
            await #expect(throws: BitNetError.toolRoundsExceeded(limit: limit)) {
                _ = try await session.respond(
                    to: "?", tools: [tool], processors: [script.processor], choice: .required,
                    maximumRounds: limit)
            }
            #expect(count.withLock { $0 } == limit)
            #expect(await session.messages == before)
        }
        // The session goes on.
        let options = GenerationOptions(maximumResponseTokens: 3)
        #expect(try await session.respond(to: " upon", options: options).tokens.count == 3)
    }

    /// What a turn throws whose tool runs `body`; the session must be empty afterwards.
    private func thrown(
        in session: BitNetSession, _ body: @escaping @Sendable () async throws -> Void
    ) async throws -> BitNetError? {
        let script = try Script(session.model, [call, answer])
        let tool = try Tool("add", "Adds.", arguments: Sum.self) { _ in
            try await body()
            return ""
        }
        var found: BitNetError?
        do throws(BitNetError) {
            _ = try await session.respond(to: "?", tools: [tool], processors: [script.processor])
        } catch {
            found = error
        }
        #expect(await session.messages.isEmpty)
        return found
    }

    @Test("what a tool throws ends the turn, and the session is as it was")
    func failures() async throws {
        struct Broken: Error {}
        let model = try await BitNetModel.sample()
        let session = try BitNetSession(model: model)
        #expect(
            try await thrown(in: session) { throw Broken() }
                == .toolFailed(name: "add", detail: "Broken()"))
        #expect(try await thrown(in: session) { throw CancellationError() } == .cancelled)
        #expect(
            try await thrown(in: session) { throw BitNetError.fileNotFound(path: "x") }
                == .fileNotFound(path: "x"))
        // While a tool runs, the session is busy.
        #expect(
            try await thrown(in: session) { _ = try await session.respond(to: "x") } == .sessionBusy
        )
        #expect(
            try await thrown(in: session) { try await session.append(ChatMessage(.user, "x")) }
                == .sessionBusy)
        #expect(try await thrown(in: session) { _ = try await session.fork() } == .sessionBusy)
        let tool = try adder()
        let cut = await #expect(throws: BitNetError.self) {
            _ = try await session.respond(
                to: "?", tools: [tool], options: GenerationOptions(maximumResponseTokens: 3))
        }
        guard case .incompleteResponse = cut else {
            Issue.record("\(String(describing: cut))")
            return
        }
        #expect(await session.messages.isEmpty)
    }

    @Test("tools with odd names, one name, no object, or a grammar beside them are refused")
    func arguments() async throws {
        for name in ["", "a b", "é", String(repeating: "a", count: 65), "a.b"] {
            #expect(throws: BitNetError.self) {
                try Tool(name, "", arguments: Sum.self) { _ in "" }
            }
        }
        _ = try Tool("A-z_09", "", arguments: Sum.self) { _ in "" }
        #expect(throws: BitNetError.self) { try Tool("a", "", arguments: Int.self) { "\($0)" } }
        #expect(throws: BitNetError.self) { try Tool("a", "", arguments: [Int].self) { "\($0)" } }
        let session = try BitNetSession(model: try await .sample())
        let tool = try adder()
        var held = GenerationOptions()
        held.grammar = try Grammar(gbnf: #"root ::= "a""#)
        for (tools, options, rounds) in [
            ([], GenerationOptions(), 8), ([tool, tool], GenerationOptions(), 8), ([tool], held, 8),
            ([tool], GenerationOptions(), -1),
        ] as [([Tool], GenerationOptions, Int)] {
            await #expect(throws: BitNetError.self) {
                _ = try await session.respond(
                    to: "x", tools: tools, options: options, maximumRounds: rounds)
            }
        }
        await #expect(throws: BitNetError.self) { _ = try await tool("{}") }
        #expect(try await tool(#"{"a": 1, "b": 2}"#) == "3")
    }

    @Test("a session with calls is saved and restored, one without as it always was")
    func saving() async throws {
        let model = try await BitNetModel.sample()
        let session = try BitNetSession(model: model)
        let script = try Script(model, [call, answer])
        _ = try await session.respond(
            to: "?", tools: [adder()], processors: [script.processor])
        let file = temporaryFile()
        defer { try? FileManager.default.removeItem(at: file) }
        try await session.save(to: file)
        #expect(try Data(contentsOf: file)[8] == 2)
        let restored = try await BitNetSession.restore(from: file, model: model)
        #expect(await restored.messages == session.messages)
        let options = GenerationOptions(maximumResponseTokens: 4)
        let expected = try await session.respond(to: " So", options: options)
        #expect(try await restored.respond(to: " So", options: options).tokens == expected.tokens)
        let plain = try BitNetSession(model: model, messages: [ChatMessage(.user, "a")])
        try await plain.save(to: file)
        #expect(try Data(contentsOf: file)[8] == 1)
    }

    // MARK: - Templates

    /// The way Qwen 2.5 and Hermes write tools.
    static let qwen = """
        {%- if tools %}
            {{- '<|im_start|>system\\n' }}
            {%- if messages[0]['role'] == 'system' %}
                {{- messages[0]['content'] }}
            {%- endif %}
            {{- "# Tools\\n<tools>" }}
            {%- for tool in tools %}
                {{- "\\n" }}
                {{- tool | tojson }}
            {%- endfor %}
            {{- "\\n</tools><|im_end|>\\n" }}
        {%- endif %}
        {%- for message in messages %}
            {%- if (message.role == "user") or (message.role == "assistant" and not message.tool_calls) %}
                {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
            {%- elif message.role == "assistant" %}
                {{- '<|im_start|>' + message.role }}
                {%- if message.content %}
                    {{- '\\n' + message.content }}
                {%- endif %}
                {%- for tool_call in message.tool_calls %}
                    {%- if tool_call.function is defined %}
                        {%- set tool_call = tool_call.function %}
                    {%- endif %}
                    {{- '\\n<tool_call>\\n{"name": "' }}
                    {{- tool_call.name }}
                    {{- '", "arguments": ' }}
                    {{- tool_call.arguments | tojson }}
                    {{- '}\\n</tool_call>' }}
                {%- endfor %}
                {{- '<|im_end|>\\n' }}
            {%- elif message.role == "tool" %}
                {{- '<|im_start|>user\\n<tool_response>\\n' + message.content }}
                {{- '\\n</tool_response><|im_end|>\\n' }}
            {%- endif %}
        {%- endfor %}
        {%- if add_generation_prompt %}
            {{- '<|im_start|>assistant\\n' }}
        {%- endif %}
        """

    /// The way Llama 3.1 does.
    private static let llama = """
        {%- if tools is not none %}
            {{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}
            {%- for t in tools %}
                {{- t | tojson(indent=4) }}
            {%- endfor %}
            {{- '<|eot_id|>' }}
        {%- endif %}
        {%- for message in messages %}
            {%- if not (message.role == 'tool' or 'tool_calls' in message) %}
                {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}
                {{- message['content'] | trim + '<|eot_id|>' }}
            {%- elif 'tool_calls' in message %}
                {%- if not message.tool_calls|length == 1 %}
                    {{- raise_exception("This model only supports single tool-calls at once!") }}
                {%- endif %}
                {%- set tool_call = message.tool_calls[0].function %}
                {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
                {{- '{"name": "' + tool_call.name + '", ' }}
                {{- '"parameters": ' }}
                {{- tool_call.arguments | tojson }}
                {{- "}<|eot_id|>" }}
            {%- else %}
                {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
                {{- message.content | tojson }}
                {{- "<|eot_id|>" }}
            {%- endif %}
        {%- endfor %}
        {%- if add_generation_prompt %}
            {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
        {%- endif %}
        """

    @Test("how a template writes calls is found by rendering one")
    func formats() throws {
        #expect(
            try ChatTemplate(Self.qwen).toolCallFormat
                == ToolCallFormat(
                    prefix: "<tool_call>\n", nameKey: "name", argumentsKey: "arguments",
                    suffix: "\n</tool_call>"))
        #expect(
            try ChatTemplate(Self.llama).toolCallFormat
                == ToolCallFormat(
                    prefix: "", nameKey: "name", argumentsKey: "parameters", suffix: ""))
        for format in ChatTemplate.Format.allCases {
            #expect(ChatTemplate(format).toolCallFormat == nil)
        }
        // A template that shows tools and leaves calls, or results, out.
        #expect(
            try ChatTemplate(Self.qwen.replacing("\"arguments\": ", with: "\"arguments\" = "))
                .toolCallFormat
                == nil)
        #expect(
            try ChatTemplate(Self.qwen.replacing("+ message.content }}", with: "}}"))
                .toolCallFormat == nil)
    }

    @Test("a template sees schemas in their order, calls with numbers, and results with names")
    func values() throws {
        let template = try ChatTemplate(
            "{{ tools | tojson }}{% for m in messages %}{{ m | tojson }}{% endfor %}")
        let text = try template.render(
            [
                ChatMessage(
                    .assistant, "",
                    toolCalls: [ToolCall(name: "f", arguments: #"{"z":1.50,"a":[true]}"#)]
                ), ChatMessage(tool: "f", "ok"),
            ],
            tools: [
                ToolDescription(name: "f", description: "d", parameters: #"{"type": "object"}"#)
            ], addsGenerationPrompt: false)
        #expect(
            text
                == #"[{"type": "function", "function": {"name": "f", "description": "d", "#
                + #""parameters": {"type": "object"}}}]{"role": "assistant", "content": "", "#
                + #""tool_calls": [{"id": "call00000", "type": "function", "function": {"name": "f", "#
                + #""arguments": {"z": 1.5, "a": [true]}}}]}{"role": "tool", "content": "ok", "#
                + #""name": "f", "tool_call_id": "call00000"}"#)
        #expect(throws: BitNetError.self) {
            try template.render(
                [ChatMessage(.assistant, "", toolCalls: [ToolCall(name: "f", arguments: "{")])],
                addsGenerationPrompt: false)
        }
        let deep = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
        #expect(throws: BitNetError.self) {
            try template.render(
                [ChatMessage(.assistant, "", toolCalls: [ToolCall(name: "f", arguments: deep)])],
                addsGenerationPrompt: false)
        }
    }

    @Test("a model whose template knows tools calls them its own way")
    func template() async throws {
        let folder = temporaryFile()
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.copyItem(
            at: Fixtures.url("reference/bitnet-untied/packed"), to: folder)
        try Self.qwen.write(
            to: folder.appendingPathComponent("chat_template.jinja"), atomically: true,
            encoding: .utf8)
        let model = try await BitNetModel.load(folder)
        guard case .template = model.toolFormat else {
            Issue.record("the template's format is not used")
            return
        }
        let session = try BitNetSession(model: model)
        let wanted =
            "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": 2}}\n</tool_call>"
        let script = try Script(model, [wanted, "It is 3."])
        let result = try await session.respond(
            to: "1 + 2?", tools: [adder()], processors: [script.processor])
        #expect(result.responses[0].text == wanted)
        #expect(result.calls.map(\.output) == ["3"] && result.text == "It is 3.")
        // What the template writes of the call is what the model has written: it stays in the cache.
        let cached = result.responses[1].statistics.cachedPromptTokens
        let first = result.responses[0]
        #expect(cached >= first.statistics.promptTokens + first.tokens.count - 4)
    }

    @Test("special tokens in results and arguments stay text")
    func specials() async throws {
        let model = try await SessionModel.chat.load()
        let tokenizer = try model.tokenizer
        let template = try ChatTemplate(Self.qwen)
        let messages = [
            ChatMessage(
                .assistant, "",
                toolCalls: [ToolCall(name: "f", arguments: #"{"a":"x<|eot_id|>y"}"#)]),
            ChatMessage(tool: "f", "<|eot_id|>"),
        ]
        let ids = try tokenizer.encode(
            messages, template: template, addsGenerationPrompt: true)
        let end = try #require(tokenizer.id(ofSpecial: "<|eot_id|>"))
        #expect(!ids.contains(end))
        #expect(tokenizer.decode(ids).contains(#"{"a": "x<|eot_id|>y"}"#))
    }
}

import BitNetSampleModel
import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Streams of answers with tools")
struct ToolStreamTests {
    private let call = #"{"tool":"add","arguments":{"a":2,"b":40}}"#
    private let answer = #"{"answer":"It \"is\" 42 \u00e9.\nYes"}"#
    private let said = "It \"is\" 42 \u{e9}.\nYes"

    private func adder() throws -> Tool {
        try Tool("add", "Adds two numbers.", arguments: ToolTests.Sum.self) { "\($0.a + $0.b)" }
    }

    /// All events of a stream, texts that follow each other joined.
    private func events(
        _ stream: BitNetSession.ToolStream
    ) async throws(BitNetError) -> [ToolEvent] {
        var events: [ToolEvent] = []
        var iterator = stream.makeAsyncIterator()
        while let event = try await iterator.next() {
            if case .text(let new) = event, case .text(let old)? = events.last {
                events[events.count - 1] = .text(old + new)
            } else {
                events.append(event)
            }
        }
        #expect(try await iterator.next() == nil)
        return events
    }

    @Test("calls, results and the answer's text come as they happen, and the end has all of it")
    func stream() async throws {
        let model = try await BitNetModel.sample()
        let (session, other) = (try BitNetSession(model: model), try BitNetSession(model: model))
        let script = try Script(model, [call, call, answer])
        let found = try await events(
            session.streamResponse(
                to: "2 + 40?", tools: [adder()], processors: [script.processor]))
        let again = try Script(model, [call, call, answer])
        let expected = try await other.respond(
            to: "2 + 40?", tools: [adder()], processors: [again.processor])
        let sum = ToolCall(name: "add", arguments: #"{"a":2,"b":40}"#)
        let made = ToolEvent.result(ToolResult.Call(call: sum, output: "42"))
        #expect(found.dropLast() == [.call(sum), made, .call(sum), made, .text(said)])
        guard case .finished(let result)? = found.last else {
            Issue.record("\(found)")
            return
        }
        #expect(result.text == said && result.text == expected.text)
        #expect(result.calls == expected.calls)
        #expect(result.responses.map(\.tokens) == expected.responses.map(\.tokens))
        #expect(await session.messages == other.messages)
        #expect(await session.turnCount == 1)
        #expect(
            try JSONDecoder().decode([ToolEvent].self, from: JSONEncoder().encode(found)) == found)
    }

    @Test("nothing runs before it is asked for")
    func lazy() async throws {
        let model = try await BitNetModel.sample()
        let session = try BitNetSession(model: model)
        let script = try Script(model, [call, answer])
        let ran = LockedFlag()
        let tool = try Tool("add", "Adds.", arguments: ToolTests.Sum.self) { _ in
            ran.set()
            return "42"
        }
        var iterator = session.streamResponse(
            to: "?", tools: [tool], processors: [script.processor]
        ).makeAsyncIterator()
        #expect(await session.messages.isEmpty)
        let first = try await iterator.next()
        guard case .call? = first else {
            Issue.record("\(String(describing: first))")
            return
        }
        #expect(!ran.isSet)
        await #expect(throws: BitNetError.sessionBusy) { _ = try await session.respond(to: "x") }
        let second = try await iterator.next()
        guard case .result? = second else {
            Issue.record("\(String(describing: second))")
            return
        }
        #expect(ran.isSet)
    }

    @Test("a stream that is given up leaves the session as it was", arguments: 0...4)
    func givenUp(_ count: Int) async throws {
        let model = try await BitNetModel.sample()
        let session = try BitNetSession(model: model, messages: [ChatMessage(.user, "Once")])
        let before = await session.messages
        let script = try Script(model, [call, answer])
        func begin() async throws {
            var iterator = session.streamResponse(
                to: "?", tools: [try adder()], processors: [script.processor]
            ).makeAsyncIterator()
            for _ in 0..<count { _ = try await iterator.next() }
        }
        try await begin()
        #expect(await session.messages == before)
        let options = GenerationOptions(maximumResponseTokens: 3)
        #expect(try await session.respond(to: " upon", options: options).tokens.count == 3)
    }

    @Test("errors come from the event that ran into them, and the session is as it was")
    func errors() async throws {
        struct Broken: Error {}
        let model = try await BitNetModel.sample()
        let session = try BitNetSession(model: model)
        let broken = try Tool("add", "Adds.", arguments: ToolTests.Sum.self) { _ in throw Broken() }
        for (tools, texts, rounds, expected) in [
            ([broken], [call], 8, BitNetError.toolFailed(name: "add", detail: "Broken()")),
            ([try adder()], [call, call], 1, .toolRoundsExceeded(limit: 1)),
            ([], [call], 8, .invalidArgument(name: "tools", detail: "there are none")),
        ] as [([Tool], [String], Int, BitNetError)] {
            let script = try Script(model, texts)
            var iterator = session.streamResponse(
                to: "?", tools: tools, processors: [script.processor], maximumRounds: rounds
            ).makeAsyncIterator()
            var found: BitNetError?
            do throws(BitNetError) {
                while try await iterator.next() != nil {}
            } catch {
                found = error
            }
            #expect(found == expected)
            #expect(try await iterator.next() == nil)
            #expect(await session.messages.isEmpty)
        }
        let cancelled = Task {
            var iterator = session.streamResponse(
                to: "?", tools: [try adder()],
                options: GenerationOptions(maximumResponseTokens: 300)
            ).makeAsyncIterator()
            withUnsafeCurrentTask { $0?.cancel() }
            while try await iterator.next() != nil {}
        }
        await #expect(throws: BitNetError.cancelled) { try await cancelled.value }
        #expect(await session.messages.isEmpty)
    }

    @Test("an answer is found in pieces as it is in the whole, however it is cut")
    func pieces() throws {
        let texts = [
            #"{"answer":""}"#, #"{ "answer" : "a" }"#, answer, #"{"answer":"\\\"\/\b\f\n\r\t"}"#,
            #"{"answer":"\ud83d\ude00x\u0041\u20ac"}"#, #"{"answer":"{\"tool\": 1}"}"#,
            "{\"answer\":\"\u{1F600}\u{e9}\"}", call,
        ]
        for text in texts {
            guard let output = ToolFormat.generic.output(of: text) else {
                Issue.record("\(text)")
                continue
            }
            let whole = if case .answer(let answer) = output { answer } else { "" }
            for size in 1...text.count {
                var (found, rest) = ("", text[...])
                var parser = AnswerText(.generic)
                while !rest.isEmpty {
                    found += parser.append(String(rest.prefix(size)))
                    rest = rest.dropFirst(size)
                }
                #expect(found == whole, "\(text) in pieces of \(size)")
            }
        }
        for (prefix, text, expected) in [
            ("<tool_call>", "It is 3 < 4.", "It is 3 < 4."), ("<tool_call>", "<tool_call>{", ""),
            ("", "{\"name\"", ""), ("", "[1]", "[1]"),
        ] {
            var parser = AnswerText(
                .template(
                    ToolCallFormat(
                        prefix: prefix, nameKey: "name", argumentsKey: "arguments", suffix: "")))
            #expect(text.map { parser.append(String($0)) }.joined() == expected)
        }
    }
}

private final class LockedFlag: @unchecked Sendable {
    private let lock = NSLock()
    private var value = false

    var isSet: Bool { lock.withLock { value } }

    func set() { lock.withLock { value = true } }
}

import BitNetSampleModel
import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Session cancellation")
struct SessionCancellationTests {
    private let options = GenerationOptions(maximumResponseTokens: 30)

    /// Cancels the task it is given as soon as it has it.
    private final class Canceller: @unchecked Sendable {
        private let lock = NSCondition()
        private var task: Task<GenerationResult, any Error>?

        func set(_ task: Task<GenerationResult, any Error>) {
            lock.withLock {
                self.task = task
                lock.broadcast()
            }
        }

        func cancel() {
            lock.withLock {
                while task == nil { lock.wait() }
                task?.cancel()
            }
        }
    }

    @Test("cancelling in the prompt drops the turn, and what was read is used again")
    func inPrefill() async throws {
        let model = try await BitNetModel.sample()
        let session = try BitNetSession(model: model)
        _ = try await session.respond(
            to: "A cat.", options: GenerationOptions(maximumResponseTokens: 3))
        let before = await session.messages
        let text = String(repeating: " The dog ran to the cat.", count: 40)
        let canceller = Canceller()
        let log = EventLog()
        session.memory.probe { step, _, _ in
            guard step == .embedding else { return }
            log.append(step.rawValue)
            if log.all.count == 2 { canceller.cancel() }
        }
        let options = options
        let task = Task { try await session.respond(to: text, options: options) }
        canceller.set(task)
        let result = try await task.value
        #expect(result.stopReason == .cancelled)
        #expect(result.tokens.isEmpty)
        #expect(log.all.count == 2)
        #expect(await session.messages == before)
        session.memory.probe { _, _, _ in }
        let expected = try await session.fresh(text, options)
        let again = try await session.respond(to: text, options: options)
        #expect(again.tokens == expected.tokens)
        // The first batch was read before the cancelled one.
        #expect(again.statistics.cachedPromptTokens >= 128)
    }

    @Test("cancelling in the answer keeps it as far as it came", arguments: SessionModel.allCases)
    func inDecode(_ kind: SessionModel) async throws {
        let model = try await kind.load()
        let session = try BitNetSession(model: model)
        let canceller = Canceller()
        let log = EventLog()
        session.memory.probe { step, _, _ in
            guard step == .embedding else { return }
            log.append(step.rawValue)
            // Reading the prompt, its last token, then a token each.
            if log.all.count == 6 { canceller.cancel() }
        }
        let options = options
        let task = Task { try await session.respond(to: "Once upon a time", options: options) }
        canceller.set(task)
        let result = try await task.value
        #expect(result.stopReason == .cancelled)
        #expect((1..<30).contains(result.tokens.count))
        #expect(
            await session.messages == [
                ChatMessage(.user, "Once upon a time"), ChatMessage(.assistant, result.text),
            ])
        let expected = try await session.fresh(" and", options)
        #expect(try await session.respond(to: " and", options: options).tokens == expected.tokens)
    }

    @Test("a task that is cancelled before it begins changes nothing")
    func before() async throws {
        let session = try BitNetSession(model: try await .sample())
        let options = options
        let gate = AsyncStream<Void>.makeStream()
        let task = Task {
            // Ends at once when the task is cancelled.
            for await _ in gate.stream {}
            return try await session.respond(to: "A", options: options)
        }
        task.cancel()
        #expect(try await task.value.stopReason == .cancelled)
        #expect(await session.messages.isEmpty)
        #expect(try await session.respond(to: "A", options: options).stopReason == .length)
    }

    @Test("a stream that is given up keeps what it gave", arguments: SessionModel.allCases)
    func abandoned(_ kind: SessionModel) async throws {
        let session = try BitNetSession(model: try await kind.load())
        let text = try await Self.read(4, of: session.streamResponse(to: "A cat", options: options))
        #expect(
            await session.messages == [
                ChatMessage(.user, "A cat"), ChatMessage(.assistant, text),
            ])
        let expected = try await session.fresh(" and", options)
        #expect(try await session.respond(to: " and", options: options).tokens == expected.tokens)
    }

    /// The text of the first `count` tokens.
    private static func read(
        _ count: Int, of stream: BitNetSession.ResponseStream
    ) async throws -> String {
        var text = ""
        var tokens = 0
        for try await event in stream {
            if case .text(let piece) = event { text += piece }
            if case .token = event {
                tokens += 1
                if tokens > count { break }
            }
        }
        return text
    }

    @Test("a stream that nobody has asked anything is no turn")
    func unused() async throws {
        let session = try BitNetSession(model: try await .sample())
        _ = session.streamResponse(to: "A").makeAsyncIterator()
        #expect(await session.messages.isEmpty)
        #expect(try await session.respond(to: "B", options: options).tokens.count == 30)
    }

    @Test("a second question during an answer is an error, and the answer goes on")
    func busy() async throws {
        let model = try await BitNetModel.sample()
        let session = try BitNetSession(model: model)
        let expected = try await session.fresh("A cat", options)
        var iterator = session.streamResponse(to: "A cat", options: options).makeAsyncIterator()
        var tokens: [Int] = []
        while let event = try await iterator.next() {
            if case .token(let id, _) = event { tokens.append(id) }
            guard tokens.count == 3, case .token = event else { continue }
            await #expect(throws: BitNetError.sessionBusy) {
                _ = try await session.respond(to: "B")
            }
            await #expect(throws: BitNetError.sessionBusy) { try await session.rewind(toTurn: 0) }
            await #expect(throws: BitNetError.sessionBusy) { _ = try await session.fork() }
            await #expect(throws: BitNetError.sessionBusy) { try await session.prewarm() }
            await #expect(throws: BitNetError.sessionBusy) {
                try await session.save(to: temporaryFile())
            }
            #expect(await session.messages.isEmpty)
        }
        #expect(tokens == expected.tokens)
        #expect(try await iterator.next() == nil)
        #expect(await session.turnCount == 1)
    }
}

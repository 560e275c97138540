import BitNetSampleModel
import Foundation
import Synchronization
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Session branches")
struct SessionBranchingTests {
    private let options = GenerationOptions(maximumResponseTokens: 10)

    private func talk(_ session: BitNetSession, _ prompts: [String]) async throws {
        for prompt in prompts { _ = try await session.respond(to: prompt, options: options) }
    }

    @Test(
        "going back gives the tokens of a session that never went on, from the cache",
        arguments: SessionModel.allCases)
    func rewinding(_ kind: SessionModel) async throws {
        let model = try await kind.load()
        let session = try BitNetSession(model: model, instructions: "A story.")
        try await talk(session, Array(tenPrompts.prefix(6)))
        for turn in [6, 4, 1, 0] {
            try await session.rewind(toTurn: turn)
            #expect(await session.turnCount == turn)
            let expected = try await session.fresh(" But", options)
            let found = try await session.respond(to: " But", options: options)
            #expect(found.tokens == expected.tokens)
            // The common prefix ends at the earliest where the turn's text does, but for a token
            // that both texts share in part. The latest answer's text may have other tokens than
            // were chosen.
            let kept = try model.tokens(
                of: Array(await session.messages.dropLast(2)), addsGenerationPrompt: false)
            if turn < 6 {
                #expect(found.statistics.cachedPromptTokens >= kept.count - 2, "turn \(turn)")
            }
            try await session.rewind(toTurn: turn)
        }
    }

    @Test("going back to a turn that never was is an error and changes nothing")
    func rewindRange() async throws {
        let session = try BitNetSession(model: try await .sample())
        try await talk(session, ["A", " b"])
        for turn in [3, -1, .max, .min] {
            await #expect(throws: BitNetError.self) { try await session.rewind(toTurn: turn) }
        }
        #expect(await session.turnCount == 2)
    }

    @Test(
        "a fork goes on without computing anything again, and on its own",
        arguments: SessionModel.allCases)
    func forking(_ kind: SessionModel) async throws {
        let model = try await kind.load()
        let session = try BitNetSession(model: model)
        try await talk(session, Array(tenPrompts.prefix(4)))
        let held = session.memory.tokens
        let fork = try await session.fork()
        #expect(fork.memory.tokens == held)
        #expect(await fork.messages == session.messages)
        let expected = try await fork.fresh(" So", options)
        let other = try await fork.respond(to: " So", options: options)
        #expect(other.tokens == expected.tokens)
        let prompt = try model.tokens(
            of: await session.messages + [ChatMessage(.user, " So")], addsGenerationPrompt: true)
        let common = zip(prompt, held).prefix { $0 == $1 }.count
        #expect(other.statistics.cachedPromptTokens == common)
        #expect(common > held.count / 2)
        #expect(session.memory.tokens == held)
        let mine = try await session.respond(to: " So", options: options)
        #expect(mine.tokens == other.tokens)
        #expect(mine.statistics.cachedPromptTokens == other.statistics.cachedPromptTokens)
        _ = try await fork.respond(to: " More", options: options)
        #expect(await session.turnCount == 5)
        #expect(await fork.turnCount == 6)
    }

    @Test("a fork after a rewind shares the past only")
    func forkAfterRewind() async throws {
        let session = try BitNetSession(model: try await .sample())
        try await talk(session, Array(tenPrompts.prefix(3)))
        try await session.rewind(toTurn: 1)
        let fork = try await session.fork()
        #expect(await fork.turnCount == 1)
        let expected = try await fork.fresh(" Now", options)
        #expect(try await fork.respond(to: " Now", options: options).tokens == expected.tokens)
    }

    @Test("sessions of one model that run at once give what each gives alone")
    func concurrent() async throws {
        let model = try await BitNetModel.sample()
        let prompts = ["Once upon a time", "A dog", "The sun", "Tom and"]
        var expected: [[Int]] = []
        for prompt in prompts {
            let session = try BitNetSession(model: model)
            for text in [prompt, " and"] {
                expected.append(try await session.respond(to: text, options: options).tokens)
            }
        }
        let options = options
        let found = try await withThrowingTaskGroup(of: (Int, [[Int]]).self) { group in
            for (index, prompt) in prompts.enumerated() {
                group.addTask {
                    let session = try BitNetSession(model: model)
                    let first = try await session.respond(to: prompt, options: options)
                    let second = try await session.respond(to: " and", options: options)
                    return (index, [first.tokens, second.tokens])
                }
            }
            var all = [[[Int]]](repeating: [], count: prompts.count)
            for try await (index, tokens) in group { all[index] = tokens }
            return all.flatMap { $0 }
        }
        #expect(found == expected)
    }

    @Test("a long prompt that is alone is read in longer passes from the second on")
    func alone() async throws {
        let session = try BitNetSession(model: try await BitNetModel.sample())
        let passes = Mutex<[Int]>([])
        session.memory.probe { step, _, values in
            if step == .embedding { passes.withLock { $0.append(values.rows) } }
        }
        let text = String(repeating: "A cat and a dog. ", count: 70)
        _ = try await session.respond(
            to: text, options: GenerationOptions(maximumResponseTokens: 1))
        let found = passes.withLock { $0 }
        // The last token is read with the answer.
        let all = found.reduce(0, +)
        #expect(all > 300 && found == [128, all - 129, 1])
    }

    @Test("a long prompt does not keep other sessions waiting to its end")
    func fairness() async throws {
        let model = try await BitNetModel.sample()
        let long = try BitNetSession(model: model)
        let short = try BitNetSession(model: model)
        _ = try await short.respond(
            to: "A", options: GenerationOptions(maximumResponseTokens: 1))
        let order = EventLog()
        let started = AsyncStream<Void>.makeStream()
        let asking = DispatchSemaphore(value: 0)
        long.memory.probe { step, _, _ in
            guard step == .embedding else { return }
            order.append("long")
            started.continuation.yield()
            // Gives the other session time to ask; the queue itself is what is tested.
            if order.all.count == 1 { asking.wait() }
            Thread.sleep(forTimeInterval: 0.25)
        }
        short.memory.probe { step, _, _ in if step == .embedding { order.append("short") } }
        let text = String(repeating: "A cat and a dog. ", count: 70)
        async let slow = long.respond(
            to: text, options: GenerationOptions(maximumResponseTokens: 1))
        for await _ in started.stream { break }
        asking.signal()
        _ = try await short.respond(
            to: " b", options: GenerationOptions(maximumResponseTokens: 1))
        order.append("answered")
        _ = try await slow
        let events = order.all
        let answered = try #require(events.firstIndex(of: "answered"))
        #expect(events[..<answered].contains("short"))
        #expect(events[answered...].contains("long"), "\(events)")
    }
}

/// Names in the order they came.
final class EventLog: @unchecked Sendable {
    private let lock = NSLock()
    private var events: [String] = []

    func append(_ event: String) { lock.withLock { events.append(event) } }

    var all: [String] { lock.withLock { events } }
}

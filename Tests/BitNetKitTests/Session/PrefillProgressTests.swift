import BitNetKit
import BitNetSampleModel
import Synchronization
import Testing

@Suite("Progress of reading a prompt")
struct PrefillProgressTests {
    private static let prompt = Array(repeating: " The cat sat on the mat.", count: 40).joined()

    /// What `body` reports.
    private func reports(
        _ body: () async throws -> GenerationResult
    ) async throws -> (result: GenerationResult, calls: [(read: Int, all: Int)]) {
        let calls = Mutex([(read: Int, all: Int)]())
        let listener = PrefillProgress.Listener { read, all in
            calls.withLock { $0.append((read, all)) }
        }
        let result = try await PrefillProgress.$listener.withValue(listener, operation: body)
        return (result, calls.withLock { $0 })
    }

    private func expectRising(_ calls: [(read: Int, all: Int)], to end: ClosedRange<Int>) {
        #expect(calls.count > 1)
        #expect(zip(calls, calls.dropFirst()).allSatisfy { $0.read < $1.read && $0.all == $1.all })
        #expect(calls.allSatisfy { $0.read <= $0.all })
        #expect(calls.last.map { end.contains($0.read) } == true)
    }

    @Test("a long prompt is told of in parts, up to its end, and the text is the same")
    func generate() async throws {
        let model = try await BitNetModel.sample()
        let options = GenerationOptions(maximumResponseTokens: 2)
        let plain = try await model.generate(Self.prompt, options: options)
        let (result, calls) = try await reports {
            try await model.generate(Self.prompt, options: options)
        }
        let count = result.statistics.promptTokens
        expectRising(calls, to: count...count)
        #expect(calls.first?.all == count && result.tokens == plain.tokens)
        let short = try await reports { try await model.generate("A cat", options: options) }
        #expect(short.calls.isEmpty)
    }

    @Test("a session tells of what its cache lacks")
    func session() async throws {
        let model = try await BitNetModel.sample()
        let session = try BitNetSession(model: model)
        let options = GenerationOptions(maximumResponseTokens: 2)
        let (result, calls) = try await reports {
            try await session.respond(to: Self.prompt, options: options)
        }
        let count = result.statistics.promptTokens
        // The last token gives the logits, and is read with the answer.
        expectRising(calls, to: count - 1...count)
        let next = try await reports { try await session.respond(to: " A dog", options: options) }
        #expect(next.calls.allSatisfy { $0.read > count })
    }
}

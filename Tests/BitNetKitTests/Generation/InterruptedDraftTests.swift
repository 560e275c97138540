import BitNetSampleModel
import Synchronization
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// What goes wrong within a draft shows where it would without one.
@Suite("Interrupted drafts")
struct InterruptedDraftTests {
    @Test("an error within a draft comes after the tokens before it, as without")
    func failure() async throws {
        for speculation in [nil, .promptLookup(ngram: 1)] as [GenerationOptions.Speculation?] {
            let backend = FakeBackend("ababababab") { count throws(BitNetError) in
                if count == 7 { throw .outOfMemory(bytes: 1, purpose: "the test") }
            }
            var iterator = GenerationStream(
                backend: backend, prompt: .text("ab"), options: .init(speculation: speculation)
            ).makeAsyncIterator()
            var text = ""
            do {
                while let event = try await iterator.next() {
                    if case .text(let piece) = event { text += piece }
                }
                Issue.record("no error")
            } catch {
                #expect(error == .outOfMemory(bytes: 1, purpose: "the test"))
            }
            #expect(text == "ababa")
            #expect(try await iterator.next() == nil)
            #expect(backend.log.withLock { $0.liveSources } == 0)
        }
    }

    @Test("a constraint that runs out within a draft is an error after the tokens before it")
    func runsOut() async throws {
        let script = "ababab".unicodeScalars.map { Set([Int($0.value)]) }
        let backend = FakeBackend("other", constraint: ScriptConstraint(script: script))
        var iterator = GenerationStream(
            backend: backend, prompt: .text("ab"),
            options: .init(speculation: .promptLookup(ngram: 1))
        ).makeAsyncIterator()
        var text = ""
        do {
            while let event = try await iterator.next() {
                if case .text(let piece) = event { text += piece }
            }
            Issue.record("no error")
        } catch {
            #expect(error == .noAllowedToken(position: 6))
        }
        #expect(text == "ababab")
    }

    @Test("a draft that the model cannot compute is dropped")
    func damagedDraft() async throws {
        let damage = Mutex(0)
        let backend = FakeBackend("abababab") { count throws(BitNetError) in
            // The first token of the first draft's pass.
            guard count == 3,
                damage.withLock({
                    $0 += 1; return $0
                }) == 1
            else { return }
            throw .corruptTensor(tensor: "layer 0", detail: "the test")
        }
        let result = try await GenerationStream(
            backend: backend, prompt: .text("ab"),
            options: .init(speculation: .promptLookup(ngram: 1))
        ).collect()
        #expect(result.text == "abababab")
        #expect(backend.log.withLock { $0.passes.prefix(3) } == [3, 8, 1])
        #expect(
            result.statistics.decodePasses + result.statistics.acceptedDraftTokens
                == result.statistics.decodedTokens)
    }

    @Test("cancelling within a draft ends the response with what was chosen before")
    func cancelled() async throws {
        let model = try await BitNetModel.sample()
        let prompt = try [0] + model.tokenizer.encode(String(repeating: "The cat sat. ", count: 5))
        let options = GenerationOptions(
            maximumResponseTokens: 200, speculation: .promptLookup(ngram: 1))
        let whole = try await model.generate(tokens: prompt, options: options)
        let task = Task {
            var seen: [Int] = []
            for try await event in model.stream(tokens: prompt, options: options) {
                if case .token(let id, _) = event { seen.append(id) }
                if seen.count == 5 { withUnsafeCurrentTask { $0?.cancel() } }
                if case .finished(let reason, _) = event { #expect(reason == .cancelled) }
            }
            return seen
        }
        let seen = try await task.value
        // Those of one more pass may have been there already.
        #expect((5...5 + 9).contains(seen.count))
        #expect(seen == Array(whole.tokens.prefix(seen.count)))
    }
}

import Foundation
import Synchronization
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// The ends of the ranges, on real models (`GenerationStreamTests` has the rest with a fake one).
@Suite("Generation limits on a tiny model")
struct GenerationLimitTests {
    private static func model(contextLength: Int? = nil) throws -> BitNetModel {
        let folder = try TemporaryFolder()
        var editable = try EditableGGUF(TinyModel.bitnetGGUF)
        if let contextLength {
            editable["bitnet.context_length"] = .uint32(UInt32(contextLength))
        }
        return try BitNetModel(loading: try editable.write(to: folder))
    }

    private static func options(
        _ maximum: Int?, contextLength: Int? = nil
    ) -> GenerationOptions {
        var options = GenerationOptions()
        options.maximumResponseTokens = maximum
        options.contextLength = contextLength
        return options
    }

    private static func tokens(_ count: Int) -> [Int] { (0..<count).map { ($0 * 37 + 5) % 290 } }

    @Test("a prompt longer than the context is told with both numbers")
    func tooLong() async throws {
        let model = try Self.model(contextLength: 16)
        let expected = BitNetError.contextWindowExceeded(limit: 16, requested: 17)
        await #expect(throws: expected) { try await model.generate(tokens: Self.tokens(17)) }
        await #expect(throws: expected) { try await model.logits(tokens: Self.tokens(17)) }
        await #expect(throws: BitNetError.contextWindowExceeded(limit: 8, requested: 9)) {
            try await model.generate(
                tokens: Self.tokens(9), options: Self.options(4, contextLength: 8))
        }
    }

    @Test("a prompt that fills the context has an empty response")
    func exact() async throws {
        let model = try Self.model(contextLength: 16)
        let full = try await model.generate(tokens: Self.tokens(16))
        #expect(full.tokens.isEmpty && full.stopReason == .contextFull)
        #expect(full.statistics.promptTokens == 16)
        #expect(try await model.logits(tokens: Self.tokens(16)).logits.count == 1)
        let almost = try await model.generate(tokens: Self.tokens(15))
        #expect(almost.tokens.count <= 1)
    }

    @Test("an empty prompt starts with begin of text")
    func empty() async throws {
        let model = try Self.model()
        let begin = try #require(try model.tokenizer.beginOfText)
        let fromText = try await model.generate("", options: Self.options(5))
        let fromToken = try await model.generate(tokens: [begin], options: Self.options(5))
        #expect(fromText.tokens == fromToken.tokens && fromText.statistics.promptTokens == 1)
        await #expect(throws: BitNetError.self) { try await model.logits(tokens: []) }
    }

    @Test("no tokens asked for are none computed")
    func none() async throws {
        let result = try await Self.model().generate("Hello", options: Self.options(0))
        #expect(result.tokens.isEmpty && result.text.isEmpty && result.stopReason == .length)
    }

    @Test("ids outside the vocabulary are refused", arguments: [-1, 300, Int.max, Int.min])
    func unknownTokens(_ id: Int) async throws {
        let model = try Self.model()
        for tokens in [[id], [1, 2, id], [id, 3]] {
            let errors = [
                await Self.error { () async throws(BitNetError) in
                    _ = try await model.generate(tokens: tokens)
                },
                await Self.error { () async throws(BitNetError) in
                    _ = try await model.logits(tokens: tokens)
                },
            ]
            #expect(errors.allSatisfy { $0?.isInvalidArgument == true })
        }
    }

    private static func error(
        _ body: () async throws(BitNetError) -> Void
    ) async -> BitNetError? {
        do {
            try await body()
            return nil
        } catch { return error }
    }

    @Test("a context of millions of tokens costs what is used of it, or is refused")
    func hugeContext() async throws {
        let model = try Self.model(contextLength: 1 << 24)
        let some = try await model.generate(tokens: [1, 2, 3], options: Self.options(4))
        #expect(
            some.tokens
                == (try await Self.model().generate(tokens: [1, 2, 3], options: Self.options(4))
                    .tokens))
        var iterator = model.stream(tokens: [1, 2, 3]).makeAsyncIterator()
        do throws(BitNetError) {
            #expect(try await iterator.next() != nil)
        } catch {
            guard case .outOfMemory = error else { throw error }
        }
        for length in [Int.max, Int.max / 64, 1 << 46] {
            let error = failure { () throws(BitNetError) in
                _ = try InferenceContext(model.transformer, contextLength: length, cache: .f32)
                return 0
            }
            guard case .outOfMemory? = error else {
                Issue.record("\(length): \(String(describing: error))")
                continue
            }
        }
    }

    @Test("a response cancelled while the prompt is read leaves the model as it was")
    func cancelPrefill() async throws {
        let model = try Self.model()
        let before = try await model.generate(tokens: Self.tokens(40), options: Self.options(12))
        let batch = InferenceContext.batchLength
        // Cancelled after a number of layers of different batches.
        for layers in [0, 1, 2, 3] {
            let context = try InferenceContext(
                model.transformer, contextLength: 4 * batch, cache: .f16)
            var asked = 0
            let error = failure { () throws(BitNetError) in
                try context.forward(Self.tokens(4 * batch - 12)) {
                    asked += 1
                    return asked > layers
                }
                return 0
            }
            #expect(error == .cancelled && context.position == layers * batch)
        }
        let task = Task { try await model.generate(tokens: Self.tokens(1_000)) }
        task.cancel()
        let cancelled = try await task.value
        #expect(cancelled.stopReason == .cancelled)
        let after = try await model.generate(tokens: Self.tokens(40), options: Self.options(12))
        #expect(after.tokens == before.tokens && after.tokens.count == 12)
    }

    @Test("a response cancelled while it is written leaves the model as it was")
    func cancelDecode() async throws {
        let model = try Self.model()
        let prompt = Self.tokens(20)
        let before = try await model.generate(tokens: prompt, options: Self.options(30))
        let task = Task {
            var seen: [Int] = []
            for try await event in model.stream(tokens: prompt, options: Self.options(900)) {
                if case .token(let id, _) = event { seen.append(id) }
                if seen.count == 7 { withUnsafeCurrentTask { $0?.cancel() } }
                if case .finished(let reason, _) = event { #expect(reason == .cancelled) }
            }
            return seen
        }
        let seen = try await task.value
        #expect((7...8).contains(seen.count) && seen == Array(before.tokens.prefix(seen.count)))
        let after = try await model.generate(tokens: prompt, options: Self.options(30))
        #expect(after.tokens == before.tokens && after.tokens.count == 30)
    }

    @Test("streams that share a model at the same time give what they give alone")
    func concurrent() async throws {
        let model = try Self.model()
        let prompts = (1...4).map { Array(Self.tokens(200).dropFirst($0 * 13).prefix($0 * 30)) }
        var alone: [[Int]] = []
        for prompt in prompts {
            alone.append(try await model.generate(tokens: prompt, options: Self.options(25)).tokens)
        }
        #expect(Set(alone).count == 4)
        let together = try await withThrowingTaskGroup(of: (Int, [Int]).self) { group in
            for (index, prompt) in prompts.enumerated() {
                group.addTask {
                    let options = Self.options(25)
                    return (
                        index, try await model.generate(tokens: prompt, options: options).tokens
                    )
                }
            }
            var results = [[Int]](repeating: [], count: prompts.count)
            for try await (index, tokens) in group { results[index] = tokens }
            return results
        }
        #expect(together == alone)
        // Token by token, in turns.
        var first = model.stream(tokens: prompts[0], options: Self.options(25)).makeAsyncIterator()
        var second = model.stream(tokens: prompts[1], options: Self.options(25)).makeAsyncIterator()
        var turns: [[Int]] = [[], []]
        for _ in 0..<60 {
            if case .token(let id, _)? = try await first.next() { turns[0].append(id) }
            if case .token(let id, _)? = try await second.next() { turns[1].append(id) }
        }
        #expect(turns == Array(alone.prefix(2)))
    }
}

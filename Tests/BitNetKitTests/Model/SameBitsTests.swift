import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// One answer, whatever computes it.
@Suite("Same bits")
struct SameBitsTests {
    /// Two tiny models of different graphs, from the project's own fixtures.
    static let models = ["bitnet-untied/packed", "llama-bitlinear/gguf/tq2_0-embd-q4_0.gguf"]

    private func logits(
        _ model: String, _ tokens: [Int], options: LoadOptions = LoadOptions(),
        batches: [Int]? = nil, cache: KVCachePrecision = .f16
    ) throws -> [[Float]] {
        let url = Fixtures.url("reference/\(model)")
        let loaded = try BitNetModel(loading: url, options: options)
        let context = try InferenceContext(
            loaded.transformer, contextLength: max(tokens.count, 1), cache: cache)
        var rows: [[Float]] = []
        var rest = tokens[...]
        for size in batches ?? [tokens.count] {
            rows += try context.allLogits(Array(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
        return rows
    }

    private func tokens(_ count: Int, seed: UInt64 = 7) -> [Int] {
        var generator = SplitMix64(seed: seed)
        return (0..<count).map { _ in Int(generator.next() % 312) }
    }

    @Test("a batched prompt gives the bits of one token at a time", arguments: models)
    func batches(_ model: String) throws {
        let tokens = tokens(512)
        let one = try logits(model, tokens, batches: Array(repeating: 1, count: tokens.count))
        #expect(try logits(model, tokens) == one)
        var sizes: [Int] = []
        var next = 1
        while sizes.reduce(0, +) + next <= tokens.count {
            sizes.append(next)
            next += 1
        }
        sizes.append(tokens.count - sizes.reduce(0, +))
        #expect(try logits(model, tokens, batches: sizes) == one)
        for length in [1, 2, 3, 5, 127, 128, 129, 511] {
            let prompt = Array(tokens.prefix(length))
            #expect(try logits(model, prompt).last == one[length - 1], "\(length) tokens")
        }
    }

    @Test("every instruction set and layout gives the same bits", arguments: models)
    func instructionSets(_ model: String) throws {
        let tokens = tokens(70)
        let expected = try logits(model, tokens, options: LoadOptions(instructionSet: "scalar"))
        for set in KernelSet.available {
            for layout in TernaryLayout.allCases {
                let options = LoadOptions(instructionSet: set.name, layout: layout)
                #expect(
                    try logits(model, tokens, options: options) == expected,
                    "\(set.name) \(layout.rawValue)")
            }
        }
    }

    @Test("every number of threads gives the same bits", arguments: models)
    func threads(_ model: String) throws {
        let tokens = tokens(70)
        let expected = try logits(model, tokens, options: LoadOptions(threads: 1))
        for threads in [2, 3, 7] {
            var options = LoadOptions(threads: threads)
            options.sharing = .every
            #expect(try logits(model, tokens, options: options) == expected, "\(threads) threads")
        }
    }
}

import BitNetSampleModel
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Heads made at load time, in a whole model.
@Suite("Head storage")
struct LMHeadStorageTests {
    private func model(_ head: LMHeadStorage, threads: Int? = nil) throws -> BitNetModel {
        var options = LoadOptions(threads: threads, lmHead: head)
        options.sharing = threads != nil ? .every : .worthwhile
        return try BitNetModel(loading: BitNetSampleModel.url, options: options)
    }

    static let choices: [GenerationOptions] = [
        GenerationOptions(maximumResponseTokens: 60),
        GenerationOptions(
            sampling: .random(temperature: 0.9, topK: 40, topP: 0.95, minP: 0.01, seed: 5),
            maximumResponseTokens: 60),
        GenerationOptions(
            sampling: .random(temperature: 1.2, topK: 8, seed: 6), maximumResponseTokens: 60,
            repetitionPenalty: 1.3, repetitionWindow: 20),
        GenerationOptions(
            maximumResponseTokens: 60, repetitionPenalty: 1.2, repetitionWindow: 5),
        GenerationOptions(
            sampling: .random(temperature: 0.8, seed: 7), maximumResponseTokens: 20,
            topLogProbabilities: 0),
    ]

    @Test("a two-stage head writes what the stored one writes", arguments: choices)
    func sameText(_ options: GenerationOptions) async throws {
        let prompt = "Once upon a time"
        let stored = try await model(.asStored).generate(prompt, options: options)
        for head in [LMHeadStorage.twoStageExact, .twoStageFast] {
            for threads in [1, 2] {
                let found = try await model(head, threads: threads).generate(
                    prompt, options: options)
                #expect(found.text == stored.text, "\(head.rawValue), \(threads) threads")
                #expect(found.tokens == stored.tokens)
            }
        }
    }

    @Test("a choice that needs few logits gets few, `logits` gives all")
    func needs() async throws {
        let model = try model(.twoStageExact)
        let context = try InferenceContext(model.transformer, contextLength: 8, cache: .f16)
        let scratch = try #require(context.lmHeadScratch)
        try context.forward([5, 6])
        #expect(scratch.products == 0, "nothing was said about what is needed")
        context.setLogitsNeeded(.top(1))
        try context.forward([7])
        #expect(scratch.products == 1)
        #expect(scratch.candidates < model.configuration.vocabularySize / 4)
        let left = context.withLogits { row in row.indices.count { row[$0].isFinite } }
        #expect(left == scratch.candidates)
        // The tokens of a draft are chosen in the same way.
        _ = try context.allLogits([8])
        #expect(scratch.products == 2)
        let expected = try await self.model(.asStored).logits("The cat")
        #expect(try await model.logits("The cat") == expected)
    }

    @Test(
        "a Q8_0, Q6_K or Q4_0 head is scanned where it lies, and is written with as without",
        arguments: [(LMHeadStorage.q8_0, LMHeadScanType.q8_0), (.q6_K, .q6_K), (.q4_0, .q4_0)])
    func inPlace(_ storage: LMHeadStorage, _ type: LMHeadScanType) async throws {
        let model = try model(storage)
        let scan = try #require(model.transformer.lmHeadScan)
        #expect(scan.type == type && scan.copy == nil)
        let rows = model.configuration.vocabularySize
        #expect(scan.addedBytes == rows * 4)
        #expect(scan.byteCount == model.transformer.lmHead.byteCount + rows * 4)
        #expect(
            try self.model(.asStored).transformer.lmHeadScan == nil,
            "the sample model's is of another type")
        // A head that is held anew is not searched by what was held before.
        var changed = model.transformer
        try changed.hold(lmHead: .f16)
        #expect(changed.lmHeadScan == nil)
        // Log probabilities ask for every logit, so nothing is scanned for them.
        for penalty in [Float(1), 1.3] {
            var options = GenerationOptions(maximumResponseTokens: 60, repetitionPenalty: penalty)
            options.repetitionWindow = 20
            let scanned = try await model.generate("Once upon a time", options: options)
            options.topLogProbabilities = 0
            let full = try await model.generate("Once upon a time", options: options)
            #expect(scanned.tokens == full.tokens)
        }
    }

    @Test("what is needed follows from the options")
    func optionsToNeeds() {
        #expect(Self.choices.map(\.logitsNeeded) == [.top(1), .top(40), .top(28), .top(6), .all])
        var options = GenerationOptions(sampling: .random(temperature: 1, topK: 65))
        #expect(options.logitsNeeded == .all)
        options.sampling = .random(temperature: 0, topK: 65)
        #expect(options.logitsNeeded == .top(1))
        options.repetitionPenalty = 0.9
        options.repetitionWindow = 3
        #expect(options.logitsNeeded == .all, "any token could be raised to the top")
        options.repetitionPenalty = 1.1
        options.repetitionWindow = .max
        #expect(options.logitsNeeded == .all)
        options.repetitionWindow = nil
        #expect(options.logitsNeeded == .all)
        #expect(GenerationOptions(sampling: .random(temperature: 1)).logitsNeeded == .all)
    }

    @Test(
        "a head encoded anew is the stored one, rounded",
        arguments: [LMHeadStorage.f16, .q8_0, .q6_K, .q4_0])
    func encoded(_ storage: LMHeadStorage) async throws {
        let stored = try model(.asStored)
        let model = try model(storage)
        let type = try #require(storage.elementType)
        #expect(model.transformer.lmHead.type == type)
        #expect(model.transformer.embedding.type == stored.transformer.embedding.type)
        let row = stored.transformer.lmHead.row(17)
        let values = try DenseMatrix(rows: 1, columns: row.count, values: row, type: type)
        #expect(
            type == stored.transformer.lmHead.type
                || model.transformer.lmHead.row(17) == values.row(0))
        let (a, b) = (try await model.logits("The dog"), try await stored.logits("The dog"))
        let scale = b.logits[0].map(abs).max() ?? 0
        // What all logits have in common changes no probability.
        let differences = zip(a.logits[0], b.logits[0]).map { $0 - $1 }
        let shift = differences.reduce(0, +) / Float(differences.count)
        let squares = differences.reduce(0) { $0 + ($1 - shift) * ($1 - shift) }
        #expect((squares / Float(differences.count)).squareRoot() < scale * 0.1)
    }

    @Test("rows that are not whole blocks of a type are refused by name")
    func refused() throws {
        let matrix = try DenseMatrix(
            rows: 2, columns: 48, values: [Float](repeating: 1, count: 96))
        #expect {
            try matrix.encoded(as: .q6_K, pool: WorkerPool(threads: 1))
        } throws: { "\($0)".contains("Q6_K cannot hold rows of 48 weights") }
    }
}

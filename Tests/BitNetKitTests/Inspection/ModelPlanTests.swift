import BitNetSampleModel
import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetKit
@testable import TernaryCompute

@Suite("Planning")
struct ModelPlanTests {
    @Test("bytes are those of the loaded model", arguments: TinyModel.all, TernaryLayout.allCases)
    func weights(url: URL, layout: TernaryLayout) throws {
        for head in [LMHeadStorage.asStored, .f16, .q8_0, .q4_0] {
            let options = LoadOptions(threads: 2, layout: layout, lmHead: head, sparsity: .off)
            let plan = try BitNetModel.plan(url, context: 64, options: options, cache: .int8)
            let model = try BitNetModel(loading: url, options: options)
            // Scales of a row or a group are in matrices of their own.
            #expect(plan.memory.ternary == model.byteCount.ternary)
            #expect(
                plan.memory.embedding + plan.memory.lmHead + plan.memory.scan
                    == model.byteCount.dense)
            #expect(
                plan.weightBytesPerToken - plan.memory.ternary
                    == model.transformer.lmHeadBytesRead)
            let cache = try KVCache(model.configuration, capacity: 64, precision: .int8)
            #expect(plan.memory.keyValues == cache.byteCount)
            #expect(plan.ternaryWeights == model.configuration.ternaryWeightCount)
        }
    }

    @Test("the most context that fits does, and one token more does not")
    func context() throws {
        var shape = try #require(ModelShape.named["bitnet-2b-4t"])
        // As long as memory allows.
        shape.contextLength = nil
        let plan = try ModelPlan(shape, context: 4096, options: LoadOptions(layout: .t5))
        #expect(plan.totalMemory(context: 4096) == plan.memory.total)
        // What the process of the tests has grown to is counted too.
        for bytes in [1_000_000_000, 1_500_000_000, 2_345_678_901].map({ $0 + plan.memory.process })
        {
            let most = try #require(plan.maximumContext(within: bytes))
            #expect(plan.totalMemory(context: most) <= bytes)
            #expect(plan.totalMemory(context: most + 1) > bytes)
        }
        #expect(plan.maximumContext(within: 400_000_000 + plan.memory.process) == nil)
        #expect(plan.maximumContext(within: 1 << 50) == plan.trainedContext)
        let published = try ModelPlan(
            try #require(ModelShape.named["bitnet-2b-4t"]), options: LoadOptions(layout: .t5))
        #expect(published.maximumContext(within: 1 << 50) == 4096)
    }

    @Test("the 2B-4T shape takes what is published: 1.6 or 2 bits a weight, 4.8 GB as FP16")
    func published() throws {
        let shape = try #require(ModelShape.named["bitnet-2b-4t"])
        for (layout, bytes) in [(TernaryLayout.t5, 417e6), (.t2, 521e6)] {
            let plan = try ModelPlan(shape, options: LoadOptions(layout: layout))
            #expect(plan.ternaryWeights == 2_084_044_800)
            #expect(abs(Double(plan.memory.ternary) / bytes - 1) < 0.01)
            #expect(abs(Double(plan.fp16Bytes) / 4.825e9 - 1) < 0.01)
        }
    }

    @Test("speed: bytes by bandwidth, weights by what kernels read, less with a full context")
    func speed() throws {
        let shape = try #require(ModelShape.named["bitnet-2b-4t"])
        let plan = try ModelPlan(shape, options: LoadOptions(threads: 1, layout: .t2))
        let speed = plan.speed(weightsPerSecond: 80e9, bytesPerSecond: 20e9, jobSeconds: 0)
        let head = Double(plan.weightBytesPerToken - plan.memory.ternary) / 20e9
        // 521 MB at 20 GB/s are 26.05 ms, what 80 G weights a second take too.
        let least = 2_084_044_800 / 80e9 + head
        #expect(speed.tokensPerSecond < 1 / least && speed.tokensPerSecond > 0.85 / least)
        #expect(speed.tokensPerSecondAtFullContext < speed.tokensPerSecond)
        // Kernels that outrun memory, as in a large cache, make nothing faster.
        let faster = plan.speed(weightsPerSecond: 300e9, bytesPerSecond: 20e9, jobSeconds: 0)
        #expect(abs(faster.tokensPerSecond / speed.tokensPerSecond - 1) < 0.02)
    }

    @Test("a context out of range and a file that is none are errors")
    func refused() throws {
        for context in [0, -1, 1 << 25] {
            #expect(throws: BitNetError.self) {
                try BitNetModel.plan(TinyModel.bitnetGGUF, context: context)
            }
        }
        #expect(throws: BitNetError.self) {
            try BitNetModel.plan(URL(fileURLWithPath: "/nowhere/model.gguf"))
        }
    }

    @Test("a plan goes to JSON and back")
    func coded() throws {
        let plan = try BitNetModel.plan(try BitNetSampleModel.url)
        let data = try JSONEncoder().encode(plan)
        #expect(try JSONDecoder().decode(ModelPlan.self, from: data) == plan)
    }
}

import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Layout choice")
struct LayoutChoiceTests {
    @Test("both layouts are measured once and the faster one is taken")
    func faster() throws {
        let compute = Compute(kernels: .best, pool: WorkerPool(threads: 2))
        let choice = try LayoutChoice.measured(compute)
        let speeds = choice.weightsPerSecond
        #expect(Set(speeds.keys) == [.t2, .t5])
        #expect(speeds.values.allSatisfy { $0 > 0 && $0.isFinite })
        let faster = try #require(speeds.values.max())
        #expect(speeds[choice.best] == faster)
        #expect(try LayoutChoice.measured(compute).weightsPerSecond == speeds)
    }

    @Test("how far ahead weights are asked for is measured, whichever layout is asked for")
    func distance() throws {
        let compute = Compute(kernels: .best, pool: WorkerPool(threads: 2))
        let distances = KernelSet.prefetchDistances
        #expect(distances.contains(try LayoutChoice.measured(compute).prefetchDistance))
        // Other tests may load models meanwhile, but none that asks for weights where they are.
        KernelSet.prefetchDistance = 0
        for layout in TernaryLayout.allCases {
            #expect(
                try LayoutChoice.adopt(forWeights: 1 << 40, compute, asked: layout) == layout)
            #expect(distances.contains(KernelSet.prefetchDistance))
        }
        #expect(try LayoutChoice.adopt(forWeights: 1 << 10, compute, asked: nil) == .t2)
    }

    @Test(
        "the larger speed decides, T5 where they are the same",
        arguments: [
            (1.0, 2.0, TernaryLayout.t5), (2.0, 1.0, .t2), (1.0, 1.0, .t5), (1.02, 1.0, .t2),
        ])
    func decision(t2: Double, t5: Double, best: TernaryLayout) {
        #expect(
            LayoutChoice(weightsPerSecond: [.t2: t2, .t5: t5], prefetchDistance: 1).best == best)
    }

    @Test("a model that fits the caches is packed as T2")
    func smallModel() throws {
        let model = try BitNetModel.synthetic(
            ModelShape(
                hiddenSize: 64, feedForwardSize: 128, layerCount: 1, headCount: 2,
                keyValueHeadCount: 1, vocabularySize: 256), lmHead: .f32)
        #expect(model.layout == .t2)
    }
}

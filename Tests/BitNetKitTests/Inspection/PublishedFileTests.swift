import Foundation
import TestSupport
import Testing

@testable import BitNetFiles
@testable import BitNetKit
@testable import TernaryCompute

/// What is said of a file in the form of the published 2B-4T, by everything that looks at files.
@Suite("A file in the published form")
struct PublishedFileTests {
    private let folder: TemporaryFolder
    private let url: URL

    init() throws {
        folder = try TemporaryFolder()
        url = try PublishedFile.write(to: folder)
    }

    @Test("inspecting prints its share of zeros and counts its silent neurons, layer by layer")
    func inspection() throws {
        let found = try ModelInspection.inspect(url)
        #expect(found.silentNeurons == PublishedFile.silent)
        let total = PublishedFile.silent.reduce(0, +)
        let text = "\(found)"
        #expect(text.contains(" 42.21% 0,"))
        let lines = text.split(separator: "\n")
        #expect(lines.contains("silent    \(total) of 1,920 feed-forward neurons, 11.67%"))
        #expect(lines.contains("          layer 2: 220, 34.4%"))
        let graph = try #require(found.graph)
        #expect(graph.architecture == "bitnet" && graph.activation == "relu2")
        #expect(graph.hasSubNorms && graph.isLMHeadTied && graph.name == "ggml-model-i2_s")
        for (index, rows) in PublishedFile.zeroRows.enumerated() {
            let gate = found.tensors.first { $0.name == "blk.\(index).ffn_gate.weight" }
            #expect(gate?.ternary?.zeroRows == rows.gate.sorted())
            #expect(gate?.ternary?.largestScale == PublishedFile.scales[index])
        }
        for part in ["tokenizer.ggml.pre", "activation function", "placeholder"] {
            #expect(found.warnings.count { $0.contains(part) } == 1, "\(part)")
        }
        // Two bits a weight and 32 bytes a matrix.
        #expect(abs((found.bits?.stored ?? 0) - 2) < 0.01)
    }

    @Test("planning, verifying and dumping agree with the loaded model")
    func others() async throws {
        let options = LoadOptions(threads: 1, layout: .t2, sparsity: .off)
        let plan = try BitNetModel.plan(url, context: 64, options: options)
        var whole = options
        whole.keepsSilentNeurons = true
        let model = try BitNetModel(loading: url, options: whole)
        #expect(plan.memory.ternary == model.byteCount.ternary)
        #expect(plan.memory.embedding == model.byteCount.dense && plan.memory.lmHead == 0)

        let verified = try await ModelVerification.verify(url, options: options)
        #expect(verified.hasPassed, "\(verified)")
        for check in [ModelVerification.Check.structure, .sizes, .codes, .values, .kernels] {
            #expect(verified[check]?.outcome == .passed)
        }

        let dump = try TensorDump.read(url, tensor: "blk.0.ffn_gate.weight", rows: 0..<2)
        let gate = model.transformer.blocks[0].feedForward.gate.weight
        let trits = dump.groups.flatMap(\.trits).compactMap(\.self)
        #expect(trits == gate.trits(ofRow: 0) + gate.trits(ofRow: 1))
        // Row 0 is silent, and row 1 is not.
        #expect(trits.prefix(128).allSatisfy { $0 == 0 } && trits.contains(1))
    }
}

import BitNetSampleModel
import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Leaving out rows and columns changes no bit.
@Suite("Skipped zeros")
struct SkippingTests {
    @Test(
        "columns and rows shared by any number of threads give the dense product",
        arguments: [TernaryLayout.t2, .t5])
    func sharedLists(_ layout: TernaryLayout) throws {
        let (rows, columns) = (333, 640)
        let plain = PlainTernary(rows: rows, columns: columns, scale: .perTensor(-0.1), seed: 4)
        let tiles = try plain.matrix(layout)
        let result = try AlignedBuffer<Float>(count: rows, purpose: "test")
        for threads in [1, 2, 3, 16] {
            let pool = WorkerPool(threads: threads, sharing: .every)
            let compute = Compute(kernels: .best, pool: pool)
            let byRows = try tiles.arranged(.rows, pool: pool)
            let byColumns = try tiles.arranged(.columns, pool: pool)
            let sums = try PartialSums(rows: rows, threads: threads)
            for active in [0, 1, 31, 97, 640] {
                let x = (0..<columns).map { $0 * 7 % columns < active ? Float($0 % 19) + 1 : 0 }
                let input = try AlignedBuffer(x, purpose: "test")
                let q = try QuantizedActivations(
                    rows: 1, columns: columns, threads: threads, gemmScratch: 0)
                compute.quantize(
                    Activations(input.view, rows: 1, columns: columns), norm: nil, into: q)
                let output = Activations(result.view, rows: 1, columns: rows)
                compute.multiply(q, TernaryProduct(tiles, into: output))
                let expected = result.array
                #expect(expected == plain.multiply(x))
                let list = try AlignedBuffer(
                    (0..<columns).filter { x[$0] != 0 }.map(Int32.init), purpose: "test")
                compute.multiply(
                    q, token: 0, byColumns, columns: list.view, partialSums: sums,
                    into: result.view)
                #expect(
                    result.array.map(\.bitPattern) == expected.map(\.bitPattern),
                    "\(active) columns, \(threads) threads")
                let few = try AlignedBuffer(
                    (0..<rows).filter { $0 % 3 == 0 }.map(Int32.init), purpose: "test")
                compute.sums(q, token: 0, byRows, rows: few.view, into: result.view)
                for row in stride(from: 0, to: rows, by: 3) {
                    #expect(result.view[row].bitPattern == expected[row].bitPattern)
                }
            }
        }
    }

    /// Logits of every token, each token a pass of its own, and what was left out.
    private func decode(
        _ model: BitNetModel, _ tokens: [Int]
    ) throws -> (logits: [[Float]], sparsity: FeedForwardSparsity) {
        let context = try InferenceContext(
            model.transformer, contextLength: tokens.count, cache: .f16)
        context.countZeros(true)
        var logits: [[Float]] = []
        for token in tokens {
            try context.forward([token])
            logits.append(context.withLogits { (0..<$0.count).map { [logits = $0] in logits[$0] } })
        }
        return (logits, try #require(context.sparsity))
    }

    private func tokens(_ count: Int, vocabulary: Int) -> [Int] {
        var random = SplitMix64(seed: 3)
        return (0..<count).map { _ in Int(random.next() % UInt64(vocabulary)) }
    }

    @Test("the sample model gives the same bits whatever is left out")
    func sampleModel() throws {
        let reference = try BitNetModel(
            loading: try BitNetSampleModel.url, options: LoadOptions(threads: 1, sparsity: .off))
        let tokens = tokens(24, vocabulary: reference.configuration.vocabularySize)
        let expected = try decode(reference, tokens)
        #expect(expected.sparsity.upSkippedShare == 0 && expected.sparsity.downSkippedShare == 0)
        for set in KernelSet.available {
            for sparsity in [Sparsity.automatic, .always] {
                for (layout, threads) in [(TernaryLayout.t2, 1), (.t5, 2), (.t2, 3)] {
                    var options = LoadOptions(
                        threads: threads, instructionSet: set.name, layout: layout,
                        sparsity: sparsity)
                    options.sharing = .every
                    let model = try BitNetModel(
                        loading: try BitNetSampleModel.url, options: options)
                    let found = try decode(model, tokens)
                    #expect(found.logits == expected.logits, "\(options)")
                    #expect(found.sparsity.tokens == tokens.count)
                    let skipped = found.sparsity.upSkippedShare
                    // With several threads some layers have not enough zeros for it to pay.
                    let least = sparsity == .always || threads == 1 ? 0.5 : 0.1
                    #expect(skipped > least && skipped < 1)
                    #expect(found.sparsity.gateZeroShare == expected.sparsity.gateZeroShare)
                    #expect(found.sparsity.downZeroShare == expected.sparsity.downZeroShare)
                }
            }
        }
    }

    @Test(
        "a small checkpoint gives the same bits whatever is left out",
        arguments: Sparsity.allCases, KernelSet.available)
    func fixture(sparsity: Sparsity, set: KernelSet) throws {
        let url = Fixtures.url("reference/bitnet-untied/packed")
        let dense = try BitNetModel(loading: url, options: LoadOptions(sparsity: .off))
        let tokens = tokens(40, vocabulary: 312)
        let expected = try decode(dense, tokens).logits
        for layout in TernaryLayout.allCases {
            for threads in [1, 3] {
                var options = LoadOptions(
                    threads: threads, instructionSet: set.name, layout: layout, sparsity: sparsity)
                options.sharing = .every
                let model = try BitNetModel(loading: url, options: options)
                #expect(try decode(model, tokens).logits == expected)
                let context = try InferenceContext(
                    model.transformer, contextLength: tokens.count, cache: .f16)
                #expect(try context.allLogits(tokens) == expected, "as one batch")
                context.rewind(to: 0)
                var found: [[Float]] = []
                for count in [2, 5, 12, 13, 8] {
                    found += try context.allLogits(Array(tokens[found.count..<found.count + count]))
                }
                #expect(found == expected, "as several batches")
            }
        }
    }

    @Test("models without squared ReLU keep their tiles, and so does `off`")
    func untouched() throws {
        let silu = try BitNetModel(
            loading: Fixtures.url("reference/llama-bitlinear/gguf/tq2_0-embd-q4_0.gguf"),
            options: LoadOptions(sparsity: .always))
        let off = try BitNetModel(
            loading: Fixtures.url("reference/bitnet-untied/packed"),
            options: LoadOptions(sparsity: .off))
        for block in silu.transformer.blocks + off.transformer.blocks {
            #expect(block.feedForward.skipping == nil)
            #expect(block.linearLayers.allSatisfy { $0.weight.trits.arrangement == .tiles })
        }
        let always = try BitNetModel(
            loading: Fixtures.url("reference/bitnet-untied/packed"),
            options: LoadOptions(sparsity: .always))
        #expect(
            always.transformer.blocks.allSatisfy {
                $0.feedForward.up.weight.trits.arrangement == .rows
            })
        #expect(
            always.transformer.blocks.allSatisfy {
                $0.feedForward.down.weight.trits.arrangement == .columns
            })
    }

    private static let shape = ModelShape(
        hiddenSize: 176, feedForwardSize: 528, layerCount: 2, headCount: 2, keyValueHeadCount: 1,
        vocabularySize: 97)

    /// Shares where everything is active, nothing is, and in between; odd sizes.
    @Test(
        "imposed zeros give the same bits whatever is left out",
        arguments: [(0.0, 0.0), (0.5, 0.6), (0.73, 0.9), (1.0, 1.0)],
        [TernaryLayout.t2, .t5])
    func imposed(share: (gate: Double, down: Double), layout: TernaryLayout) throws {
        func model(_ sparsity: Sparsity, _ set: KernelSet, threads: Int) throws -> BitNetModel {
            var options = LoadOptions(
                threads: threads, instructionSet: set.name, layout: layout, sparsity: sparsity)
            options.sharing = .every
            return try BitNetModel.synthetic(
                Self.shape, lmHead: .f16, options: options,
                zeroShares: ZeroShares(gate: share.gate, down: share.down))
        }
        let tokens = tokens(12, vocabulary: Self.shape.vocabularySize)
        let expected = try decode(model(.off, .best, threads: 1), tokens).logits
        for set in KernelSet.available {
            for (sparsity, threads) in [(Sparsity.always, 1), (.automatic, 3)] {
                let found = try decode(model(sparsity, set, threads: threads), tokens)
                #expect(found.logits == expected, "\(set) \(sparsity)")
                guard sparsity == .always else { continue }
                let zeros = found.sparsity.gateZeroShare
                #expect(abs(zeros - share.gate) < 0.1)
                if share.gate == 1 { #expect(zeros == 1) }
                if share.gate == 0 {
                    #expect(found.sparsity.layers.allSatisfy { $0.gateZeroShare < 0.05 })
                }
            }
        }
    }

    @Test("a model is rearranged where it meets zeros, and only there")
    func choice() throws {
        let tokens = tokens(6, vocabulary: Self.shape.vocabularySize)
        let shares = [ZeroShares(gate: 0, down: 0), ZeroShares(gate: 0.8, down: 0.9)]
        let skipped = try shares.map { shares in
            let model = try BitNetModel.synthetic(Self.shape, lmHead: .f16, zeroShares: shares)
            let isArranged = model.transformer.blocks.map { $0.feedForward.skipping?.rows ?? false }
            #expect(isArranged.allSatisfy { $0 == (shares.gate > 0.5) })
            return try decode(model, tokens).sparsity.upSkippedShare
        }
        #expect(skipped[0] == 0 && skipped[1] > 0)
    }
}

/// Matrices held by rows and by columns.
@Suite("Arranged matrices")
struct ArrangementTests {
    private func random(_ rows: Int, _ columns: Int, _ layout: TernaryLayout, perRow: Bool) throws
        -> TernaryMatrix
    {
        var random = SplitMix64(seed: UInt64(rows * columns))
        let scale: TernaryScale =
            perRow ? .perRow((0..<rows).map { Float($0 + 1) / 7 }) : .perTensor(0.3)
        return try TernaryMatrix(rows: rows, columns: columns, scale: scale, layout: layout) {
            _, _ in Trit(rawValue: random.nextTrit()) ?? .zero
        }
    }

    @Test("a matrix packed for look-ups or with several scales in a row stays as it is")
    func unarranged() throws {
        let lookup = try random(64, 256, .l2, perRow: false)
        let grouped = try TernaryMatrix(
            rows: 4, columns: 256,
            scale: .perGroup(size: 128, [Float](repeating: 0.5, count: 8))
        ) { _, _ in .plus }
        for matrix in [lookup, grouped] {
            let arranged = try matrix.arranged(.columns, pool: WorkerPool(threads: 1))
            #expect(arranged.trits.arrangement == .tiles)
        }
    }

    @Test(
        "products and trits do not depend on the arrangement",
        arguments: [(1, 1), (3, 130), (129, 5), (161, 320), (300, 33)],
        [TernaryLayout.t2, .t5])
    func products(shape: (rows: Int, columns: Int), layout: TernaryLayout) throws {
        for perRow in [false, true] {
            let tiles = try random(shape.rows, shape.columns, layout, perRow: perRow)
            var random = SplitMix64(seed: 9)
            let one = (0..<shape.columns).map { _ in random.nextFloat() }
            let batch = (0..<5 * shape.columns).map { _ in random.nextFloat() }
            for arrangement in [Arrangement.rows, .columns] {
                let pool = WorkerPool(threads: 2)
                let matrix = try tiles.arranged(arrangement, pool: pool)
                #expect(matrix.trits.arrangement == arrangement)
                #expect(matrix.trits(ofRow: shape.rows - 1) == tiles.trits(ofRow: shape.rows - 1))
                #expect(matrix.statistics() == tiles.statistics())
                for set in KernelSet.available {
                    #expect(
                        try matrix.multiply(one, kernels: set)
                            == tiles.multiply(one, kernels: set))
                    #expect(
                        try matrix.multiply(batch, kernels: set)
                            == tiles.multiply(batch, kernels: set))
                }
            }
        }
    }

    @Test("a matrix with several scales in a row stays in tiles")
    func groups() throws {
        let matrix = try TernaryMatrix(
            rows: 2, columns: 256, scale: .perGroup(size: 128, [1, 2, 3, 4])
        ) { _, _ in .plus }
        let arranged = try matrix.arranged(.columns, pool: Compute.standard.pool)
        #expect(arranged.trits.arrangement == .tiles)
    }
}

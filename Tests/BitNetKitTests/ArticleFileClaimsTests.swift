import BitNetSampleModel
import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import TernaryCompute

/// What the article says of neurons, files, sizes and training, checked; see `ArticleClaimsTests`.
@Suite("Claims of the article: neurons, files, sizes, training")
struct ArticleFileClaimsTests {
    @Test("weights are frozen: a model is the same after running as before")
    func frozen() async throws {
        let model = try await BitNetModel.load(TinyModel.bitnetGGUF)
        let before = try await model.record()
        _ = try await model.logits(tokens: [1, 2, 3], allPositions: true)
        #expect(try await model.record() == before)
        // Whatever is shared between tasks cannot be changed.
        func isSendable(_: some Sendable) {}
        isSendable(model)
        isSendable(model.transformer.blocks[0].feedForward.gate.weight)
    }

    @Test("a neuron is a row with one weight for each input: other rows do not matter to it")
    func neuron() throws {
        var random = SplitMix64(seed: 2)
        let trits = (0..<6 * 100).map { _ in Trit.allCases[Int(random.next() % 3)] }
        let input = randomFloats(100, seed: 5)
        let layer = try TernaryMatrix(rows: 6, columns: 100, scale: .perTensor(0.5)) {
            trits[$0 * 100 + $1]
        }
        let all = try layer.multiply(input)
        for row in 0..<6 {
            let neuron = try TernaryMatrix(rows: 1, columns: 100, scale: .perTensor(0.5)) {
                trits[row * 100 + $1]
            }
            #expect(try neuron.multiply(input) == [all[row]])
        }
    }

    @Test("packed ternary bytes are not cleaner than FP16: 6.3 and 7.9 bits of entropy against 7.3")
    func entropies() throws {
        let count = 1 << 17
        var random = SeededGenerator(seed: 11)
        let weights = try AlignedBuffer((0..<count).map { _ in random.gaussian() }, purpose: "test")
        let mean = Codec.absoluteSum(weights.view) / Double(count)
        let trits = try AlignedBuffer<Int8>(count: count, purpose: "test")
        Codec.ternarize(weights.view, g: Float(1 / mean), into: trits.view)
        func bits(_ size: Int, _ encode: (BufferView<UInt8>) -> Void) throws -> Double {
            let bytes = try AlignedBuffer<UInt8>(count: size, purpose: "test")
            encode(bytes.view)
            var counts = [Int](repeating: 0, count: 256)
            for byte in bytes.array { counts[Int(byte)] += 1 }
            return entropy(counts)
        }
        let half = try bits(count * 2) { Codec.encode(.f16, weights.view, into: $0) }
        let two = try bits(count / 4) { Codec.encodeI2S(trits.view, into: $0) }
        let five = try bits(count / 256 * 54) {
            Codec.encodeTQ(.tq1_0, trits.view, scale: 1, into: $0)
        }
        #expect(abs(half - 7.3) < 0.15 && abs(two - 6.3) < 0.1 && abs(five - 7.8) < 0.15)
        #expect(two < half && half < five)
    }

    @Test(
        "7B takes 14 GB as FP16 and 1.4 to 1.75 GB in ternary, matrices alone; 70B 140 and 14 to 17"
    )
    func sizes() throws {
        for (name, half, least, most) in [
            ("falcon3-7b", 14e9, 1.2e9, 1.75e9), ("llama-70b", 139e9, 13.6e9, 17.2e9),
        ] {
            let shape = try #require(ModelShape.named[name])
            let t5 = try ModelPlan(shape, options: LoadOptions(threads: 1, layout: .t5))
            let t2 = try ModelPlan(shape, options: LoadOptions(threads: 1, layout: .t2))
            #expect(abs(Double(t5.fp16Bytes) / half - 1) < 0.1)
            #expect(Double(t5.memory.ternary) > least && Double(t2.memory.ternary) < most)
            // The embedding is what the article forgets.
            #expect(t5.memory.total > t5.memory.ternary + t5.memory.embedding)
        }
    }

    @Test("a model too large for memory runs layer by layer, a layer in memory at a time")
    func layerByLayer() throws {
        let shape = ModelShape(
            hiddenSize: 256, feedForwardSize: 512, layerCount: 12, headCount: 4,
            keyValueHeadCount: 2, vocabularySize: 320)
        let part = try LayerwiseRun.run(
            shape, layers: 3, options: LoadOptions(threads: 1, layout: .t2))
        #expect(part.layerSeconds.count == 3 && part.layerSeconds.allSatisfy { $0 > 0 })
        #expect(part.tokensPerSecond > 0 && part.layers == 12)
        let plan = try ModelPlan(shape, options: LoadOptions(threads: 1, layout: .t2))
        #expect(part.ternaryBytes == plan.memory.ternary)
        #expect(part.headBytes == plan.memory.embedding)
    }

    @Test("zeros make a dense matrix neither smaller nor other work")
    func zeros() throws {
        let rows = try ZerosDemonstration.run(rows: 128, columns: 640, repetitions: 2)
        #expect(Set(rows.map(\.bytes)).count == 1)
        #expect(rows.map { ($0.zeroShare * 10).rounded() } == [0, 3, 4, 7, 9])
        #expect(rows.allSatisfy { $0.weightsPerSecond.median > 0 })
    }

    @Test("a wide neuron is finer where its trits are chosen together, not where each is rounded")
    func width() {
        let rows = WidthDemonstration.run(neurons: 60)
        // Rounded for itself each weight loses 26% of its square whatever the width: 0.51 of the sum.
        #expect(rows.allSatisfy { abs($0.rounded - 0.51) < 0.15 })
        // 256 times as many inputs: the output grows by 16, the error of one switch stays.
        #expect(rows[8].chosen < rows[0].chosen / 6)
        #expect(rows[12].chosen < rows[4].chosen / 6)
    }

    @Test("rounding an ordinary network ruins it; one trained with shadow weights keeps its skill")
    func rounding() throws {
        let result = try RoundingDemonstration.run(seed: 1, epochs: 20)
        #expect(result.float > 0.9 && result.chance < 0.35)
        #expect(result.rounded < result.float - 0.15)
        #expect(result.shadow > result.rounded + 0.08)
        #expect(result.roundingError > 0.15 && result.roundingError < 0.35)
    }

    @Test("a model's weights that are not ternary are refused with the error of rounding them")
    func noConversion() throws {
        let folder = try TemporaryFolder()
        var model = try EditableGGUF(TinyModel.llamaGGUF)
        let name = "blk.0.ffn_up.weight"
        let count = model[tensor: name].shape.reduce(1, *)
        var random = SeededGenerator(seed: 3)
        model[tensor: name].type = .f32
        model[tensor: name].bytes = floatBytes((0..<count).map { _ in random.gaussian() })
        let url = try model.write(to: folder)
        let error = #expect(throws: BitNetError.self) { try BitNetModel(loading: url) }
        guard case .notTernary(name, let lost) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        // Of Gaussian weights absmean rounding loses a fifth to a quarter of the square.
        #expect(lost > 0.15 && lost < 0.3)
    }

    @Test("no library of the package opens a connection")
    func offline() throws {
        let sources = ReferenceData.packageRoot.appendingPathComponent("Sources")
        let files = try #require(FileManager.default.enumerator(atPath: sources.path))
        var count = 0
        for case let path as String in files where path.hasSuffix(".swift") || path.hasSuffix(".c")
        {
            // Downloads and servers would belong to the program.
            guard !path.hasPrefix("bitnet/") else { continue }
            count += 1
            let text = try String(contentsOf: sources.appendingPathComponent(path), encoding: .utf8)
            for word in [
                "URLSession", "URLRequest", "NWConnection", "getaddrinfo", "socket(", "CFSocket",
            ] {
                #expect(!text.contains(word), "\(path) uses \(word)")
            }
        }
        #expect(count > 100)
    }

    @Test("the file in a hex editor: bytes, trits, scale and values of a row")
    func hexEditor() throws {
        let dump = try TensorDump.read(
            try BitNetSampleModel.url, tensor: "blk.0.ffn_down.weight", rows: 0..<2)
        let model = try BitNetModel(
            loading: try BitNetSampleModel.url, options: LoadOptions(sparsity: .off))
        let weight = model.transformer.blocks[0].feedForward.down.weight
        let found = dump.groups.flatMap(\.trits).compactMap(\.self)
        #expect(found == weight.trits(ofRow: 0) + weight.trits(ofRow: 1))
        #expect(dump.groups.allSatisfy { $0.scales == [weight.scale.largest] })
    }
}

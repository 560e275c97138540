import Foundation
import TestSupport
import Testing

@testable import BitNetTraining

@Suite("Export of trained models")
struct ExportTests {
    private static let shape = NetworkShape(
        hiddenSize: 128, feedForwardSize: 256, layerCount: 2, headCount: 4, keyValueHeadCount: 2,
        vocabularySize: 260, contextLength: 40)

    private let tokens = randomWindows(1, length: 40, vocabulary: 260)[0]

    /// A trainer after some steps, so that no weight is what it was in the beginning.
    private func trainer() async throws -> Trainer {
        let windows = randomWindows(40, length: 41, vocabulary: 260).flatMap(\.self)
        let trainer = try Trainer(
            configuration: TrainingConfiguration(
                shape: Self.shape, length: .steps(3), windowsPerStep: 4,
                schedule: .constant(rate: 5e-3, weightDecay: 0.1)),
            data: TokenArray(windows))
        for try await _ in trainer.steps {}
        return trainer
    }

    private func logits(_ model: BitNetModel) async throws -> [Float] {
        try await model.logits(tokens: tokens.map(Int.init), allPositions: true).logits.flatMap(
            \.self)
    }

    @Test("Snapping changes nothing: folder and GGUF give the trainer's logits, bit for bit")
    func sameLogits() async throws {
        let folder = try TemporaryFolder()
        let trainer = try await trainer()
        let expected = try await trainer.onQueue { [tokens] in $0.network.logits(tokens) }
        try await trainer.exportFolder(to: folder.file("packed"))
        let packed = try await BitNetModel.load(folder.file("packed"))
        #expect(try await logits(packed) == expected)
        try BytePairTrainer(vocabularySize: 260)
            .train(TrainingCorpus(documents: ["to be or not to be, to be"]))
            .write(to: folder.file("tokenizer"))
        let report = try await trainer.exportGGUF(
            to: folder.file("model.gguf"), tokenizer: folder.file("tokenizer"))
        #expect(report.tensors.allSatisfy { $0.relativeError == 0 })
        let gguf = try await BitNetModel.load(folder.file("model.gguf"))
        #expect(try await logits(gguf) == expected)
        #expect(gguf.configuration.name == "model")
        try await trainer.exportGGUF(
            to: folder.file("again/model.gguf"), tokenizer: folder.file("tokenizer"))
        #expect(
            try Data(contentsOf: folder.file("model.gguf"))
                == Data(contentsOf: folder.file("again/model.gguf")))
        #expect(try await logits(try await trainer.model()) == expected)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.url.path).sorted()
                == ["again", "model.gguf", "packed", "tokenizer"])
    }

    @Test("A packed model has no float weight of a ternary matrix")
    func noFloats() async throws {
        let folder = try TemporaryFolder()
        try await trainer().exportFolder(to: folder.file("packed"))
        let file = try SafetensorsFile(
            opening: folder.file("packed/model.safetensors").path)
        let matrices = file.tensors.filter { $0.name.hasSuffix("_proj.weight") }
        #expect(matrices.count == 14 && matrices.allSatisfy { $0.type == .packedTernary })
        let scales = file.tensors.filter { $0.name.hasSuffix("_scale") }
        #expect(scales.count == 14 && scales.allSatisfy { $0.shape == [1] })
        let others = file.tensors.filter { !$0.name.contains("_proj") }
        #expect(others.allSatisfy { $0.name.contains("norm") || $0.name.contains("embed") })
        #expect(others.count == file.tensors.count - 28)
    }

    @Test("Masters are the shadow weights in bfloat16, and load")
    func masters() async throws {
        let folder = try TemporaryFolder()
        let trainer = try await trainer()
        try await trainer.exportFolder(to: folder.file("masters"), weights: .masters)
        let file = try SafetensorsFixture(folder.file("masters/model.safetensors"))
        let (weights, layout) = try await trainer.onQueue {
            ($0.network.parameters.array, $0.network.layout)
        }
        for tensor in layout.tensors {
            let stored = file.uint16s(tensor.name).map { Float(bitPattern: UInt32($0) << 16) }
            #expect(file.shape(tensor.name) == tensor.shape)
            #expect(
                zip(stored, weights[tensor.range]).allSatisfy {
                    abs($0 - $1) <= abs($1) * 0x1p-8
                })
        }
        let expected = try await trainer.onQueue { [tokens] in $0.network.logits(tokens) }
        let loaded = try await logits(BitNetModel.load(folder.file("masters")))
        // Some trits are others after the rounding.
        #expect(relativeError(loaded, expected) < 0.2)
    }

    @Test("Other types of the dense tensors are stored as such, and packed trits stay exact")
    func denseTypes() async throws {
        let folder = try TemporaryFolder()
        let trainer = try await trainer()
        for type in [ElementType.f16, .bf16] {
            try await trainer.exportFolder(to: folder.file("packed"), dense: type)
            let file = try SafetensorsFile(
                opening: folder.file("packed/model.safetensors").path)
            #expect(file.tensor(named: "model.embed_tokens.weight")?.type == type)
        }
        await #expect(throws: BitNetError.self) {
            try await trainer.exportFolder(to: folder.file("packed"), dense: .q8_0)
        }
    }
}

@Suite("Writing safetensors")
struct SafetensorsWriterTests {
    @Test("What is written is read again, names and metadata with any characters")
    func roundTrip() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("a.safetensors").path
        var writer = try SafetensorsWriter(
            path: path, metadata: ["key \"x\"": "line\nbreak \u{1F600}"],
            tensors: [
                .init(name: "a \"quoted\"", type: .f32, shape: [2, 3]),
                .init(name: "none", type: .f32, shape: [0]),
                .init(name: "half", type: .bf16, shape: [2]),
                .init(name: "packed", type: .packedTernary, shape: [1, 3]),
            ])
        let values = try AlignedBuffer([Float](arrayLiteral: 1, 2, 3, 4, 5, 6), purpose: "test")
        try writer.append(values.view[0..<4], to: "a \"quoted\"")
        #expect(throws: BitNetError.self) { try writer.append([1], to: "packed") }
        #expect(throws: BitNetError.self) { try writer.append(values.view, to: "a \"quoted\"") }
        try writer.append(values.view[4..<6], to: "a \"quoted\"")
        try writer.append(values.view[0..<2], to: "half")
        try writer.append([7, 8, 9], to: "packed")
        let count = try writer.finish()
        #expect(try Data(contentsOf: folder.file("a.safetensors")).count == count)
        let file = try SafetensorsFile(opening: path)
        #expect(file.metadata["key \"x\""] == "line\nbreak \u{1F600}")
        #expect(file.tensors.map(\.name) == ["a \"quoted\"", "none", "half", "packed"])
        let read = try SafetensorsFixture(folder.file("a.safetensors"))
        #expect(read.floats("a \"quoted\"") == values.array)
        #expect(read.uint16s("half") == [0x3F80, 0x4000])
        #expect(read.bytes("packed") == [7, 8, 9])
    }

    @Test("A file that is not complete does not appear")
    func incomplete() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("a.safetensors").path
        let writer = try SafetensorsWriter(
            path: path, tensors: [.init(name: "a", type: .f32, shape: [4])])
        do {
            try writer.finish()
            Issue.record("a tensor without data was accepted")
        } catch {
            #expect("\(error)".contains("'a'"))
        }
        #expect(!FileManager.default.fileExists(atPath: path))
        #expect(throws: BitNetError.self) {
            _ = try SafetensorsWriter(
                path: path,
                tensors: [
                    .init(name: "a", type: .f32, shape: [1]),
                    .init(name: "a", type: .f32, shape: [1]),
                ])
        }
    }
}

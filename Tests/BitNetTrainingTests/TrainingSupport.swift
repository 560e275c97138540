import Foundation
import TestSupport

@testable import BitNetTraining

/// The training of a small network by torch, step by step.
struct TrainingReference {
    struct Step: Decodable {
        var loss: Double
        var grad_norm: Double
    }

    struct Description: Decodable {
        var tokens: [[[Int32]]]
        var steps: [Step]
    }

    let description: Description
    let initial, gradients: SafetensorsFixture
    let logits: [Float]

    static let shape = NetworkShape(
        hiddenSize: 64, feedForwardSize: 160, layerCount: 2, headCount: 4, keyValueHeadCount: 2,
        vocabularySize: 97, contextLength: 24)

    init?() throws {
        guard let folder = ReferenceData.url("training") else { return nil }
        func file(_ name: String) -> URL { folder.appendingPathComponent(name) }
        description = try JSONDecoder().decode(
            Description.self, from: Data(contentsOf: file("training.json")))
        initial = try SafetensorsFixture(file("initial.safetensors"))
        gradients = try SafetensorsFixture(file("gradients.safetensors"))
        logits = try SafetensorsFixture(file("logits.safetensors")).floats("logits")
    }

    /// Sets all weights.
    func load(into network: ShadowNetwork) {
        for tensor in network.layout.tensors {
            for (index, value) in initial.floats(tensor.name).enumerated() {
                network.parameters.view[tensor.offset + index] = value
            }
        }
        network.snap()
    }
}

extension NetworkShape {
    /// Every number another one, so that none can stand for another by mistake; heads share keys.
    static let odd = NetworkShape(
        hiddenSize: 64, feedForwardSize: 80, layerCount: 2, headCount: 4, keyValueHeadCount: 2,
        vocabularySize: 37, contextLength: 70)
}

extension ShadowNetwork {
    /// A network with seeded weights, norms among them.
    static func random(
        _ shape: NetworkShape, tokens: Int, isRounded: Bool = true, threads: Int = 2,
        kernels: KernelSet = .best, seed: UInt64 = 1
    ) throws -> ShadowNetwork {
        let pool = WorkerPool(threads: threads, sharing: .every)
        let network = try ShadowNetwork(
            shape, tokens: tokens, isRounded: isRounded,
            compute: Compute(kernels: kernels, pool: pool))
        var generator = SplitMix64(seed: seed)
        for tensor in network.layout.tensors {
            for index in tensor.range {
                let value = generator.nextFloat()
                network.parameters.view[index] =
                    tensor.shape.count == 1 ? 1 + 0.3 * value : 0.3 * value
            }
        }
        network.snap()
        return network
    }
}

extension ShadowNetwork {
    /// Writes the int8 codes of a pass's activations and the gradients, for
    /// `Tests/Differential/training_gradients.py`: raw, layer by layer, and as the layout has them.
    func writePass(_ tokens: Int, to folder: URL) throws {
        var codes: [Int8] = []
        for layer in buffers.layers {
            for input in [
                layer.attentionInput, layer.outputInput, layer.feedForwardInput, layer.downInput,
            ] {
                for token in 0..<tokens {
                    let start = token * input.stride
                    codes += input.values.view[start..<start + input.columns].array
                }
            }
        }
        try Data(codes.map { UInt8(bitPattern: $0) }).write(
            to: folder.appendingPathComponent("codes.bin"))
        try gradients.array.withUnsafeBytes { Data($0) }.write(
            to: folder.appendingPathComponent("gradients.bin"))
    }
}

/// Seeded windows of tokens.
func randomWindows(_ count: Int, length: Int, vocabulary: Int, seed: UInt64 = 7) -> [[Int32]] {
    var generator = SplitMix64(seed: seed)
    return (0..<count).map { _ in
        (0..<length).map { _ in Int32(generator.next() % UInt64(vocabulary)) }
    }
}

/// The norm of the difference relative to that of `expected`.
func relativeError(_ found: [Float], _ expected: [Float]) -> Double {
    let pairs = zip(found, expected).map { (Double($0), Double($1)) }
    let error = pairs.reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    let total = pairs.reduce(0) { $0 + $1.1 * $1.1 }
    return (error / max(total, 1e-300)).squareRoot()
}

/// A folder that is removed when it goes.
final class TemporaryFolder {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent(
            "bitnet-training-tests-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func file(_ name: String) -> URL { url.appendingPathComponent(name) }
}

/// Text that a small network can learn: 0, 1, ..., 15, 0, 1, ... with a random start for each window.
func countingTokens(_ count: Int) -> [Int32] { (0..<count).map { Int32($0 % 16) } }

extension TrainingRun {
    /// Sentences that a small network learns quickly.
    static var smallText: String {
        var generator = SplitMix64(seed: 4)
        let names = ["Lily", "Tom", "Anna", "Ben"]
        let things = ["a red ball", "a small dog", "an old tree", "the big sun"]
        return (0..<300).map { _ in
            let name = names[Int(generator.next() % 4)]
            let thing = things[Int(generator.next() % 4)]
            return "One day \(name) saw \(thing). \(name) was very happy."
        }.joined(separator: "\n<|endoftext|>\n")
    }

    /// A training of some kilobytes of text, which takes a moment.
    static func small(_ folder: TemporaryFolder, steps: Int) throws -> TrainingRun {
        let file = folder.file("text.txt")
        try Data(smallText.utf8).write(to: file)
        var run = TrainingRun(files: [file], output: folder.file("out"))
        run.configuration = TrainingConfiguration(
            shape: NetworkShape(
                hiddenSize: 64, feedForwardSize: 128, layerCount: 1, headCount: 2,
                keyValueHeadCount: 1, vocabularySize: 320, contextLength: 32),
            length: .steps(steps), windowsPerStep: 16,
            schedule: TrainingSchedule(warmupSteps: 5, peakRate: 5e-3))
        run.samplePrompt = "One day"
        return run
    }
}

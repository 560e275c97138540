import Foundation
import TestSupport
import Testing

@testable import BitNetTraining

@Suite("Gradients")
struct GradientTests {
    /// Along the gradient of one tensor the loss must change by its norm. Without rounding, through
    /// which no derivative goes.
    @Test("Every gradient is that of finite differences", arguments: [5, 70])
    func finiteDifferences(length: Int) throws {
        let network = try ShadowNetwork.random(.odd, tokens: 140, isRounded: false)
        let windows = randomWindows(2, length: length + 1, vocabulary: 37)
        let factor = 1 / Float(2 * length)
        network.clearGradients()
        _ = network.accumulate(windows, factor: factor)
        let weights = network.parameters.array
        for tensor in network.layout.tensors {
            let gradient = network.gradients.view[tensor.range].array
            let norm = gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            try #require(norm > 1e-4, "\(tensor.name)")
            let step = min(0.01 / norm, 0.02)
            func loss(_ sign: Double) -> Double {
                for (index, slope) in gradient.enumerated() {
                    network.parameters.view[tensor.offset + index] =
                        weights[tensor.offset + index] + Float(sign * step * Double(slope) / norm)
                }
                return network.loss(windows) * Double(factor)
            }
            let found = (loss(1) - loss(-1)) / (2 * step)
            _ = loss(0)
            #expect(abs(found / norm - 1) < 0.01, "\(tensor.name): \(found), expected \(norm)")
        }
    }

    /// Each of many single parameters, so that no part of a tensor can hide behind another.
    @Test("Gradients of single parameters are those of finite differences")
    func singleParameters() throws {
        let network = try ShadowNetwork.random(.odd, tokens: 48, isRounded: false)
        let windows = randomWindows(2, length: 25, vocabulary: 37)
        network.clearGradients()
        _ = network.accumulate(windows, factor: 1 / 48)
        var generator = SplitMix64(seed: 3)
        for tensor in network.layout.tensors {
            let largest = network.gradients.view[tensor.range].array.map(abs).max() ?? 0
            for _ in 0..<4 {
                let index = tensor.offset + Int(generator.next() % UInt64(tensor.count))
                let value = network.parameters.view[index]
                func loss(_ change: Float) -> Double {
                    network.parameters.view[index] = value + change
                    defer { network.parameters.view[index] = value }
                    return network.loss(windows) / 48
                }
                let step: Float = 0.01
                let found = (loss(step) - loss(-step)) / Double(2 * step)
                let expected = Double(network.gradients.view[index])
                #expect(
                    abs(found - expected) < 0.03 * Double(largest) + 2e-4,
                    "\(tensor.name) at \(index - tensor.offset): \(found), expected \(expected)")
            }
        }
    }

    @Test("Gradients of several passes add up to those of one")
    func accumulation() throws {
        let network = try ShadowNetwork.random(.odd, tokens: 4 * 20)
        let windows = randomWindows(4, length: 21, vocabulary: 37)
        network.clearGradients()
        let together = network.accumulate(windows, factor: 0.01)
        let expected = network.gradients.array
        network.clearGradients()
        var apart = 0.0
        for window in windows { apart += network.accumulate([window], factor: 0.01) }
        #expect(abs(together - apart) < 1e-6 * together)
        #expect(relativeError(network.gradients.array, expected) < 1e-6)
    }

    /// Activations of this network are all far from ties of their int8 rounding, so that no difference
    /// in the last bit of a float can become a whole step. The expected values are torch's in float64,
    /// from `Tests/Differential/training_gradients.py`.
    @Test("Where no rounding is close to a tie, logits, loss and gradients are those of float64")
    func clearOfTies() throws {
        let url = Bundle.module.bundleURL.appendingPathComponent("Fixtures/gradients.safetensors")
        let fixture = try SafetensorsFixture(url)
        let loss = Double(try #require(fixture.floats("loss").first))
        let shape = NetworkShape(
            hiddenSize: 32, feedForwardSize: 48, layerCount: 2, headCount: 2,
            keyValueHeadCount: 1, vocabularySize: 37, contextLength: 5)
        let network = try ShadowNetwork(shape, tokens: 10, compute: Compute.standard)
        for tensor in network.layout.tensors {
            for (index, value) in fixture.floats(tensor.name).enumerated() {
                network.parameters.view[tensor.offset + index] = value
            }
        }
        network.snap()
        let tokens = fixture.int32s("tokens")
        let windows = [Array(tokens[0..<6]), Array(tokens[6..<12])]
        let logits = windows.flatMap { network.logits(Array($0.dropLast())) }
        #expect(relativeError(logits, fixture.floats("logits")) < 1e-5)
        network.clearGradients()
        let found = network.accumulate(windows, factor: 0.1) / 10
        #expect(abs(found / loss - 1) < 1e-6)
        for tensor in network.layout.tensors {
            let error = relativeError(
                network.gradients.view[tensor.range].array,
                fixture.floats("gradient.\(tensor.name)"))
            #expect(error < 1e-4, "\(tensor.name): \(error)")
        }
    }

    @Test(
        "Logits, loss and gradients are those of torch",
        .enabled(if: ReferenceData.url("training") != nil))
    func reference() throws {
        let reference = try #require(try TrainingReference())
        let network = try ShadowNetwork(
            TrainingReference.shape, tokens: 72, compute: Compute.standard)
        reference.load(into: network)
        let windows = reference.description.tokens[0]
        let logits = windows.flatMap { network.logits(Array($0.dropLast())) }
        // Where no int8 has been rounded to the other side yet, everything agrees.
        let isSame = stride(from: 0, to: logits.count, by: 97).map { start in
            (start..<start + 97).allSatisfy { abs(logits[$0] - reference.logits[$0]) < 2e-4 }
        }
        for sequence in 0..<3 { #expect(isSame[sequence * 24]) }
        #expect(isSame.count(where: \.self) >= 24)
        network.clearGradients()
        let loss = network.accumulate(windows, factor: 1 / 72) / 72
        if let folder = ProcessInfo.processInfo.environment["BITNETKIT_GRADIENTS"] {
            try network.writePass(72, to: URL(fileURLWithPath: folder))
        }
        #expect(abs(loss / reference.description.steps[0].loss - 1) < 1e-3)
        for tensor in network.layout.tensors {
            let error = relativeError(
                network.gradients.view[tensor.range].array, reference.gradients.floats(tensor.name))
            #expect(error < 0.01, "\(tensor.name): \(error)")
        }
    }

    /// A single int8 decides what the test above allows for: input 11 of the second block's attention
    /// at position 6 of the second sequence is 4.499996 in float64. torch's float32 makes 5 of it, its
    /// float64 and this library 4, and all that follows in that sequence differs. A norm's weight that
    /// is larger by a hundred thousandth moves it to the other side.
    @Test(
        "But for a single tie, logits, loss and all gradients are those of torch",
        .enabled(if: ReferenceData.url("training") != nil))
    func referenceWithoutTie() throws {
        let reference = try #require(try TrainingReference())
        let network = try ShadowNetwork(
            TrainingReference.shape, tokens: 72, compute: Compute.standard)
        reference.load(into: network)
        let norm = network.layout["model.layers.1.input_layernorm.weight"]
        network.parameters.view[norm.offset + 11] *= 1 + 1e-5
        let windows = reference.description.tokens[0]
        let logits = windows.flatMap { network.logits(Array($0.dropLast())) }
        #expect(relativeError(logits, reference.logits) < 1e-5)
        network.clearGradients()
        let loss = network.accumulate(windows, factor: 1 / 72) / 72
        #expect(abs(loss / reference.description.steps[0].loss - 1) < 1e-6)
        for tensor in network.layout.tensors {
            let error = relativeError(
                network.gradients.view[tensor.range].array, reference.gradients.floats(tensor.name))
            #expect(error < 1e-5, "\(tensor.name): \(error)")
        }
    }
}

import Foundation
import TestSupport
import Testing

@testable import BitNetTraining

@Suite("Distillation")
struct TeacherTests {
    private static let shape = NetworkShape.odd

    private static func configuration(
        _ distillation: TrainingConfiguration.Distillation? = .init(teacher: "teacher"),
        shape: NetworkShape = TeacherTests.shape
    ) -> TrainingConfiguration {
        TrainingConfiguration(
            shape: shape, length: .steps(4), windowsPerStep: 3, distillation: distillation)
    }

    private static let data = TokenArray(
        randomWindows(1, length: 4000, vocabulary: 37)[0],
        validation: randomWindows(1, length: 500, vocabulary: 37, seed: 8)[0])

    /// A model with seeded weights.
    private func makeModel(seed: UInt64) async throws -> BitNetModel {
        let trainer = try Trainer(configuration: Self.configuration(nil), data: Self.data)
        try await trainer.onQueue { (state) throws(BitNetError) in
            var generator = SplitMix64(seed: seed)
            for tensor in state.network.layout.tensors where tensor.shape.count == 2 {
                for index in tensor.range {
                    state.network.parameters.view[index] = 0.3 * generator.nextFloat()
                }
            }
            state.network.snap()
        }
        return try await trainer.model()
    }

    private func makeTeacher(
        _ model: BitNetModel, weight: Float, temperature: Float = 2, _ network: ShadowNetwork
    ) throws -> Teacher {
        try Teacher(model, weight: weight, temperature: temperature, network: network)
    }

    @Test(
        "Every gradient with a teacher is that of finite differences",
        arguments: [1, 2.5] as [Float])
    func finiteDifferences(temperature: Float) async throws {
        let network = try ShadowNetwork.random(Self.shape, tokens: 140, isRounded: false)
        let weight: Float = 0.7
        let model = try await makeModel(seed: 5)
        let teacher = try makeTeacher(
            model, weight: weight, temperature: temperature, network)
        let windows = randomWindows(2, length: 71, vocabulary: 37)
        /// The loss as it is defined; the last pass's gradients are of no interest.
        func loss() -> Double {
            teacher.begin()
            let loss = network.accumulate(windows, factor: 1 / 140, teacher: teacher)
            let divergence = Double(temperature * temperature) * teacher.divergence
            return (Double(1 - weight) * loss + Double(weight) * divergence) / 140
        }
        network.clearGradients()
        _ = loss()
        #expect(teacher.divergence / 140 > 0.1)
        let gradients = network.gradients.array
        let weights = network.parameters.array
        for tensor in network.layout.tensors {
            let gradient = gradients[tensor.range]
            let norm = gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            try #require(norm > 1e-4, "\(tensor.name)")
            let step = min(0.01 / norm, 0.02)
            func moved(_ sign: Double) -> Double {
                for index in tensor.range {
                    network.parameters.view[index] =
                        weights[index] + Float(sign * step * Double(gradients[index]) / norm)
                }
                return loss()
            }
            let found = (moved(1) - moved(-1)) / (2 * step)
            _ = moved(0)
            #expect(abs(found / norm - 1) < 0.02, "\(tensor.name): \(found), expected \(norm)")
        }
    }

    @Test("A network learns nothing from itself, and a teacher of weight 0 changes no bit")
    func extremes() async throws {
        let model = try await makeModel(seed: 5)
        let network = try ShadowNetwork.random(Self.shape, tokens: 140)
        var generator = SplitMix64(seed: 5)
        for tensor in network.layout.tensors {
            for index in tensor.range {
                network.parameters.view[index] =
                    tensor.shape.count == 2 ? 0.3 * generator.nextFloat() : 1
            }
        }
        network.snap()
        let windows = randomWindows(2, length: 71, vocabulary: 37)
        func gradients(_ teacher: Teacher?) -> [Float] {
            network.clearGradients()
            teacher?.begin()
            _ = network.accumulate(windows, factor: 1 / 140, teacher: teacher)
            return network.gradients.array
        }
        let alone = gradients(nil)
        let itself = try makeTeacher(model, weight: 1, network)
        #expect(gradients(itself).allSatisfy { $0 == 0 } && abs(itself.divergence) < 1e-9)
        let other = try await makeModel(seed: 6)
        let silent = try makeTeacher(other, weight: 0, network)
        #expect(gradients(silent) == alone && silent.divergence > 1)
    }

    @Test("Threads change no bit, and an interrupted training goes on with the same teacher only")
    func resumes() async throws {
        let folder = try TemporaryFolder()
        let model = try await makeModel(seed: 5)
        let whole = try Trainer(
            configuration: Self.configuration(), data: Self.data, teacher: model, threads: 1)
        var reports: [StepReport] = []
        for try await report in whole.steps { reports.append(report) }
        #expect(reports.allSatisfy { ($0.divergence ?? -1) > 0 })

        let first = try Trainer(
            configuration: Self.configuration(), data: Self.data, teacher: model, threads: 3)
        for _ in 0..<2 { try await first.step() }
        let url = folder.file("c.safetensors")
        try await first.saveCheckpoint(to: url)
        let distillation = try #require(try Trainer.configuration(of: url).distillation)
        #expect(distillation.teacher == "teacher" && distillation.fingerprint != nil)
        #expect(throws: BitNetError.self) { try Trainer(resuming: url, data: Self.data) }
        let other = try await makeModel(seed: 6)
        #expect(throws: BitNetError.self) {
            try Trainer(resuming: url, data: Self.data, teacher: other)
        }
        let second = try Trainer(resuming: url, data: Self.data, teacher: model)
        for try await _ in second.steps {}
        let expected = try await whole.onQueue { $0.network.parameters.array }
        #expect(try await second.onQueue { $0.network.parameters.array } == expected)
    }

    @Test("Teachers that do not fit, and numbers that make no sense, are refused")
    func refused() async throws {
        let model = try await makeModel(seed: 5)
        var larger = Self.shape
        larger.vocabularySize = 38
        var longer = Self.shape
        longer.contextLength = 71
        var bad = [
            Self.configuration(nil), Self.configuration(shape: larger),
            Self.configuration(shape: longer),
        ]
        let numbers: [(Float, Float)] = [
            (-0.1, 1), (1.1, 1), (.nan, 1), (0.5, 0), (0.5, .infinity),
        ]
        for (weight, temperature) in numbers {
            bad.append(
                Self.configuration(
                    .init(teacher: "t", weight: weight, temperature: temperature)))
        }
        for configuration in bad {
            #expect(throws: BitNetError.self, "\(configuration)") {
                try Trainer(configuration: configuration, data: Self.data, teacher: model)
            }
        }
        #expect(throws: BitNetError.self) {
            try Trainer(configuration: Self.configuration(), data: Self.data)
        }
    }

    @Test("A configuration from before there were teachers is read")
    func oldConfiguration() throws {
        let text = """
            {"beta1":0.9,"beta2":0.95,"clipNorm":1,"epsilon":1e-08,"length":{"steps":{"_0":1000}},\
            "schedule":{"firstStageEnd":0.0008,"peakRate":0.0015,"secondStage":0.5,\
            "secondStageDecay":0,"secondStageStart":0.0005,"warmupSteps":100,"weightDecay":0.1},\
            "seed":1,"shape":{"contextLength":256,"feedForwardSize":768,"headCount":4,\
            "hiddenSize":256,"keyValueHeadCount":2,"layerCount":6,"normEpsilon":1e-05,\
            "ropeBase":10000,"vocabularySize":2048},"windowsPerStep":16}
            """
        let found = try JSONDecoder().decode(TrainingConfiguration.self, from: Data(text.utf8))
        #expect(found == TrainingConfiguration())
        // What has no teacher is written as it was.
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let written = String(decoding: try encoder.encode(found), as: UTF8.self)
        #expect(!written.contains("distillation"))
    }
}

import Foundation
import TestSupport
import Testing

@testable import BitNetTraining

@Suite("Trainer")
struct TrainerTests {
    private static func configuration(_ steps: Int = 6) -> TrainingConfiguration {
        TrainingConfiguration(
            shape: NetworkShape(
                hiddenSize: 64, feedForwardSize: 96, layerCount: 1, headCount: 2,
                keyValueHeadCount: 1, vocabularySize: 16, contextLength: 24),
            length: .steps(steps), windowsPerStep: 50,
            schedule: TrainingSchedule(warmupSteps: 2, peakRate: 5e-3))
    }

    private static let data = TokenArray(
        countingTokens(4000), validation: countingTokens(500), seed: 3)

    private func weights(_ trainer: Trainer) async throws -> [Float] {
        try await trainer.onQueue { $0.network.parameters.array }
    }

    @Test(
        "The losses of ten steps are those of torch",
        .enabled(if: ReferenceData.url("training") != nil))
    func tenSteps() async throws {
        let reference = try #require(try TrainingReference())
        let configuration = TrainingConfiguration(
            shape: TrainingReference.shape, length: .steps(10), windowsPerStep: 3,
            schedule: .constant(rate: 1e-3, weightDecay: 0.1))
        let state = try TrainerState(
            configuration, data: StepWindows(steps: reference.description.tokens),
            compute: .standard)
        reference.load(into: state.network)
        for expected in reference.description.steps {
            let report = try state.advance()
            #expect(abs(report.loss / expected.loss - 1) < 0.01)
            #expect(abs(report.gradientNorm / expected.grad_norm - 1) < 0.03)
        }
    }

    @Test("Training learns what can be learnt")
    func learns() async throws {
        let trainer = try Trainer(
            configuration: Self.configuration(30), data: Self.data, threads: 2)
        let first = try #require(try await trainer.validate())
        #expect(abs(first.loss - log(16.0)) < 0.3)
        var reports: [StepReport] = []
        for try await report in trainer.steps { reports.append(report) }
        #expect(reports.map(\.step) == Array(1...30))
        #expect(reports.last?.progress == 1)
        let last = try #require(try await trainer.validate())
        #expect(last.loss < 0.5 * first.loss)
        #expect(last.tokens == first.tokens && last.step == 30)
    }

    @Test("Threads and kernel sets change no bit", arguments: KernelSet.available)
    func sameBits(kernels: KernelSet) async throws {
        var results: [[Float]] = []
        for threads in [1, 3] {
            let trainer = try Trainer(
                configuration: Self.configuration(2), data: Self.data, threads: threads,
                kernels: threads == 1 ? .best : kernels)
            for try await _ in trainer.steps {}
            results.append(try await weights(trainer))
        }
        #expect(results[0] == results[1])
    }

    @Test("Numbers of threads that nothing computes with are refused", arguments: [0, -1, 1025])
    func oddThreads(_ threads: Int) {
        #expect(
            throws: BitNetError.invalidArgument(
                name: "threads", detail: "\(threads) is not in 1...1024")
        ) {
            try Trainer(configuration: Self.configuration(), data: Self.data, threads: threads)
        }
    }

    @Test("A training that was interrupted ends with the same weights")
    func resumes() async throws {
        let folder = try TemporaryFolder()
        let whole = try Trainer(configuration: Self.configuration(), data: Self.data)
        for try await _ in whole.steps {}

        let first = try Trainer(configuration: Self.configuration(), data: Self.data, threads: 1)
        for _ in 0..<3 { try await first.step() }
        try await first.saveCheckpoint(to: folder.file("c.safetensors"))
        let second = try Trainer(resuming: folder.file("c.safetensors"), data: Self.data)
        #expect(await second.stepCount == 3)
        #expect(second.configuration == Self.configuration())
        for try await _ in second.steps {}
        #expect(try await weights(second) == weights(whole))
    }

    @Test("A training goes on with other data, or the same in other windows, in no case")
    func otherData() async throws {
        let folder = try TemporaryFolder()
        let trained = try BytePairTrainer(vocabularySize: 300).train(
            TrainingCorpus(documents: ["a b c"]))
        let file = try TokenFile(
            TrainingCorpus(documents: (0..<40).map { "The number \($0) follows that before it." }),
            tokenizer: trained.tokenizer)
        var configuration = Self.configuration(2)
        configuration.shape.vocabularySize = trained.tokenizer.vocabularySize
        func data(_ heldOut: TrainingData.HeldOut, _ seed: UInt64) throws -> TrainingData {
            try TrainingData(file, context: 24, heldOut: heldOut, seed: seed)
        }
        let trainer = try Trainer(configuration: configuration, data: try data(.documents(4), 1))
        let url = folder.file("c.safetensors")
        try await trainer.saveCheckpoint(to: url)
        _ = try Trainer(resuming: url, data: try data(.documents(4), 1))
        for (heldOut, seed) in [
            (.none, 1), (.documents(5), 1), (.documents(4), 2),
        ] as [(TrainingData.HeldOut, UInt64)] {
            let other = try data(heldOut, seed)
            #expect(throws: BitNetError.self) { try Trainer(resuming: url, data: other) }
        }
    }

    @Test("A checkpoint of the first version is gone on from")
    func earlyCheckpoint() async throws {
        let folder = try TemporaryFolder()
        let trainer = try Trainer(configuration: Self.configuration(), data: Self.data)
        try await trainer.step()
        let url = folder.file("c.safetensors")
        try await trainer.saveCheckpoint(to: url)
        let bytes = try Data(contentsOf: url)
        let size = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        var header = String(decoding: bytes[8..<8 + size], as: UTF8.self)
        // A source of one part, as all were.
        for (new, early) in [
            (#""bitnetkit.training":"2""#, #""bitnetkit.training":"1""#),
            (#"\"length\":{\"steps\":6}"#, #"\"length\":{\"steps\":{\"_0\":6}}"#),
        ] {
            #expect(header.contains(new), "\(header.prefix(800))")
            header = header.replacingOccurrences(of: new, with: early)
        }
        header += String(repeating: " ", count: 7 - (header.utf8.count + 7) % 8)
        let length = (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) }
        try (Data(length) + Data(header.utf8) + bytes[(8 + size)...]).write(to: url)
        let resumed = try Trainer(resuming: url, data: Self.data)
        #expect(await resumed.stepCount == 1)
        #expect(resumed.configuration == Self.configuration())
        // Data then were told by their text alone.
        let inWindows = WindowedData(data: Self.data)
        #expect(try Trainer(resuming: url, data: inWindows).configuration == resumed.configuration)
        try await resumed.saveCheckpoint(to: url)
        #expect(throws: BitNetError.self) { try Trainer(resuming: url, data: inWindows) }
    }

    @Test("A training goes on with a new schedule, and with no other network")
    func newSchedule() async throws {
        let folder = try TemporaryFolder()
        let trainer = try Trainer(configuration: Self.configuration(), data: Self.data)
        try await trainer.step()
        let url = folder.file("c.safetensors")
        try await trainer.saveCheckpoint(to: url)
        var configuration = Self.configuration()
        configuration.schedule = .constant(rate: 1e-4, weightDecay: 0)
        let resumed = try Trainer(
            resuming: url, data: Self.data, configuration: configuration, length: .steps(9))
        configuration.length = .steps(9)
        #expect(resumed.configuration == configuration)
        #expect(try await resumed.step().learningRate == 1e-4)
        configuration.shape.feedForwardSize = 64
        #expect(throws: BitNetError.self) {
            try Trainer(resuming: url, data: Self.data, configuration: configuration)
        }
    }

    @Test("Numbers that are not finite end the training at their step, with the weights before it")
    func diverges() async throws {
        let folder = try TemporaryFolder()
        let trainer = try Trainer(configuration: Self.configuration(), data: Self.data)
        try await trainer.step()
        let url = folder.file("good.safetensors")
        try await trainer.saveCheckpoint(to: url)
        let weights = try await weights(trainer)
        try await trainer.onQueue { state in
            // One of the first norm: rounding would hide what it does.
            state.network.parameters.view[0] = .infinity
            state.network.snap()
        }
        await #expect(throws: BitNetError.trainingDiverged(step: 2, checkpoint: url.path)) {
            try await trainer.step()
        }
        let after = try await self.weights(trainer)
        #expect(after.dropFirst() == weights.dropFirst())
        #expect(await trainer.stepCount == 1)
        let message = "\(BitNetError.trainingDiverged(step: 2, checkpoint: url.path))"
        #expect(message.contains("step 2") && message.contains(url.path))
    }

    @Test("Cancelling ends a training between two steps")
    func cancels() async throws {
        let trainer = try Trainer(configuration: Self.configuration(1000), data: Self.data)
        let task = Task {
            var count = 0
            do {
                for try await _ in trainer.steps {
                    count += 1
                    if count == 2 { withUnsafeCurrentTask { $0?.cancel() } }
                }
            } catch { return (count, error as? BitNetError) }
            return (count, nil)
        }
        let (count, error) = await task.value
        #expect(count == 2 && error == .cancelled)
        #expect(await trainer.stepCount == 2)
    }

    @Test("A checkpoint that cannot be written loses nothing")
    func unwritable() async throws {
        let folder = try TemporaryFolder()
        let trainer = try Trainer(configuration: Self.configuration(), data: Self.data)
        try await trainer.step()
        let url = folder.file("c.safetensors")
        try await trainer.saveCheckpoint(to: url)
        let before = try Data(contentsOf: url)
        try await trainer.step()
        #if os(Linux)
            // A device that is always full.
            await #expect(throws: BitNetError.self) {
                try await trainer.saveCheckpoint(to: URL(fileURLWithPath: "/dev/full"))
            }
        #endif
        await #expect(throws: BitNetError.self) {
            try await trainer.saveCheckpoint(to: folder.file("none/c.safetensors"))
        }
        #expect(try Data(contentsOf: url) == before)
        try await trainer.step()
        try await trainer.saveCheckpoint(to: url)
        let resumed = try Trainer(resuming: url, data: Self.data)
        #expect(try await weights(resumed) == weights(trainer))
    }

    @Test("Checkpoints of other data, cut off or of something else are refused")
    func badCheckpoints() async throws {
        let folder = try TemporaryFolder()
        let trainer = try Trainer(configuration: Self.configuration(), data: Self.data)
        let url = folder.file("c.safetensors")
        try await trainer.saveCheckpoint(to: url)
        #expect(throws: BitNetError.self) {
            try Trainer(resuming: url, data: TokenArray(countingTokens(3999), seed: 3))
        }
        let bytes = try Data(contentsOf: url)
        for count in [0, 7, 100, bytes.count / 2, bytes.count - 1] {
            try bytes.prefix(count).write(to: url)
            #expect(throws: BitNetError.self) { try Trainer(resuming: url, data: Self.data) }
        }
        #expect(throws: BitNetError.fileNotFound(path: folder.file("no").path)) {
            try Trainer(resuming: folder.file("no"), data: Self.data)
        }
    }

    @Test("Windows of another length and tokens outside the vocabulary are refused")
    func badData() async throws {
        for windows in [
            [[Int32]](repeating: [1, 2], count: 50),
            [[Int32]](repeating: [Int32](repeating: 16, count: 25), count: 50),
            [[Int32]](repeating: [Int32](repeating: -1, count: 25), count: 50),
        ] {
            let trainer = try Trainer(
                configuration: Self.configuration(), data: StepWindows(steps: [windows]))
            await #expect(throws: BitNetError.self) { try await trainer.step() }
        }
    }
}

/// Data whose fingerprint tells the windows too.
private struct WindowedData: TrainingSource {
    let data: TokenArray

    func windows(step: Int, count: Int, length: Int) throws(BitNetError) -> [[Int32]] {
        try data.windows(step: step, count: count, length: length)
    }

    func validationWindows(length: Int, limit: Int) -> HeldOutWindows {
        data.validationWindows(length: length, limit: limit)
    }

    var fingerprint: String { data.fingerprint + "-4-1" }
}

/// Windows of each step as they are given.
private struct StepWindows: TrainingSource {
    let steps: [[[Int32]]]

    func windows(step: Int, count: Int, length: Int) -> [[Int32]] { steps[step] }
    func validationWindows(length: Int, limit: Int) -> HeldOutWindows { .init(windows: []) }
    var fingerprint: String { "steps" }
}

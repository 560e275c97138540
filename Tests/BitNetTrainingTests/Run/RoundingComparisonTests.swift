import BitNetPlots
import Foundation
import TestSupport
import Testing

@testable import BitNetTraining

@Suite("Float weights rounded, and shadow weights")
struct RoundingComparisonTests {
    private static let configuration = TrainingConfiguration(
        shape: NetworkShape(
            hiddenSize: 64, feedForwardSize: 96, layerCount: 1, headCount: 2,
            keyValueHeadCount: 1, vocabularySize: 16, contextLength: 24),
        length: .steps(40), windowsPerStep: 50,
        schedule: TrainingSchedule(warmupSteps: 2, peakRate: 5e-3))

    private static let data = TokenArray(
        countingTokens(4000), validation: countingTokens(500), seed: 3)

    @Test("Both learn, rounding costs the float one, and threads change no bit")
    func lesson() async throws {
        var shares: [Double] = []
        let result = try RoundingComparison.run(
            Self.configuration, data: Self.data, measurements: 8, threads: 2
        ) { shares.append($0) }
        #expect(shares == (1...40).map { Double($0) / 40 })
        #expect(result.losses.map(\.step) == Array(stride(from: 0, through: 40, by: 5)))
        #expect(abs(result.chance - log(16)) < 1e-12)
        let (first, last) = (result.losses[0], result.final)
        for loss in [first.float, first.rounded, first.shadow] {
            #expect(abs(loss - result.chance) < 0.3)
        }
        // Rounded is what the shadow network is before it has learnt.
        #expect(first.rounded == first.shadow)
        #expect(last.float < 0.5 * first.float && last.shadow < 0.5 * first.shadow)
        #expect(last.rounded > last.float && last.rounded > 1.1 * last.shadow)

        // The network with shadow weights is the one that a trainer trains.
        let trainer = try Trainer(configuration: Self.configuration, data: Self.data, threads: 1)
        for try await _ in trainer.steps {}
        #expect(try await trainer.validate(limit: 48)?.loss == last.shadow)
        let again = try RoundingComparison.run(
            Self.configuration, data: Self.data, measurements: 8, threads: 1)
        #expect(again == result)
    }

    @Test("The picture has a line for each network, and JSON reads back")
    func plot() throws {
        let data = Self.data
        var configuration = Self.configuration
        configuration.length = .steps(3)
        let result = try RoundingComparison.run(configuration, data: data)
        #expect(result.losses.map(\.step) == [0, 1, 2, 3])
        let chart = result.plot
        #expect(chart.series.count == 3)
        #expect(chart.series[1].points.map(\.y) == result.losses.map(\.rounded))
        let json = try JSONEncoder().encode(result)
        #expect(try JSONDecoder().decode(RoundingComparison.self, from: json) == result)
    }

    @Test("A length in seconds, data of which nothing is held out, and cancelling are errors")
    func refused() async throws {
        var timed = Self.configuration
        timed.length = .seconds(1)
        #expect(throws: BitNetError.self) {
            try RoundingComparison.run(timed, data: Self.data)
        }
        #expect(throws: BitNetError.self) {
            try RoundingComparison.run(
                Self.configuration, data: TokenArray(countingTokens(4000)))
        }
        #expect(throws: BitNetError.self) {
            try RoundingComparison.run(text: TrainingCorpus(documents: ["One short document."]))
        }
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            do throws(BitNetError) {
                _ = try RoundingComparison.run(Self.configuration, data: Self.data)
                return nil as BitNetError?
            } catch { return error }
        }
        #expect(await task.value == .cancelled)
    }
}

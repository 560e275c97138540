import BitNetPlots
import Foundation
import TestSupport
import Testing

@testable import BitNetTraining

@Suite("Losses of a training")
struct LossTableTests {
    private static func report(_ step: Int, loss: Double) -> StepReport {
        StepReport(
            step: step, progress: 0, loss: loss, gradientNorm: 1, learningRate: 1e-3,
            weightDecay: 0, tokens: 100, seconds: 0.5)
    }

    private static func configuration(
        _ length: TrainingConfiguration.Length
    ) -> TrainingConfiguration {
        TrainingConfiguration(length: length, schedule: TrainingSchedule(warmupSteps: 20))
    }

    private func table(_ url: URL, steps: Range<Int>, upTo step: Int = 0) throws -> LossTable {
        var table = try LossTable(url, upTo: step)
        for step in steps { table.add(Self.report(step, loss: 8 - Double(step % 2))) }
        table.add(ValidationReport(step: steps.upperBound - 1, loss: 7.25, tokens: 9))
        return table
    }

    @Test("The picture has smoothed losses, what is held out, and the stages that were reached")
    func chart() throws {
        let folder = try TemporaryFolder()
        let table = try table(folder.file("loss.csv"), steps: 1..<401)
        let chart = table.chart(Self.configuration(.steps(500)))
        let training = chart.series[0].points
        // Groups of four steps, of losses 7, 8, 7, 8.
        #expect(training.count == 100)
        #expect(training.allSatisfy { abs($0.y - 7.5) < 1e-9 })
        #expect(training[0].x == 2.5 && training[99].x == 398.5)
        #expect(chart.series[1].points.map(\.x) == [400] && chart.series[1].points[0].y == 7.25)
        #expect(chart.marks.map(\.x) == [20, 250])
        #expect(chart.marks.map(\.name) == ["first stage", "second stage"])
        #expect(chart.subtitle.contains("means of 4 steps"))
        // Half of 1000 steps are not done, half of 100 seconds are: a step takes half a second.
        #expect(table.chart(Self.configuration(.steps(1000))).marks.map(\.x) == [20])
        #expect(table.chart(Self.configuration(.seconds(100))).marks.map(\.x) == [20, 100])
        #expect(table.chart(Self.configuration(.seconds(1000))).marks.map(\.x) == [20])
    }

    @Test("A validation takes the place of an earlier one after the same step")
    func again() throws {
        let folder = try TemporaryFolder()
        let url = folder.file("loss.csv")
        var table = try table(url, steps: 1..<13)
        try table.write(Self.configuration(.steps(12)))
        let once = try Data(contentsOf: url)
        table = try LossTable(url, upTo: 12)
        table.add(ValidationReport(step: 12, loss: 7.5, tokens: 9))
        table.add(ValidationReport(step: 12, loss: 7.25, tokens: 9))
        try table.write(Self.configuration(.steps(12)))
        #expect(try Data(contentsOf: url) == once)
        #expect(table.validations.map(\.step) == [12] && table.steps.count == 12)
        #expect(table.validations[0].loss == 7.25)
    }

    @Test("A table that goes on has the same picture as one that was never left")
    func resumed() throws {
        let folder = try TemporaryFolder()
        let configuration = Self.configuration(.steps(60))
        let (whole, parts) = (folder.file("whole.csv"), folder.file("parts.csv"))
        var expected = try table(whole, steps: 1..<31)
        for step in 31..<61 { expected.add(Self.report(step, loss: 8 - Double(step % 2))) }
        expected.add(ValidationReport(step: 60, loss: 7.25, tokens: 9))
        try expected.write(configuration)

        // Ten steps more than the checkpoint has.
        var first = try table(parts, steps: 1..<31)
        for step in 31..<41 { first.add(Self.report(step, loss: 1)) }
        try first.write(configuration)
        try table(parts, steps: 31..<61, upTo: 30).write(configuration)
        for suffix in ["csv", "svg"] {
            #expect(
                try Data(contentsOf: folder.file("parts.\(suffix)"))
                    == Data(contentsOf: folder.file("whole.\(suffix)")))
        }
    }
}

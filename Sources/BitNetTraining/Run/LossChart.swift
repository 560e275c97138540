internal import BitNetPlots
internal import Foundation

extension LossTable {
    /// Losses over steps: of the text that is trained on, smoothed, and of what is held out; with a
    /// mark where each stage of the schedule begins.
    func chart(_ configuration: TrainingConfiguration) -> LineChart {
        var chart = LineChart(
            title: "Loss of a ternary model in training", x: PlotAxis("step"),
            y: PlotAxis("loss, nats per token"))
        let size = groupSize(steps.count)
        let parameters = Double(configuration.shape.parameterCount) / 1e6
        chart.subtitle =
            String(format: "%.2f M parameters, vocabulary ", parameters)
            + "\(configuration.shape.vocabularySize), context "
            + "\(configuration.shape.contextLength), \(configuration.windowsPerStep) windows a step"
            + (size > 1 ? "; training loss: means of \(size) steps" : "")
        chart.series = [
            .init("training", means(steps.map { ($0.step, $0.loss) })),
            .init("validation", validations.map { (Double($0.step), $0.loss) }, hasDots: true),
        ]
        let schedule = configuration.schedule
        var stages: [(step: Double?, name: String)] = [
            (Double(schedule.warmupSteps), "first stage")
        ]
        if schedule.secondStage < 1 {
            stages.append((step(at: schedule.secondStage, configuration.length), "second stage"))
        }
        let end = steps.last.map { Double($0.step) } ?? 0
        chart.marks = stages.compactMap { stage in
            stage.step.flatMap { $0 > 0 && $0 <= end ? LineChart.Mark(at: $0, stage.name) : nil }
        }
        return chart
    }

    /// The step at which a share of the training is done; nil where that is not known yet.
    private func step(at share: Double, _ length: TrainingConfiguration.Length) -> Double? {
        switch length {
        case .steps(let count): (share * Double(count)).rounded(.up)
        case .seconds(let limit):
            steps.first { $0.seconds >= share * limit }.map { Double($0.step) }
        }
    }
}

/// Losses of single steps jump about: their means in groups of equal size, about a hundred, each at
/// the middle of its steps.
private func means(_ losses: [(step: Int, loss: Double)]) -> [(x: Double, y: Double)] {
    let size = groupSize(losses.count)
    return stride(from: 0, to: losses.count, by: size).map { begin in
        let group = losses[begin..<min(begin + size, losses.count)]
        let middle = Double(group[begin].step + group[group.endIndex - 1].step) / 2
        return (middle, group.reduce(0) { $0 + $1.loss } / Double(group.count))
    }
}

private func groupSize(_ count: Int) -> Int { max(1, count / 100) }

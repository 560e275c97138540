package import BitNetPlots
internal import Foundation

extension RoundingComparison {
    /// The three losses over steps.
    package var plot: LineChart {
        var chart = LineChart(
            title: "Trained, then rounded, and trained to be rounded", x: PlotAxis("step"),
            y: PlotAxis("loss of held-out text, nats per token", including: [chance]))
        chart.subtitle = String(
            format: "The same network of %.2f M parameters on the same text; a network that knows "
                + "nothing has a loss of %.2f.", Double(parameters) / 1e6, chance)
        func points(_ loss: (Losses) -> Double) -> [(x: Double, y: Double)] {
            losses.map { (Double($0.step), loss($0)) }
        }
        chart.series = [
            .init("float weights", points(\.float)),
            .init("the same, rounded to ternary", points(\.rounded), hasDots: true),
            .init("shadow weights, ternary from the start", points(\.shadow)),
        ]
        return chart
    }
}

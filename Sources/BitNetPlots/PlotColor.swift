/// The colours of a plot, each with one value on white and one on black paper.
package enum PlotColor: Sendable, Hashable {
    /// The background.
    case paper
    /// Titles and labels.
    case ink
    /// What is of less importance: units, ticks.
    case faint
    /// Lines behind the values.
    case grid
    /// The values of one series, by its place. Colour-blind readers can tell the first six apart;
    /// the sixth is grey, and the seventh looks like the first.
    case series(Int)

    private static let seriesColors: [(light: String, dark: String)] = [
        ("#0969da", "#4493f8"), ("#d4720b", "#f0a04b"), ("#1a8a5f", "#3fb984"),
        ("#b83280", "#e275b4"), ("#7a5af5", "#a792ff"), ("#6e7781", "#8b949e"),
    ]

    private static let others: [(PlotColor, light: String, dark: String)] = [
        (.paper, "#ffffff", "#0d1117"), (.ink, "#1f2328", "#f0f6fc"),
        (.faint, "#59636e", "#9198a1"), (.grid, "#d1d9e0", "#3d444d"),
    ]

    /// The colour that a series was given, or that of its place.
    static func series(_ index: Int, among given: [PlotColor]) -> PlotColor {
        index < given.count ? given[index] : .series(index)
    }

    private var name: String {
        switch self {
        case .paper: "paper"
        case .ink: "ink"
        case .faint: "faint"
        case .grid: "grid"
        case .series(let index): "s\(index % PlotColor.seriesColors.count)"
        }
    }

    /// The class of a filled shape.
    var fill: String { "f-\(name)" }
    /// The class of a line.
    var stroke: String { "l-\(name)" }

    /// All classes, with other values for readers who prefer dark colours.
    static var styleSheet: String {
        let colors =
            others.map { ($0.0, $0.light, $0.dark) }
            + seriesColors.enumerated().map { (.series($0.offset), $0.element.0, $0.element.1) }
        func rules(_ value: ((PlotColor, String, String)) -> String) -> String {
            colors.map { color in
                ".\(color.0.fill){fill:\(value(color))} "
                    + ".\(color.0.stroke){fill:none;stroke:\(value(color))}"
            }.joined(separator: "\n")
        }
        return rules(\.1) + "\n@media (prefers-color-scheme: dark) {\n" + rules(\.2) + "\n}"
    }
}

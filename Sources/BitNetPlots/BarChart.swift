/// Horizontal bars under headings, one bar for each series of a label, beside each other or stacked.
///
/// ```swift
/// var chart = BarChart(title: "A matrix of 2560 x 2560", unit: "Gweights/s")
/// chart.series = ["cache", "stream"]
/// chart.groups = [.init("float", [.init("own FP16", [4.1, 3.2])])]
/// let text = chart.svg
/// ```
package struct BarChart: Sendable {
    /// What is measured of one thing.
    package struct Bar: Sendable {
        package var label: String
        /// One value for each series, not negative; nil where there is none.
        package var values: [Double?]

        package init(_ label: String, _ values: [Double?]) {
            self.label = label
            self.values = values
        }
    }

    /// Bars under one heading.
    package struct Group: Sendable {
        package var heading: String
        package var bars: [Bar]

        package init(_ heading: String = "", _ bars: [Bar]) {
            self.heading = heading
            self.bars = bars
        }
    }

    /// What the picture shows.
    package var title: String
    /// What else has to be known to read it.
    package var subtitle = ""
    /// The meaning of a bar's length, with its unit.
    package var unit: String
    /// Names of the values of a label; there is a legend where they are several.
    package var series: [String] = [""]
    /// Colours of the series; those without one have that of their place.
    package var colors: [PlotColor] = []
    package var groups: [Group] = []
    /// Whether the values of a label are parts of one bar.
    package var isStacked = false
    /// The end of the axis, at least; 1 for shares.
    package var end: Double?

    package init(title: String, unit: String) {
        self.title = title
        self.unit = unit
    }

    /// The picture.
    package var svg: String { BarDrawing(self).svg }
}

/// The layout of a bar chart.
private struct BarDrawing {
    private static let width = 760.0
    private static let barHeight = 12.0
    private let chart: BarChart
    private let labelWidth: Double
    private let scale: PlotScale
    private var header: PlotHeader

    init(_ chart: BarChart) {
        self.chart = chart
        let bars = chart.groups.flatMap(\.bars)
        let widest = bars.map { SVGDocument.width(of: $0.label) }.max() ?? 0
        labelWidth = min(max(widest, 60), 320) + 24
        let lengths = bars.flatMap { bar in
            let values = bar.values.compactMap(\.self).filter(\.isFinite)
            return chart.isStacked ? [values.reduce(0, +)] : values
        }
        scale = PlotScale(
            PlotAxis(chart.unit, including: [0] + [chart.end].compactMap(\.self)),
            covering: lengths)
        header = PlotHeader(
            title: chart.title, subtitle: chart.subtitle,
            series: chart.series.count > 1 ? chart.series : [],
            colors: chart.colors)
    }

    private var rowHeight: Double {
        Self.barHeight * (chart.isStacked ? 1 : Double(max(chart.series.count, 1))) + 6
    }
    private var plotWidth: Double { Self.width - labelWidth - 64 }

    var svg: String {
        let headings = chart.groups.count { !$0.heading.isEmpty }
        let rows = chart.groups.reduce(0) { $0 + $1.bars.count }
        let body = Double(rows) * rowHeight + Double(headings) * 24
        var document = SVGDocument(
            width: Self.width, height: header.height + body + 52, title: chart.title)
        header.draw(into: &document)
        drawAxis(into: &document, from: header.height, to: header.height + body)
        var y = header.height
        for group in chart.groups {
            if !group.heading.isEmpty {
                document.text(group.heading, x: 16, y: y + 17, color: .faint, isBold: true)
                y += 24
            }
            for bar in group.bars {
                draw(bar, at: y, into: &document)
                y += rowHeight
            }
        }
        return document.svg
    }

    private func drawAxis(into document: inout SVGDocument, from top: Double, to bottom: Double) {
        for tick in scale.ticks {
            guard let place = scale.place(tick.value) else { continue }
            let x = labelWidth + place * plotWidth
            document.line([(x, top), (x, bottom + 4)], color: .grid)
            document.text(
                tick.label, x: x, y: bottom + 18, anchor: .middle, color: .faint, size: 11)
        }
        document.text(
            chart.unit, x: labelWidth + plotWidth / 2, y: bottom + 38, anchor: .middle,
            color: .faint)
    }

    private func draw(_ bar: BarChart.Bar, at top: Double, into document: inout SVGDocument) {
        document.text(
            bar.label, x: labelWidth - 8, y: top + rowHeight / 2 + 4, anchor: .end)
        var start = 0.0
        for (index, value) in bar.values.enumerated() {
            guard let value, value.isFinite, let from = scale.place(start),
                let to = scale.place(start + value)
            else { continue }
            let y = top + 3 + (chart.isStacked ? 0 : Double(index) * Self.barHeight)
            document.rectangle(
                x: labelWidth + from * plotWidth, y: y, width: (to - from) * plotWidth,
                height: Self.barHeight - 2, color: .series(index, among: chart.colors))
            if chart.isStacked {
                start += value
            } else {
                document.text(
                    shortNumber(
                        value,
                        step: value >= 10_000
                            ? value / 100 : value >= 100 ? 1 : value >= 1 ? 0.1 : 0.001),
                    x: labelWidth + to * plotWidth + 5, y: y + 9, color: .faint, size: 10)
            }
        }
    }
}

/// Lines over two axes: how one number follows another.
///
/// ```swift
/// var chart = LineChart(title: "Training", x: PlotAxis("step"), y: PlotAxis("loss"))
/// chart.series = [.init("ternary", [(0, 5.2), (1, 4.1)]), .init("float", [(0, 5.2), (1, 3.9)])]
/// let text = chart.svg
/// ```
package struct LineChart: Sendable {
    /// The points of one line, in the order they are connected in. A point that has no place, such as
    /// one with NaN, leaves a gap.
    package struct Series: Sendable {
        package var name: String
        package var points: [(x: Double, y: Double)]
        /// Whether each point has a dot.
        package var hasDots: Bool
        package var isDashed: Bool

        package init(
            _ name: String, _ points: [(x: Double, y: Double)], hasDots: Bool = false,
            isDashed: Bool = false
        ) {
            self.name = name
            self.points = points
            self.hasDots = hasDots
            self.isDashed = isDashed
        }
    }

    /// A place on the x axis with a name: something begins there.
    package struct Mark: Sendable {
        package var x: Double
        package var name: String

        package init(at x: Double, _ name: String) {
            self.x = x
            self.name = name
        }
    }

    /// What the picture shows.
    package var title: String
    /// What else has to be known to read it.
    package var subtitle = ""
    package var x: PlotAxis
    package var y: PlotAxis
    package var series: [Series] = []
    /// Vertical lines behind the series, each with its name above the plot.
    package var marks: [Mark] = []

    package init(title: String, x: PlotAxis, y: PlotAxis) {
        self.title = title
        self.x = x
        self.y = y
    }

    /// The picture.
    package var svg: String { LineDrawing(self).svg }
}

/// The layout of a line chart.
private struct LineDrawing {
    private static let (width, plotHeight, left, right) = (760.0, 320.0, 72.0, 24.0)
    private let chart: LineChart
    private let header: PlotHeader
    private let (xScale, yScale): (PlotScale, PlotScale)

    init(_ chart: LineChart) {
        self.chart = chart
        let names = chart.series.map(\.name)
        header = PlotHeader(
            title: chart.title, subtitle: chart.subtitle,
            series: names.allSatisfy(\.isEmpty) ? [] : names)
        let points = chart.series.lazy.flatMap(\.points)
        xScale = PlotScale(
            chart.x, covering: Array(points.lazy.map(\.x)) + chart.marks.map(\.x))
        yScale = PlotScale(chart.y, covering: points.lazy.map(\.y))
    }

    private var plotWidth: Double { Self.width - Self.left - Self.right }
    private var top: Double { header.height + (chart.marks.isEmpty ? 0 : 14) }
    private var bottom: Double { top + Self.plotHeight }

    var svg: String {
        var document = SVGDocument(width: Self.width, height: bottom + 52, title: chart.title)
        header.draw(into: &document)
        drawAxes(into: &document)
        drawMarks(into: &document)
        for (index, series) in chart.series.enumerated() {
            for run in runs(of: series) {
                // A point between two gaps has no line.
                if series.hasDots || run.count == 1 {
                    for point in run {
                        document.dot(x: point.x, y: point.y, radius: 2.5, color: .series(index))
                    }
                }
                document.line(
                    thinned(run), color: .series(index), width: 1.8, isDashed: series.isDashed)
            }
        }
        return document.svg
    }

    private func drawAxes(into document: inout SVGDocument) {
        for tick in yScale.ticks {
            guard let place = yScale.place(tick.value) else { continue }
            let y = bottom - place * Self.plotHeight
            document.line([(Self.left, y), (Self.left + plotWidth, y)], color: .grid)
            document.text(
                tick.label, x: Self.left - 8, y: y + 4, anchor: .end, color: .faint, size: 11)
        }
        for tick in xScale.ticks {
            guard let place = xScale.place(tick.value) else { continue }
            let x = Self.left + place * plotWidth
            document.line([(x, bottom), (x, bottom + 5)], color: .faint)
            document.text(
                tick.label, x: x, y: bottom + 18, anchor: .middle, color: .faint, size: 11)
        }
        document.text(
            chart.x.label, x: Self.left + plotWidth / 2, y: bottom + 38, anchor: .middle,
            color: .faint)
        document.text(
            chart.y.label, x: 18, y: bottom - Self.plotHeight / 2, anchor: .middle, color: .faint,
            isUpright: true)
    }

    private func drawMarks(into document: inout SVGDocument) {
        let places = chart.marks.map { mark in
            xScale.place(mark.x).map { Self.left + $0 * plotWidth }
        }
        for (index, mark) in chart.marks.enumerated() {
            guard let x = places[index] else { continue }
            document.line([(x, top - 8), (x, bottom)], color: .faint, isDashed: true)
            // A name that would leave the picture, or meet the next one's, ends at its line.
            let limit = places.dropFirst(index + 1).compactMap(\.self).first ?? Self.width
            let isLate = x + SVGDocument.width(of: mark.name) + 4 > limit
            document.text(
                mark.name, x: isLate ? x - 4 : x + 4, y: top - 4, anchor: isLate ? .end : .start,
                color: .faint, size: 11)
        }
    }

    /// The points in pixels, cut where one has no place.
    private func runs(of series: LineChart.Series) -> [[(x: Double, y: Double)]] {
        var runs: [[(x: Double, y: Double)]] = [[]]
        for point in series.points {
            if let x = xScale.place(point.x), let y = yScale.place(point.y) {
                runs[runs.count - 1].append(
                    (Self.left + x * plotWidth, bottom - y * Self.plotHeight))
            } else {
                runs.append([])
            }
        }
        return runs.filter { !$0.isEmpty }
    }

    /// Of many points in one column of pixels the first, the lowest, the highest and the last: they
    /// look the same, and a file of a million points would help nobody.
    private func thinned(_ run: [(x: Double, y: Double)]) -> [(x: Double, y: Double)] {
        guard run.count > Int(plotWidth) * 4 else { return run }
        var result: [(x: Double, y: Double)] = []
        var begin = 0
        while begin < run.count {
            let column = run[begin].x.rounded(.down)
            let end = run[begin...].firstIndex { $0.x.rounded(.down) != column } ?? run.count
            let part = begin..<end
            let low = part.min { run[$0].y < run[$1].y } ?? begin
            let high = part.max { run[$0].y < run[$1].y } ?? begin
            for index in Set([begin, low, high, end - 1]).sorted() { result.append(run[index]) }
            begin = end
        }
        return result
    }
}

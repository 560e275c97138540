/// Title, subtitle and legend above a chart.
struct PlotHeader {
    private static let width = 760.0
    private let title: String
    private let subtitle: [String]
    private let legend: [(name: String, color: PlotColor, x: Double, row: Int)]

    /// - Parameters:
    ///   - series: names for the legend; empty for none.
    ///   - colors: colours that are not those of the series' places.
    init(title: String, subtitle: String, series: [String], colors: [PlotColor] = []) {
        self.title = title
        self.subtitle = PlotHeader.lines(subtitle)
        var legend: [(String, PlotColor, Double, Int)] = []
        var (x, row) = (16.0, 0)
        for (index, name) in series.enumerated() {
            let width = SVGDocument.width(of: name) + 40
            if x + width > PlotHeader.width && x > 16 { (x, row) = (16, row + 1) }
            legend.append((name, .series(index, among: colors), x, row))
            x += width
        }
        self.legend = legend
    }

    private var legendRows: Int { legend.last.map { $0.row + 1 } ?? 0 }
    private var legendTop: Double { 36 + Double(subtitle.count) * 16 }

    /// Where the chart begins.
    var height: Double { legendTop + Double(legendRows) * 18 + 14 }

    func draw(into document: inout SVGDocument) {
        document.text(title, x: 16, y: 28, size: 16, isBold: true)
        for (index, line) in subtitle.enumerated() {
            document.text(line, x: 16, y: 48 + Double(index) * 16, color: .faint)
        }
        for entry in legend {
            let y = legendTop + Double(entry.row) * 18 + 4
            document.rectangle(
                x: entry.x, y: y, width: 14, height: 10, color: entry.color)
            document.text(entry.name, x: entry.x + 20, y: y + 9)
        }
    }

    /// `text` in lines that fit the width.
    private static func lines(_ text: String) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            let longer = lines.last.map { "\($0) \(word)" }
            if let longer, SVGDocument.width(of: longer) < width - 32 {
                lines[lines.count - 1] = longer
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}

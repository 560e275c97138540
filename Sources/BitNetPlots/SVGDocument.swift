/// A picture as SVG text, put together shape by shape: what charts are drawn with.
///
/// Lengths are in pixels from the upper left corner. Colours are classes of one style sheet, which
/// has dark colours for readers in dark mode.
package struct SVGDocument: Sendable {
    private let size: (width: Double, height: Double)
    private let title: String
    private var shapes: [String] = []

    /// - Parameter title: what the picture shows, for those who cannot see it.
    package init(width: Double, height: Double, title: String) {
        size = (width, height)
        self.title = title
    }

    /// A filled rectangle; one that is too narrow to be seen still gets a hairline.
    package mutating func rectangle(
        x: Double, y: Double, width: Double, height: Double, color: PlotColor
    ) {
        shapes.append(
            "<rect x=\"\(coordinate(x))\" y=\"\(coordinate(y))\" "
                + "width=\"\(coordinate(max(width, 0.5)))\" height=\"\(coordinate(height))\" "
                + "class=\"\(color.fill)\"/>")
    }

    /// A connected line through `points`; nothing of fewer than two.
    package mutating func line(
        _ points: [(x: Double, y: Double)], color: PlotColor, width: Double = 1,
        isDashed: Bool = false
    ) {
        guard points.count > 1 else { return }
        let list = points.map { "\(coordinate($0.x)),\(coordinate($0.y))" }
            .joined(separator: " ")
        shapes.append(
            "<polyline points=\"\(list)\" class=\"\(color.stroke)\" "
                + "stroke-width=\"\(coordinate(width))\""
                + (isDashed ? " stroke-dasharray=\"5 4\"" : "") + "/>")
    }

    /// A filled circle.
    package mutating func dot(x: Double, y: Double, radius: Double, color: PlotColor) {
        shapes.append(
            "<circle cx=\"\(coordinate(x))\" cy=\"\(coordinate(y))\" r=\"\(coordinate(radius))\" "
                + "class=\"\(color.fill)\"/>")
    }

    /// Where a text stands relative to its point.
    package enum Anchor: String, Sendable {
        /// It begins, is centred, or ends there.
        case start, middle, end
    }

    /// A line of text whose base line is at `y`.
    package mutating func text(
        _ text: String, x: Double, y: Double, anchor: Anchor = .start, color: PlotColor = .ink,
        size: Double = 12, isBold: Bool = false, isUpright: Bool = false
    ) {
        let place = "x=\"\(coordinate(x))\" y=\"\(coordinate(y))\""
        shapes.append(
            "<text \(place) class=\"\(color.fill)\" font-size=\"\(coordinate(size))\""
                + (anchor == .start ? "" : " text-anchor=\"\(anchor.rawValue)\"")
                + (isBold ? " font-weight=\"600\"" : "")
                + (isUpright ? " transform=\"rotate(-90 \(coordinate(x)) \(coordinate(y)))\"" : "")
                + ">\(escaped(text))</text>")
    }

    /// About how wide a text of this size is: no font is at hand to measure it.
    package static func width(of text: String, size: Double = 12) -> Double {
        Double(text.count) * size * 0.58
    }

    /// The whole file.
    package var svg: String {
        let (width, height) = (coordinate(size.width), coordinate(size.height))
        return """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" \
            viewBox="0 0 \(width) \(height)" role="img" \
            font-family="system-ui, Helvetica, Arial, sans-serif">
            <title>\(escaped(title))</title>
            <style>
            \(PlotColor.styleSheet)
            </style>
            <rect width="\(width)" height="\(height)" class="\(PlotColor.paper.fill)"/>
            \(shapes.joined(separator: "\n"))
            </svg>

            """
    }
}

/// `text` as XML has it. What XML cannot hold, such as control characters out of a file's names,
/// becomes a replacement character.
private func escaped(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
        switch scalar {
        case "&": result.append(contentsOf: "&amp;".unicodeScalars)
        case "<": result.append(contentsOf: "&lt;".unicodeScalars)
        case ">": result.append(contentsOf: "&gt;".unicodeScalars)
        case "\"": result.append(contentsOf: "&quot;".unicodeScalars)
        default:
            let value = scalar.value
            let isText = value >= 0x20 && !(0x7F...0x9F).contains(value) && value & 0xFFFE != 0xFFFE
            result.append(isText ? scalar : "\u{FFFD}")
        }
    }
    return String(result)
}

/// A length with one digit behind the point. Pictures have no place for what is not a number.
private func coordinate(_ value: Double) -> String {
    let bounded = value.isNaN ? 0 : min(max(value, -1e6), 1e6)
    let tenths = Int((bounded * 10).rounded())
    let digits = tenths.magnitude % 10
    return (tenths < 0 ? "-" : "") + "\(tenths.magnitude / 10)" + (digits == 0 ? "" : ".\(digits)")
}

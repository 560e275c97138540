import BitNetPlots
import Foundation
import Testing

#if canImport(FoundationXML)
    import FoundationXML
#endif

/// The elements of an SVG file.
final class Picture: NSObject, XMLParserDelegate {
    private var found: [(name: String, attributes: [String: String])] = []
    private(set) var texts: [String] = []
    private var text = ""
    /// What lies outside of the picture, in words. Texts are taken to be as wide as the charts take
    /// them to be.
    private(set) var outside: [String] = []
    private var size: (width: Double, height: Double) = (0, 0)

    init(_ svg: String) throws {
        super.init()
        let parser = XMLParser(data: Data(svg.utf8))
        parser.delegate = self
        try #require(parser.parse(), "\(parser.parserError.map { "\($0)" } ?? "")\n\(svg)")
        for (_, attributes) in found {
            for key in ["x", "y", "width", "height", "r"] {
                guard let value = attributes[key] else { continue }
                try #require(Double(value)?.isFinite == true, "\(key)=\(value)")
            }
        }
    }

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
        qualifiedName: String?, attributes: [String: String]
    ) {
        found.append((name, attributes))
        text = ""
        if name == "svg" {
            let box = (attributes["viewBox"] ?? "").split(separator: " ").compactMap { Double($0) }
            if box.count == 4 { size = (box[2], box[3]) }
        } else {
            check(name, attributes)
        }
    }

    private func check(_ name: String, _ attributes: [String: String]) {
        func number(_ key: String) -> Double { attributes[key].flatMap { Double($0) } ?? 0 }
        switch name {
        case "rect":
            check(name, (number("x"), number("y")), (number("width"), number("height")))
        case "circle":
            let r = number("r")
            check(name, (number("cx") - r, number("cy") - r), (2 * r, 2 * r))
        case "polyline":
            for point in (attributes["points"] ?? "").split(separator: " ") {
                let pair = point.split(separator: ",").compactMap { Double($0) }
                check("polyline at \(point)", (pair[0], pair[1]), (0, 0))
            }
        default: break
        }
    }

    private func checkText(_ text: String, _ attributes: [String: String]) {
        func number(_ key: String) -> Double { attributes[key].flatMap { Double($0) } ?? 0 }
        let (x, y, height) = (number("x"), number("y"), number("font-size"))
        let width = SVGDocument.width(of: text, size: height)
        let before =
            switch attributes["text-anchor"] {
            case "end": width
            case "middle": width / 2
            default: 0.0
            }
        // A text that is turned runs upwards from its point.
        let isUpright = attributes["transform"]?.hasPrefix("rotate(-90") == true
        if isUpright {
            check(text, (x - height, y - width + before), (height, width))
        } else {
            check(text, (x - before, y - height), (width, height))
        }
    }

    /// Notes a box that is not inside, but for a rounded tenth of a pixel.
    private func check(
        _ name: String, _ corner: (x: Double, y: Double), _ box: (width: Double, height: Double)
    ) {
        let isInside =
            corner.x >= -0.1 && corner.y >= -0.1 && corner.x + box.width <= size.width + 0.1
            && corner.y + box.height <= size.height + 0.1
        if !isInside { outside.append("\(name): \(corner), \(box) of \(size)") }
    }

    func parser(_ parser: XMLParser, foundCharacters characters: String) { text += characters }

    func parser(
        _ parser: XMLParser, didEndElement name: String, namespaceURI: String?,
        qualifiedName: String?
    ) {
        guard name == "text" else { return }
        texts.append(text)
        if let attributes = found.last(where: { $0.name == "text" })?.attributes {
            checkText(text, attributes)
        }
    }

    func elements(_ name: String, _ color: String) -> [[String: String]] {
        found.filter { $0.name == name && $0.attributes["class"] == color }.map(\.attributes)
    }

    func rectangles(of color: String) -> [(x: Double, width: Double)] {
        elements("rect", color).map { (Double($0["x"] ?? "") ?? 0, Double($0["width"] ?? "") ?? 0) }
    }

    func lengths(of color: String) -> [Double] { rectangles(of: color).map(\.width) }

    func lines(of color: String) -> [[(x: Double, y: Double)]] {
        elements("polyline", color).map { line in
            (line["points"] ?? "").split(separator: " ").map { point in
                let pair = point.split(separator: ",").compactMap { Double($0) }
                return (pair[0], pair[1])
            }
        }
    }
}

import BitNetPlots
import Foundation
import Testing

/// Pictures: what is in them, and that nothing given to them makes a file that is none.
@Suite("Plots")
struct PlotTests {
    @Test("bars are as long as their values are large, and stand beside their labels")
    func bars() throws {
        var chart = BarChart(title: "Speed", unit: "G/s")
        chart.series = ["cache", "stream"]
        chart.groups = [
            .init("float", [.init("own", [10, 5])]), .init("ternary", [.init("T2", [40, nil])]),
        ]
        let picture = try Picture(chart.svg)
        let cache = picture.lengths(of: "f-s0"), stream = picture.lengths(of: "f-s1")
        // The first of each colour is the legend's.
        try #require(cache.count == 3 && stream.count == 2)
        #expect(abs(cache[2] / cache[1] - 4) < 0.01)
        #expect(abs(cache[1] / stream[1] - 2) < 0.01)
        for text in ["Speed", "G/s", "cache", "stream", "float", "own", "ternary", "T2"] {
            #expect(picture.texts.contains(text))
        }
    }

    @Test("the parts of a stacked bar follow one another up to the end of the axis")
    func stacks() throws {
        var chart = BarChart(title: "Shares", unit: "share")
        chart.series = ["-1", "0", "+1"]
        chart.colors = [.series(3)]
        chart.isStacked = true
        chart.end = 1
        chart.groups = [.init("", [.init("w", [0.25, 0.5, 0.25])])]
        let picture = try Picture(chart.svg)
        let parts = try ["f-s3", "f-s1", "f-s2"].map {
            try #require(picture.rectangles(of: $0).last)
        }
        for (part, next) in zip(parts, parts.dropFirst()) {
            #expect(abs(part.x + part.width - next.x) < 0.2)
        }
        let whole = parts.reduce(0) { $0 + $1.width }
        #expect(abs(parts[1].width / whole - 0.5) < 0.01)
        #expect(picture.texts.contains("1.0"))
    }

    @Test("a value that has no place leaves a gap in a line")
    func gaps() throws {
        var chart = LineChart(title: "Loss", x: PlotAxis("step"), y: PlotAxis("nats"))
        let points = [5.0, 4, .nan, 3, 2, .infinity, 1].enumerated().map { (Double($0), $1) }
        chart.series = [.init("run", points)]
        let picture = try Picture(chart.svg)
        #expect(picture.lines(of: "l-s0").map(\.count) == [2, 2])
        // The last point is between two gaps.
        #expect(picture.elements("circle", "f-s0").count == 1)

        chart.y.isLogarithmic = true
        chart.series = [.init("run", [(0, 1), (1, 0), (2, -1), (3, 1), (4, 100)])]
        #expect(try Picture(chart.svg).lines(of: "l-s0").map(\.count) == [2])
    }

    @Test("an axis ends at the ticks around its values, also below zero")
    func ticks() throws {
        var chart = LineChart(title: "Log", x: PlotAxis("step"), y: PlotAxis("log2"))
        chart.series = [.init("x", [(0, -1), (10, -3)])]
        let picture = try Picture(chart.svg)
        let line = try #require(picture.lines(of: "l-s0").first)
        let grid = picture.lines(of: "l-grid").map { $0[0].y }
        #expect(
            abs((grid.min() ?? 0) - line[0].y) < 0.2 && abs((grid.max() ?? 0) - line[1].y) < 0.2)
        #expect(picture.texts.contains("-1.0") && !picture.texts.contains("-0.5"))
    }

    @Test("equal ratios are equal lengths on a logarithmic axis")
    func ratios() throws {
        var chart = LineChart(
            title: "Error", x: PlotAxis("columns", isLogarithmic: true),
            y: PlotAxis("error", isLogarithmic: true))
        chart.series = [.init("error", [(64, 0.1), (256, 0.05), (1024, 0.025)])]
        let picture = try Picture(chart.svg)
        let line = try #require(picture.lines(of: "l-s0").first)
        #expect(abs((line[1].x - line[0].x) - (line[2].x - line[1].x)) < 0.2)
        #expect(abs((line[1].y - line[0].y) - (line[2].y - line[1].y)) < 0.2)
        #expect(line[0].y < line[2].y)
        #expect(picture.texts.contains("1024"))
    }

    @Test("a mark is a line at its place on the axis, with its name inside the picture")
    func marks() throws {
        var chart = LineChart(title: "Loss", x: PlotAxis("step"), y: PlotAxis("nats"))
        chart.series = [.init("run", [(0, 5), (50, 3), (100, 1)])]
        let plain = try Picture(chart.svg)
        chart.marks = [.init(at: 50, "second stage"), .init(at: 100, "end <&>")]
        let picture = try Picture(chart.svg)
        let run = try #require(picture.lines(of: "l-s0").first)
        // Ticks and marks have one colour; ticks are short.
        let lines = picture.lines(of: "l-faint").filter { abs($0[0].y - $0[1].y) > 100 }
        #expect(lines.map { $0[0].x } == [run[1].x, run[2].x])
        #expect(lines.allSatisfy { $0[0].x == $0[1].x && $0[0].y < run[0].y })
        #expect(picture.texts.contains("second stage") && picture.texts.contains("end <&>"))
        func late(_ picture: Picture) -> Int {
            picture.elements("text", "f-faint").count { $0["text-anchor"] == "end" }
        }
        #expect(late(picture) == late(plain) + 1)
        #expect(plain.lines(of: "l-faint").allSatisfy { abs($0[0].y - $0[1].y) < 100 })
        // Two names that would lie on each other stand on both sides.
        chart.marks = [.init(at: 48, "first stage"), .init(at: 50, "second stage")]
        #expect(late(try Picture(chart.svg)) == late(plain) + 1)
    }

    @Test("of many points those are drawn that can be seen, the extremes among them")
    func thinning() throws {
        var points = (0..<50_000).map { (x: Double($0), y: 1.0) }
        points[12_345].y = 9
        points[43_210].y = -7
        var chart = LineChart(title: "Many", x: PlotAxis("step"), y: PlotAxis("value"))
        chart.series = [.init("many", points)]
        let line = try #require(try Picture(chart.svg).lines(of: "l-s0").first)
        #expect(line.count < 4000)
        let heights = line.map(\.y)
        let usual = heights[0]
        #expect(heights.contains { $0 < usual - 10 } && heights.contains { $0 > usual + 10 })
    }

    @Test(
        "whatever names and values are, the file is well-formed",
        arguments: ["<&>\"']]>", "\u{1B}[2J\u{0}\u{85}", "\u{FFFE}\u{FFFF}\u{202E}x", ""])
    func wellFormed(_ name: String) throws {
        let odd = [
            .nan, .infinity, -.infinity, 0, -1, .leastNonzeroMagnitude, .greatestFiniteMagnitude,
            -.greatestFiniteMagnitude, 1e-300, 0.1,
        ]
        for values in odd.map({ [$0] }) + [[], odd, [1e300, 1e300], [3, 3]] {
            var bars = BarChart(title: name, unit: name)
            bars.subtitle = name
            bars.series = [name, name]
            bars.groups = [.init(name, values.map { .init(name, [$0, $0]) })]
            for isStacked in [false, true] {
                bars.isStacked = isStacked
                _ = try Picture(bars.svg)
            }
            for isLogarithmic in [false, true] {
                let axis = PlotAxis(name, isLogarithmic: isLogarithmic, including: values)
                var lines = LineChart(title: name, x: axis, y: axis)
                lines.series = [
                    .init(name, values.map { ($0, $0) }, hasDots: true, isDashed: true)
                ]
                lines.marks = values.map { .init(at: $0, name) }
                _ = try Picture(lines.svg)
            }
        }
    }

    @Test(
        "numbers have the digits that tell neighbours apart",
        arguments: [
            (0, 1, "0"), (0.30000000000000004, 0.1, "0.3"), (150, 50, "150"),
            (9000, 1000, "9000"), (20_000, 5000, "20k"), (1.5e6, 5e5, "1.5M"),
            (2e6, 1e6, "2M"), (5e7, 1e7, "50M"), (0.005, 0.005, "0.005"), (-2, 1, "-2"),
            (.nan, 1, "-"), (.infinity, 1, "∞"), (1e-12, 1e-12, "1e-12"),
            (0.00001, 0.00001, "0.00001"),
            (3e-9, 1e-9, "3e-9"), (1.2e-7, 1e-8, "1.2e-7"), (0, 1e-9, "0"),
            (1e308, 0.001, "1.0e308"),
            (-2e300, 1e300, "-2.0e300"), (7e12, 7e10, "7.00T"),
        ] as [(Double, Double, String)])
    func numbers(_ value: Double, _ step: Double, _ text: String) {
        #expect(shortNumber(value, step: step) == text)
    }

    @Test(
        "everything that is drawn lies within the picture, whatever names and values are",
        arguments: [
            "x", "a rather long name of a kernel or of a series", "model.layers.29.mlp.down",
        ])
    func inside(_ name: String) throws {
        for values in [[0.001, 0.002], [-3, 12], [5e-12, 7e12], [42], [1e300, 3e15]] {
            var bars = BarChart(title: "Title of \(name)", unit: "billions of weights a second")
            bars.subtitle = String(repeating: "Words about \(name). ", count: 9)
            bars.series = (0..<3).map { "\(name) \($0)" }
            bars.groups = (0..<4).map { group in
                .init("\(group) \(name)", values.map { .init(name, [$0, abs($0), nil]) })
            }
            for isStacked in [false, true] {
                bars.isStacked = isStacked
                let picture = try Picture(bars.svg)
                #expect(picture.outside.isEmpty, "bars, \(isStacked)")
            }
            for isLogarithmic in [false, true] {
                var lines = LineChart(
                    title: name, x: PlotAxis(name, isLogarithmic: isLogarithmic),
                    y: PlotAxis("nats a token", isLogarithmic: isLogarithmic))
                lines.series = (0..<3).map { index in
                    .init(
                        "\(name) \(index)", values.map { (abs($0) + Double(index), $0) },
                        hasDots: true, isDashed: index == 1)
                }
                let picture = try Picture(lines.svg)
                #expect(picture.outside.isEmpty, "lines, \(isLogarithmic)")
            }
        }
    }

    @Test("a picture has other colours in dark mode, and says what it shows")
    func dark() throws {
        let svg = LineChart(title: "A & B", x: PlotAxis("x"), y: PlotAxis("y")).svg
        #expect(svg.contains("@media (prefers-color-scheme: dark)"))
        #expect(svg.contains("<title>A &amp; B</title>"))
    }
}

import ArgumentParser
import BitNetBench
import BitNetKit
import BitNetPlots
import Foundation

struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Show what ternary weights are good for, and what they are not.",
        subcommands: [
            DemoRoundingCommand.self, DemoWidthCommand.self, DemoZerosCommand.self,
            DemoLayersCommand.self,
        ])
}

struct DemoRoundingCommand: ParsableCommand, QuietableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rounding",
        abstract: "Round an ordinary network to ternary weights, and train one with them.",
        discussion: """
            A small network learns to tell four classes of points apart. Rounded to -1, 0 and +1 \
            it forgets; trained with rounded weights (shadow weights) it does not. The fewer \
            neurons there are, the more that costs: --hidden 8.
            """)

    @Option(parsing: .unconditional, help: .init("Seed of points and weights.", valueName: "n"))
    var seed: UInt64 = 1

    @Option(
        parsing: .unconditional,
        help: .init("Neurons of each of the two hidden layers.", valueName: "n"))
    var hidden = 32

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup
    var output: OutputArguments

    func run() throws {
        let line = ProgressLine(after: .zero)
        line.update("training:", 0)
        let result = try RoundingDemonstration.run(seed: seed, hidden: hidden)
        line.clear()
        if json { return try Terminal.write(try Terminal.json(result) + "\n") }
        func row(_ name: String, _ share: Double) -> String {
            name.padded(to: 44)
                + String(format: "%5.1f%%\n", share * 100)
        }
        try Terminal.write(
            "points of four classes that get the right one, with two layers of "
                + "\(counted(hidden, "neuron"))\n"
                + row("float weights", result.float)
                + row("the same weights rounded to -1, 0, +1", result.rounded)
                + row("trained with shadow weights, then rounded", result.shadow)
                + row("guessing the most frequent class", result.chance)
                + String(
                    format: "rounding the float weights loses %.0f%% of their square\n",
                    result.roundingError * 100))
    }
}

struct DemoWidthCommand: ParsableCommand, QuietableCommand {
    static let configuration = CommandConfiguration(
        commandName: "width",
        abstract: "Show how finely a neuron with ternary weights hits a number, by its width.")

    @Option(
        parsing: .unconditional,
        help: .init("Draw it, as SVG; - is standard output.", valueName: "file"),
        completion: .file())
    var plot: String?

    @Flag(help: "Print one JSON array.")
    var json = false

    @OptionGroup
    var output: OutputArguments

    func run() throws {
        let drawing = try plot.map { try PlotFile($0, isJSON: json) }
        let rows = WidthDemonstration.run()
        try drawing?.write(rows.plot.svg)
        if json { return try Terminal.write(try Terminal.json(rows) + "\n") }
        var text = "error of a neuron's output, relative to it\n"
        text += "  inputs  each weight rounded  trits chosen together\n"
        for row in rows {
            text += String(format: "%8d %20.4f %22.6f\n", row.width, row.rounded, row.chosen)
        }
        try Terminal.write(text)
    }
}

extension [WidthDemonstration] {
    fileprivate var plot: LineChart {
        var chart = LineChart(
            title: "How finely a neuron with ternary weights hits a number",
            x: PlotAxis("inputs, as a power of 2"),
            y: PlotAxis("error relative to the output, as a power of 10"))
        func points(_ value: (WidthDemonstration) -> Double) -> [(x: Double, y: Double)] {
            map { (log2(Double($0.width)), log10(value($0))) }
        }
        chart.series = [
            .init("each weight rounded for itself", points(\.rounded), hasDots: true),
            .init("trits chosen together", points(\.chosen), hasDots: true),
        ]
        return chart
    }
}

struct DemoZerosCommand: ParsableCommand, QuietableCommand {
    static let configuration = CommandConfiguration(
        commandName: "zeros",
        abstract: "Show that zeros among the weights make dense products no faster.")

    @Option(
        parsing: .unconditional, help: .init("Rows and columns of the matrix.", valueName: "n"))
    var size = 2560

    @Flag(help: "Print one JSON array.")
    var json = false

    @OptionGroup
    var output: OutputArguments

    func validate() throws {
        guard (16...16_384).contains(size) else {
            throw ValidationError("--size: \(size) is not in 16...16384")
        }
    }

    func run() throws {
        warnAboutDebugBuild()
        let line = ProgressLine(after: .zero)
        line.update("measuring:", 0)
        let rows = try ZerosDemonstration.run(rows: size, columns: size)
        line.clear()
        if json { return try Terminal.write(try Terminal.json(rows) + "\n") }
        var text = "a matrix of \(size) x \(size), in cache, \(KernelSet.best.name)\n"
        text += "   zeros      bytes   Gweights/s        from to\n"
        for row in rows {
            text += String(
                format: "%7.1f%% %10d %12.1f  %6.1f %6.1f\n", row.zeroShare * 100, row.bytes,
                row.weightsPerSecond.median / 1e9, row.weightsPerSecond.min / 1e9,
                row.weightsPerSecond.max / 1e9)
        }
        try Terminal.write(text)
    }
}

struct DemoLayersCommand: ParsableCommand, QuietableCommand {
    static let configuration = CommandConfiguration(
        commandName: "layers",
        abstract: "Run a model too large for memory one synthetic layer after the other.",
        usage: "bitnet demo layers [SHAPE] [--layers N] [-t N] [--json]",
        discussion: """
            Each layer of the shape is made of random weights, decodes a token, and is gone before \
            the next: what is measured is speed and memory. There is no public ternary model of \
            70B. Shapes: \(ShapeArgument.forms).
            """)

    @Argument(help: "The shape.")
    var shape = "llama-70b"

    @Option(
        parsing: .unconditional,
        help: .init("Layers to run; the others count as like them.", valueName: "n"))
    var layers = 4

    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: .init("Number of threads (default: one per core).", valueName: "n"))
    var threads: Int?

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup
    var output: OutputArguments

    func validate() throws {
        _ = try ShapeArgument(shape)
        guard (1...1024).contains(layers), (1...1024).contains(threads ?? 1) else {
            throw ValidationError("--layers and --threads take 1...1024")
        }
    }

    func run() throws {
        let sizes = try ShapeArgument(shape).shape
        warnAboutDebugBuild()
        let line = ProgressLine(after: .zero)
        defer { line.clear() }
        let wanted = min(layers, sizes.layerCount)
        line.update("running layers:", 0)
        let result = try LayerwiseRun.run(
            sizes, layers: layers, options: LoadOptions(threads: threads)
        ) {
            line.update(
                $0 < wanted ? "running layers:" : "LM head:", Double($0) / Double(wanted + 1))
        }
        line.clear()
        if json { return try Terminal.write(try Terminal.json(result) + "\n") }
        let mean = result.layerSeconds.reduce(0, +) / Double(result.layerSeconds.count)
        try Terminal.write(
            "SYNTHETIC: random weights in the shape of \(shape), no model\n"
                + "layers     \(wanted) of \(result.layers) run, one in memory at a time\n"
                + String(
                    format: "a layer    %.1f ms, LM head %.1f ms\n", mean * 1e3,
                    result.headSeconds * 1e3)
                + String(
                    format: "a token    %.2f s: %.2f tokens/s with all weights in memory\n",
                    1 / result.tokensPerSecond, result.tokensPerSecond)
                + "weights    \(result.ternaryBytes.asMemory) ternary, "
                + "\(result.headBytes.asMemory) LM head\n"
                + "used       \(result.peakBytes.asMemory) at most\n")
    }
}

import ArgumentParser
import BitNetBench
import BitNetKit
import Foundation

struct PlanCommand: ParsableCommand, QuietableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Say what memory a model takes and how fast it will be, without loading it.",
        usage: "bitnet plan MODEL|SHAPE [-c N] [-t N] [--no-speed] [--json]",
        discussion: """
            MODEL is a GGUF file, a Hugging Face folder, or a shape without weights: \
            \(ShapeArgument.forms). The speed is expected from bytes and from this machine's memory \
            bandwidth, which is measured; --no-speed leaves that out, and assumes T2 where loading \
            would measure which layout is faster. --context is tokens of one \
            sequence (4096 for six numbers). A path that begins with a dash goes behind --.

            With --json: plan {name, memory {process, ternary, embedding, lmHead, scan, pages, \
            keyValues, scratch, loading}, ...}, totalBytes, availableBytes, missingBytes, \
            maximumContext, longer {context, missingBytes}, speed {tokensPerSecond, \
            tokensPerSecondAtFullContext, isOptimized}, warnings; what there is not is left out.
            """)

    @Argument(help: "A file, a folder, or the name of a shape.", completion: .file())
    var model: String

    @OptionGroup
    var context: ContextArguments

    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: .init("Number of threads (default: one per core).", valueName: "n"))
    var threads: Int?

    @Option(
        parsing: .unconditional,
        help: .init("How the LM head is held (default: as-stored).", valueName: "name"),
        transform: EngineArguments.head)
    var head: LMHeadStorage?

    @Flag(help: "Measure nothing: no speed, and T2 (2 bits a weight) as the layout.")
    var noSpeed = false

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup
    var output: OutputArguments

    func validate() throws {
        try checkThreads(threads)
    }

    func run() throws {
        var options = LoadOptions(threads: threads, lmHead: head ?? .asStored)
        // The larger one: what fits with it does whatever loading chooses.
        if noSpeed { options.layout = .t2 }
        let plan = try plan(options)
        let line = ProgressLine(after: .zero)
        defer { line.clear() }
        if !noSpeed { line.update("measuring memory:", 0) }
        let speed = noSpeed ? nil : try plan.speed(options: options)
        line.clear()
        let report = PlanReport(plan, speed: speed)
        guard !json else { return try Terminal.write(try Terminal.json(report) + "\n") }
        try Terminal.write("\(report)\n")
        if noSpeed, !LayoutChoice.fitsCaches(weights: plan.ternaryWeights) {
            try Terminal.write(
                "layout    T2 is assumed: --no-speed measures nothing, and loading may choose T5\n")
        }
    }

    private func plan(_ options: LoadOptions) throws -> ModelPlan {
        if !FileManager.default.fileExists(atPath: model),
            let shape = try ShapeArgument(ifShape: model)?.shape
        {
            return try ModelPlan(
                shape, name: model, context: context.context, options: options,
                cache: context.cache)
        }
        do {
            return try BitNetModel.plan(
                try Terminal.url(model), context: context.context, options: options,
                cache: context.cache)
        } catch .fileNotFound(let path) {
            let isPath = model.utf8.contains(UInt8(ascii: "/"))
            throw BitNetError.invalidArgument(
                name: "model",
                detail: "no file or folder \(path), and no shape"
                    + (isPath ? ": \(ShapeArgument.forms)" : ShapeArgument.advice(for: model))
                    + (FileError.hubHint(model).map { "; " + $0 } ?? ""))
        } catch {
            throw FileError(path: model, error: error)
        }
    }
}

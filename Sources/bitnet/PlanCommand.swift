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
            bandwidth, which is measured; --no-speed leaves that out. --context is tokens of one \
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

    @Flag(help: "Do not measure this machine to expect a speed.")
    var noSpeed = false

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup
    var output: OutputArguments

    func validate() throws {
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads: \(threads) is not in 1...1024")
        }
    }

    func run() throws {
        let options = LoadOptions(threads: threads, lmHead: head ?? .asStored)
        let plan = try plan(options)
        let line = ProgressLine(after: .zero)
        defer { line.clear() }
        if !noSpeed { line.update("measuring memory:", 0) }
        let speed = noSpeed ? nil : try plan.speed(options: options)
        line.clear()
        let report = PlanReport(plan, speed: speed)
        try Terminal.write(try json ? Terminal.json(report) + "\n" : "\(report)\n")
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
            throw BitNetError.invalidArgument(
                name: "model",
                detail: "no file or folder \(path), and no shape: \(ShapeArgument.forms)"
                    + (FileError.hubHint(model).map { "; " + $0 } ?? ""))
        } catch {
            throw FileError(path: model, error: error)
        }
    }
}

import ArgumentParser
import BitNetBench
import BitNetKit
import Foundation

struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Say what memory a model takes and how fast it will be, without loading it.",
        discussion: """
            MODEL is a GGUF file, a Hugging Face folder, or the name of a shape without weights: \
            \(ModelShape.named.keys.sorted().joined(separator: ", ")), or \
            hidden,ffn,layers,heads,kvheads,vocab. The speed is expected from bytes and from this \
            machine's memory bandwidth, which is measured; --no-speed leaves that out. A path that \
            begins with a dash goes behind --.
            """)

    @Argument(help: "A file, a folder, or the name of a shape.")
    var model: String

    @Option(
        parsing: .unconditional,
        help: .init("Tokens of one sequence (default: the model's context).", valueName: "n"))
    var context: Int?

    @Option(
        name: .customLong("kv-cache"), parsing: .unconditional, help: KVCachePrecision.help,
        transform: KVCachePrecision.parse)
    var cache = KVCachePrecision.f16

    @Option(
        parsing: .unconditional,
        help: .init("Number of threads (default: one per core).", valueName: "n"))
    var threads: Int?

    @Option(
        parsing: .unconditional,
        help: .init("How the LM head is held (default: as-stored).", valueName: "name"),
        transform: ComputeArguments.head)
    var head: LMHeadStorage?

    @Flag(help: "Do not measure this machine to expect a speed.")
    var noSpeed = false

    @Flag(help: "Print one JSON object.")
    var json = false

    /// What `--json` prints.
    struct Output: Encodable {
        let plan: ModelPlan
        let totalBytes, availableBytes: Int
        /// Nil where nothing fits.
        let maximumContext: Int?
        /// Nil with `--no-speed`.
        let speed: PlannedSpeed?
    }

    func validate() throws {
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads: \(threads) is not in 1...1024")
        }
        if let context, !(1...1 << 24).contains(context) {
            throw ValidationError("--context: \(context) is not in 1...\(1 << 24)")
        }
    }

    func run() throws {
        let options = LoadOptions(threads: threads, lmHead: head ?? .asStored)
        let plan = try plan(options)
        let available = ProcessMemory.available
        let line = StatusLine()
        defer { line.clear() }
        line.update("measuring memory")
        let speed = noSpeed ? nil : try plan.speed(options: options)
        line.clear()
        if json {
            let output = Output(
                plan: plan, totalBytes: plan.memory.total, availableBytes: available,
                maximumContext: plan.maximumContext(within: available), speed: speed)
            return try Terminal.write(try Terminal.json(output) + "\n")
        }
        try Terminal.write(text(plan, available: available, speed: speed))
    }

    private func plan(_ options: LoadOptions) throws -> ModelPlan {
        if let shape = ShapeArgument(argument: model)?.shape {
            return try ModelPlan(shape, context: context ?? 4096, options: options, cache: cache)
        }
        do {
            return try BitNetModel.plan(
                try Terminal.url(model), context: context, options: options, cache: cache)
        } catch .fileNotFound(let path) {
            let names = ModelShape.named.keys.sorted().joined(separator: ", ")
            throw BitNetError.invalidArgument(
                name: "model", detail: "no file or folder \(path), and no shape: \(names)")
        } catch {
            throw FileError(path: model, error: error)
        }
    }

    private func text(_ plan: ModelPlan, available: Int, speed: PlannedSpeed?) -> String {
        let memory = plan.memory
        var rows = [
            ("program", memory.process, "itself, file directory and tokenizer, as measured"),
            ("ternary", memory.ternary, "\(plan.ternaryWeights.grouped) weights as \(plan.layout)"),
            ("embedding", memory.embedding, memory.lmHead == 0 ? "which is the LM head too" : ""),
        ]
        if memory.lmHead > 0 { rows.append(("LM head", memory.lmHead, "")) }
        rows += [
            ("pages", memory.pages, "large matrices are whole pages of 2 MB"),
            ("KV cache", memory.keyValues, "\(plan.context) tokens as \(plan.cache)"),
            ("scratch", memory.scratch, "of one sequence, \(plan.threads) threads"),
            ("total", memory.total, "at most, while it runs or loads"),
            ("as FP16", plan.fp16Bytes, "all weights, for comparison"),
        ]
        var lines = rows.map { name, bytes, note in
            name.padding(toLength: 10, withPad: " ", startingAt: 0)
                + bytes.asMemory.leftPadded(to: 10) + (note.isEmpty ? "" : "  \(note)")
        }
        lines.append(fit(plan, available))
        if let speed {
            lines.append(
                String(
                    format: "speed     about %.1f tokens/s, %.1f at the end of the context",
                    speed.tokensPerSecond, speed.tokensPerSecondAtFullContext))
            if memory.ternary < 64 << 20 {
                lines.append("          (a model this small is in the caches, and may be faster)")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// What fits and what does not.
    private func fit(_ plan: ModelPlan, _ available: Int) -> String {
        let free = "\(available.asMemory) are free"
        let most = plan.maximumContext(within: available)
        guard plan.memory.total <= available else {
            let missing = (plan.memory.total - available).asMemory
            let other = most.map { "; \($0) tokens fit" } ?? ""
            return "fits      no: \(free), context \(plan.context) needs \(missing) more\(other)"
        }
        var line = "fits      yes: \(free)"
        let next = [4096, 8192, 16_384, 32_768, 65_536, 131_072].first {
            $0 > plan.context && plan.totalMemory(context: $0) > available
        }
        if let next {
            let missing = (plan.totalMemory(context: next) - available).asMemory
            line += "; context \(next) needs \(missing) more"
        }
        return line
    }
}

extension Int {
    /// Bytes in the unit that leaves a few digits.
    var asMemory: String {
        let units = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")]
        for (size, name) in units where Double(self) >= size {
            return String(format: "%.\(size == 1e9 ? 2 : 1)f %@", Double(self) / size, name)
        }
        return "\(self) bytes"
    }
}

extension String {
    fileprivate func leftPadded(to count: Int) -> String {
        String(repeating: " ", count: Swift.max(0, count - self.count)) + self
    }
}

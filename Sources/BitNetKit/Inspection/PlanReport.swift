internal import Foundation

/// A plan beside the memory that a machine has free: whether the model fits, and what else would.
///
/// ```swift
/// let report = PlanReport(try BitNetModel.plan(url, context: 16_384))
/// print(report.fits, report.maximumContext ?? 0)
/// print(report)  // a table
/// ```
public struct PlanReport: Sendable, Hashable, Codable {
    /// A longer context, and what it lacks.
    public struct LongerContext: Sendable, Hashable, Codable {
        /// Tokens of the context.
        public let context: Int
        /// Bytes that it needs beyond those available.
        public let missingBytes: Int
    }

    /// The plan.
    public let plan: ModelPlan
    /// Bytes that the plan takes at most.
    public let totalBytes: Int
    /// Bytes that new memory can take without any being swapped out.
    public let availableBytes: Int
    /// Bytes that the plan needs beyond those available; 0 where it fits.
    public let missingBytes: Int
    /// The most tokens of context that fit, up to those the model was trained to take; nil where none
    /// do.
    public let maximumContext: Int?
    /// The first usual context beyond the planned one that does not fit; nil where all fit that the
    /// model was trained to take.
    public let longer: LongerContext?
    /// The expected speed; nil where it was not measured.
    public let speed: PlannedSpeed?
    /// What is to be known before the figures are relied on, one sentence each.
    public let warnings: [String]

    /// Whether there is enough memory.
    public var fits: Bool { missingBytes == 0 }

    /// A plan on a machine.
    ///
    /// - Parameters:
    ///   - plan: the plan.
    ///   - availableBytes: memory that is free; nil for what the system says of this machine.
    ///   - speed: what to expect of it.
    public init(_ plan: ModelPlan, availableBytes: Int? = nil, speed: PlannedSpeed? = nil) {
        let available = availableBytes ?? ProcessMemory.available
        self.plan = plan
        self.availableBytes = available
        self.speed = speed
        totalBytes = plan.memory.total
        missingBytes = max(0, plan.memory.total - available)
        maximumContext = plan.maximumContext(within: available)
        longer = (12...17).map { 1 << $0 }.first {
            $0 > plan.context && $0 <= plan.trainedContext
                && plan.totalMemory(context: $0) > available
        }.map {
            LongerContext(
                context: $0, missingBytes: plan.totalMemory(context: $0) - available)
        }
        warnings = plan.warnings + (speed.flatMap(\.warning).map { [$0] } ?? [])
    }
}

extension ModelPlan {
    fileprivate var warnings: [String] {
        guard context > trainedContext else { return [] }
        return [
            "context \(context.grouped) is more than the \(trainedContext.grouped) tokens that the "
                + "model was trained to take: no sequence of it can be as long"
        ]
    }
}

extension PlannedSpeed {
    fileprivate var warning: String? {
        isOptimized
            ? nil
            : "the speed was measured by a debug build and is that of one; build with swift build -c "
                + "release"
    }
}

// MARK: - Text

extension PlanReport: CustomStringConvertible {
    /// Memory line by line, what fits, and the speed, in up to 80 columns.
    public var description: String {
        var lines = rows.filter { $0.bytes > 0 }.map { row in
            let line = row.name.padded(to: 10) + row.bytes.asMemory.leftPadded(to: 10)
            return row.note.isEmpty ? line : "\(line)  \(row.note)"
        }
        let margin = "".padded(to: 10)
        for (index, words) in fit.wrapped(to: 70).enumerated() {
            lines.append((index == 0 ? "fits".padded(to: 10) : margin) + words)
        }
        if let speed {
            lines.append(
                String(
                    format: "speed     about %.1f tokens/s, %.1f at the end of the context",
                    speed.tokensPerSecond, speed.tokensPerSecondAtFullContext))
            if plan.memory.ternary < 64 << 20 {
                lines.append("          (a model this small is in the caches, and may be faster)")
            }
        }
        lines += warnings.flatMap { "warning: \($0)".wrapped(to: 80, indent: 2) }
        return lines.joined(separator: "\n")
    }

    private var rows: [(name: String, bytes: Int, note: String)] {
        let memory = plan.memory
        let isTied = memory.lmHead == 0
        return [
            ("program", memory.process, "itself, file directory and tokenizer, as measured"),
            ("ternary", memory.ternary, "\(plan.ternaryWeights.grouped) weights as \(plan.layout)"),
            ("embedding", memory.embedding, isTied ? "which is the LM head too" : ""),
            ("LM head", memory.lmHead, ""),
            ("scan", memory.scan, scanNote),
            ("pages", memory.pages, "weights are in whole pages of 2 MB"),
            (
                "KV cache", memory.keyValues,
                "\(plan.context.grouped) token\(plan.context == 1 ? "" : "s") as \(plan.cache)"
            ),
            ("scratch", memory.scratch, "of one sequence, \(threadCount(plan.threads))"),
            ("total", memory.total, "at most, while it runs or loads"),
            ("as FP16", plan.fp16Bytes, "all weights, for comparison"),
        ]
    }

    private var scanNote: String {
        switch plan.scan {
        case nil: ""
        case .bounds: "bounds of the LM head's rows, to find likely tokens"
        case .int8: "int8 copy of the LM head, to find likely tokens"
        case .int4: "4.5-bit copy of the LM head, to find likely tokens"
        }
    }

    /// What fits and what does not.
    private var fit: String {
        let free = "\(availableBytes.asMemory) are free"
        guard fits else {
            let other =
                maximumContext.map { "; \($0 == 1 ? "1 token fits" : $0.grouped + " tokens fit")" }
                ?? ""
            return "no: \(free), context \(plan.context.grouped) needs "
                + "\(missingBytes.asMemory) more\(other)"
        }
        let next = longer.map {
            "; context \($0.context.grouped) needs \($0.missingBytes.asMemory) more"
        }
        return "yes: \(free)\(next ?? "")"
    }
}

internal import Foundation

/// What this machine and this build can do, measured in a few seconds: what `bitnet doctor` prints.
///
/// ```swift
/// let survey = try MachineSurvey.take()
/// print(survey)
/// ```
public struct MachineSurvey: Sendable, Hashable, Codable {
    /// Speeds of a number of threads.
    public struct Speeds: Sendable, Hashable, Codable {
        /// Bandwidth and int8 products.
        public let limits: MachineLimits
        /// Seconds from handing an empty job to all threads until all have done it.
        public let dispatchSeconds: Double
        /// How fast a large model's weights go by in each layout, the fastest first.
        public let layouts: [MachineLimits.LayoutSpeed]
        /// How many bytes ahead of those that they multiply kernels best ask for weights.
        public let prefetchDistance: Int
    }

    /// Whether the library was compiled with optimisation; figures of a debug build mean nothing.
    public let isOptimized: Bool
    /// The processor's name, as far as the system tells.
    public let processor: String
    /// Cores this process may use.
    public let cores: Int
    /// How the system hands out 2 MB pages.
    public let hugePages: String
    /// Kernel sets this machine runs, the one in use first.
    public let kernelSets: [String]
    /// Kernel sets that are compiled in and not used, with the reason.
    public let rejectedKernelSets: [KernelSet.Rejection]
    /// The OpenBLAS that comparisons use, or why there is none.
    public let openBLAS: String
    /// Whether comparisons can use OpenBLAS.
    public let hasOpenBLAS: Bool
    /// What the machine takes at rest, in watts; nil where it has no energy counters.
    public let idleWatts: Double?
    /// Why there are no energy counters; nil where there are.
    public let energyUnavailable: String?
    /// With one thread, and with one per core.
    public let speeds: [Speeds]

    /// Measures everything.
    ///
    /// - Parameter progress: gets a line of text about what comes next, and the share that is done.
    /// - Throws: `BitNetError.outOfMemory` (512 MB are read to measure bandwidth).
    public static func take(
        progress: (String, Double) -> Void = { _, _ in }
    ) throws(BitNetError) -> MachineSurvey {
        progress("the machine at rest", 0)
        let meter = EnergyMeter()
        var speeds: [Speeds] = []
        let counts = Set([1, MachineReport.cores]).sorted()
        for (index, threads) in counts.enumerated() {
            let done = (Double(index) + 0.5) / (Double(counts.count) + 0.5)
            progress("memory and products with \(threadCount(threads))", done)
            speeds.append(
                Speeds(
                    limits: try MachineLimits.measure(threads: threads),
                    dispatchSeconds: try MachineLimits.dispatchSeconds(threads: threads),
                    layouts: try MachineLimits.layoutSpeeds(threads: threads),
                    prefetchDistance: try MachineLimits.prefetchDistance(threads: threads)))
        }
        return MachineSurvey(meter: meter, speeds: speeds)
    }

    private init(meter: EnergyMeter, speeds: [Speeds]) {
        isOptimized = MachineReport.isOptimized
        processor = MachineReport.processor
        cores = MachineReport.cores
        hugePages = MachineReport.hugePages
        kernelSets = KernelSet.available.map(\.name)
        rejectedKernelSets = KernelSet.rejected
        switch FloatBaseline.openBLAS {
        case .success(let blas): (openBLAS, hasOpenBLAS) = ("\(blas)", true)
        case .failure(let error): (openBLAS, hasOpenBLAS) = ("\(error)", false)
        }
        idleWatts = meter.idleWatts
        energyUnavailable = meter.unavailable
        self.speeds = speeds
    }

    /// Decoding reads every weight once: more threads help only while memory keeps up.
    public var advice: String {
        guard let one = speeds.first?.limits, let all = speeds.last?.limits, all.threads > 1 else {
            return "one core: --threads 1"
        }
        let gain = all.bytesPerSecond / one.bytesPerSecond
        return gain > 1.05
            ? String(
                format: "use all %d threads; memory gives %.1f times what one reads", all.threads,
                gain)
            : "one thread already reads all that memory gives; more help with prompts only"
    }
}

extension MachineSurvey: CustomStringConvertible {
    /// A line for each thing.
    public var description: String {
        var lines = ["build: \(isOptimized ? "optimised" : "DEBUG: TIMES MEAN NOTHING")"]
        lines.append("cpu: \(processor), \(counted(cores, "core")) usable")
        lines.append("huge pages: \(hugePages)")
        lines.append(
            "kernel sets: \(kernelSets.joined(separator: ", ")) (\(kernelSets[0]) is used)")
        for set in rejectedKernelSets { lines.append("  not \(set.name): \(set.reason)") }
        lines.append("float baseline: \(openBLAS)")
        lines.append(
            idleWatts.map { String(format: "energy: RAPL, %.1f W at rest", $0) }
                ?? "energy: unavailable: \(energyUnavailable ?? "")")
        for speed in speeds {
            let limits = speed.limits
            lines.append(
                threadCount(limits.threads)
                    + String(
                        format: ": %.1f GB/s from memory, %.1f G int8 products/s",
                        limits.bytesPerSecond / 1e9, limits.int8PerSecond / 1e9))
            lines.append(
                String(
                    format: "  an empty job from start to end: %.2f us",
                    speed.dispatchSeconds * 1e6))
            for layout in speed.layouts {
                let rate = String(format: "%.1f", layout.weightsPerSecond / 1e9)
                lines.append("  \(layout.layout.rawValue) weights from memory: \(rate) G/s")
            }
            lines.append("  weights are asked for \(speed.prefetchDistance >> 10) KiB ahead")
        }
        lines.append("advice: \(advice)")
        return lines.flatMap { $0.wrapped(to: 80, indent: 4) }.joined(separator: "\n")
    }
}

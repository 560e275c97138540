import ArgumentParser
import BitNetBench
import BitNetKit

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Say what this machine and this build can do.",
        discussion: """
            Measures memory bandwidth, int8 products and how long threads take to begin and end a \
            job together, which takes a few seconds.
            """)

    private var build: String {
        MachineReport.isOptimized ? "optimised" : "DEBUG: TIMES MEAN NOTHING"
    }

    func run() throws {
        var lines = ["build: \(build)"]
        lines.append("cpu: \(MachineReport.processor), \(MachineReport.cores) cores usable")
        lines.append("huge pages: \(MachineReport.hugePages)")
        let sets = KernelSet.available.map(\.name)
        lines.append(
            "kernel sets: \(sets.joined(separator: ", ")) (\(KernelSet.best.name) is used)")
        for set in KernelSet.rejected { lines.append("  not \(set.name): \(set.reason)") }
        switch FloatBaseline.openBLAS {
        case .success(let blas): lines.append("float baseline: \(blas)")
        case .failure(let error): lines.append("float baseline: \(error)")
        }
        for line in lines { try Terminal.write(line + "\n") }

        var bandwidth: [(threads: Int, speed: Double)] = []
        for threads in Set([1, MachineReport.cores]).sorted() {
            let limits = try MachineLimits.measure(threads: threads)
            bandwidth.append((threads, limits.bytesPerSecond))
            try Terminal.write(
                "\(threads) thread\(threads == 1 ? "" : "s"): "
                    + "\(tenths(limits.bytesPerSecond / 1e9)) GB/s from memory, "
                    + "\(tenths(limits.int8PerSecond / 1e9)) G int8 products/s\n")
            let dispatch = try MachineLimits.dispatchSeconds(threads: threads)
            try Terminal.write(
                "  an empty job from start to end: \(hundredths(dispatch * 1e6)) us\n")
            for speed in try MachineLimits.layoutSpeeds(threads: threads) {
                try Terminal.write(
                    "  \(speed.layout.rawValue) weights from memory: "
                        + "\(tenths(speed.weightsPerSecond / 1e9)) G/s\n")
            }
        }
        try Terminal.write("advice: \(advice(bandwidth))\n")
    }

    /// Decoding reads every weight once: more threads help only while memory keeps up.
    private func advice(_ bandwidth: [(threads: Int, speed: Double)]) -> String {
        guard let one = bandwidth.first, let all = bandwidth.last, all.threads > 1 else {
            return "one core: --threads 1"
        }
        let gain = all.speed / one.speed
        return gain > 1.05
            ? "use all \(all.threads) threads; memory gives \(tenths(gain)) times what one reads"
            : "one thread already reads all that memory gives; more help with prompts only"
    }
}

import ArgumentParser
import BitNetBench
import BitNetKit

struct DoctorCommand: ParsableCommand, QuietableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Say what this machine and this build can do.",
        discussion: """
            Measures memory bandwidth, int8 products and how long threads take to begin and end a \
            job together, which takes a few seconds.

            With --json: isOptimized, processor, cores, hugePages, kernelSets (the one in use \
            first), rejectedKernelSets [{name, reason}], openBLAS, hasOpenBLAS, idleWatts or \
            energyUnavailable, and speeds [{limits {threads, bytesPerSecond, int8PerSecond}, \
            dispatchSeconds, layouts [{layout, weightsPerSecond}], prefetchDistance}].
            """)

    @Flag(help: "Print one JSON object instead of lines.")
    var json = false

    @OptionGroup
    var output: OutputArguments

    func run() throws {
        let line = ProgressLine(after: .zero)
        defer { line.clear() }
        let survey = try MachineSurvey.take { line.update("measuring \($0):", $1) }
        line.clear()
        try Terminal.write(json ? try Terminal.json(survey) + "\n" : "\(survey)\n")
    }
}

import ArgumentParser
import BitNetKit
import Foundation
import Synchronization

/// The options of every command that computes.
struct ComputeArguments: ParsableArguments {
    @Option(help: "Number of threads (default: one per core).")
    var threads: Int?

    @Option(help: "Kernel set: avx2, neon, scalar ... (default: the fastest this CPU runs).")
    var isa: String?

    func validate() throws {
        if let threads, threads < 1 { throw ValidationError("--threads must be at least 1") }
    }

    /// Loads a model and shows how far that is if it takes more than a second.
    func load(_ url: URL) async throws(BitNetError) -> BitNetModel {
        var options = LoadOptions()
        options.threads = threads
        options.instructionSet = isa
        let line = LoadingLine()
        defer { line.clear() }
        return try await BitNetModel.load(url, options: options) { line.update($0) }
    }
}

/// A line on the terminal that says how far loading is.
private final class LoadingLine: Sendable {
    private let start = ContinuousClock.now
    private let shown = Mutex("")

    func update(_ progress: LoadProgress) {
        guard Terminal.isErrorTerminal, ContinuousClock.now - start > .seconds(1) else { return }
        let percent = Int((progress.fraction * 100).rounded(.down))
        let line = "loading: \(progress.phase.rawValue) \(percent)%"
        shown.withLock {
            if $0 != line { Terminal.reportInPlace(line) }
            $0 = line
        }
    }

    func clear() {
        shown.withLock {
            if !$0.isEmpty { Terminal.reportInPlace("") }
            $0 = ""
        }
    }
}

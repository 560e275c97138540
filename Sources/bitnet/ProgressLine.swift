import BitNetKit
import Synchronization

/// A line on the terminal that says how far something is, once that has taken a while.
final class ProgressLine: Sendable {
    private let start = ContinuousClock.now
    private let delay: Duration
    private let shown = Mutex("")

    /// - Parameter delay: how long nothing is shown: what is over soon needs no line.
    init(after delay: Duration = .seconds(1)) { self.delay = delay }

    /// Shows `action` and the share that is done, in [0, 1].
    func update(_ action: String, _ fraction: Double) {
        guard Terminal.showsProgress, ContinuousClock.now - start >= delay else { return }
        let line = "\(action) \(Int((fraction * 100).rounded(.down)))%"
        shown.withLock {
            if $0 != line { Terminal.reportInPlace(line) }
            $0 = line
        }
    }

    /// Removes the line.
    func clear() {
        shown.withLock {
            if !$0.isEmpty { Terminal.reportInPlace("") }
            $0 = ""
        }
    }
}

/// Runs `body` with a line that says how far the reading of a long prompt is, once that has taken a
/// while. Whoever writes something clears it first.
func showingPrefill<Value: Sendable>(
    _ body: (ProgressLine) async throws -> Value
) async throws -> Value {
    let line = ProgressLine()
    defer { line.clear() }
    let listener = PrefillProgress.Listener {
        line.update("reading the prompt:", Double($0) / Double($1))
    }
    return try await PrefillProgress.$listener.withValue(listener) { try await body(line) }
}

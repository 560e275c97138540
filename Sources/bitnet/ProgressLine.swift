import Synchronization

/// A line on the terminal that says how far something is, once that has taken more than a second.
final class ProgressLine: Sendable {
    private let start = ContinuousClock.now
    private let shown = Mutex("")

    /// Shows `action` and the share that is done, in [0, 1].
    func update(_ action: String, _ fraction: Double) {
        guard Terminal.isErrorTerminal, ContinuousClock.now - start > .seconds(1) else { return }
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

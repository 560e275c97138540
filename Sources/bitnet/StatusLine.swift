import Synchronization

/// A line on the terminal that says what is being done, once that has taken more than a second.
final class StatusLine: Sendable {
    private let start = ContinuousClock.now
    private let shown = Mutex("")

    /// Shows `action`.
    func update(_ action: String) {
        guard Terminal.showsProgress, ContinuousClock.now - start > .seconds(1) else { return }
        shown.withLock {
            if $0 != action { Terminal.reportInPlace(action) }
            $0 = action
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

/// Counts the steps of a piece of work, and ends it soon after nobody wants its result any more.
///
/// Texts, templates and grammars can come from strangers and be of any size. Whatever goes through one
/// of them counts its steps in an `Effort`, some nanoseconds each, in portions of a few thousand.
package final class Effort {
    /// Steps so far: about one for every byte, character or comparison.
    package private(set) var total = 0
    /// The most steps that were counted at once: nothing is asked in between.
    package private(set) var largestPortion = 0
    private var next = Effort.interval
    private let isCancelled: () -> Bool

    /// Steps from one question to the next.
    package static let interval = 1 << 14
    /// What a loop over many small steps may count at once.
    package static let portion = 1 << 12

    /// Work that ends soon after `isCancelled` has become true.
    package init(isCancelled: @escaping () -> Bool = { false }) { self.isCancelled = isCancelled }

    /// Work that ends soon after the current task is cancelled.
    package static func ofTask() -> Effort { Effort { Task.isCancelled } }

    /// Counts `steps`, and now and then asks whether to go on.
    ///
    /// - Throws: `BitNetError.cancelled`.
    @inline(__always)
    package func spend(_ steps: Int) throws(BitNetError) {
        total &+= steps
        if total >= next { try ask(after: steps) }
    }

    /// Ends the work if it is not wanted.
    package func check() throws(BitNetError) {
        if isCancelled() { throw .cancelled }
    }

    private func ask(after steps: Int) throws(BitNetError) {
        largestPortion = max(largestPortion, steps)
        next = total + Self.interval
        try check()
    }
}

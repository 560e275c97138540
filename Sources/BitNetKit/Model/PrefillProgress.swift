/// Who wants to know how far the reading of long prompts is.
package enum PrefillProgress {
    /// A function in an object: a task-local value that is a function itself crashes in release builds
    /// of Swift 6.3, which lose its type.
    package final class Listener: Sendable {
        /// Called with the tokens that have been read and with all, for prompts of several batches.
        package let report: @Sendable (_ read: Int, _ all: Int) -> Void

        package init(_ report: @escaping @Sendable (_ read: Int, _ all: Int) -> Void) {
            self.report = report
        }
    }

    /// Who listens to what the task computes.
    @TaskLocal package static var listener: Listener?
}

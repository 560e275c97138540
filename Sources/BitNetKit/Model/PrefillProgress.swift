/// How far the reading of a long prompt is, for whoever wants to know.
package struct PrefillProgress {
    /// A function in an object: a task-local value that is a function itself crashes in release builds
    /// of Swift 6.3, which lose its type.
    package final class Listener: Sendable {
        /// Called layer by layer with the tokens that have been read and with all, rising.
        package let report: @Sendable (_ read: Int, _ all: Int) -> Void

        package init(_ report: @escaping @Sendable (_ read: Int, _ all: Int) -> Void) {
            self.report = report
        }
    }

    /// Who listens to what the task computes.
    @TaskLocal package static var listener: Listener?

    /// Prompts with fewer tokens are not told of.
    private static let shortest = 128

    private let listener: Listener?
    private let all: Int
    private let offset: Int
    private var latest: Int

    /// Of a prompt of `all` tokens, of which `offset` have been read before.
    package init(of all: Int, after offset: Int = 0) {
        listener = all < PrefillProgress.shortest ? nil : PrefillProgress.listener
        self.all = all
        self.offset = offset
        latest = offset
    }

    /// Tells that `count` tokens more than at first have been read, if that is news.
    mutating func report(_ count: Int) {
        guard let listener, offset + count > latest else { return }
        latest = offset + count
        listener.report(latest, all)
    }
}

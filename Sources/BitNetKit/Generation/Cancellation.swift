import Synchronization

/// A task's cancellation, carried to where there is no current task: the model's queue.
final class Cancellation: Sendable {
    private let flag = Atomic(false)

    var isRequested: Bool { flag.load(ordering: .relaxed) }

    /// Runs `body`; cancelling the current task, before or meanwhile, cancels this.
    func follow<R: Sendable>(
        isolation: isolated (any Actor)? = #isolation, _ body: () async -> R
    ) async -> R {
        await withTaskCancellationHandler {
            await body()
        } onCancel: {
            flag.store(true, ordering: .relaxed)
        }
    }
}

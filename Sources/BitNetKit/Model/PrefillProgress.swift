/// Who wants to know how far the reading of long prompts is.
package enum PrefillProgress {
    /// Called with the tokens that have been read and with all, for prompts of several batches.
    @TaskLocal package static var report: (@Sendable (_ read: Int, _ all: Int) -> Void)?
}

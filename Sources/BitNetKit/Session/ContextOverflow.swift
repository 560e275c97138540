/// What a session does when its conversation no longer fits the context.
public enum ContextOverflow: Sendable, Hashable, Codable {
    /// A turn that does not fit throws `BitNetError.contextWindowExceeded` and changes nothing; an
    /// answer that fills the context ends with `StopReason.contextFull`.
    case error
    /// The oldest tokens after the first `sinks` are left out (Xiao et al. 2023, arXiv:2309.17453),
    /// so that the model goes on with the beginning and the latest part of the conversation.
    ///
    /// Whenever the context is full, it is cut down to `keeping` tokens at once, sinks included, and
    /// these are computed again as a prompt of their own: the results are exactly those of a fresh
    /// prompt with these tokens. The more is dropped at once, the rarer that is; nil keeps half of
    /// the context, which costs about one prompt token for each token of the answer.
    case slidingWindow(sinks: Int = 4, keeping: Int? = nil)
}

/// A sliding window with its numbers checked.
struct SlidingWindow: Sendable, Hashable {
    let sinks: Int
    /// Tokens left when the context has been cut down, sinks included.
    let kept: Int

    /// nil for `ContextOverflow.error`.
    ///
    /// - Throws: `BitNetError.invalidArgument` unless `0 <= sinks < keeping < limit`.
    init?(_ overflow: ContextOverflow, limit: Int) throws(BitNetError) {
        guard case .slidingWindow(let sinks, let keeping) = overflow else { return nil }
        let kept = keeping ?? max(limit / 2, 1)
        guard sinks >= 0, sinks < kept, kept < limit else {
            throw .invalidArgument(
                name: "slidingWindow",
                detail: "\(sinks) sinks and \(kept) kept tokens do not fit a context of \(limit): "
                    + "0 <= sinks < keeping < context is needed")
        }
        self.sinks = sinks
        self.kept = kept
    }
}

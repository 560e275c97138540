/// Which logits the next choice looks at.
package enum LogitsNeed: Sendable, Hashable {
    /// All of them.
    case all
    /// The largest few, ties included; others may be -infinity.
    case top(Int)
}

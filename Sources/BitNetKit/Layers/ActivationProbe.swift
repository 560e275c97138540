/// Sees what every step of a forward pass computes, in the order of the steps. Called on the thread
/// that runs the model, which waits for it.
package struct ActivationProbe {
    /// A step; the raw value is its name in the reference data.
    package enum Step: String, Sendable, Hashable, CaseIterable {
        case embedding = "embed"
        case attentionNorm = "attn_norm"
        case query = "q"
        case key = "k"
        case value = "v"
        case attention = "attn_before_sub_norm"
        case outputInput = "o_input"
        case output = "o"
        case feedForwardNorm = "ffn_norm"
        case gate
        case up
        case gated = "ffn_before_sub_norm"
        case downInput = "down_input"
        case down
        case block = "out"
        case finalNorm = "final_norm"
    }

    /// Gets the step, its layer (nil before the first and after the last), and the values, `[tokens,
    /// columns]`, which it may read, and change, during the call only.
    package typealias Observer = (_ step: Step, _ layer: Int?, _ values: Activations) -> Void

    private let see: Observer

    package init(_ see: @escaping Observer) { self.see = see }

    func callAsFunction(_ step: Step, layer: Int? = nil, _ values: Activations) {
        see(step, layer, values)
    }
}

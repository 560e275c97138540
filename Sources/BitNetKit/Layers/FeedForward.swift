/// The gate's non-linearity.
public enum Activation: String, Sendable, Hashable {
    /// `max(x, 0)^2`, of BitNet b1.58 2B-4T.
    case squaredReLU = "relu2"
    /// `x / (1 + exp(-x))`, of Llama and 1bitLLM models.
    case silu
    /// `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`, of Gemma models.
    case gelu = "gelu_pytorch_tanh"
}

/// The gated feed-forward network: `down(norm(activation(gate(x)) * up(x)))`; the norm, in BitNet
/// models, is `down.inputNorm`.
struct FeedForward: Sendable {
    let gate: BitLinear
    let up: BitLinear
    let down: BitLinear
    let activation: Activation

    /// Applies the network to every row of `x`; the result is in `workspace.projected`.
    func callAsFunction(
        _ x: Activations, layer: Int, workspace: Workspace, compute: Compute
    ) {
        let gated = workspace.gate(x.rows)
        let upper = workspace.up(x.rows)
        compute.apply((gate, gated), (up, upper), to: x, scratch: workspace.quantized)
        workspace.probe?(layer, "gate", gated)
        workspace.probe?(layer, "up", upper)
        workspace.zeros?.countGates(gated, activation, layer: layer)
        compute.pool.parallel(
            x.rows * gated.columns, granule: 64, work: x.rows * gated.columns * elementWork
        ) { _, range in
            compute.kernels.gated(activation, gated.storage[range], upper.storage[range])
        }
        workspace.probe?(layer, "ffn_before_sub_norm", gated)
        compute.apply(
            down, to: gated, into: workspace.projected(x.rows), scratch: workspace.quantized)
        workspace.zeros?.countDownInputs(workspace.quantized, layer: layer)
        workspace.probe?(
            layer, "down_input", down.inputNorm == nil ? gated : workspace.quantized.normed)
        workspace.probe?(layer, "down", workspace.projected(x.rows))
    }
}

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
    var up: BitLinear
    var down: BitLinear
    let activation: Activation
    /// How zeros are left out when a few tokens come; nil where none are.
    var skipping: Skipping?
    /// What is added to the gate of a synthetic model, so that a chosen share of it is 0.
    var gateShift: Float?

    /// Bytes of the packed weights.
    var byteCount: Int { [gate, up, down].reduce(0) { $0 + $1.weight.byteCount } }

    /// Applies the network to every row of `x`; the result is in `workspace.projected`.
    func callAsFunction(
        _ x: Activations, layer: Int, workspace: Workspace, compute: Compute
    ) {
        let gated = workspace.gate(x.rows)
        let upper = workspace.up(x.rows)
        let skipping = x.rows <= Skipping.mostTokens ? skipping : nil
        var (skippedRows, skippedColumns): (Int?, Int?)
        if let skipping {
            skippedRows = expand(
                x, skipping, layer: layer, gated: gated, upper: upper, workspace: workspace,
                compute: compute)
        } else {
            compute.apply((gate, gated), (up, upper), to: x, scratch: workspace.quantized)
            shiftGate(gated)
        }
        workspace.probe?(layer, "gate", gated)
        workspace.probe?(layer, "up", upper)
        workspace.counts?.countGates(gated, skipped: skippedRows, self, layer: layer)
        compute.pool.parallel(
            x.rows * gated.columns, granule: 64, work: x.rows * gated.columns * elementWork
        ) { _, range in
            compute.kernels.gated(activation, gated.storage[range], upper.storage[range])
        }
        workspace.probe?(layer, "ffn_before_sub_norm", gated)
        if let skipping {
            compute.quantize(gated, norm: down.inputNorm, into: workspace.quantized)
            skippedColumns = contract(skipping, workspace: workspace, compute: compute)
        } else {
            compute.apply(
                down, to: gated, into: workspace.projected(x.rows), scratch: workspace.quantized)
        }
        workspace.counts?.countInputs(
            workspace.quantized, skipped: skippedColumns, self, layer: layer)
        workspace.probe?(
            layer, "down_input", down.inputNorm == nil ? gated : workspace.quantized.normed)
        workspace.probe?(layer, "down", workspace.projected(x.rows))
    }

    func shiftGate(_ gated: Activations) {
        guard let gateShift else { return }
        for index in 0..<gated.storage.count { gated.storage[index] += gateShift }
    }
}

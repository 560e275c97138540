/// The gated feed-forward network: `down(norm(activation(gate(x)) * up(x)))`; the norm, in BitNet
/// models, is `down.inputNorm`.
public struct FeedForward: Sendable {
    /// How far each neuron is open, `[neurons, hidden]`.
    public internal(set) var gate: BitLinear
    /// What each neuron lets through, `[neurons, hidden]`.
    public internal(set) var up: BitLinear
    /// What the neurons add to the token, `[hidden, neurons]`.
    public package(set) var down: BitLinear
    /// What the gate goes through.
    public internal(set) var activation: Activation
    /// How zeros are left out when a few tokens come; nil where none are.
    var skipping: Skipping?
    /// Neurons that the matrices do not have; nil where they have all.
    package var silent: SilentNeurons?
    /// Added to the gate, in synthetic models only.
    package var gateBias: GateBias?

    /// Bytes of the packed weights.
    package var byteCount: Int { [gate, up, down].reduce(0) { $0 + $1.weight.byteCount } }

    /// Applies the network to every row of `x`; the result is in `workspace.projected`.
    func callAsFunction(
        _ x: Activations, layer: Int, workspace: Workspace, compute: Compute
    ) {
        let gated = workspace.gate(x.rows)
        let skipping = x.rows <= Skipping.mostTokens ? skipping : nil
        open(x, skipping, layer: layer, gated: gated, workspace: workspace, compute: compute)
        workspace.probe?(.gated, layer: layer, gated)
        compute.quantize(gated, norm: down.inputNorm, into: workspace.quantized)
        if let silent { workspace.quantized.gather(silent.others, pool: compute.pool) }
        var skippedColumns: Int?
        if let skipping {
            skippedColumns = contract(skipping, workspace: workspace, compute: compute)
        } else {
            compute.multiply(
                workspace.quantized,
                TernaryProduct(down.weight, into: workspace.projected(x.rows)))
        }
        workspace.quantized.widen(to: gated.columns)
        workspace.counts?.countInputs(
            workspace.quantized, skipped: skippedColumns, self, layer: layer)
        workspace.probe?(
            .downInput, layer: layer, down.inputNorm == nil ? gated : workspace.quantized.normed)
        workspace.probe?(.down, layer: layer, workspace.projected(x.rows))
    }

    /// `gated = activation(gate(x)) * up(x)`. The activation of nothing times nothing is nothing, so
    /// where nobody looks in between, silent neurons take their places behind it.
    private func open(
        _ x: Activations, _ skipping: Skipping?, layer: Int, gated: Activations,
        workspace: Workspace, compute: Compute
    ) {
        let upper = workspace.up(x.rows)
        func openPart(_ tokens: Range<Int>, _ rows: Range<Int>) {
            for token in tokens {
                compute.kernels.gated(activation, gated[token][rows], upper[token][rows])
            }
        }
        let isWatched = workspace.probe != nil || workspace.counts != nil
        if skipping == nil && gateBias == nil && !isWatched {
            // Gates open while what they let through is in a cache.
            compute.apply(
                (gate, gated), (up, upper), to: x, scratch: workspace.quantized, then: openPart)
            silent?.spread(gated, compute: compute)
            return
        }
        var skipped: Int?
        if let skipping {
            skipped = expand(
                x, skipping, layer: layer, gated: gated, upper: upper, workspace: workspace,
                compute: compute)
        } else {
            compute.apply((gate, gated), (up, upper), to: x, scratch: workspace.quantized)
            gateBias?.add(to: gated)
        }
        if let silent, isWatched {
            silent.spread(gated, compute: compute)
            silent.spread(upper, compute: compute)
        }
        workspace.probe?(.gate, layer: layer, gated)
        workspace.probe?(.up, layer: layer, upper)
        workspace.counts?.countGates(gated, skipped: skipped, self, layer: layer)
        compute.pool.parallel(x.rows, work: x.rows * gated.columns * elementWork) {
            openPart($1, 0..<gated.columns)
        }
        if let silent, !isWatched { silent.spread(gated, compute: compute) }
    }
}

/// A number added to every gate before the activation. No trained model has one: with it a synthetic
/// model has as many zero gates as a benchmark asks for.
package struct GateBias: Sendable {
    private let value: Float

    package init(_ value: Float) { self.value = value }

    func add(to gates: Activations) {
        for index in 0..<gates.storage.count { gates.storage[index] += value }
    }
}

/// One decoder layer: `h = x + attention(norm(x))`, `y = h + feedForward(norm(h))`.
struct TransformerBlock: Sendable {
    let attentionNorm: RMSNorm
    let attention: Attention
    let feedForwardNorm: RMSNorm
    var feedForward: FeedForward

    /// Updates the residual stream `x` (`[tokens, hidden]`) in place.
    func callAsFunction(
        _ x: Activations, layer: Int, cache: borrowing KVCache, workspace: Workspace,
        compute: Compute
    ) {
        let normed = workspace.normed(x.rows)
        let projected = workspace.projected(x.rows)

        compute.normalize(x, attentionNorm, into: normed)
        workspace.probe?(layer, "attn_norm", normed)
        attention(normed, layer: layer, cache: cache, workspace: workspace, compute: compute)
        compute.add(projected, to: x)

        compute.normalize(x, feedForwardNorm, into: normed)
        workspace.probe?(layer, "ffn_norm", normed)
        feedForward(normed, layer: layer, workspace: workspace, compute: compute)
        compute.add(projected, to: x)
        workspace.probe?(layer, "out", x)
    }
}

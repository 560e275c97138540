/// One decoder layer: `h = x + attention(norm(x))`, `y = h + feedForward(norm(h))`; in Gemma models
/// what is added has a norm of its own.
package struct TransformerBlock: Sendable {
    let attentionNorm: RMSNorm
    let attention: Attention
    let feedForwardNorm: RMSNorm
    package var feedForward: FeedForward
    var attentionPostNorm: RMSNorm?
    var feedForwardPostNorm: RMSNorm?

    package init(
        attentionNorm: RMSNorm, attention: Attention, feedForwardNorm: RMSNorm,
        feedForward: FeedForward, attentionPostNorm: RMSNorm? = nil,
        feedForwardPostNorm: RMSNorm? = nil
    ) {
        self.attentionNorm = attentionNorm
        self.attention = attention
        self.feedForwardNorm = feedForwardNorm
        self.feedForward = feedForward
        self.attentionPostNorm = attentionPostNorm
        self.feedForwardPostNorm = feedForwardPostNorm
    }

    /// Updates the residual stream `x` (`[tokens, hidden]`) in place.
    func callAsFunction(
        _ x: Activations, layer: Int, cache: borrowing KVCache, workspace: Workspace,
        compute: Compute
    ) {
        let normed = workspace.normed(x.rows)
        let projected = workspace.projected(x.rows)

        compute.normalize(x, attentionNorm, into: normed)
        workspace.probe?(.attentionNorm, layer: layer, normed)
        attention(normed, layer: layer, cache: cache, workspace: workspace, compute: compute)
        if let norm = attentionPostNorm { compute.normalize(projected, norm, into: projected) }
        compute.add(projected, to: x)

        compute.normalize(x, feedForwardNorm, into: normed)
        workspace.probe?(.feedForwardNorm, layer: layer, normed)
        feedForward(normed, layer: layer, workspace: workspace, compute: compute)
        if let norm = feedForwardPostNorm { compute.normalize(projected, norm, into: projected) }
        compute.add(projected, to: x)
        workspace.probe?(.block, layer: layer, x)
    }
}

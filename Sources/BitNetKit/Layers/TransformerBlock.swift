/// One decoder layer: `h = x + attention(norm(x))`, `y = h + feedForward(norm(h))`; in Gemma models
/// what is added has a norm of its own.
///
/// A model's layers are ``BitNetModel/layers``.
public struct TransformerBlock: Sendable {
    /// Normalises what attention takes.
    public let attentionNorm: RMSNorm
    /// Lets every token look at those before it.
    public internal(set) var attention: Attention
    /// Normalises what the feed-forward network takes.
    public let feedForwardNorm: RMSNorm
    /// Works on every token for itself.
    public package(set) var feedForward: FeedForward
    /// Normalises what attention adds, in Gemma models.
    public internal(set) var attentionPostNorm: RMSNorm?
    /// Normalises what the feed-forward network adds, in Gemma models.
    public internal(set) var feedForwardPostNorm: RMSNorm?

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

extension TransformerBlock {
    /// Layer `layer` of a graph, its parts made in the order of the computation.
    ///
    /// - Parameters:
    ///   - linear: makes a ternary matrix's layer, with the norm inside it.
    ///   - norm: makes a norm of so many elements; called for those that the graph has.
    package init<E: Error>(
        _ configuration: ModelConfiguration, layer: Int,
        linear: (LinearPart) throws(E) -> BitLinear,
        norm: (NormPart, _ size: Int) throws(E) -> RMSNorm
    ) throws(E) {
        func optional(_ part: NormPart) throws(E) -> RMSNorm? {
            guard let size = configuration.size(of: part) else { return nil }
            return try norm(part, size)
        }
        let c = configuration
        attentionNorm = try norm(.attentionInput, c.hiddenSize)
        attention = Attention(
            query: try linear(.query), key: try linear(.key), value: try linear(.value),
            output: try linear(.output), queryNorm: try optional(.queryHead),
            keyNorm: try optional(.keyHead), headCount: c.headCount,
            keyValueHeadCount: c.keyValueHeadCount, headDimension: c.headDimension,
            queryScalar: c.queryScalar,
            window: c.slidingAttention.flatMap { $0.layers[layer] ? $0.window : nil })
        feedForwardNorm = try norm(.feedForwardInput, c.hiddenSize)
        feedForward = FeedForward(
            gate: try linear(.gate), up: try linear(.up), down: try linear(.down),
            activation: c.activation)
        attentionPostNorm = try optional(.attentionPost)
        feedForwardPostNorm = try optional(.feedForwardPost)
    }

    /// A ternary layer.
    package internal(set) subscript(part: LinearPart) -> BitLinear {
        get {
            switch part {
            case .query: attention.query
            case .key: attention.key
            case .value: attention.value
            case .output: attention.output
            case .gate: feedForward.gate
            case .up: feedForward.up
            case .down: feedForward.down
            }
        }
        set {
            switch part {
            case .query: attention.query = newValue
            case .key: attention.key = newValue
            case .value: attention.value = newValue
            case .output: attention.output = newValue
            case .gate: feedForward.gate = newValue
            case .up: feedForward.up = newValue
            case .down: feedForward.down = newValue
            }
        }
    }

    /// The ternary layers, in the order of the computation.
    var linearLayers: [BitLinear] { LinearPart.allCases.map { self[$0] } }
}

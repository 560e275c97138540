/// Causal self-attention with grouped key-value heads and, in BitNet models, a norm over all heads
/// before the output projection (the sub-norm, which is `output.inputNorm`).
public struct Attention: Sendable {
    /// What a token looks for, `[heads * head size, hidden]`.
    public internal(set) var query: BitLinear
    /// What a token is found by, `[key-value heads * head size, hidden]`.
    public internal(set) var key: BitLinear
    /// What a token gives to those that find it, `[key-value heads * head size, hidden]`.
    public internal(set) var value: BitLinear
    /// What the heads have found, as an addition to the token, `[hidden, heads * head size]`.
    public internal(set) var output: BitLinear
    /// Norm of each query head before the rotation (Qwen3).
    public let queryNorm: RMSNorm?
    /// Norm of each key head before the rotation (Qwen3).
    public let keyNorm: RMSNorm?
    /// Heads of queries.
    public let headCount: Int
    /// Heads of keys and values; each serves as many heads of queries.
    public let keyValueHeadCount: Int
    /// Numbers of a head.
    public let headDimension: Int
    /// What takes the place of the head's size in the scale, where the model has its own.
    var queryScalar: Float?
    /// How many of the last positions a token attends to, its own included; nil for all. Layers
    /// with a window have the local rotation.
    var window: Int?

    private var groups: HeadGroups {
        HeadGroups(
            count: keyValueHeadCount, size: headCount / keyValueHeadCount,
            headDimension: headDimension,
            scale: 1 / (queryScalar ?? Float(headDimension)).squareRoot(), window: window)
    }

    /// Attends from every row of `x` (`[tokens, hidden]`, consecutive positions from
    /// `cache.position` on) to all positions up to its own; the result is in `workspace.projected`.
    func callAsFunction(
        _ x: Activations, layer: Int, cache: borrowing KVCache, workspace: Workspace,
        compute: Compute
    ) {
        let q = workspace.query(x.rows)
        let k = workspace.key(x.rows)
        let v = workspace.value(x.rows)
        compute.apply((query, q), (key, k), (value, v), to: x, scratch: workspace.quantized)
        workspace.probe?(.query, layer: layer, q)
        workspace.probe?(.key, layer: layer, k)
        workspace.probe?(.value, layer: layer, v)

        let layerCache = cache.layer(layer)
        let first = cache.position
        compute.pool.parallel(x.rows, work: x.rows * q.columns * elementWork) { _, rows in
            for row in rows {
                rotate(q[row], heads: headCount, norm: queryNorm, row, workspace, compute.kernels)
                rotate(
                    k[row], heads: keyValueHeadCount, norm: keyNorm, row, workspace,
                    compute.kernels)
                layerCache.store(
                    key: k[row], value: v[row], position: first + row, kernels: compute.kernels)
            }
        }
        let attended = workspace.attended(x.rows)
        if workspace.sequences.isEmpty {
            groups.attend(
                q, layerCache, first: first, scratch: workspace.attention, into: attended, compute)
        }
        for rows in workspace.sequences {
            groups.attend(
                q[rows], layerCache.from(position: rows.lowerBound), first: 0,
                scratch: workspace.attention, into: attended[rows], compute)
        }
        workspace.probe?(.attention, layer: layer, attended)
        compute.apply(
            output, to: attended, into: workspace.projected(x.rows), scratch: workspace.quantized)
        workspace.probe?(
            .outputInput, layer: layer,
            output.inputNorm == nil ? attended : workspace.quantized.normed)
        workspace.probe?(.output, layer: layer, workspace.projected(x.rows))
    }

    private func rotate(
        _ x: BufferView<Float>, heads: Int, norm: RMSNorm?, _ row: Int, _ workspace: Workspace,
        _ kernels: KernelSet
    ) {
        if let norm {
            for head in 0..<heads {
                let vector = x[head * headDimension..<(head + 1) * headDimension]
                norm.apply(vector, into: vector, kernels: kernels)
            }
        }
        let isLocal = window != nil
        kernels.rotate(
            x, heads: heads, cos: isLocal ? workspace.localCos(row) : workspace.cos(row),
            sin: isLocal ? workspace.localSin(row) : workspace.sin(row))
    }
}

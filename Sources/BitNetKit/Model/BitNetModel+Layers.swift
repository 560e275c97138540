// The parts of a loaded model, to be looked at and computed with. Nothing here changes it.
extension BitNetModel {
    /// The layers, from the first to the last, each with its ternary matrices and norms.
    ///
    /// ```swift
    /// let gate = model.layers[3].feedForward.gate.weight
    /// print(gate.rows, gate.columns, gate.statistics().zeroShare)
    /// print(gate.trits(ofRow: 0))
    /// ```
    ///
    /// Names are those of checkpoints: `attention` has `query`, `key`, `value` and `output`,
    /// `feedForward` has `gate`, `up` and `down`. Weights are shared, not copied: a
    /// layer that is kept keeps the weights of all. An index out of range traps.
    public var layers: [TransformerBlock] { transformer.blocks }

    /// The embedding, `[vocabulary, hidden]`: a token's row is what goes into the first layer.
    public var embedding: DenseMatrix { transformer.embedding }

    /// Normalises what comes out of the last layer.
    public var finalNorm: RMSNorm { transformer.finalNorm }

    /// The LM head, `[vocabulary, hidden]`: a row for each token's logit. It is the embedding in
    /// models that tie them.
    public var lmHead: DenseMatrix { transformer.lmHead }
}

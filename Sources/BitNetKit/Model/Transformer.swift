/// Everything of a model that computes: its weights, and what to compute with. Immutable.
///
/// From a token to its logits: the row of `embedding`, every block, `finalNorm`, the LM head.
package struct Transformer: Sendable {
    package let configuration: ModelConfiguration
    package internal(set) var compute: Compute
    /// `[vocabulary, hidden]`.
    package let embedding: DenseMatrix
    package var blocks: [TransformerBlock]
    package let finalNorm: RMSNorm
    /// The LM head, `[vocabulary, hidden]`.
    package var lmHead: DenseMatrix
    /// What a two-stage LM head scans first.
    package var lmHeadScan: LMHeadScan?
    let rotary: RotaryEmbedding
    /// The rotation of layers with a window.
    let localRotary: RotaryEmbedding?

    package init(
        _ configuration: ModelConfiguration, compute: Compute, embedding: DenseMatrix,
        blocks: [TransformerBlock], finalNorm: RMSNorm, lmHead: DenseMatrix,
        ropeDivisors: [Float] = []
    ) {
        self.configuration = configuration
        self.compute = compute
        self.embedding = embedding
        self.blocks = blocks
        self.finalNorm = finalNorm
        self.lmHead = lmHead
        rotary = RotaryEmbedding(
            dimension: configuration.headDimension, base: configuration.ropeBase,
            divisors: ropeDivisors, scaling: configuration.ropeScaling)
        localRotary = configuration.slidingAttention.map {
            RotaryEmbedding(dimension: configuration.headDimension, base: $0.ropeBase)
        }
    }

    /// How the ternary matrices are packed.
    var layout: TernaryLayout { blocks.first?.attention.query.weight.layout ?? .t2 }

    /// Bytes of the packed ternary weights, and of the embedding and the LM head as they are held.
    package var byteCount: (ternary: Int, dense: Int) {
        let ternary = blocks.reduce(0) { sum, block in
            sum + block.linearLayers.reduce(0) { $0 + $1.weight.byteCount }
        }
        let hasOwnLMHead = !configuration.isLMHeadTied || lmHead.type != embedding.type
        let dense = embedding.byteCount + (hasOwnLMHead ? lmHead.byteCount : 0)
        return (ternary, dense + (lmHeadScan?.addedBytes ?? 0))
    }

    /// Neurons of each layer that are left out.
    package var silentNeurons: [Int] { blocks.map { $0.feedForward.silent?.count ?? 0 } }

    /// Bytes of the LM head that a greedy choice reads, but for the few rows that a scan finds.
    package var lmHeadBytesRead: Int { lmHeadScan?.byteCount ?? lmHead.byteCount }

    /// The LM head's type, and how it is scanned.
    package var lmHeadName: String {
        switch lmHeadScan?.type {
        case nil, .q8_0, .q6_K, .q4_0: lmHead.type.rawValue
        case .int8: "\(lmHead.type.rawValue) exact"
        case .int4: "\(lmHead.type.rawValue) fast"
        }
    }

    /// Scratch bytes of the largest matrix product.
    var gemmScratchSize: Int {
        blocks.lazy.flatMap(\.linearLayers)
            .map { compute.kernels.gemmScratchSize($0.weight.trits) }.max() ?? 0
    }
}

/// What a model file or folder holds, found by reading it once, without loading a model.
///
/// ```swift
/// let inspection = try ModelInspection.inspect(URL(fileURLWithPath: "model.gguf"))
/// print(inspection)
/// for tensor in inspection.tensors where tensor.ternary?.zeroRows.isEmpty == false {
///     print(tensor.name)
/// }
/// ```
public struct ModelInspection: Sendable, Hashable, Codable {
    /// One tensor of the file.
    public struct Tensor: Sendable, Hashable, Codable {
        /// The name in the file.
        public let name: String
        /// How the elements are stored, in GGUF's spelling; `U8` is four trits a byte in a folder.
        public let type: String
        /// `[rows, columns]` of the matrix that is meant, or `[count]` of a vector.
        public let shape: [Int]
        /// Bytes in the file.
        public let byteCount: Int
        /// The layer and the kind of a ternary matrix of the graph, for example `mlp.down_proj`; nil
        /// for other tensors, and where the graph is not known.
        public internal(set) var layer: Int?
        public internal(set) var part: String?
        /// What the weights of a ternary matrix are; nil for other tensors.
        public internal(set) var ternary: TernaryContent?
        /// Why a matrix that should be ternary cannot be read; nil where it can.
        public internal(set) var problem: String?

        /// Number of elements.
        public var count: Int { shape.reduce(1, *) }
    }

    /// The file or folder.
    public let path: String
    /// What kind of file it is, for example `GGUF, 3 parts`.
    public let container: String
    /// The model's graph and sizes; nil where the package does not know the graph, for the reason
    /// that `warnings` has.
    public internal(set) var graph: ModelGraph?
    /// All tensors, in the order of the file.
    public internal(set) var tensors: [Tensor]
    /// Neurons of each layer's feed-forward network that are 0 for every input, because their row of
    /// the gate or of `up` is all zero; nil for layers of which one of the two was not read, empty
    /// where the graph is not known.
    public internal(set) var silentNeurons: [Int?] = []
    /// What is odd, and what would keep the model from loading.
    public internal(set) var warnings: [String] = []
    /// The bits that a ternary weight takes; nil without ternary matrices.
    public internal(set) var bits: TernaryBits?
}

/// Bits that a ternary weight takes, on average over a model.
public struct TernaryBits: Sendable, Hashable, Codable {
    /// In the file.
    public let stored: Double
    /// Packed in memory, padding included, in `TernaryLayout.t2` and `.t5`.
    public let t2, t5: Double
    /// For a coder which knows the shares of -1, 0 and +1 in the model.
    public let entropy: Double
}

/// The graph and the sizes of a model, as values to print.
public struct ModelGraph: Sendable, Hashable, Codable {
    /// The model's name, or its file's.
    public let name: String
    /// `bitnet`, `llama`, `qwen3` or `gemma3`.
    public let architecture: String
    /// The non-linearity of the feed-forward network's gate, as configurations spell it.
    public let activation: String
    /// Whether there are norms before the last linear layer of attention and feed-forward network.
    public let hasSubNorms: Bool
    /// Whether every linear layer normalises its own input.
    public let hasLinearNorms: Bool
    /// Whether the LM head is the embedding.
    public let isLMHeadTied: Bool
    /// Number of blocks.
    public let layers: Int
    /// Sizes in elements.
    public let hidden, feedForward, heads, keyValueHeads, headDimension, vocabulary, context: Int

    init(_ c: ModelConfiguration) {
        name = c.name
        architecture = c.architecture.rawValue
        activation = c.activation.rawValue
        hasSubNorms = c.hasSubNorms
        hasLinearNorms = c.hasLinearNorms
        isLMHeadTied = c.isLMHeadTied
        layers = c.layerCount
        hidden = c.hiddenSize
        feedForward = c.feedForwardSize
        heads = c.headCount
        keyValueHeads = c.keyValueHeadCount
        headDimension = c.headDimension
        vocabulary = c.vocabularySize
        context = c.contextLength
    }
}

// MARK: - Sums

extension ModelInspection {
    /// Parameters of the model; a tied LM head counts once, packed scales do not count.
    public var parameterCount: Int {
        tensors.reduce(0) { $0 + ($1.name.hasSuffix(".weight_scale") ? 0 : $1.count) }
    }

    /// Bytes of all tensors in the file.
    public var byteCount: Int { tensors.reduce(0) { $0 + $1.byteCount } }

    /// Number of -1, 0 and +1 in all ternary matrices.
    public var trits: TernaryStatistics {
        let all = ternary.map(\.trits)
        return TernaryStatistics(
            negatives: all.reduce(0) { $0 + $1.negatives }, zeros: all.reduce(0) { $0 + $1.zeros },
            positives: all.reduce(0) { $0 + $1.positives })
    }

    /// Bits that a ternary weight takes in the file, on average; nil without ternary matrices.
    public var storedBitsPerWeight: Double? {
        let matrices = tensors.filter { $0.ternary != nil }
        let weights = matrices.reduce(0) { $0 + $1.count }
        guard weights > 0 else { return nil }
        return Double(matrices.reduce(0) { $0 + $1.byteCount }) * 8 / Double(weights)
    }

    /// Bits that a ternary weight takes in memory once it is packed so, padding included; nil without
    /// ternary matrices.
    public func bitsPerWeight(packedAs layout: TernaryLayout) -> Double? {
        let matrices = tensors.filter { $0.ternary != nil }
        let weights = matrices.reduce(0) { $0 + $1.count }
        guard weights > 0 else { return nil }
        let bytes = matrices.reduce(0) { sum, matrix in
            let (rows, columns) = (matrix.shape[0], matrix.shape[1])
            let group = matrix.ternary?.groupColumns ?? columns
            return sum + layout.byteCount(rows: rows, columns: columns, groupColumns: group)
        }
        return Double(bytes) * 8 / Double(weights)
    }

    private var ternary: [TernaryContent] { tensors.compactMap(\.ternary) }
}

/// Scratch memory of one running sequence, allocated once: decoding a token allocates nothing.
///
/// Has one owner at a time; within a job threads write disjoint parts.
final class Workspace: @unchecked Sendable {
    /// Tokens that one forward pass takes at most.
    let batch: Int
    let quantized: QuantizedActivations
    /// Scores of attention: of a group of heads for each thread.
    let attention: AttentionScratch
    /// Sees every step, when set.
    var probe: ActivationProbe?

    /// The rows of a batch that are sequences of their own, one behind the other from the cache's first
    /// position on; empty where all rows go on with one.
    var sequences: [Range<Int>] = []

    /// What zeros did in the feed-forward networks, when that is to be counted.
    var counts: FeedForwardCounts?
    /// What the feed-forward layers need to leave out zeros.
    var skipping: SkippingScratch

    private let configuration: ModelConfiguration
    private let residualStorage, normedStorage, projectedStorage: AlignedBuffer<Float>
    private let queryStorage, keyStorage, valueStorage, attendedStorage: AlignedBuffer<Float>
    private let gateStorage, upStorage: AlignedBuffer<Float>
    private let cosStorage, sinStorage, localCosStorage, localSinStorage: AlignedBuffer<Float>
    private let logitStorage: AlignedBuffer<Float>

    init(
        _ configuration: ModelConfiguration, batch: Int, contextLength: Int, threads: Int,
        gemmScratch: Int
    ) throws(BitNetError) {
        func floats(_ columns: Int) throws(BitNetError) -> AlignedBuffer<Float> {
            try AlignedBuffer(count: batch * columns, purpose: "activations")
        }
        self.configuration = configuration
        self.batch = batch
        let hidden = configuration.hiddenSize
        let queries = configuration.headCount * configuration.headDimension
        let keyValue = configuration.keyValueHeadCount * configuration.headDimension
        let feedForward = configuration.feedForwardSize
        skipping = try SkippingScratch(configuration, threads: threads)
        quantized = try QuantizedActivations(
            rows: batch, columns: max(hidden, queries, feedForward), threads: threads,
            gemmScratch: gemmScratch)
        residualStorage = try floats(hidden)
        normedStorage = try floats(hidden)
        projectedStorage = try floats(hidden)
        queryStorage = try floats(queries)
        keyStorage = try floats(keyValue)
        valueStorage = try floats(keyValue)
        attendedStorage = try floats(queries)
        gateStorage = try floats(feedForward)
        upStorage = try floats(feedForward)
        cosStorage = try floats(configuration.headDimension / 2)
        sinStorage = try floats(configuration.headDimension / 2)
        let localPairs =
            configuration.slidingAttention == nil ? 0 : configuration.headDimension / 2
        localCosStorage = try floats(localPairs)
        localSinStorage = try floats(localPairs)
        attention = try AttentionScratch(
            threads: threads, groupSize: configuration.headCount / configuration.keyValueHeadCount,
            contextLength: contextLength)
        logitStorage = try AlignedBuffer(count: configuration.vocabularySize, purpose: "logits")
    }

    private func rows(_ rows: Int, _ storage: AlignedBuffer<Float>) -> Activations {
        Activations(storage.view, rows: rows, columns: storage.count / batch)
    }

    func residual(_ tokens: Int) -> Activations { rows(tokens, residualStorage) }
    func normed(_ tokens: Int) -> Activations { rows(tokens, normedStorage) }
    func projected(_ tokens: Int) -> Activations { rows(tokens, projectedStorage) }
    func query(_ tokens: Int) -> Activations { rows(tokens, queryStorage) }
    func key(_ tokens: Int) -> Activations { rows(tokens, keyStorage) }
    func value(_ tokens: Int) -> Activations { rows(tokens, valueStorage) }
    func attended(_ tokens: Int) -> Activations { rows(tokens, attendedStorage) }
    func gate(_ tokens: Int) -> Activations { rows(tokens, gateStorage) }
    func up(_ tokens: Int) -> Activations { rows(tokens, upStorage) }
    func cos(_ token: Int) -> BufferView<Float> { rows(batch, cosStorage)[token] }
    func sin(_ token: Int) -> BufferView<Float> { rows(batch, sinStorage)[token] }
    /// The angles of layers with a window, in models that have some.
    func localCos(_ token: Int) -> BufferView<Float> { rows(batch, localCosStorage)[token] }
    func localSin(_ token: Int) -> BufferView<Float> { rows(batch, localSinStorage)[token] }

    /// Bytes of all its memory, but for the little that leaving out zeros takes.
    var byteCount: Int {
        let buffers = [
            residualStorage, normedStorage, projectedStorage, queryStorage, keyStorage,
            valueStorage, attendedStorage, gateStorage, upStorage, cosStorage, sinStorage,
            localCosStorage, localSinStorage, logitStorage,
        ]
        return buffers.reduce(0) { $0 + $1.count * 4 } + quantized.byteCount + attention.byteCount
    }

    /// Logits of one position, `[vocabulary]`.
    var logits: BufferView<Float> { logitStorage.view }
}

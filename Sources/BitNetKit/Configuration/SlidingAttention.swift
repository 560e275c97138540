/// Layers that see the last tokens only, as in Gemma3.
public struct SlidingAttention: Sendable, Hashable {
    /// Tokens such a layer attends to, the current one included.
    public internal(set) var window: Int
    /// Base of the rotary frequencies of these layers.
    public internal(set) var ropeBase: Float
    /// Whether each layer is one of them.
    public internal(set) var layers: [Bool]

    /// Every layer slides but each `period`-th.
    static func layers(_ count: Int, period: Int) -> [Bool] {
        (0..<max(0, count)).map { period > 0 && ($0 + 1) % period != 0 }
    }

    /// The period that gives these layers, if there is one.
    var period: Int? {
        let first = layers.firstIndex(of: false).map { $0 + 1 } ?? layers.count + 1
        return SlidingAttention.layers(layers.count, period: first) == layers ? first : nil
    }

    func validate(layers count: Int, path: String) throws(BitNetError) {
        guard window > 0, window <= 1 << 24 else {
            throw .invalidMetadata(
                path: path, key: "sliding_window", detail: "\(window) is out of range")
        }
        guard ropeBase.isFinite, ropeBase > 0 else {
            throw .invalidMetadata(
                path: path, key: "rope_local_base_freq", detail: "\(ropeBase) is not usable")
        }
        guard layers.count == count else {
            throw .invalidMetadata(
                path: path, key: "layer_types",
                detail: "\(layers.count) types for \(count) layers")
        }
    }
}

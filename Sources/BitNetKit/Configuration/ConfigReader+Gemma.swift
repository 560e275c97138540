// Gemma3: sizes and settings that other architectures do not have.
extension ConfigReader {
    func headDimension(
        _ architecture: ModelConfiguration.Architecture, _ quotient: Int
    ) throws(BitNetError) -> Int {
        try config.int("head_dim", in: path) ?? (architecture == .gemma3 ? 256 : quotient)
    }

    func queryScalar(
        _ architecture: ModelConfiguration.Architecture
    ) throws(BitNetError) -> Float? {
        architecture == .gemma3 ? try float("query_pre_attn_scalar", default: 256) : nil
    }

    /// Layers with a window: by `layer_types`, else every layer but each sixth or what the pattern
    /// says.
    func slidingAttention(
        _ architecture: ModelConfiguration.Architecture
    ) throws(BitNetError) -> SlidingAttention? {
        guard architecture == .gemma3 else { return nil }
        let layers = try slidingLayers()
        guard layers.contains(true) else { return nil }
        guard let window = try config.int("sliding_window", in: path) else {
            throw invalid("sliding_window", "is missing, but there are layers that have one")
        }
        let settings = try ropeSettings().first { $0.key.hasSuffix("sliding_attention") }
        let nested = try settings?.value.double("rope_theta", in: path).map { Float($0) }
        let flat = try float("rope_local_base_freq", default: 10_000)
        let base = nested ?? flat
        return SlidingAttention(window: window, ropeBase: base, layers: layers)
    }

    private func slidingLayers() throws(BitNetError) -> [Bool] {
        guard let types = try config.array("layer_types", in: path) else {
            let key = "sliding_window_pattern"
            let named = try config.int(key, in: path)
            let underscored = try config.int("_" + key, in: path)
            let period = named ?? underscored ?? 6
            let layers = try int("num_hidden_layers")
            guard period > 0 else { throw invalid(key, "\(period) is not positive") }
            // A number of layers out of range is told later.
            return SlidingAttention.layers(min(layers, 1024), period: period)
        }
        return try types.map { (type) throws(BitNetError) -> Bool in
            switch type.string {
            case "sliding_attention": return true
            case "full_attention": return false
            default:
                throw .unsupportedFeature(path: path, feature: "layer_types", value: "\(type)")
            }
        }
    }
}

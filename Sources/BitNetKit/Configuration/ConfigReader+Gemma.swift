// Gemma3: sizes and settings that other architectures do not have.
extension ConfigReader {
    func queryScalar() throws(BitNetError) -> Float? {
        architecture == .gemma3 ? try float("query_pre_attn_scalar", default: 256) : nil
    }

    /// Layers with a window: by `layer_types`, else every layer but each sixth or what the pattern
    /// says.
    func slidingAttention() throws(BitNetError) -> SlidingAttention? {
        guard architecture == .gemma3 else { return nil }
        let layers = try slidingLayers()
        guard layers.contains(true) else { return nil }
        let key = "sliding_window"
        if config[key] == .null {
            throw invalid(key, "is null, but there are layers with a window")
        }
        return SlidingAttention(
            window: try int(key, default: 4096), ropeBase: try slidingRopeBase(), layers: layers)
    }

    private func slidingLayers() throws(BitNetError) -> [Bool] {
        guard let types = try config.array("layer_types", in: path) else {
            let key = "sliding_window_pattern"
            let period = try int(key, default: 6)
            let layers = try int(Self.layerCount, default: defaults.layerCount)
            // Of this spelling transformers only writes what it has read, and it reads the other.
            let other = try config.int("_" + key, in: path)
            if let other, other != period {
                throw invalid(
                    "_" + key, "is \(other), but the pattern is \(period); give layer_types")
            }
            guard period > 0 else { throw invalid(key, "\(period) is not positive") }
            // validate() refuses a number of layers out of range.
            return SlidingAttention.layers(min(layers, 1024), period: period)
        }
        return try types.map { (type) throws(BitNetError) -> Bool in
            switch type.string {
            case "sliding_attention": return true
            case "full_attention": return false
            default:
                throw unsupported("layer_types", type)
            }
        }
    }
}

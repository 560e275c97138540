extension InferenceContext {
    /// Goes on as if `count` tokens had been read, with noise for the keys and values they would have
    /// left. Memory that nobody has written would be no test: the system maps one page of zeros all
    /// over it, which then stays in cache.
    func appendNoise(_ count: Int) throws(BitNetError) {
        let configuration = transformer.configuration
        let width = configuration.keyValueHeadCount * configuration.headDimension
        let kernels = transformer.compute.kernels
        let shifts = 1024
        var random = SeededGenerator(seed: 0)
        let noise = try AlignedBuffer<Float>(
            (0..<width + shifts).map { _ in Float(random.nextUnit()) - 0.5 },
            purpose: "noise for the KV cache")
        try append(count) { cache, layer, position in
            let shift = (position &* 37 &+ layer &* 101) % (shifts / 2)
            cache.store(
                key: noise.view[shift..<shift + width],
                value: noise.view[shift + shifts / 2..<shift + shifts / 2 + width],
                position: position, kernels: kernels)
        }
    }
}
